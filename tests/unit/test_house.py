"""The house itself: public door, import cost, layers, models folders, and what the wheel carries."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import detect
from detect.networks.zoo import list_models

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "detect").rglob("*.py"), *(ROOT / "api").rglob("*.py")])
IMPORT_CPU_SECONDS = 0.5
HEAVY = (
    "torch",
    "torchvision",
    "timm",
    "scipy",
    "sklearn",
    "PIL",
    "av",
    "soundfile",
    "c2pa",
    "rich",
    "typer",
    "jinja2",
)
MAX_LINES = 600

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="needs the checkout")


def imported_modules(path: Path) -> set[str]:
    """Return the full names of all modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
    return found


# ---------------------------------------------------------------- the public door


def test_public_names_are_sorted_and_all_resolve() -> None:
    assert detect.__all__ == sorted(detect.__all__)
    for name in detect.__all__:
        assert getattr(detect, name) is not None
    assert dir(detect) == detect.__all__


def test_public_names_for_type_checkers_equal_those_at_run_time() -> None:
    tree = ast.parse((ROOT / "detect" / "__init__.py").read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    imported = {alias.name for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported == set(detect.__all__) - {"__version__"}


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        detect.analyse  # noqa: B018 - the access is the test


def test_every_error_is_public_and_has_its_own_code() -> None:
    errors = importlib.import_module("detect.errors")
    classes = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, detect.WitnessmarkError)
    }
    assert set(classes) <= set(detect.__all__)
    assert len({value.code for value in classes.values()}) == len(classes)


def test_version_is_that_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert detect.__version__ == project["version"]


def test_import_is_cheap_and_loads_nothing_heavy() -> None:
    code = (
        "import resource, sys\n"
        "def used(): r = resource.getrusage(resource.RUSAGE_SELF); return r.ru_utime + r.ru_stime\n"
        "before = used(); import detect; import detect.types; after = used()\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules]); print(after - before)"
    )
    command = [sys.executable, "-c", code]
    best = None
    for _ in range(3):
        heavy, seconds = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        assert heavy == "[]"
        best = min(float(seconds), best if best is not None else float(seconds))
    assert best is not None
    assert best < IMPORT_CPU_SECONDS


@pytest.mark.parametrize(
    "name", ["detect.media", "detect.fusion", "detect.types", "detect.errors", "detect.provenance"]
)
def test_parts_below_the_networks_import_without_torch(name: str) -> None:
    code = f"import sys, {name}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- layers and files


def test_layers_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_imports_a_module_called_models() -> None:
    guilty = [path for path in SOURCES if any(name.split(".")[0] == "models" for name in imported_modules(path))]
    assert guilty == []


def test_library_never_prints() -> None:
    guilty = []
    for path in SOURCES:
        if "cli" in path.parts or path.name == "child.py":
            continue
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        if any(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls):
            guilty.append(path)
    assert guilty == []


def test_no_file_is_longer_than_the_hard_stop() -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}


def test_every_package_says_what_it_is_for() -> None:
    silent = [
        path
        for path in SOURCES
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


# ---------------------------------------------------------------- models


@pytest.mark.parametrize("model", list_models(ROOT / "models"), ids=lambda model: model.name)
def test_model_folder_is_complete_and_its_weights_are_those_stated(model) -> None:  # type: ignore[no-untyped-def]
    model.verify()
    assert model.weights.stat().st_size <= 45_000_000
    for name in ("README.md", "recipe.toml", "metrics.json"):
        assert (model.path / name).stat().st_size > 0
    tomllib.loads((model.path / "recipe.toml").read_text(encoding="utf-8"))
    json.loads((model.path / "metrics.json").read_text(encoding="utf-8"))


def test_models_folder_is_data_and_no_package() -> None:
    assert not list((ROOT / "models").rglob("*.py"))


# ---------------------------------------------------------------- the wheel


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_wheel_carries_packages_models_templates_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"detect", "api"}
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "models"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    expected = {f"detect/_models/{path.removeprefix('models/')}" for path in tracked if path}
    assert expected <= names
    assert {"detect/py.typed", "detect/render/templates/report.css", "detect/render/templates/page.html.j2"} <= names
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]
