"""The sentence beside a reason: short, of printable ASCII, and only with FAILED."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.outcomes import is_detail
from monoskope.protocol.wire import MalformedError
from tests.support.receipts import receipt

SENTENCE = "the value of password is not UTF-8 text, and this engine holds only text."


def test_a_failure_can_say_more_than_its_reason() -> None:
    failed = receipt("FAILED", reason=upload_pb2.REASON_UPSTREAM_REFUSED, detail=SENTENCE)
    assert failed.detail == SENTENCE


@pytest.mark.parametrize("detail", ["x" * 201, "two\nlines", "\x1b[2J", "\u202e", "é", "\x7f"])
def test_what_could_control_a_terminal_or_fill_it_is_no_detail(detail: str) -> None:
    assert not is_detail(detail)
    with pytest.raises(MalformedError, match="detail"):
        receipt("FAILED", detail=detail)


@pytest.mark.parametrize("kind", ["UPLOADED first", "STARTED", "EQUAL", "LISTED"])
def test_nothing_else_has_one(kind: str) -> None:
    with pytest.raises(MalformedError, match="detail"):
        receipt(kind, detail=SENTENCE)
