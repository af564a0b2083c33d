"""Made clips that ask whether time is handled right: a short insert is found, a long real clip is not accused.

    python benchmarks/video_time.py inserts --manifest collected.jsonl --cases 20 --work FOLDER
    python benchmarks/video_time.py chains  --manifest collected.jsonl --cases 5  --work FOLDER

`inserts`: a 60-second real clip (one source, repeated when it is shorter) with 3 seconds of a generated one at a random
moment, both at one size and rate, H.264 CRF 23. Found = a span labelled `inserted` that overlaps the truth by half of
their union. Each case is also judged without the insert. `chains`: 5 minutes of real clips joined.
Clips come from the `val` split; borders are cut from both kinds (data.md).
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image

from detect.analyzer import Analyzer, AnalyzerSettings
from detect.evidence.pooling import shared_part
from detect.types import Report, Verdict

FPS, WIDTH, HEIGHT, BORDER = 20, 480, 320, 0.12


def frames_of(file: Path, seconds: float) -> Iterator[np.ndarray]:
    """Yield frames at the common size and rate, the clip repeated until `seconds` are full."""
    wanted = round(seconds * FPS)
    given = 0
    while given < wanted:
        moment = 0.0
        before = given
        with av.open(str(file)) as clip:
            stream = clip.streams.video[0]
            rate = float(stream.average_rate or 25)
            for number, frame in enumerate(clip.decode(stream)):
                while moment <= number / rate and given < wanted:
                    yield fit(frame.to_image())
                    given += 1
                    moment += 1 / FPS
                if given >= wanted:
                    return
        if given == before:
            return


def fit(picture: Image.Image) -> np.ndarray:
    """Cut the border, then cover the common size."""
    dx, dy = round(picture.width * BORDER), round(picture.height * BORDER)
    inner = picture.crop((dx, dy, picture.width - dx, picture.height - dy))
    scale = max(WIDTH / inner.width, HEIGHT / inner.height)
    grown = inner.resize(
        (max(WIDTH, round(inner.width * scale)), max(HEIGHT, round(inner.height * scale))), Image.Resampling.LANCZOS
    )
    left, top = (grown.width - WIDTH) // 2, (grown.height - HEIGHT) // 2
    return np.asarray(grown.crop((left, top, left + WIDTH, top + HEIGHT)))


def write(parts: Iterator[np.ndarray], path: Path) -> None:
    """Encode frames as H.264, CRF 23."""
    with av.open(str(path), "w") as out:
        track = out.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        track.width, track.height, track.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for pixels in parts:
            out.mux(track.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        out.mux(track.encode(None))


def with_insert(real: Path, fake: Path, at_s: float, seconds: float) -> Iterator[np.ndarray]:
    """Yield a minute of `real` with `seconds` of `fake` from `at_s` on; no fake when `seconds` is 0."""
    inserted = iter(frames_of(fake, seconds)) if seconds else iter(())
    for number, pixels in enumerate(frames_of(real, 60.0)):
        yield next(inserted) if at_s <= number / FPS < at_s + seconds else pixels


def clips(manifest: Path, split: str) -> dict[str, dict[str, list[Path]]]:
    """Return files by label and source or generator; no GIFs."""
    found: dict[str, dict[str, list[Path]]] = {"real": {}, "fake": {}}
    for line in manifest.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        file = manifest.parent / row["file"]
        if row["split"] == split and row["label"] in found and file.suffix.lower() != ".gif" and file.is_file():
            name = row.get("generator") or row.get("source")
            found[row["label"]].setdefault(name, []).append(file)
    return found


def overlap(report: Report, start: float, end: float) -> float:
    """Return the share of the union that the named insert shares with the truth."""
    frames = report.find("video.frames")
    spans = [span for span in (frames.where.spans if frames else ()) if span.label == "inserted"]
    return max((shared_part((span.start_s, span.end_s), (start, end)) for span in spans), default=0.0)


def run_inserts(data: dict[str, dict[str, list[Path]]], analyzer: Analyzer, cases: int, work: Path, seed: int) -> None:
    """Judge minutes with and without an insert and print one row a case."""
    rng = random.Random(seed)
    hits = accused = 0
    print("| real | generated | truth | overlap | verdict | without insert |\n|---|---|---|---|---|---|")
    for number in range(cases):
        real_name, fake_name = (rng.choice(sorted(data[label])) for label in ("real", "fake"))
        real, fake = rng.choice(data["real"][real_name]), rng.choice(data["fake"][fake_name])
        at = rng.uniform(5, 52)
        path = work / f"insert-{number}.mp4"
        write(with_insert(real, fake, at, 3.0), path)
        report = analyzer.analyze(path)
        write(with_insert(real, fake, at, 0.0), path)
        plain = analyzer.analyze(path)
        path.unlink()
        share = overlap(report, at, at + 3.0)
        hits += share >= 0.5
        is_accused = plain.verdict in (Verdict.LIKELY_SYNTHETIC, Verdict.LIKELY_MANIPULATED)
        accused += is_accused
        truth = f"{at:.1f}-{at + 3:.1f} s"
        print(f"| {real_name} | {fake_name} | {truth} | {share:.2f} | {report.verdict} | {plain.verdict} |", flush=True)
    print(f"found with the right span: {hits} of {cases}; accused without insert: {accused} of {cases}")


def run_chains(data: dict[str, dict[str, list[Path]]], analyzer: Analyzer, cases: int, work: Path, seed: int) -> None:
    """Judge five-minute chains of real clips and print one row a case."""
    rng = random.Random(seed)
    files = [file for group in data["real"].values() for file in group]
    accused = 0
    print("| chain | clips | authenticity | verdict | nats |\n|---|---|---|---|---|")
    for number in range(cases):
        chosen = rng.sample(files, min(len(files), 14))
        path = work / f"chain-{number}.mp4"
        write((pixels for file in chosen for pixels in frames_of(file, 300 / len(chosen))), path)
        report = analyzer.analyze(path)
        path.unlink()
        accused += report.verdict in (Verdict.LIKELY_SYNTHETIC, Verdict.LIKELY_MANIPULATED)
        lines = ", ".join(f"{line.source} {line.llr:+.2f}" for line in report.contributions)
        print(f"| {number + 1} | {len(chosen)} | {report.authenticity:.2f} | {report.verdict} | {lines} |", flush=True)
    print(f"accused: {accused} of {cases}")


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("inserts", "chains"))
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--models-dir", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    data = clips(arguments.manifest, arguments.split)
    analyzer = Analyzer(AnalyzerSettings(read_provenance=False, models_dir=arguments.models_dir))
    run = run_inserts if arguments.what == "inserts" else run_chains
    run(data, analyzer, arguments.cases, arguments.work, arguments.seed)


if __name__ == "__main__":
    main()
