"""Which packages are installed: the required ones, and those of every extra, with what each extra is good for."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from importlib import metadata

from detect.cli.findings import Finding, Level, pip_install

DISTRIBUTION = "witnessmark"
_REQUIREMENT = re.compile(r"^(?P<name>[\w.-]+)(?P<rest>[^;]*)(?:;(?P<marker>.*))?$")
_EXTRA = re.compile(r"""extra\s*==\s*['"](?P<extra>[\w-]+)['"]""")
_MOST_NAMES = 4

WHAT_EXTRAS_BRING = {  # in the order of the lines: what changes answers comes first
    "faces": "faces in pictures and clips are found and judged",
    "watermark": "voice watermarks (Perth) are read",
    "known": "near-copies of known files are recognised",
    "report": "reports as PDF",
    "serve": "the HTTP API and the page",
    "client": "the Python client of the API",
    "postgres": "PostgreSQL for jobs of the service",
    "otel": "traces of the service",
    "scale": "scans over many machines",
    "remote": "files over HTTP and in S3",
    "hub": "models from and to a hub",
    "bench": "MesoNet weights in the benchmark",
    "train": "a start for training the picture model",
    "train-speech": "starts, voices and vocoder copies for training the speech model",
    "demo": "photographs for the first look (scripts/try.sh)",
    "docs": "building the documentation",
    "dev": "tools of development",
}
FOR_ANSWERS = ("faces", "watermark", "known")
"""Extras that add evidence; without them an answer rests on less."""
_FOR_DEVELOPERS = ("dev", "docs", "demo", "train", "train-speech")

_SYSTEM_LIBRARIES = {  # extra -> module that opens one, what fails without it, Debian's packages, Homebrew's
    "report": ("weasyprint", "nothing is drawn: Pango", "libpango-1.0-0 libpangoft2-1.0-0", "pango"),
    "known": ("chromaprint", "recordings are not: Chromaprint", "libchromaprint1", "chromaprint"),
}


def check_packages() -> Iterator[Finding]:
    """Say which required packages are missing and which optional parts are complete."""
    try:
        requirements = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield Finding("packages", Level.FAIL, "the distribution is not installed", pip_install("."))
        return
    core, extras = _sort(requirements)
    missing = [name for name in core if not is_installed(name)]
    if missing:
        yield Finding("packages", Level.FAIL, f"missing: {', '.join(missing)}", pip_install(" ".join(missing)))
    else:
        shown = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "timm", "onnxruntime", "av"))
        yield Finding("packages", Level.OK, f"all {len(core)} required packages: {shown}, ...")
    order = [*WHAT_EXTRAS_BRING, *sorted(set(extras) - set(WHAT_EXTRAS_BRING))]
    for extra in (extra for extra in order if extra in extras):
        what = WHAT_EXTRAS_BRING.get(extra, "more")
        lacking = [name for name in extras[extra] if not is_installed(name)]
        if not lacking:
            yield _loaded(extra, what)
        elif extra not in _FOR_DEVELOPERS:
            text = f"{extra} is not installed: {what}; lacks {_shorten(lacking)}"
            yield Finding("extras", Level.NOTE, text, pip_install(f"'{DISTRIBUTION}[{extra}]'"))


def _loaded(extra: str, what: str) -> Finding:
    """Return whether an installed extra also works: some open a library of the system, which pip cannot bring."""
    if extra in _SYSTEM_LIBRARIES:
        module, lost, debian, homebrew = _SYSTEM_LIBRARIES[extra]
        try:
            importlib.import_module(module)
        except (ImportError, OSError):
            mend = f"brew install {homebrew}" if sys.platform == "darwin" else f"sudo apt-get install {debian}"
            return Finding("extras", Level.WARN, f"{extra}: {what}; {lost}, a library of the system, is missing", mend)
    return Finding("extras", Level.OK, f"{extra}: {what}")


def _shorten(names: list[str]) -> str:
    rest = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def _sort(requirements: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return required names, and names by extra; parts that include other extras of ours name nothing themselves."""
    core: list[str] = []
    extras: dict[str, list[str]] = {}
    for line in requirements:
        match = _REQUIREMENT.match(line.replace(" ", ""))
        if match is None:
            continue
        name = match["name"]
        extra = _EXTRA.search(match["marker"] or "")
        if extra is None:
            core.append(name)
        elif name.lower() != DISTRIBUTION:
            extras.setdefault(extra["extra"], []).append(name)
    return core, extras


def is_installed(name: str) -> bool:
    """Say whether a distribution of that name is installed."""
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
