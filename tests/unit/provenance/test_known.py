"""The index of known files: bytes, pictures and sounds; what a match may and may not say."""

import io
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detect.errors import ConfigError
from detect.provenance import ProvenanceSettings, examine
from detect.provenance.known import (
    KnownFile,
    KnownIndex,
    KnownLabel,
    PictureHash,
    examine_file,
    examine_pictures,
    examine_sound,
    fingerprint_sound,
    hash_picture,
)
from detect.provenance.known.sounds import best_overlap
from detect.types import MediaKind, Status
from tests.unit.provenance.samples import make_scene as picture

pytest.importorskip("pdqhash")


def reshipped(pixels: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((200, 200)).save(buffer, "JPEG", quality=50)
    return np.asarray(Image.open(buffer))


def entry(label: KnownLabel, name: str) -> KnownFile:
    return KnownFile(label, name, sha256=name * 8, source="https://example.org/check", note="seen 2026")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with KnownIndex(tmp_path / "index") as index:
        index.add(entry(KnownLabel.FAKE, "hoax.jpg"), [hash_picture(picture(1))])
        index.add(entry(KnownLabel.ORIGINAL, "original.jpg"), [hash_picture(picture(2))])
        for seed in range(10, 16):
            index.add(entry(KnownLabel.ORIGINAL, f"other{seed}.jpg"), [hash_picture(picture(seed))])
    return tmp_path / "index"


def test_a_reshipped_fake_is_found_with_who_said_so(folder: Path) -> None:
    found = examine_pictures([hash_picture(reshipped(picture(1)))], folder)
    assert (found.status, found.llr, found.p_synthetic_floor) == (Status.SCORED, 2.0, None)
    assert found.reasons[0].code == "known_fake_lookalike"
    match = found.details["matches"][0]
    assert (match["name"], match["source"]) == ("hoax.jpg", "https://example.org/check")
    assert match["distance"] <= 31


def test_a_picture_that_looks_like_an_original_is_pointed_at_and_weighs_nothing(folder: Path) -> None:
    found = examine_pictures([hash_picture(reshipped(picture(2)))], folder)
    assert (found.llr, found.reasons[0].code) == (0.0, "known_original_lookalike")


def test_a_fake_made_from_a_known_original_is_a_conflict_that_weighs_nothing(folder: Path) -> None:
    with KnownIndex(folder) as index:
        index.add(entry(KnownLabel.ORIGINAL, "source of the hoax.jpg"), [hash_picture(reshipped(picture(1)))])
    found = examine_pictures([hash_picture(picture(1))], folder)
    assert (found.llr, found.reasons[0].code) == (0.0, "conflict_known_files")


def test_an_unknown_picture_is_neutral(folder: Path) -> None:
    found = examine_pictures([hash_picture(picture(99))], folder)
    assert (found.status, found.llr) == (Status.NOT_APPLICABLE, 0.0)


def test_a_flat_picture_is_neither_stored_nor_looked_up(tmp_path: Path) -> None:
    flat = hash_picture(np.full((64, 64, 3), 128, np.uint8))
    assert not flat.is_usable
    with KnownIndex(tmp_path) as index:
        index.add(entry(KnownLabel.FAKE, "flat.png"), [flat])
        assert index.match_pictures([flat]) == ()
    assert examine_pictures([flat], tmp_path).status is Status.NOT_APPLICABLE


def test_a_clip_matches_by_the_share_of_its_frames(tmp_path: Path) -> None:
    frames = [hash_picture(picture(seed), time_s=float(seed)) for seed in range(4)]
    with KnownIndex(tmp_path) as index:
        index.add(entry(KnownLabel.FAKE, "clip.mp4"), frames)
        (match,) = index.match_pictures([*frames[:1], hash_picture(picture(50))])
    assert match.share == 0.5


def test_large_pictures_hash_like_small_ones() -> None:
    small = hash_picture(picture(1, 512))
    large = hash_picture(np.asarray(Image.fromarray(picture(1, 512)).resize((1536, 1536), Image.Resampling.BICUBIC)))
    apart = int(np.unpackbits(np.frombuffer(small.bits, np.uint8) ^ np.frombuffer(large.bits, np.uint8)).sum())
    assert apart <= 12


@pytest.mark.parametrize(
    ("label", "code", "llr", "floor"),
    [(KnownLabel.FAKE, "known_fake", 4.595, 0.99), (KnownLabel.ORIGINAL, "known_original", -4.0, 0.02)],
)
def test_the_very_same_bytes_decide(
    tmp_path: Path, states: dict[str, Path], label: KnownLabel, code: str, llr: float, floor: float
) -> None:
    import hashlib

    data = states["none.jpg"].read_bytes()
    with KnownIndex(tmp_path) as index:
        index.add(KnownFile(label, "x.jpg", hashlib.sha256(data).hexdigest()))
    settings = ProvenanceSettings(known_index=tmp_path)
    found = examine(states["none.jpg"], kind=MediaKind.IMAGE, format="jpeg", settings=settings)[-1]
    assert (found.source, found.reasons[0].code, found.llr, found.p_synthetic_floor) == ("known.file", code, llr, floor)
    assert examine_file(states["none.png"], tmp_path).llr == 0.0


def test_adding_the_same_file_again_replaces_it(tmp_path: Path) -> None:
    with KnownIndex(tmp_path) as index:
        index.add(entry(KnownLabel.FAKE, "x"), [hash_picture(picture(1))])
        index.add(entry(KnownLabel.ORIGINAL, "x"), [hash_picture(picture(1))])
        assert len(index) == 1
        assert [match.file.label for match in index.match_pictures([hash_picture(picture(1))])] == [KnownLabel.ORIGINAL]


def test_a_folder_without_an_index_and_a_file_that_is_none_are_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="known add"):
        KnownIndex(tmp_path, create=False)
    (tmp_path / "known.sqlite3").write_bytes(b"not a database" * 100)
    with pytest.raises(ConfigError, match="not an index"):
        KnownIndex(tmp_path)
    newer = tmp_path / "newer"
    newer.mkdir()
    with sqlite3.connect(newer / "known.sqlite3") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(ConfigError, match="version 99"):
        KnownIndex(newer)


