"""What a working installation needs, one check a function: what is there, and the line that mends what is not.

No check imports torch on a machine without a GPU, opens a socket, or writes outside a temporary folder.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from detect.cli.extras import check_packages, is_installed
from detect.cli.findings import Check, Finding, Level, pip_install
from detect.text import clean_text

_LEAST_FREE_BYTES = 2 * 2**30
"""A long recording is decoded into a temporary file: 3 hours of stereo at 48 kHz are 2 GiB."""


def check_program() -> Iterator[Finding]:
    """Say which program this is."""
    import detect

    home = Path(detect.__file__).resolve().parent
    how = "wheel" if _is_wheel() else "checkout"
    text = f"witnessmark {detect.__version__} ({how}: {home.parent}), Python {platform.python_version()}"
    if detect.__version__.startswith("0+"):
        yield Finding("program", Level.WARN, f"{text}; not installed, only importable", pip_install("."))
        return
    yield Finding("program", Level.OK, f"{text}, {platform.system()} {platform.machine()}")


def check_device() -> Iterator[Finding]:
    """Say where models will run."""
    from detect.networks.device import pick_device

    device = pick_device("auto")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if device == "cpu":
        yield Finding("device", Level.OK, f"cpu, {cores} cores; no CUDA device is visible")
        return
    import torch

    yield Finding("device", Level.OK, f"{device}: {torch.cuda.get_device_name()} (torch {torch.__version__})")


def check_models(folder: Path | None = None) -> Iterator[Finding]:
    """Say which models there are, whether their weights are those that their configs state, and what stays unjudged."""
    from detect.errors import ModelError
    from detect.networks.zoo import list_models, models_dir

    place = models_dir(folder)
    try:
        models = list_models(folder)
    except ModelError as error:
        yield Finding("models", Level.FAIL, clean_text(error, max_characters=300), _install_again())
        return
    if not models:
        mend = "unset WITNESSMARK_MODELS" if os.environ.get("WITNESSMARK_MODELS") else _install_again()
        yield Finding("models", Level.FAIL, f"no models in {place}", mend)
        return
    for model in models:
        try:
            model.verify()
        except ModelError as error:
            yield Finding("models", Level.FAIL, clean_text(error, max_characters=300), _install_again())
            continue
        calibration = model.config["calibration"]
        text = f"{model.name} {model.config['version']} judges {model.config['kind']}; weights {model.ref.sha256[:12]}"
        if not calibration.get("thresholds"):
            yield Finding(
                "models", Level.WARN, f"{text}; without thresholds it accuses nobody", "witnessmark calibrate --help"
            )
        else:
            yield Finding("models", Level.OK, f"{text}; calibration {calibration.get('id', '')}")


def _install_again() -> str:
    """Return the line that brings files of the project back: from the history of a checkout, or by installing anew.

    Without dependencies: PyTorch would be fetched again, gigabytes that are not broken.
    """
    if _is_wheel():
        return pip_install("--force-reinstall --no-deps .    # in the checkout, or the wheel instead of the dot")
    return "git restore models detect    # in the checkout"


def _is_wheel() -> bool:
    import detect

    return (Path(detect.__file__).resolve().parent / "_models").is_dir()


def check_trust() -> Iterator[Finding]:
    """Say whether signers of provenance can be recognised."""
    from detect.provenance.settings import ProvenanceSettings
    from detect.provenance.trust import ListState, load_trust

    settings = ProvenanceSettings()
    folder = settings.resolved_trust_dir()
    lists = {item.name: item for item in load_trust(folder).status(settings.current_time())}
    official = lists["official"]
    if official.state is ListState.MISSING:
        text = f"no official C2PA list in {folder}: manifests are read, their signers are not recognised"
        yield Finding("trust lists", Level.WARN, text, "witnessmark trust update")
        return
    stale = [item.name for item in lists.values() if item.state is ListState.STALE]
    text = f"official list, {official.entries} entries, in {folder}"
    if stale:
        yield Finding(
            "trust lists", Level.WARN, f"{text}; past their update: {', '.join(stale)}", "witnessmark trust update"
        )
    else:
        yield Finding("trust lists", Level.OK, text)


def check_formats() -> Iterator[Finding]:
    """Say which formats will not open here."""
    import av
    from PIL import features

    lacking = [name for name in ("webp", "avif", "jpg_2000") if not features.check(name)]
    if not is_installed("pillow-heif"):
        lacking.append("heif")
    lacking += [
        name for name in ("h264", "hevc", "av1", "vp9", "opus", "mp3", "aac") if name not in av.codecs_available
    ]
    if lacking:
        yield Finding(
            "formats",
            Level.WARN,
            f"no decoder for {', '.join(lacking)}",
            pip_install("--upgrade pillow pillow-heif av"),
        )
    else:
        yield Finding(
            "formats", Level.OK, "JPEG, PNG, WebP, AVIF, HEIF, JPEG 2000; H.264, H.265, AV1, VP9; Opus, MP3, AAC"
        )


def check_child() -> Iterator[Finding]:
    """Decode a small picture in the guarded child, where all untrusted bytes are opened."""
    import io
    import time

    import numpy as np
    from PIL import Image

    from detect.errors import WitnessmarkError
    from detect.media import open_source
    from detect.media.image import decode_image

    held = io.BytesIO()
    Image.fromarray(np.full((16, 16, 3), 90, np.uint8)).save(held, "PNG")
    started = time.perf_counter()
    try:
        with open_source(held.getvalue(), name="check.png") as source:
            decode_image(source)
    except (WitnessmarkError, OSError) as error:
        text = f"the guarded child does not decode: {clean_text(error, max_characters=300)}"
        yield Finding("decoding", Level.FAIL, text, "allow child processes and a writable temporary folder")
        return
    spent = (time.perf_counter() - started) * 1000
    guarded = "no network, no writing" if sys.platform.startswith("linux") else "limits only on this system"
    yield Finding("decoding", Level.OK, f"guarded child ({guarded}) decodes; first picture after {spent:.0f} ms")


def check_places() -> Iterator[Finding]:
    """Say whether there is room for decoded recordings and where the user's own data lie."""
    from detect.provenance.settings import user_data_dir

    folder = Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free
    text = f"temporary files in {folder}, {free / 2**30:.1f} GiB free; own data in {user_data_dir()}"
    if free < _LEAST_FREE_BYTES:
        yield Finding("places", Level.WARN, f"{text}; long recordings need 2 GiB", "export TMPDIR=/a/larger/folder")
    else:
        yield Finding("places", Level.OK, text)


