"""Face evidence: tracks through a clip, refusals with reasons, and the ratio of several faces."""

import numpy as np
import pytest

from detect.evidence.faces import FaceExaminer, FaceTally, mean_ratio
from detect.fusion import Calibration, ThresholdRow
from detect.networks.face.detector import Face
from detect.types import Finding, ModelRef, Status


def face_at(x: float, y: float, side: float = 90.0, score: float = 0.9) -> Face:
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]) * side + [x, y]
    return Face((x, y, side, side), score, points)


class Script:
    """Stands for a detector: the upper left pixel of a frame names the list of faces to find."""

    name = "script"

    def __init__(self, scenes):
        self.scenes = scenes

    def find(self, pixels):
        return self.scenes[int(pixels[0, 0, 0])]


class Brightness:
    """Stands for the face model: brightness around 128, in units of 16."""

    def score(self, patches):
        return [np.full((4, 4), (float(patch.mean()) - 128) / 16) for patch in patches]


def make(scenes) -> FaceExaminer:
    calibration = Calibration("test", 1.0, 0.0, 4.0, (ThresholdRow(0.02, 2.0, -2.0),))
    return FaceExaminer(Script(scenes), Brightness(), calibration, model=ModelRef("face", "0", "0" * 64), margin=1.25)


def frame(scene: int, level: float = 128.0, seed: int = 0) -> np.ndarray:
    pixels = np.random.default_rng(seed).normal(level, 20, (240, 400, 3)).clip(0, 255).astype(np.uint8)
    pixels[0, 0, 0] = scene
    return pixels


def watch(examiner: FaceExaminer, frames):
    tally = FaceTally()
    examiner.add(tally, [(float(n), pixels) for n, pixels in enumerate(frames)])
    return examiner.finish(tally)


def test_a_face_that_moves_is_one_track():
    examiner = make([[face_at(20 + 30 * n, 60)] for n in range(6)])
    evidence = watch(examiner, [frame(n) for n in range(6)])
    assert evidence.status is Status.SCORED
    assert [row["views"] for row in evidence.details["tracks"]] == [6]
    assert evidence.details["tracks"][0]["thumbnail"].startswith("data:image/jpeg;base64,")
    assert evidence.where.spans[0].label == "face 1"


def test_two_faces_are_two_tracks_and_share_the_evidence():
    examiner = make([[face_at(20, 60), face_at(250, 60)]])
    evidence = watch(examiner, [frame(0, level=160)] * 5)
    assert len(evidence.details["tracks"]) == 2
    assert evidence.finding is Finding.MANIPULATED and evidence.llr == pytest.approx(2.0, abs=0.2)


def test_a_face_that_returns_after_a_cut_starts_anew():
    examiner = make([[face_at(20, 60)], []])
    evidence = watch(examiner, [frame(number) for number in (0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0)])
    assert [row["views"] for row in evidence.details["tracks"]] == [3, 2]


@pytest.mark.parametrize(
    ("faces", "level", "code"),
    [
        pytest.param([], 128, "face_none", id="none"),
        pytest.param([face_at(20, 60, side=40)], 128, "face_too_small", id="small"),
        pytest.param([face_at(20, 60, score=0.55)], 128, "face_none", id="doubtful"),
    ],
)
def test_faces_that_cannot_be_judged_are_refused_with_a_reason(faces, level, code):
    evidence = watch(make([faces]), [frame(0, level)] * 4)
    assert evidence.status is Status.NOT_APPLICABLE and evidence.llr == 0.0
    assert [item.code for item in evidence.reasons] == [code]


def test_a_blurred_face_is_refused():
    flat = np.full((240, 400, 3), 128, np.uint8)
    flat[0, 0, 0] = 0
    evidence = watch(make([[face_at(20, 60)]]), [flat] * 4)
    assert [item.code for item in evidence.reasons] == ["face_blurred"]


def test_a_face_seen_once_is_too_brief():
    evidence = watch(make([[face_at(20, 60)], []]), [frame(0), frame(1), frame(1)])
    assert [item.code for item in evidence.reasons] == ["face_too_brief"]


def test_a_picture_names_its_faces_as_regions():
    evidence = make([[face_at(20, 60)]]).examine_picture(frame(0, level=180))
    assert evidence.status is Status.SCORED and evidence.llr > 2.0
    region = evidence.where.regions[0]
    assert (region.x, region.y, region.width, region.label) == (20, 60, 90, "face")


def test_in_a_picture_a_face_counts_only_beyond_its_threshold():
    evidence = make([[face_at(20, 60)]]).examine_picture(frame(0, level=145))
    assert evidence.status is Status.SCORED and evidence.llr == 0.0
    assert evidence.details["llr_seen"] == pytest.approx(1.06, abs=0.2)


def test_the_ratio_of_several_faces_is_their_mean_and_a_crowd_dilutes_one():
    assert mean_ratio([3.0]) == pytest.approx(3.0)
    assert mean_ratio([2.0, 2.0]) == pytest.approx(2.0)
    assert mean_ratio([3.0] + [-3.0] * 9) == pytest.approx(3.0 - np.log(10), abs=0.03)


def test_faces_that_look_natural_acquit_nobody():
    evidence = watch(make([[face_at(20, 60)]]), [frame(0, level=90)] * 4)
    assert evidence.llr == 0.0 and evidence.details["llr_seen"] < -1.0
    assert evidence.reasons[0].code == "face_natural"
