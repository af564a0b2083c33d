"""One generic, lazy registry: names to objects, with hints for near misses.

PERTURBATIONS: Registry[Perturbation] = Registry("perturbation")

@PERTURBATIONS.register("jpeg")
def jpeg(...): ...

DETECTORS.add("ours", "detect.bench.ours:create")   # a string is imported at first use
PERTURBATIONS.get("jpg")                             # ConfigError: unknown perturbation 'jpg'; did you mean 'jpeg'?
"""

from __future__ import annotations

import difflib
import fnmatch
import importlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from detect.errors import ConfigError

T = TypeVar("T")


class Registry(Generic[T]):
    """Named objects of one kind; strings of the form `module:name` resolve at first use."""

    def __init__(self, noun: str) -> None:
        self.noun = noun
        self._entries: dict[str, T | str] = {}
        self._lock = threading.Lock()

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that adds the decorated object under `name`."""

        def decorate(item: T) -> T:
            self.add(name, item)
            return item

        return decorate

    def add(self, name: str, item: T | str) -> None:
        """Add an object, or a `module:name` string that is imported at first use.

        Raises:
            ConfigError: The name is taken.
        """
        with self._lock:
            if name in self._entries:
                raise ConfigError(f"{self.noun} {name!r} is registered twice")
            self._entries[name] = item

    def get(self, name: str) -> T:
        """Return the object of that name.

        Raises:
            ConfigError: No such name; the message holds the nearest names and all that exist.
        """
        with self._lock:
            if name not in self._entries:
                near = difflib.get_close_matches(name, self._entries, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                known = ", ".join(sorted(self._entries)) or "none"
                raise ConfigError(f"unknown {self.noun} {name!r}{hint} (known: {known})")
            item = self._entries[name]
        if isinstance(item, str):
            module, _, attribute = item.partition(":")
            item = cast(T, getattr(importlib.import_module(module), attribute))
            with self._lock:
                self._entries[name] = item
        return item

    def list(self, pattern: str = "*") -> list[str]:
        """Return the sorted names that match a shell pattern."""
        return sorted(name for name in self._entries if fnmatch.fnmatchcase(name, pattern))

    def __contains__(self, name: object) -> bool:
        return name in self._entries
