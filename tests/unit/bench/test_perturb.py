"""Perturbations: named, versioned, seeded by item, blind to the label, and doing what they say."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from detect.bench.perturb import faces, get_perturbation, list_perturbations
from detect.bench.perturb.clip import frame_rate, read_frames, write_clip
from detect.bench.perturb.sound import read_mono
from detect.bench.probe import probe
from detect.errors import ConfigError


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A picture, a recording and a clip."""
    home = tmp_path_factory.mktemp("media")
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    small.resize((400, 300), Image.Resampling.BICUBIC).save(home / "a.png")
    time = np.arange(24_000 * 2) / 24_000
    tone = 0.3 * np.sin(2 * np.pi * 440 * time) + 0.1 * np.sin(2 * np.pi * 6000 * time)
    tone[:6000] = 0.0
    soundfile.write(home / "a.wav", tone, 24_000)
    frames = (small.resize((160, 120)).rotate(3 * index) for index in range(15))
    write_clip(frames, home / "a", fps=25.0, sound_from=home / "a.wav")
    return {"image": home / "a.png", "audio": home / "a.wav", "video": home / "a.mp4"}


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


ALL = [
    (medium, name)
    for medium in ("image", "audio", "video")
    for name in list_perturbations(medium)
    if not name.startswith("face")  # these need a face; they have their own test
]


@pytest.mark.parametrize(("medium", "name"), ALL, ids=[f"{medium}-{name}" for medium, name in ALL])
def test_every_perturbation_gives_readable_media(
    media: dict[str, Path], tmp_path: Path, medium: str, name: str
) -> None:
    change = get_perturbation(name, media=medium)
    assert change.version >= 1 and change.about.endswith(".")
    file = change.apply(media[medium], tmp_path, item_id="x")
    if medium == "image":
        with Image.open(file) as picture:
            picture.load()
            assert min(picture.size) >= 8
    elif medium == "audio":
        waveform, rate = read_mono(file)
        assert len(waveform) > 0.5 * rate and np.abs(waveform).max() > 0.005
    else:
        frames = list(read_frames(file))
        assert len(frames) >= 3 and np.asarray(frames[0]).std() > 5


@pytest.mark.parametrize(("medium", "name"), [("image", "clean"), ("image", "social-whatsapp"), ("audio", "clean")])
def test_the_item_decides_the_change_and_nothing_else_does(
    media: dict[str, Path], tmp_path: Path, medium: str, name: str
) -> None:
    change = get_perturbation(name, media=medium)
    folders = [tmp_path / str(index) for index in range(3)]
    for folder in folders:
        folder.mkdir()
    first, again = (change.apply(media[medium], folder, item_id="x") for folder in folders[:2])
    assert digest(first) == digest(again)
    copy = tmp_path / f"fake-copy{media[medium].suffix}"
    copy.write_bytes(media[medium].read_bytes())
    assert digest(change.apply(copy, folders[2], item_id="x")) == digest(first)
    others = {digest(change.apply(media[medium], folders[2], item_id=str(index))) for index in range(4)}
    assert len(others) > 1
    seeded = {digest(change.apply(media[medium], folders[2], item_id="x", seed=seed)) for seed in range(4)}
    assert len(seeded) > 1


@pytest.mark.parametrize("medium", ["image", "video"])
def test_what_is_filmed_off_a_screen_stays_recognisable_but_no_pixel_stays(
    media: dict[str, Path], tmp_path: Path, medium: str
) -> None:
    file = get_perturbation("rerecord", media=medium).apply(media[medium], tmp_path, item_id="x")
    before = Image.open(media["image"]).convert("RGB") if medium == "image" else next(iter(read_frames(media["video"])))
    after = Image.open(file).convert("RGB") if medium == "image" else next(iter(read_frames(file)))
    small = [np.asarray(picture.convert("L").resize((12, 9)), dtype=float).ravel() for picture in (before, after)]
    assert np.corrcoef(small)[0, 1] > 0.85
    same = np.asarray(after.resize(before.size), dtype=int) - np.asarray(before, dtype=int)
    assert np.abs(same).mean() > 3


class _Finder:
    """Finds one face, or none."""

    def __init__(self, *boxes: tuple[float, float, float, float]) -> None:
        self.boxes = boxes

    def find(self, pixels: np.ndarray) -> list[SimpleNamespace]:
        return [SimpleNamespace(box=box) for box in self.boxes]


