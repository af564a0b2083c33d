"""The timeline: a score for each second of frames, faces and sound, in JSON and on the page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.timeline import MAX_SECONDS, timeline_of
from tests.unit.api.clips import clip_report, make_clip
from tests.unit.api.conftest import Rig


def test_every_lane_has_a_score_for_each_second() -> None:
    timeline = timeline_of(clip_report())
    assert (timeline.duration_s, timeline.step_s) == (6.0, 1.0)
    lanes = {(lane.source, lane.face): [score.p_synthetic for score in lane.scores] for lane in timeline.lanes}
    assert set(lanes) == {("video.frames", None), ("face.swap", 1), ("face.swap", 2), ("audio.speech", None)}
    assert lanes["video.frames", None] == pytest.approx([0.1, 0.12, 0.14, 0.16, 0.18, 0.2])
    assert lanes["face.swap", 2] == [None, None, 0.9, 0.9, None, None]
    assert lanes["audio.speech", None] == [pytest.approx(0.4)] * 4 + [None] * 2
    assert [(score.start_s, score.end_s) for score in timeline.lanes[0].scores][-1] == (5.0, 6.0)
    assert [(item.source, item.spans[0].label) for item in timeline.evidence] == [("face.swap", "face 2")]


def test_very_long_media_get_wider_steps() -> None:
    report = clip_report()
    assert report.media is not None
    timeline = timeline_of(replace(report, media=replace(report.media, duration_s=2.5 * MAX_SECONDS)))
    assert timeline.step_s == 3.0
    assert len(timeline.lanes[0].scores) <= MAX_SECONDS


def test_page_shows_stills_faces_scrubber_and_the_table_twin(rig: Rig) -> None:
    made = rig.submit(make_clip(), name="clip.mp4").json()
    timeline = rig.client.get(f"/v1/analyses/{made['id']}/timeline.json").json()
    assert [lane["face"] for lane in timeline["lanes"]] == [None, 1, 2, None]
    page = rig.client.get(f"/a/{made['id']}").text
    for words in ("Face 1", "Face 2", "Frame at 0:00.2", "The same as a table", "Moment of the clip in seconds"):
        assert words in page
    assert page.count('class="still"') > 1
    assert page.count("data:image/jpeg;base64,") >= 4
    assert (
        page.count('height="34" fill="url(#time-') == page.count('class="mark" x=') - page.count("url(#clip-hatch)") > 0
    )
    german = rig.client.get(f"/a/{made['id']}?lang=de").text
    for words in ("Gesicht 2", "Bild bei 0:00.2", "Dasselbe als Tabelle", ">Bilder<", ">Ton<"):
        assert words in german
