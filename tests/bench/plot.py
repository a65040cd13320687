"""Line plot as SVG, with a logarithmic vertical axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 20, 50
_COLORS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")


@dataclass(frozen=True, slots=True)
class Line:
    """Named points of a plot."""

    name: str
    points: Sequence[tuple[float, float]]


def draw_plot(lines: Sequence[Line], *, across: str, up: str, limit: float) -> str:
    """Return the plot; the horizontal axis is from 0 to 1, and a dashed line shows the limit."""
    heights = [height for line in lines for _, height in line.points]
    least, greatest = math.floor(math.log10(min(heights))), math.ceil(math.log10(max(heights)))

    def place(x: float, y: float) -> tuple[float, float]:
        part = (math.log10(y) - least) / (greatest - least)
        return _LEFT + x * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - part * (_HEIGHT - _TOP - _BOTTOM)

    shapes = []
    for power in range(least, greatest + 1):
        x, y = place(0, 10**power)
        shapes.append(f'<line x1="{x}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        shapes.append(f'<text x="{x - 8}" y="{y + 4:.1f}" text-anchor="end">{10**power:,}</text>')
    for tenth in range(0, 11, 2):
        x, y = place(tenth / 10, 10**least)
        shapes.append(f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{tenth * 10} %</text>')
    x, y = place(0, limit)
    shapes.append(
        f'<line x1="{x}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#333" stroke-dasharray="4 4"/>'
    )
    for number, (line, color) in enumerate(zip(lines, _COLORS, strict=False)):
        path = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in line.points)
        shapes.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        shapes.append(f'<text x="{_LEFT + 12}" y="{_TOP + 16 + 18 * number}" fill="{color}">{line.name}</text>')
    shapes.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 10}" text-anchor="middle">{across}</text>')
    middle = _HEIGHT / 2
    shapes.append(f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{up}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>\n' + "\n".join(shapes) + "\n</svg>\n"
    )
