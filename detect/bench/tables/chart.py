"""Line charts as SVG text, without a plotting library: few curves, axes in [0, 1] or logarithmic, a legend.

Colours are told apart by dash pattern too, so that the charts survive grey print and colour-blind readers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 460, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 30, 46
_COLOURS = ("#0b5fa5", "#b3410e", "#2c7a3f", "#7a3b9a", "#8a6d00", "#52525b", "#c2185b", "#00796b")
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "4 4", "1 4", "6 2 2 2")


@dataclass(frozen=True)
class Curve:
    """One named line; `low` and `high` give an optional band of the same length, `style` its colour and dashes."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    has_marks: bool = False
    style: int = 0


@dataclass(frozen=True)
class Axis:
    """Label and range of one axis; `log` for a base-10 scale, `names` for places 0, 1, 2, ... instead of numbers."""

    label: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    names: tuple[str, ...] = ()

    def share(self, value: float) -> float:
        """Return where the value lies between the ends, in [0, 1]."""
        if self.log:
            value = max(value, self.low)
            return (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def ticks(self) -> list[float]:
        """Return the values that are marked."""
        if self.names:
            return [float(place) for place in range(len(self.names))]
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            return [10.0**power for power in range(first, last + 1)]
        return [self.low + (self.high - self.low) * step / 5 for step in range(6)]

    def text(self, tick: float) -> str:
        """Return what stands at a tick."""
        return self.names[round(tick)] if self.names else f"{tick:g}"


def line_chart(title: str, curves: Sequence[Curve], x: Axis, y: Axis, *, diagonal: bool = False) -> str:
    """Return an SVG picture of the curves.

    Args:
        title: Above the picture; also read out by screen readers.
        curves: At most eight look different.
        x: Horizontal axis.
        y: Vertical axis.
        diagonal: Draw the line from corner to corner (chance, or perfect calibration).
    """
    parts = [*_frame(x, y)]
    if diagonal:
        parts.append(
            f'<line x1="{_px(0)}" y1="{_py(0)}" x2="{_px(1)}" y2="{_py(1)}" stroke="#999" stroke-dasharray="3 3"/>'
        )
    for curve in curves:
        parts += _draw(curve, x, y, _COLOURS[curve.style % len(_COLOURS)], _DASHES[curve.style % len(_DASHES)])
    legend = [_legend(curve, index) for index, curve in enumerate(curves)]
    height = _HEIGHT + 16 * len(curves) + 6
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="11"><title>{escape(title)}</title>'
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>'
        f'<text x="{_LEFT}" y="18" font-size="13" font-weight="600">{escape(title)}</text>'
        + "".join([*parts, *legend])
        + "</svg>"
    )


def _px(share: float) -> str:
    return f"{_LEFT + share * (_WIDTH - _LEFT - _RIGHT):.1f}"


def _py(share: float) -> str:
    return f"{_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM):.1f}"


def _frame(x: Axis, y: Axis) -> list[str]:
    parts = []
    for tick in x.ticks():
        at = _px(x.share(tick))
        parts.append(f'<line x1="{at}" y1="{_py(0)}" x2="{at}" y2="{_py(1)}" stroke="#e4e4e7"/>')
        parts.append(_tick(x, tick, at))
    for tick in y.ticks():
        at = _py(y.share(tick))
        parts.append(f'<line x1="{_px(0)}" y1="{at}" x2="{_px(1)}" y2="{at}" stroke="#e4e4e7"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{float(at) + 4:.1f}" text-anchor="end">{escape(y.text(tick))}</text>')
    middle_x, middle_y = _px(0.5), float(_py(0.5))
    parts.append(f'<text x="{middle_x}" y="{_HEIGHT - 12}" text-anchor="middle">{escape(x.label)}</text>')
    parts.append(
        f'<text transform="translate(14 {middle_y:.1f}) rotate(-90)" text-anchor="middle">{escape(y.label)}</text>'
    )
    return parts


def _tick(x: Axis, tick: float, at: str) -> str:
    """Return the text below a tick; names stand aslant, so that a dozen of them fit."""
    down = _HEIGHT - _BOTTOM + 15
    if not x.names:
        return f'<text x="{at}" y="{down}" text-anchor="middle">{x.text(tick)}</text>'
    turned = f'transform="translate({at} {down - 4}) rotate(-25)"'
    return f'<text {turned} text-anchor="end" font-size="9">{escape(x.text(tick))}</text>'


def _draw(curve: Curve, x: Axis, y: Axis, colour: str, dash: str) -> list[str]:
    points = [f"{_px(x.share(a))},{_py(y.share(b))}" for a, b in zip(curve.x, curve.y, strict=True)]
    parts = []
    if curve.low and curve.high:
        upper = [f"{_px(x.share(a))},{_py(y.share(b))}" for a, b in zip(curve.x, curve.high, strict=True)]
        lower = [f"{_px(x.share(a))},{_py(y.share(b))}" for a, b in zip(curve.x, curve.low, strict=True)]
        parts.append(f'<polygon points="{" ".join(upper + lower[::-1])}" fill="{colour}" fill-opacity="0.12"/>')
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="1.8"{dashes}/>')
    if curve.has_marks:
        for point in points:
            across, down = point.split(",")
            parts.append(f'<circle cx="{across}" cy="{down}" r="3" fill="{colour}"/>')
    return parts


def _legend(curve: Curve, index: int) -> str:
    colour, dash = _COLOURS[curve.style % len(_COLOURS)], _DASHES[curve.style % len(_DASHES)]
    at = _HEIGHT + 6 + 16 * index
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{_LEFT}" y1="{at}" x2="{_LEFT + 34}" y2="{at}" stroke="{colour}" stroke-width="2"{dashes}/>'
        f'<text x="{_LEFT + 42}" y="{at + 4}">{escape(curve.name)}</text>'
    )
