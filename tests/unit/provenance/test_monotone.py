"""Removing metadata never lowers P(synthetic) below what the rest says, and unsigned claims never acquit."""

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from detect.fusion import combine
from detect.provenance.metadata.evidence import evidence_of
from detect.provenance.metadata.fields import Field, Fields
from detect.types import Evidence, Status
from tests.unit.provenance import unsigned
from tests.unit.provenance.conftest import Examine

KNOWN_FIELDS = [
    *(Field("xmp", "Iptc4xmpExt:DigitalSourceType", name) for name in ("trainedAlgorithmicMedia", "digitalCapture")),
    Field("xmp", "Iptc4xmpExt:DigitalSourceType", "compositeWithTrainedAlgorithmicMedia"),
    Field("xmp", "photoshop:Credit", "Made with Google AI"),
    Field("xmp", "xmp:CreatorTool", "Adobe Firefly"),
    Field("exif", "Make", "Canon"),
    Field("exif", "Model", "Canon EOS R5"),
    Field("exif", "DateTimeOriginal", "2026:01:01 10:00:00"),
    Field("exif", "Software", "Firmware 1.8"),
    Field("png_text", "parameters", unsigned.PARAMETERS),
    Field("png_text", "hf-job-id", "x"),
    Field("png_text", "AIGC", unsigned.LABEL_TEXT),
    Field("container", "com.apple.quicktime.make", "Apple"),
    Field("container", "com.apple.quicktime.model", "iPhone"),
]
any_field = st.one_of(
    st.sampled_from(KNOWN_FIELDS),
    st.builds(
        Field,
        st.sampled_from(["xmp", "exif", "png_text", "id3", "container", "riff_info", "trailer", "comment"]),
        st.sampled_from(["Software", "UserComment", "Make", "Model", "AIGC", "prompt", "comment", "Artist"]),
        st.text(max_size=80),
    ),
)


def pixels(llr: float) -> Evidence:
    return Evidence("image.pixels", Status.SCORED, llr=llr)


def p_synthetic(*evidence: Evidence) -> float:
    found = combine(evidence)
    assert found is not None
    return 1.0 - found.authenticity


@given(fields=st.lists(any_field, max_size=12), llr=st.floats(-8, 8))
def test_stripping_unsigned_metadata_leaves_exactly_what_the_pixels_say(fields: list[Field], llr: float) -> None:
    full, stripped = evidence_of(Fields(tuple(fields))), evidence_of(Fields())
    assert p_synthetic(pixels(llr), stripped) == p_synthetic(pixels(llr))
    assert full.llr >= 0.0  # so adding metadata never acquits, and stripping never accuses
    assert p_synthetic(pixels(llr), full) >= p_synthetic(pixels(llr)) - 1e-12


@given(fields=st.lists(any_field, max_size=12), keep=st.integers(0, 12))
def test_removing_some_fields_never_makes_the_rest_weigh_more(fields: list[Field], keep: int) -> None:
    full, part = evidence_of(Fields(tuple(fields))), evidence_of(Fields(tuple(fields[:keep])))
    assert part.llr <= full.llr


def test_no_evidence_about_absence_ever_weighs_anything(states: dict[str, Path], look: Examine) -> None:
    for name, path in states.items():
        if name.startswith("none."):
            for item in look(path).values():
                assert (item.status, item.llr) == (Status.NOT_APPLICABLE, 0.0)
                assert (item.p_synthetic_floor, item.p_synthetic_ceiling) == (None, None)


@pytest.mark.parametrize("name", ["camera.jpg", "edited.jpg", "untrusted.jpg", "tampered.jpg", "bad_parent.jpg"])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(llr=st.floats(-8, 8))
def test_stripping_credentials_that_do_not_say_ai_never_lowers_p_synthetic(
    stripped_and_full: dict[str, tuple[list[Evidence], list[Evidence]]], name: str, llr: float
) -> None:
    full, stripped = stripped_and_full[name]
    before, after = p_synthetic(pixels(llr), *full), p_synthetic(pixels(llr), *stripped)
    assert after == p_synthetic(pixels(llr))
    assert after >= before - 1e-12


@pytest.fixture(scope="module")
def stripped_and_full(
    states: dict[str, Path], look: Examine, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[list[Evidence], list[Evidence]]]:
    folder, found = tmp_path_factory.mktemp("stripped"), {}
    for name in ("camera.jpg", "edited.jpg", "untrusted.jpg", "tampered.jpg", "bad_parent.jpg"):
        buffer = io.BytesIO()
        Image.open(states[name]).save(buffer, "JPEG", quality=90)
        (folder / name).write_bytes(buffer.getvalue())
        found[name] = (list(look(states[name]).values()), list(look(folder / name).values()))
    return found