def test_a_missing_index_in_the_settings_is_a_failed_reader_and_not_a_crash(
    tmp_path: Path, states: dict[str, Path]
) -> None:
    settings = ProvenanceSettings(known_index=tmp_path / "none")
    found = examine(states["none.jpg"], kind=MediaKind.IMAGE, format="jpeg", settings=settings)[-1]
    assert (found.source, found.status) == ("known.file", Status.FAILED)


def test_hostile_names_in_the_index_are_cleaned(tmp_path: Path) -> None:
    with KnownIndex(tmp_path) as index:
        index.add(KnownFile(KnownLabel.FAKE, "\x1b[2J'; DROP TABLE files; --", "ab"), [hash_picture(picture(1))])
    found = examine_pictures([hash_picture(picture(1))], tmp_path)
    assert "\x1b" not in found.reasons[0].text
    with KnownIndex(tmp_path) as index:
        assert len(index) == 1


def test_overlaps_are_found_at_any_offset_and_not_in_other_sound() -> None:
    rng = np.random.default_rng(0)
    stored = rng.integers(0, 2**32, 400, dtype=np.uint32)
    noisy = stored[100:200].copy()
    noisy[::3] ^= np.uint32(1 << 7)
    found = best_overlap(noisy, stored)
    assert found is not None
    assert found.offset_s == pytest.approx(100 * 0.1238, abs=0.01)
    assert 0 < found.bit_error < 0.02
    assert best_overlap(rng.integers(0, 2**32, 100, dtype=np.uint32), stored) is None
    assert best_overlap(stored[:5], stored) is None


def tune(seed: int, duration_s: int = 20) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time_s = np.arange(duration_s * 16_000) / 16_000
    notes = rng.choice([220.0, 262.0, 294.0, 330.0, 392.0, 440.0, 523.0], duration_s * 4)
    phase = np.cumsum(notes[(time_s * 4).astype(int)]) / 16_000
    return (0.2 * sum(np.sin(2 * np.pi * k * phase) / k for k in (1, 2, 3))).astype(np.float32)


def test_a_recording_is_known_again_after_cutting_and_resampling(tmp_path: Path) -> None:
    pytest.importorskip("chromaprint", reason="needs the system's libchromaprint", exc_type=ImportError)
    with KnownIndex(tmp_path) as index:
        for seed in range(4):
            label = KnownLabel.FAKE if seed == 2 else KnownLabel.ORIGINAL
            index.add(entry(label, f"tune{seed}"), sound=fingerprint_sound(tune(seed), 16_000))
    rng = np.random.default_rng(9)
    part = tune(2)[16_000 * 4 : 16_000 * 16]
    again = (part * 0.5 + 0.002 * rng.normal(size=part.size)).astype(np.float32)
    found = examine_sound(fingerprint_sound((again[None] * 32767).astype(np.int16), 16_000), tmp_path)
    assert [match["name"] for match in found.details["matches"]] == ["tune2"]
    assert (found.llr, found.reasons[0].code) == (2.0, "known_fake_lookalike")
    assert examine_sound(fingerprint_sound(tune(77), 16_000), tmp_path).status is Status.NOT_APPLICABLE


def test_hashes_of_an_index_with_odd_rows_are_left_out(tmp_path: Path) -> None:
    with KnownIndex(tmp_path) as index:
        index.add(entry(KnownLabel.FAKE, "odd"), [PictureHash(b"short", 100)])
        assert index.match_pictures([hash_picture(picture(1))]) == ()
