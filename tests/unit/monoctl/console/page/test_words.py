"""The page says with its own words what monoctl's sentences name by options of commands."""

from __future__ import annotations

import re
from pathlib import Path

from monoskope import client
from monoskope.monoctl.output.flags import with_flags

_ROOT = Path(__file__).parents[5]
_SAID = Path(client.__file__).parent
_OPTION = re.compile(r"--[a-z][a-z-]+")

STAY = {"--server", "--store-identity", "--default-store", "--token-file", "--ca-file", "--known-stores", "--config"}
"""Options of `monoctl console` itself: whoever reads of them starts it again with one."""


def test_every_option_that_a_reason_names_has_words_on_the_page() -> None:
    words = (_ROOT / "console/src/parts/words/onPage.ts").read_text()
    named = set(_OPTION.findall(with_flags((_SAID / "reasons.py").read_text())))
    assert {"--overwrite", "--expect", "--binary"} <= named
    assert named - STAY <= set(_OPTION.findall(words))


def test_the_words_stand_on_the_page() -> None:
    page = "".join(file.read_text() for file in (_ROOT / "console/src/forms").rglob("*.ts*"))
    titles = set(re.findall(r"“([^”]+)”", (_ROOT / "console/src/parts/words/onPage.ts").read_text())) - {"Stores"}
    assert titles
    assert [title for title in titles if title not in page] == []
