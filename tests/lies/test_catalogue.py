"""The catalogue itself: as long as the documentation says, and met by every purpose at each change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.lies.catalogue import CATALOGUE, PROXIED, SIGNED, plan, table
from tests.lies.lie import EVERY, Step, Victim

pytestmark = pytest.mark.lie

LEAST = 500
"""How many lies docs/security/threat-model.md promises at least."""

_NAMED = re.compile(r"::test_a_(?:signed_)?lie(?:_about_a_change)?\[([^]]+)\]")


def test_the_catalogue_has_no_lie_twice_and_is_as_long_as_is_said() -> None:
    assert len({lie.id for lie in CATALOGUE}) == len(CATALOGUE) >= LEAST


def test_every_purpose_meets_lies_at_each_step_of_its_walk_at_each_change() -> None:
    for step in (Step.STORE, Step.KEY, Step.SENDING, Step.END, Step.RECEIPT, Step.REFUSAL, Step.TIMING, Step.DELIVERY):
        met = {purpose for lie in PROXIED if lie.step is step for purpose in plan(lie, every=False)}
        assert met >= set(EVERY), step
    for step in (Step.KEY, Step.RECEIPT):
        met = {purpose for lie in SIGNED if lie.step is step for purpose in plan(lie, every=False)}
        assert met >= set(EVERY), step


def test_every_victim_is_lied_to() -> None:
    assert {lie.against for lie in CATALOGUE} == set(Victim)


def test_the_table_has_a_line_for_each_lie() -> None:
    shown = table()
    assert all(lie.name in shown for lie in CATALOGUE)
    assert f"{len(CATALOGUE)} lies" in shown


def test_the_documentation_promises_no_more_lies_than_there_are() -> None:
    page = Path("docs/security/threat-model.md").read_text(encoding="utf-8")
    assert f"at least {LEAST} lies" in page


def test_each_lie_that_a_page_names_is_told() -> None:
    named = {found for page in Path("docs").rglob("*.md") for found in _NAMED.findall(page.read_text(encoding="utf-8"))}
    assert named
    assert named <= {lie.id for lie in CATALOGUE}
