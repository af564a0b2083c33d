"""What all recipes share: a TOML file whose `[recipe]` table says what it makes, and tables that become dataclasses."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from detect.errors import ConfigError

T = TypeVar("T")
_REQUIRED = ("kind", "name", "version")


@dataclass(frozen=True)
class RecipeFile:
    """A recipe as read: its head, and its other tables still as TOML."""

    path: Path
    kind: str
    name: str
    version: str
    seed: int
    license: str
    tables: Mapping[str, Any]

    def part(self, kind: type[T], name: str) -> T:
        """Build one table's dataclass, lists as tuples.

        An unknown key is an error, since a typo would silently train something else.

        Raises:
            ConfigError: An unknown or missing key.
        """
        table = dict(self.tables.get(name, {}))
        known = {item.name for item in fields(kind)}  # type: ignore[arg-type]
        if unknown := sorted(table.keys() - known):
            raise ConfigError(
                f"recipe {self.path}: [{name}] has unknown keys {', '.join(unknown)} (known: {sorted(known)})"
            )
        table = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
        try:
            return kind(**table)
        except TypeError as error:
            raise ConfigError(f"recipe {self.path}: [{name}] {error}") from error


def open_recipe(path: Path, *, kind: str = "") -> RecipeFile:
    """Read a recipe's file and check its head.

    Args:
        path: A `recipe.toml`.
        kind: What it must make; empty = anything.

    Raises:
        ConfigError: Unreadable, no TOML, a key of `[recipe]` is missing, or it makes something else.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"recipe {path} cannot be read: {error}") from error
    head = tables.get("recipe", {})
    missing = [key for key in _REQUIRED if key not in head]
    if missing:
        raise ConfigError(f"recipe {path}: [recipe] lacks {', '.join(missing)}")
    if kind and head["kind"] != kind:
        raise ConfigError(f"recipe {path}: [recipe] kind is {head['kind']!r}, expected {kind!r}")
    return RecipeFile(
        path=path,
        kind=str(head["kind"]),
        name=str(head["name"]),
        version=str(head["version"]),
        seed=int(head.get("seed", 0)),
        license=str(head.get("license", "Apache-2.0")),
        tables=tables,
    )
