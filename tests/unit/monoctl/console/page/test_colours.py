"""The colours of the console's page: everybody can read its text and see its controls (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).resolve().parents[5] / "console" / "style" / "tokens.css"

TEXT = 4.5
CONTROL = 3.0
GROUNDS = ("ground", "ground-2", "ground-3")
PAIRS = [
    *[(text, ground, TEXT) for text in ("text", "text-2") for ground in GROUNDS],
    *[("text-3", ground, TEXT) for ground in ("ground", "ground-2")],
    *[("accent", ground, TEXT) for ground in ("ground", "ground-2", "accent-ground")],
    *[
        (text, f"{tone}-ground", TEXT)
        for tone in ("good", "warn", "bad", "accent")
        for text in (tone, "text", "text-2")
    ],
    *[(tone, "ground", TEXT) for tone in ("good", "warn", "bad")],
    *[("on-primary", ground, TEXT) for ground in ("primary", "primary-hover", "danger", "danger-hover")],
    *[("edge", ground, CONTROL) for ground in ("ground", "ground-2")],
    *[(f"chart-{name}", "ground", CONTROL) for name in ("1", "2", "3", "4", "5", "6", "bad")],
]


def _schemes() -> dict[str, dict[str, str]]:
    """The colours of both schemes: dark ones replace light ones."""
    text = TOKENS.read_text(encoding="utf-8")
    light, dark = text.split("@media (prefers-color-scheme: dark)")
    found = [dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", part)) for part in (light, dark)]
    return {"light": found[0], "dark": {**found[0], **found[1]}}


def _luminance(colour: str) -> float:
    """The relative luminance of `#rrggbb` (WCAG 2.2, definition of relative luminance)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_black_on_white_is_the_most() -> None:
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_stands_on_each_ground_can_be_read(scheme: str) -> None:
    colours = _schemes()[scheme]
    contrasts = {(a, b): round(_contrast(colours[a], colours[b]), 2) for a, b, _ in PAIRS}
    least = {(a, b): least for a, b, least in PAIRS}
    assert {pair: found for pair, found in contrasts.items() if found < least[pair]} == {}
