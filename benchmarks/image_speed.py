"""What one picture costs on one CPU core, stage by stage, and against the network's bare forward pass in the same run.

taskset -c 0 python benchmarks/image_speed.py --megapixels 1 --repeats 15
"""

from __future__ import annotations

import argparse
import io
import json
import time

import numpy as np
from PIL import Image

from detect.analyzer import Analyzer, AnalyzerSettings


def main() -> None:
    """Print one JSON line: median CPU milliseconds a picture and a stage, and the ratio to the bare forward pass."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    side = round((args.megapixels * 1e6) ** 0.5)
    data = make_picture(side)
    analyzer = Analyzer(AnalyzerSettings(device="cpu"))
    stages: dict[str, list[float]] = {}
    total, forward = [], []
    analyzer.analyze(data, name="warm-up.jpg")
    for _ in range(args.repeats):
        started = time.process_time()
        report = analyzer.analyze(data, name="picture.jpg")
        total.append((time.process_time() - started) * 1000)
        for stage, value in report.timings_ms.items():
            stages.setdefault(stage, []).append(value)
        patches = int(report.evidence[0].details["patches"])
        side_of = analyzer.image_examiner.patch_side
        batch = np.zeros((1, side_of, side_of, 3), np.uint8)
        started = time.process_time()
        for _ in range(patches):
            analyzer.image_examiner.scorer.runner.run(batch)
        forward.append((time.process_time() - started) * 1000)
    print(
        json.dumps(
            {
                "megapixels": args.megapixels,
                "patches": patches,
                "cpu_ms_whole_path_without_decoder_child": round(float(np.median(total)), 1),
                "cpu_ms_forward_alone": round(float(np.median(forward)), 1),
                "ratio": round(float(np.median(total) / np.median(forward)), 2),
                "wall_ms_by_stage": {stage: round(float(np.median(values)), 1) for stage, values in stages.items()},
            }
        )
    )


def make_picture(side: int) -> bytes:
    """Return a JPEG of side x side pixels with texture at several scales."""
    rng = np.random.default_rng(0)
    pixels = np.zeros((side, side, 3))
    for scale in (4, 16, 64, 256):
        coarse = Image.fromarray(rng.integers(0, 255, (side // scale + 2, side // scale + 2, 3), dtype=np.uint8))
        pixels += np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)) / 4
    sink = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(sink, "JPEG", quality=92)
    return sink.getvalue()


if __name__ == "__main__":
    main()
