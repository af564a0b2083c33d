"""Is a synthetic sentence inside real speech found, and where?

    python benchmarks/audio_splice.py --manifest ../shared/data/manifest.jsonl --split val --variants 50

Each variant joins real clips of one source to `--seconds` of speech and lets one generated clip in between two of them,
at the same loudness and with 10 ms fades, then sends the whole through MP3 at 64 kbit/s in every second variant. Where
a page has both, clip and recording come from the same page. A variant is found when the verdict is
`likely_manipulated` and the first span overlaps the inserted sentence by at least 0.5 (intersection over union). Beside
it stand the same recording untouched, and the control: with one more real clip of another source in the same place.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from detect.analyzer import Analyzer, AnalyzerSettings
from detect.bench.data.item import Item, Label
from detect.bench.data.manifest import read_manifest
from detect.evidence.pooling import shared_part
from detect.media import open_source
from detect.media.audio import decode_audio
from detect.types import Report, Verdict

RATE_HZ = 16_000
LONGEST_S, SHORTEST_S = 5.0, 2.0
FADE = RATE_HZ // 100

Wave = npt.NDArray[np.float32]


def main() -> None:
    """Print one JSON line: shares found, verdicts, and those of untouched recordings and of the control."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--variants", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=16.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=Path, help="Models folder; default: the shipped models.")
    args = parser.parse_args()
    items = [item for item in read_manifest(args.manifest, kinds=("audio",), splits=(args.split,)).items if item.file]
    analyzer = Analyzer(AnalyzerSettings(read_provenance=False, check_stability=False, models_dir=args.models))
    rng = random.Random(args.seed)
    results = []
    for number in range(args.variants):
        source, clips, fake, other = make_pair(items, rng, args.seconds)
        results.append({"source": source, **judge(analyzer, clips, fake, other, with_mp3=number % 2 == 1)})
    found = sum(row["is_found"] for row in results)
    print(
        json.dumps(
            {
                "variants": len(results),
                "found": found,
                "share_found": round(found / len(results), 3),
                "share_span_right": round(sum(row["overlap"] >= 0.5 for row in results) / len(results), 3),
                "verdicts": Counter(row["verdict"] for row in results),
                "untouched_verdicts": Counter(row["untouched"] for row in results),
                "control_verdicts": Counter(row["control"] for row in results),
                "found_by_source": {
                    source: f"{sum(row['is_found'] for row in results if row['source'] == source)} of {count}"
                    for source, count in sorted(Counter(row["source"] for row in results).items())
                },
                "median_overlap": round(float(np.median([row["overlap"] for row in results])), 3),
            }
        )
    )


def make_pair(items: list[Item], rng: random.Random, seconds: float) -> tuple[str, list[Wave], Wave, Wave]:
    """Return (the real clips' source, real clips, generated clip, real clip of another source)."""
    by_source: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.label is Label.REAL:
            by_source[item.origin].append(item)
    fakes = [item for item in items if item.label is Label.FAKE]
    while True:
        source = rng.choice(sorted(by_source))
        pool = rng.sample(by_source[source], len(by_source[source]))
        real = [wave for wave in (read_speech(item) for item in pool[:12]) if wave is not None]
        total, kept = 0.0, []
        for wave in real:
            if total < seconds:
                kept.append(wave)
                total += len(wave) / RATE_HZ
        if len(kept) < 2 or total < seconds * 0.75:
            continue
        same_page = [item for item in fakes if item.repo == by_source[source][0].repo]
        fake = read_speech(rng.choice(same_page or fakes))
        others = [item for origin, group in by_source.items() if origin != source for item in group]
        other = read_speech(rng.choice(others))
        if fake is not None and other is not None:
            return source, kept, fake, other


def read_speech(item: Item) -> Wave | None:
    """Return up to `LONGEST_S` of a file at 16 kHz, loudness set; None when it is too short."""
    with open_source(item.file) as source:
        audio = decode_audio(source)
    wave = audio.read(0.0, min(audio.duration_s, LONGEST_S))
    if len(wave) < SHORTEST_S * RATE_HZ:
        return None
    return (wave * (0.05 / max(float(np.sqrt(np.mean(wave**2))), 1e-5))).clip(-1, 1).astype(np.float32)


def join(clips: list[Wave], inserted: Wave) -> tuple[Wave, float, float]:
    """Return the recording with `inserted` in its middle, and where that lies in seconds."""
    place = len(clips) // 2
    parts = [fade(clip) for clip in [*clips[:place], inserted, *clips[place:]]]
    start = sum(len(part) for part in parts[:place]) / RATE_HZ
    return np.concatenate(parts), start, start + len(inserted) / RATE_HZ


def fade(wave: Wave) -> Wave:
    """Return `wave` with soft edges."""
    ramp = np.linspace(0, 1, FADE, dtype=np.float32)
    wave = wave.copy()
    wave[:FADE] *= ramp
    wave[-FADE:] *= ramp[::-1]
    return wave


def judge(analyzer: Analyzer, clips: list[Wave], fake: Wave, other: Wave, *, with_mp3: bool) -> dict[str, Any]:
    """Return what the Analyzer says of one variant and of its control."""
    wave, start_s, end_s = join(clips, fake)
    report = analyze(analyzer, wave, with_mp3=with_mp3)
    untouched = analyze(analyzer, np.concatenate([fade(clip) for clip in clips]), with_mp3=with_mp3)
    control = analyze(analyzer, join(clips, other)[0], with_mp3=with_mp3)
    overlap = first_overlap(report, start_s, end_s)
    is_found = report.verdict is Verdict.LIKELY_MANIPULATED and overlap >= 0.5
    return {
        "is_found": is_found,
        "overlap": overlap,
        "verdict": str(report.verdict),
        "untouched": str(untouched.verdict),
        "control": str(control.verdict),
    }


def analyze(analyzer: Analyzer, wave: Wave, *, with_mp3: bool) -> Report:
    """Write the wave to a file and judge that."""
    sink = io.BytesIO()
    if with_mp3:
        soundfile.write(sink, wave, RATE_HZ, format="MP3", subtype="MPEG_LAYER_III")
    else:
        soundfile.write(sink, wave, RATE_HZ, format="WAV", subtype="PCM_16")
    with tempfile.NamedTemporaryFile(suffix=".mp3" if with_mp3 else ".wav") as file:
        file.write(sink.getvalue())
        file.flush()
        return analyzer.analyze(Path(file.name))


def first_overlap(report: Report, start_s: float, end_s: float) -> float:
    """Return the intersection over union of the inserted sentence and the most suspicious span; 0 without one."""
    evidence = report.find("audio.speech")
    spans = (
        [] if evidence is None else [span for span in evidence.where.spans if span.label in ("spliced", "synthetic")]
    )
    if not spans:
        return 0.0
    span = next((span for span in spans if span.label == "spliced"), max(spans, key=lambda span: span.p_synthetic or 0))
    return shared_part((span.start_s, span.end_s), (start_s, end_s))


if __name__ == "__main__":
    main()
