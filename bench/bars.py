"""Where time goes as a picture: an SVG with a bar for each part of each process, on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

WIDTH, ROW, HEAD = 900, 18, 30
LABELS, RIGHT = 330, 80
COLOURS = ("#0b6e99", "#b3541e", "#5a7d2a", "#7a3e9d")


def draw(by: Mapping[str, Mapping[str, float]]) -> str:
    """Return the SVG of the milliseconds of each part, by process."""
    height = sum(HEAD + ROW * len(parts) for parts in by.values()) + 10
    longest = max((ms for parts in by.values() for ms in parts.values()), default=1.0)
    box = f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    y = 0
    for number, (process, parts) in enumerate(by.items()):
        y += HEAD
        total = sum(parts.values())
        lines.append(f'<text x="8" y="{y - 8}" font-weight="bold">{escape(process)}: {total:.2f} ms</text>')
        for part, ms in parts.items():
            lines += _bar(part, ms, y, COLOURS[number % len(COLOURS)], longest)
            y += ROW
    return "\n".join([*lines, "</svg>", ""])


def _bar(part: str, ms: float, y: int, colour: str, longest: float) -> list[str]:
    width = round(ms / longest * (WIDTH - LABELS - RIGHT), 1)
    return [
        f'<text x="{LABELS - 8}" y="{y + 12}" text-anchor="end">{escape(part)}</text>',
        f'<rect x="{LABELS}" y="{y + 2}" width="{width}" height="{ROW - 5}" fill="{colour}"/>',
        f'<text x="{LABELS + width + 6}" y="{y + 12}">{ms:.2f}</text>',
    ]
