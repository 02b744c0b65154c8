"""The growth of figures as a picture: an SVG of a few panels, each with a line an engine, over the secrets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT, COLUMNS = 300, 190, 3
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 34, 34
COLOURS = ("#0b6e99", "#b3541e", "#5a7d2a", "#7a3e9d")
"""Of the lines, in order; each also has a mark of its own shape, so that nobody needs to see colours."""

Line = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram.

    Attributes:
        title: What it shows, with the unit.
        lines: By name: (secrets, figure), in order.
    """

    title: str
    lines: Mapping[str, Line]


def draw(panels: Sequence[Panel]) -> str:
    """Return the SVG. The scale of secrets is logarithmic, that of the figures begins at 0."""
    rows = -(-len(panels) // COLUMNS)
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    width, height = COLUMNS * WIDTH, rows * HEIGHT + 24
    box = f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for number, panel in enumerate(panels):
        x, y = number % COLUMNS * WIDTH, number // COLUMNS * HEIGHT
        parts += [f'<g transform="translate({x} {y})">', *_panel(panel, names), "</g>"]
    for number, name in enumerate(names):
        x, y = LEFT + number * 120, height - 10
        parts += [_mark(number, x, y - 4), f'<text x="{x + 10}" y="{y}">{escape(name)}</text>']
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, names: Sequence[str]) -> list[str]:
    points = [point for line in panel.lines.values() for point in line]
    least, most = math.log10(min(x for x, _ in points)), math.log10(max(x for x, _ in points))
    top = _round_up(max(y for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - least) / ((most - least) or 1)
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM), 1),
        )

    parts = [f'<text x="{LEFT}" y="20" font-weight="bold">{escape(panel.title)}</text>']
    for step in range(3):
        y = top * step / 2
        _, at = place(10**least, y)
        parts.append(f'<line x1="{LEFT}" y1="{at}" x2="{WIDTH - RIGHT}" y2="{at}" stroke="#cccccc"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{at + 4}" text-anchor="end">{y:g}</text>')
    for x in sorted({x for x, _ in points}):
        at, _ = place(x, 0)
        parts.append(f'<text x="{at}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{_shown(x)}</text>')
    for name, line in panel.lines.items():
        number = names.index(name)
        placed = [place(x, y) for x, y in line]
        path = " ".join(f"{x},{y}" for x, y in placed)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{COLOURS[number % len(COLOURS)]}" stroke-width="2"/>'
        )
        parts += [_mark(number, x, y) for x, y in placed]
    return parts


def _mark(number: int, x: float, y: float) -> str:
    colour = COLOURS[number % len(COLOURS)]
    if number % 2:
        return f'<rect x="{x - 3}" y="{y - 3}" width="6" height="6" fill="{colour}"/>'
    return f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>'


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 2.5, 5 and 10 times a power of ten; 1 for nothing."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value)


def _shown(secrets: float) -> str:
    if secrets >= 1_000_000:
        return f"{secrets / 1_000_000:g} M"
    return f"{secrets / 1_000:g} k" if secrets >= 1_000 else f"{secrets:g}"