@pytest.mark.parametrize("name", ["face", "face-laundered"])
def test_the_largest_face_is_cut_out_square_and_inside(
    media: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(faces, "load_finder", lambda: _Finder((350.0, 10.0, 60.0, 100.0), (0.0, 0.0, 9.0, 9.0)))
    with Image.open(get_perturbation(name, media="image").apply(media["image"], tmp_path, item_id="x")) as cut:
        assert cut.size == (130, 130) and cut.format == ("PNG" if name == "face" else "JPEG")
        if name == "face":
            whole = np.asarray(Image.open(media["image"]).convert("RGB"))
            assert np.array_equal(np.asarray(cut), whole[0:130, 270:400])


def test_a_picture_without_a_face_says_so(
    media: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces, "load_finder", _Finder)
    with pytest.raises(ValueError, match="no face"):
        get_perturbation("face", media="image").apply(media["image"], tmp_path, item_id="x")


def test_clean_pictures_draw_sizes_and_formats_without_looking_at_the_file(tmp_path: Path) -> None:
    change = get_perturbation("clean", media="image")
    found = {}
    for name, picture in {
        "fake.png": Image.new("RGB", (1024, 1024)),
        "real.jpg": Image.new("RGB", (640, 480), (90, 20, 30)),
    }.items():
        picture.save(tmp_path / name)
        made = [change.apply(tmp_path / name, tmp_path, item_id=str(index)) for index in range(12)]
        facts = [probe(file, medium="image") for file in made]
        found[name] = [(fact.format, fact.width, fact.height) for fact in facts]
    assert found["fake.png"] == found["real.jpg"]
    assert {entry[0] for entry in found["fake.png"]} == {"jpeg", "webp"}
    assert len(set(found["fake.png"])) > 4


def test_laundered_pictures_are_small_jpegs(tmp_path: Path) -> None:
    Image.effect_noise((1600, 1000), 60).convert("RGB").save(tmp_path / "big.png")
    change = get_perturbation("laundered", media="image")
    for index in range(4):
        facts = probe(change.apply(tmp_path / "big.png", tmp_path, item_id=str(index)), medium="image")
        assert facts.format == "jpeg" and min(facts.width or 0, facts.height or 0) <= 512


def test_clean_recordings_hide_rate_level_silence_and_length(media: dict[str, Path], tmp_path: Path) -> None:
    change = get_perturbation("clean", media="audio")
    loud, rate = soundfile.read(media["audio"])
    soundfile.write(tmp_path / "quiet.wav", np.pad(loud * 0.05, (rate, rate)), rate)
    made = [
        change.apply(file, tmp_path, item_id=f"{file.stem}{index}")
        for file in (media["audio"], tmp_path / "quiet.wav")
        for index in range(6)
    ]
    levels = []
    for file in made:
        waveform, rate = read_mono(file, rate_hz=16_000)
        assert np.abs(waveform[800:1600]).max() > 0.01  # no silent edge is left
        levels.append(20 * np.log10(np.sqrt(np.mean(waveform**2))))
    assert min(levels) > -33 and max(levels) < -18
    assert len({file.suffix for file in made}) > 1


def test_low_pass_removes_what_it_says(media: dict[str, Path], tmp_path: Path) -> None:
    waveform, rate = read_mono(
        get_perturbation("low-pass-4000", media="audio").apply(media["audio"], tmp_path, item_id="x")
    )
    spectrum = np.abs(np.fft.rfft(waveform))
    at = lambda hertz: spectrum[round(hertz * len(waveform) / rate)]  # noqa: E731
    assert at(6000) < 0.01 * at(440)


def test_noise_has_the_stated_distance(media: dict[str, Path], tmp_path: Path) -> None:
    before, _ = read_mono(media["audio"])
    after, _ = read_mono(get_perturbation("noise-20db", media="audio").apply(media["audio"], tmp_path, item_id="x"))
    ratio = 10 * np.log10(np.mean(before**2) / np.mean((after - before) ** 2))
    assert ratio == pytest.approx(20, abs=0.5)


def test_codec_changes_keep_the_sound_and_protocols_drop_it(media: dict[str, Path], tmp_path: Path) -> None:
    def streams(name: str) -> set[str]:
        with av.open(str(get_perturbation(name, media="video").apply(media["video"], tmp_path, item_id="x"))) as clip:
            return {stream.type for stream in clip.streams}

    assert streams("h264-28") == {"video", "audio"}
    assert streams("clean") == streams("laundered") == {"video"}


def test_clean_clips_share_one_pace(media: dict[str, Path], tmp_path: Path) -> None:
    made = get_perturbation("clean", media="video").apply(media["video"], tmp_path, item_id="x")
    assert frame_rate(made) == pytest.approx(8.0)
    assert len(list(read_frames(made))) == 5  # 15 frames at 25/s are 0.6 s


def test_an_unknown_name_lists_what_exists() -> None:
    with pytest.raises(ConfigError, match="laundered"):
        get_perturbation("jpeg-76", media="image")


def test_none_hands_over_the_file_itself(media: dict[str, Path], tmp_path: Path) -> None:
    change = get_perturbation("none", media="image")
    assert change.apply(media["image"], tmp_path, item_id="x") == media["image"]
