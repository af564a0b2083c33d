"""Make the plain client from the asynchronous one, so that what both do stands once.

python scripts/sync_client.py           # writes detect/client/sync.py; a test compares it with what this makes
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "detect" / "client"

# In this order; every text must occur, so that a rule which nothing needs any more is seen.
RULES = (
    ('"""The asynchronous client; `scripts/sync_client.py` makes the plain one from this file."""', None),
    ("import asyncio\n", ""),
    ("AsyncIterator, Iterable", "Iterable, Iterator"),
    ("AsyncIterator", "Iterator"),
    ("AsyncBaseTransport", "BaseTransport"),
    ("AsyncClient", "Client"),
    ("__aenter__", "__enter__"),
    ("__aexit__", "__exit__"),
    ("aclose", "close"),
    ("async with", "with"),
    ("async def", "def"),
    ("asyncio.sleep", "time.sleep"),
    ("await ", ""),
    ("for item in page.items:\n                yield item\n", "yield from page.items\n"),
)
HEAD = '"""The plain client; made from `asynchronous.py` by `scripts/sync_client.py`: change that file instead."""'


def make_sync(source: str) -> str:
    """Return the source of the plain client.

    Raises:
        ValueError: A rule finds nothing to replace.
    """
    for old, new in RULES:
        if old not in source:
            raise ValueError(f"nothing to replace: {old!r}")
        source = source.replace(old, HEAD if new is None else new)
    return source


if __name__ == "__main__":
    made = make_sync((FOLDER / "asynchronous.py").read_text(encoding="utf-8"))
    (FOLDER / "sync.py").write_text(made, encoding="utf-8")
