"""MkDocs hook: the parts of the documentation that are made from the program itself, so that they cannot grow stale.

The command's reference comes from its help when the site is built. The layers come from the import contract and every
folder's line from its package; both stand in `docs/explain/layers.md`, for those who read it without the site:
`python scripts/pages.py` writes them, and `tests/docs` compares.
"""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

# Folders that hold no package, and so no docstring to read.
PURPOSES = {
    ".ci": "What continuous integration runs.",
    ".github": "The same for GitHub, and forms for issues.",
    "benchmarks": "Scripts that measure speed, capacity and known failures, and the figures they left in `results/`.",
    "docs": "This documentation; `mkdocs.yml` beside it builds the site.",
    "examples": "Code to read and copy: a notebook, a plug-in package, a generated picture.",
    "models": "Data only: one folder a trained model, with card, config, recipe, weights and figures.",
    "scripts": "What `make` calls.",
    "tests": "`unit/` mirrors the import paths, `integration/` decodes and trains, `security/` attacks, `e2e/` serves.",
}


def render_command_page() -> str:
    """Return the reference of the command from the help of every command and sub-command."""
    from typer.main import get_command

    from detect.cli.app import available, build_app

    parts = [
        "# Command\n",
        "Made from the command's own help by `scripts/pages.py`. Exit codes: 0 done; 1 a file could not be judged, or "
        "the run failed; 2 wrong arguments; 3 a verdict named by `--fail-on` occurred; 130 interrupted.\n",
        "Completion for bash, zsh, fish and PowerShell: `witnessmark --install-completion`.\n",
    ]
    for name, row in available().items():
        command = get_command(build_app(name)).commands[name]  # type: ignore[attr-defined]
        parts.append(f"## witnessmark {name}\n\n{row.summary}\n")
        parts += _describe(command, f"witnessmark {name}")
    return "\n".join(parts)


def _describe(command: object, path: str) -> Iterator[str]:
    children = getattr(command, "commands", None)
    if children:
        for name, child in children.items():
            yield f"### {path} {name}\n"
            yield from _describe(child, f"{path} {name}")
        return
    text = re.sub(r"\s+", " ", (command.help or "").replace("\b", "")).strip()  # type: ignore[attr-defined]
    if text:
        yield f"{_escape(text)}\n"
    rows = [row for row in (_row(parameter) for parameter in command.params) if row]  # type: ignore[attr-defined]
    if rows:
        yield "| | default | |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"


def _row(parameter: object) -> str:
    if parameter.param_type_name == "argument":  # type: ignore[attr-defined]
        word = (parameter.metavar or parameter.name).upper()  # type: ignore[attr-defined]
    else:
        word = ", ".join([*parameter.opts, *parameter.secondary_opts])  # type: ignore[attr-defined]
    if word == "--help, -h" or getattr(parameter, "hidden", False):
        return ""
    default = parameter.default  # type: ignore[attr-defined]
    shown = "" if default in (None, "", False) or callable(default) else f"`{getattr(default, 'value', default)}`"
    return f"| `{word}` | {_escape(shown)} | {_escape(getattr(parameter, 'help', '') or '')} |"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ").replace("*", "\\*")


def read_layers() -> list[str]:
    """Return the layers of the import contract, top first, as they stand in pyproject.toml."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    return list(layers)


def render_layers() -> str:
    """Return the layers as a block of text, the twin in words of the picture."""
    return "```text\n" + "\n".join(read_layers()) + "\n```"


def draw_layers() -> str:
    """Return the layers as SVG: a row a layer, a box a package; imports go down, never up or sideways."""
    width, row, box = 760, 58, 34
    rows = [[name.strip() for name in layer.split("|")] for layer in read_layers()]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {row * len(rows)}" role="img" '
        'aria-label="The layers of the code; imports point downwards only" font-family="sans-serif" font-size="15">',
        '<g fill="#eef2f5" stroke="#546e7a" stroke-width="1.5">',
    ]
    texts = []
    for number, names in enumerate(rows):
        top, wide = row * number + 4, (width - 8 - 12 * (len(names) - 1)) / len(names)
        for place, name in enumerate(names):
            left = 4 + place * (wide + 12)
            parts.append(f'<rect x="{left:g}" y="{top}" width="{wide:g}" height="{box}" rx="6"/>')
            texts.append(f'<text x="{left + wide / 2:g}" y="{top + 22}">{name}</text>')
    arrows = [
        f'<path d="M{width / 2:g} {row * number + 4 + box}v14m-5 -6l5 6l5 -6"/>' for number in range(len(rows) - 1)
    ]
    return "\n".join(
        [
            *parts,
            '</g><g text-anchor="middle" fill="#1f2933">',
            *texts,
            '</g><g fill="none" stroke="#78909c" stroke-width="2">',
            *arrows,
            "</g></svg>\n",
        ]
    )


def render_folders() -> str:
    """Return every folder that is tracked, with its purpose: a package's first line, or the table above."""
    rows = ["| folder | purpose |", "| --- | --- |"]
    tracked = subprocess.run(
        ["git", "ls-files", "detect", "api"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    packages = sorted({str(Path(path).parent) for path in tracked if path.endswith("__init__.py")})
    for folder in [*packages, *sorted(PURPOSES)]:
        if folder in PURPOSES:
            purpose = PURPOSES[folder]
        else:
            source = (ROOT / folder / "__init__.py").read_text(encoding="utf-8")
            purpose = (ast.get_docstring(ast.parse(source)) or "").split("\n\n")[0].replace("\n", " ")
        if (ROOT / folder).is_dir():
            rows.append(f"| `{folder}` | {_escape(purpose)} |")
    return "\n".join(rows)


def fill(text: str, name: str, content: str) -> str:
    """Return the text with the block between `<!-- name -->` and `<!-- /name -->` replaced."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"no block {name}")
    return pattern.sub(lambda match: f"{match[1]}{content}\n{match[2]}", text)


def complete_menu(menu: list[Any]) -> list[Any]:
    """Return the menu with every guide (a page at the top of `docs/`) in it; those not named come last, by title."""
    named = re.findall(r"[\w/-]+\.md", str(menu))
    guides = [{_title_of(page): page.name} for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in named]
    return [{"Guides": [*entry["Guides"], *guides]} if "Guides" in entry else entry for entry in menu]


def _title_of(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def on_config(config: Any) -> Any:
    """Complete the menu (called by MkDocs once)."""
    config["nav"] = complete_menu(config["nav"])
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return a page's text with its generated parts (called by MkDocs for every page)."""
    if page.file.src_uri == "reference/command.md":
        return render_command_page()
    if page.file.src_uri == "explain/layers.md":
        return fill_layers(markdown)
    return markdown


def fill_layers(markdown: str) -> str:
    """Return the page of layers and folders as the contract and the packages of today make it."""
    return fill(fill(markdown, "layers", render_layers()), "folders", render_folders())


if __name__ == "__main__":
    page_of_layers = ROOT / "docs" / "explain" / "layers.md"
    page_of_layers.write_text(fill_layers(page_of_layers.read_text(encoding="utf-8")), encoding="utf-8")
    (ROOT / "docs" / "images" / "layers.svg").write_text(draw_layers(), encoding="utf-8")
