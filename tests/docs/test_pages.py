"""Documentation: every block runs, links lead somewhere, the layers are those enforced, the site builds strictly."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
import yaml
from PIL import Image

from detect.networks.zoo import list_models
from detect.render.words import VERDICT_TITLES
from tests.docs.pages import RUNNABLE, Shell, commands, read_blocks, run_page
from tests.serving import serving

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md"))
ALL = [
    *PAGES,
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted(path for folder in ("models", "benchmarks", "examples") for path in (ROOT / folder).rglob("README.md")),
]
NAMES = [str(page.relative_to(DOCS)) for page in PAGES]
SERVED = "tutorials/moderation.md"
RUN = [page for page in PAGES if any(block.language in RUNNABLE for block in read_blocks(page.read_text("utf-8")))]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that pages speak of; the user's own data lie below it."""
    rows, columns = np.mgrid[0:240, 0:320]
    for index, name in enumerate(("photo.jpg", "hoax.jpg", "pictures/a.jpg", "inbox/b.jpg")):
        noise = np.random.default_rng(index).normal(0, 6, (240, 320, 3))
        pixels = np.stack([rows / 2, columns / 2, (rows + columns) / 3], axis=2) + noise
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(tmp_path / name, quality=90)
    tone = 0.2 * np.sin(2 * np.pi * 220 * np.arange(32_000) / 16_000)
    soundfile.write(tmp_path / "song.wav", tone, 16_000)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("WITNESSMARK_DATA_DIR", str(tmp_path / "own"))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.fixture
def server(desk: Path) -> Iterator[str]:
    """The service as the tutorial starts it, on a free port."""
    with serving() as url:
        yield url


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not list_models(), reason="needs the trained models")
@pytest.mark.parametrize("page", RUN, ids=[str(page.relative_to(DOCS)) for page in RUN])
def test_every_block_of_the_page_runs(page: Path, desk: Path, request: pytest.FixtureRequest) -> None:
    name = str(page.relative_to(DOCS))
    text = page.read_text(encoding="utf-8")
    replaced = {}
    if name == SERVED:
        replaced = {"http://127.0.0.1:8000": request.getfixturevalue("server")}
        text = text.replace("http://127.0.0.1:8000", replaced["http://127.0.0.1:8000"])
    run_page(text, name=name, shell=Shell(replaced=replaced))


def test_what_is_not_run_says_why_and_is_the_exception() -> None:
    blocks = [block for page in PAGES for block in read_blocks(page.read_text(encoding="utf-8"))]
    ran = [block for block in blocks if block.language in RUNNABLE and not block.not_run]
    not_run = [block for block in blocks if block.not_run]
    assert all(len(block.not_run) > 8 for block in not_run)
    assert len(ran) > 2 * len(not_run)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_data_in_pages_is_well_formed(page: Path) -> None:
    for block in read_blocks(page.read_text(encoding="utf-8")):
        if block.language == "toml":
            tomllib.loads(block.code)
        elif block.language == "json":
            json.loads(block.code)


@pytest.mark.parametrize("page", [page for page in ALL if page.is_file()], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor and file.suffix == ".md":
            assert anchor in headings(file.read_text(encoding="utf-8")), f"{page.name}: {target}"


def headings(text: str) -> set[str]:
    """Return the anchors of a page as Markdown sites make them."""
    found = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in found}


def pages_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pages_hook", ROOT / "scripts" / "pages.py")
    assert spec is not None and spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return hook


def test_layers_and_folders_are_drawn_as_the_contract_and_the_packages_have_them() -> None:
    page = (DOCS / "explain/layers.md").read_text(encoding="utf-8")
    assert "detect.cli" in page.partition("<!-- layers -->")[2].partition("<!-- /layers -->")[0]
    if (ROOT / ".git").exists():  # a package of the sources has no list of what is tracked
        assert page == pages_script().fill_layers(page), "run: python scripts/pages.py"
    assert (DOCS / "images/layers.svg").read_text(encoding="utf-8") == pages_script().draw_layers()


def test_every_page_is_reached_from_the_menu() -> None:
    class Loader(yaml.SafeLoader):
        """Reads mkdocs.yml, whose tags name Python objects, without making them."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)
    menu = pages_script().complete_menu(yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)["nav"])
    assert sorted(re.findall(r"[\w/-]+\.md", json.dumps(menu))) == sorted(NAMES)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_site_builds_without_a_warning_and_asks_nobody(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings_handlers.python")
    pytest.importorskip("material")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    loaded = [
        address
        for page in pages
        for address in re.findall(r'<(?:script|img|link)[^>]*(?:src|href)="(https?://[^"]+)"', page.read_text("utf-8"))
    ]
    assert loaded == []
    assert (tmp_path / "site/search/search_index.json").is_file()
    assert "witnessmark bench card" in (tmp_path / "site/reference/command.html").read_text("utf-8")
    assert 'id="detect.analyzer.Analyzer"' in (tmp_path / "site/reference/python.html").read_text("utf-8")


def test_console_lines_are_read_as_people_type_them() -> None:
    (block,) = read_blocks("```console\n$ witnessmark a.jpg  # words\noutput\n$ witnessmark b \\\n  --json\n```\n")
    assert commands(block) == ["witnessmark a.jpg", "witnessmark b    --json"]


def test_the_journalists_page_names_the_answers_as_reports_do() -> None:
    page = (DOCS / "tutorials/journalist.md").read_text(encoding="utf-8")
    for verdict, title in VERDICT_TITLES.items():
        assert f"**{title}** (`{verdict}`)" in page
