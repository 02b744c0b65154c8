"""The page says with its own words what the client's sentences name by options."""

from __future__ import annotations

import re
from pathlib import Path

from monoskope.client.walk import reasons

_ROOT = Path(__file__).parents[5]
_WORDS = (_ROOT / "console/src/parts/words/onPage.ts").read_text()
_OPTION = re.compile(r"`[a-z_]+`")

STAY = {"`copies_to`"}
"""Shown on the page under this name."""


def test_every_option_that_a_reason_names_has_words_on_the_page() -> None:
    meanings = (*reasons.MEANINGS.values(), *reasons._FOR_PURPOSE.values())
    named = {option for meaning in meanings for option in _OPTION.findall(f"{meaning.message} {meaning.fix}")}
    assert {"`overwrite`", "`expect`", "`binary`"} <= named
    assert named - STAY <= set(_OPTION.findall(_WORDS))


def test_the_words_stand_on_the_page() -> None:
    page = "".join(file.read_text() for file in (_ROOT / "console/src/forms").rglob("*.ts*"))
    titles = set(re.findall(r"“([^”]+)”", _WORDS)) - {"Stores"}
    assert titles
    assert [title for title in titles if title not in page] == []
