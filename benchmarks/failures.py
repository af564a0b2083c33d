"""Known failures, shown: pictures that this script draws, judged by the shipped model, with what should have come out.

No photograph of anybody is needed: everything is drawn here (numpy and Pillow), so the pictures may be published, and
the figures beside them are those of the weights of today. `scripts/figures.sh failures` writes
`docs/images/failure-*.png` and `benchmarks/results/failures.json`, which `docs/explain/failures.md` quotes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

import detect
from detect.analyzer import Analyzer, AnalyzerSettings

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
SIDE = 384


def draw_scene(seed: int = 3) -> Image.Image:
    """Return a landscape of our own: sky, hills of fractal noise, a house, sensor noise. Computed, not photographed."""
    rng = np.random.default_rng(seed)
    rows = np.mgrid[0:SIDE, 0:SIDE][0] / SIDE
    sky = np.stack([0.45 + 0.3 * rows, 0.6 + 0.25 * rows, 0.9 - 0.05 * rows], axis=2)
    picture = sky.copy()
    for depth, base in enumerate((0.55, 0.66, 0.78)):
        ridge = base + 0.05 * _fractal(rng, SIDE)
        hill = rows > ridge[None, :]
        texture = 0.12 * np.asarray(_noise(rng, 6 + 10 * depth))
        colour = np.array([0.25, 0.38, 0.22]) * (1.1 - 0.25 * depth)
        picture[hill] = (colour + texture[..., None] * np.array([0.7, 1.0, 0.5]))[hill]
    image = Image.fromarray((picture.clip(0, 1) * 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    pen.rectangle((230, 232, 290, 290), fill=(168, 132, 108))
    pen.polygon([(222, 234), (260, 200), (298, 234)], fill=(120, 58, 46))
    pen.rectangle((252, 258, 268, 290), fill=(70, 48, 40))
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(0.7)), dtype=float)
    grain = rng.normal(0, 1, blurred.shape) * (1.2 + 0.02 * blurred)
    return Image.fromarray((blurred + grain).clip(0, 255).astype(np.uint8))


def _fractal(rng: np.random.Generator, width: int) -> np.ndarray:
    """Return a ridge line in about [-1, 1]: octaves of interpolated noise."""
    total = np.zeros(width)
    for octave in range(6):
        points = rng.uniform(-1, 1, 3 * 2**octave)
        total += np.interp(np.linspace(0, len(points) - 1, width), np.arange(len(points)), points) / 2**octave
    return total


def _noise(rng: np.random.Generator, cells: int) -> Image.Image:
    small = Image.fromarray(rng.uniform(-1, 1, (cells, cells)).astype(np.float32))
    return small.resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def draw_poster() -> Image.Image:
    """Return a poster as a person makes it in a drawing program: flat colours, type, a gradient."""
    poster = Image.new("RGB", (SIDE, SIDE), (245, 236, 214))
    pen = ImageDraw.Draw(poster)
    for step in range(SIDE):
        pen.line((0, step, SIDE, step), fill=(245 - step // 5, 236 - step // 3, 214 - step // 8))
    pen.ellipse((70, 60, 310, 300), fill=(214, 84, 58))
    pen.polygon([(40, 330), (190, 120), (350, 330)], fill=(38, 62, 92))
    pen.rectangle((0, 318, SIDE, SIDE), fill=(24, 32, 44))
    pen.text((28, 338), "OPEN AIR  21-23 AUGUST", fill=(245, 236, 214), font_size=24)
    return poster


def through_jpeg(picture: Image.Image, quality: int, side: int) -> Image.Image:
    """Return a picture after a thumbnail service: made small, then JPEG."""
    small = picture.resize((side, side), Image.Resampling.LANCZOS)
    held = io.BytesIO()
    small.save(held, "JPEG", quality=quality)
    return Image.open(held).convert("RGB")


def clone_patch(picture: Image.Image) -> Image.Image:
    """Return the scene with its house painted over by a piece of hill: an edit by hand."""
    edited = picture.copy()
    edited.paste(picture.crop((60, 300, 150, 384)).resize((90, 110)), (218, 195))
    return edited


def decode_by_network(picture: Image.Image) -> Image.Image:
    """Return the scene drawn again by an untrained convolutional decoder that is fitted to it (half a minute)."""
    import torch
    import torch.nn.functional as functional

    torch.manual_seed(0)
    target = torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255).permute(2, 0, 1)[None]
    layers: list[torch.nn.Module] = []
    for width, following in ((32, 48), (48, 48), (48, 32), (32, 32)):
        layers += [torch.nn.Upsample(scale_factor=2), torch.nn.Conv2d(width, following, 3, padding=1), torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers, torch.nn.Conv2d(32, 3, 1), torch.nn.Sigmoid())
    seed = torch.rand(1, 32, SIDE // 16, SIDE // 16)
    optimizer = torch.optim.Adam([*net.parameters(), seed.requires_grad_()], lr=0.01)
    for _ in range(120):
        optimizer.zero_grad()
        loss = functional.mse_loss(net(seed), target)
        loss.backward()
        optimizer.step()
    drawn = net(seed)[0].detach().permute(1, 2, 0).numpy()
    return Image.fromarray((drawn * 255).round().astype(np.uint8))


Maker = Callable[[Image.Image], Image.Image]

CASES: dict[str, tuple[str, str, Maker]] = {
    "scene": ("Computed landscape with added grain", "neither photograph nor generator: no right answer", lambda s: s),
    "poster": ("Poster drawn by hand", "authentic (a person made it)", lambda s: draw_poster()),
    "thumbnail": (
        "The landscape as a 160-pixel JPEG 40",
        "undecided: too little left",
        lambda s: through_jpeg(s, 40, 160),
    ),
    "cloned": ("The house painted over with a piece of hill", "manipulated", clone_patch),
    "decoder": ("The landscape redrawn by a small neural decoder", "synthetic", decode_by_network),
}


def main() -> None:
    """Draw, judge, write."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    scene = draw_scene()
    analyzer = Analyzer(AnalyzerSettings(locate=False, read_provenance=False))
    rows = []
    for name, (what, wanted, make) in CASES.items():
        file = IMAGES / f"failure-{name}.png"
        make(scene).save(file, optimize=True)
        report = analyzer.analyze(file)
        interval = None if report.interval is None else [round(report.interval.low, 3), round(report.interval.high, 3)]
        rows.append(
            {
                "name": name,
                "what": what,
                "wanted": wanted,
                "verdict": str(report.verdict),
                "authenticity": None if report.authenticity is None else round(report.authenticity, 3),
                "interval": interval,
                "reasons": [reason.code for reason in report.reasons][:3],
            }
        )
        print(f"{name:10} {report.verdict:18} {report.authenticity}")
    models = dict(analyzer.pipeline["models"])
    found = {"version": detect.__version__, "weights_sha256": models.get("image", ""), "failures": rows}
    (ROOT / "benchmarks/results/failures.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