def check_plugins() -> Iterator[Finding]:
    """Say which parts other packages bring, and which of them take part."""
    from detect.errors import ConfigError
    from detect.evidence.plugins import installed_plugins, load_plugins, named_plugins

    named = named_plugins()
    try:
        load_plugins(named)
    except ConfigError as error:
        yield Finding("plug-ins", Level.FAIL, clean_text(error, max_characters=300), "unset WITNESSMARK_PLUGINS")
        return
    for name, entry in sorted(installed_plugins().items()):
        where = f"{name} ({entry.value})"
        if name in named:
            yield Finding("plug-ins", Level.OK, f"evidence {where} takes part")
        else:
            text = f"evidence {where} is installed and does not take part"
            yield Finding("plug-ins", Level.NOTE, text, f"export WITNESSMARK_PLUGINS={name}")


def check_templates() -> Iterator[Finding]:
    """Say whether the files that pages are made of were installed."""
    if any(entry.name.endswith((".html", ".jinja", ".j2")) for entry in _walk("detect.render")):
        return
    yield Finding("program", Level.FAIL, "the templates of the HTML report are missing", _install_again())


def _walk(package: str) -> Iterator[Path]:
    yield from Path(str(resources.files(package))).rglob("*")


CHECKS: tuple[Check, ...] = (
    check_program,
    check_packages,
    check_templates,
    check_device,
    check_models,
    check_formats,
    check_child,
    check_trust,
    check_plugins,
    check_places,
)
