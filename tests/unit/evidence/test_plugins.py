"""Evidence of other packages: asked for by name, capped, without policy bounds, and never able to break a Report."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from detect.errors import ConfigError
from detect.evidence import plugins
from detect.evidence.plugins import CAP, Media, examine_all, load_plugins, named_plugins
from detect.types import DecodedImage, Evidence, Interval, MediaFacts, MediaKind, Status

FACTS = MediaFacts("a.png", "0" * 64, 1, MediaKind.IMAGE, "png", "image/png")
PICTURE = Media(FACTS, image=DecodedImage(np.zeros((8, 8, 3), np.uint8), FACTS))


@dataclass
class Toy:
    answer: object = field(default_factory=lambda: Evidence("acme.toy", Status.SCORED, 0.5))
    source: str = "acme.toy"
    version: str = "1"
    kinds: frozenset[MediaKind] = frozenset({MediaKind.IMAGE})

    def examine(self, media: Media) -> Evidence:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]


def install(monkeypatch: pytest.MonkeyPatch, **made: object) -> None:
    entries = [SimpleNamespace(name=name, load=lambda thing=thing: lambda: thing) for name, thing in made.items()]
    monkeypatch.setattr(plugins, "entry_points", lambda group: entries if group == plugins.GROUP else [])


def test_nothing_takes_part_that_was_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, toy=Toy())
    monkeypatch.delenv(plugins.VARIABLE, raising=False)
    assert load_plugins(named_plugins()) == ()
    monkeypatch.setenv(plugins.VARIABLE, " toy , toy")
    assert [examiner.source for examiner in load_plugins(named_plugins())] == ["acme.toy"]


def test_llr_is_capped_and_policy_bounds_are_dropped() -> None:
    wild = Evidence("other.name", Status.SCORED, 9.0, interval=Interval(8.0, 10.0), p_synthetic_floor=0.99)
    (found,) = examine_all([Toy(wild)], PICTURE)
    assert (found.source, found.llr, found.p_synthetic_floor, found.interval) == ("acme.toy", CAP, None, None)
    assert found.details["llr_before_cap"] == 9.0 and found.details["plugin"] == "1"
    (found,) = examine_all([Toy(Evidence("acme.toy", Status.SCORED, -0.5, p_synthetic_ceiling=0.1))], PICTURE)
    assert (found.llr, found.p_synthetic_ceiling) == (-0.5, None)


@pytest.mark.parametrize("answer", [ValueError("no \x1b[31m luck"), None, 0.7], ids=["raises", "nothing", "a number"])
def test_a_plug_in_that_fails_is_a_line_of_the_report(answer: object) -> None:
    (found,) = examine_all([Toy(answer)], PICTURE)
    assert (found.status, found.llr, found.reasons[0].code) == (Status.FAILED, 0.0, "plugin_failed")
    assert "\x1b" not in found.reasons[0].text


def test_other_kinds_of_media_are_not_shown_to_it() -> None:
    assert examine_all([Toy(kinds=frozenset({MediaKind.AUDIO}))], PICTURE) == []


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (object(), "is no examiner"),
        (Toy(source="image.pixels"), "calls its source 'image.pixels'"),
        (Toy(source="toy"), "use <package>.<what>"),
    ],
)
def test_what_is_no_examiner_is_refused(monkeypatch: pytest.MonkeyPatch, made: object, message: str) -> None:
    install(monkeypatch, toy=made)
    with pytest.raises(ConfigError, match=message):
        load_plugins(("toy",))


def test_an_unknown_name_lists_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, toy=Toy())
    with pytest.raises(ConfigError, match=r"no evidence plug-in tyo \(toy\)"):
        load_plugins(("tyo",))
