"""What the page says in words, it says of everything that m8's log and receipts can hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.m8.domain.events import KINDS
from monoskope.protocol.outcomes import ENDS, spelled

PICTURES = Path(__file__).parents[5] / "console" / "src" / "pictures"


def keys(file: str, table: str) -> set[str]:
    """The keys of `const table … = {…}`, in a file of the page."""
    text = (PICTURES / file).read_text(encoding="utf-8")
    block = re.search(rf"^const {table}\b[^=]*= \{{\n(.*?)^\}};", text, re.MULTILINE | re.DOTALL)
    assert block is not None, f"{file} has no table {table}"
    return set(re.findall(r"^  (\w+):", block[1], re.MULTILINE))


def test_every_event_of_the_log_has_a_sentence() -> None:
    assert keys("events/sentences.ts", "TELLERS") == set(KINDS)


@pytest.mark.parametrize("table", ["KIND_OF", "OUTCOME_WORDS"])
def test_every_outcome_has_a_kind_and_words(table: str) -> None:
    outcomes = {spelled(upload_pb2.Outcome, outcome) for outcome in ENDS} - {"FAILED"}
    # An edit of notes is no request, but it is among what people did.
    assert outcomes | {"EDITED"} <= keys("words/outcomes.ts", table)


def test_every_reason_of_a_failure_has_words() -> None:
    reasons = {spelled(upload_pb2.Reason, reason) for reason in upload_pb2.Reason.values() if reason}
    assert reasons == keys("words/outcomes.ts", "REASON_WORDS")


def test_every_refused_login_has_words() -> None:
    refusals = {spelled(views_pb2.LoginRefusal, one) for one in views_pb2.LoginRefusal.values() if one}
    assert refusals == keys("stores/health.ts", "REFUSALS")


def test_every_purpose_has_a_sentence() -> None:
    purposes = {spelled(upload_pb2.Purpose, one) for one in upload_pb2.Purpose.values() if one}
    assert purposes == keys("events/sentences.ts", "PURPOSES")
