"""What a page's code registers is gone after its test: other tests list the same registry."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from detect.provenance.watermark import WATERMARK_PLUGINS


@pytest.fixture(autouse=True)
def own_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(WATERMARK_PLUGINS, "_entries", dict(WATERMARK_PLUGINS._entries))
    yield
