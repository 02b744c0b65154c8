"""The page about OWASP ASVS 5.0 leaves no section out, and says of each what it must."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "security" / "asvs.md"
ROWS = [
    line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| V")
]
SECTIONS = dict(enumerate((5, 4, 7, 4, 4, 8, 6, 4, 2, 7, 7, 3, 4, 3, 4, 5, 3), start=1))
"""How many sections each of the 17 chapters of version 5.0 has."""


def test_every_section_of_every_chapter_has_one_row() -> None:
    named = [re.match(r"V(\d+)\.(\d+) ", row[0]) for row in ROWS]
    assert all(named)
    found = [(int(match[1]), int(match[2])) for match in named if match]
    assert Counter(chapter for chapter, _ in found) == SECTIONS
    assert found == [(chapter, number + 1) for chapter, count in SECTIONS.items() for number in range(count)]


@pytest.mark.parametrize("row", ROWS, ids=[row[0].split(" ")[0] for row in ROWS])
def test_what_is_not_reached_is_named(row: list[str]) -> None:
    _, level, not_applying, short, test = row
    assert re.match(r"(below )?L[123]\b|none applies$", level)
    if level == "none applies":
        assert not_applying != "-"
    if level.startswith("below"):
        assert re.search(r"\d+\.\d+\.\d+:|\d+\.\d+\.\d+, ", short)
    assert test == "-" or "::test_" in test
