"""The field `traceparent` as bytes, encoded by hand, and what a reactor makes of one that m8 has spoilt."""

from __future__ import annotations

import os

import protovalidate
import pytest

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.protocol.events import upload_stream
from monoskope.reactor.link.open_requests import OpenRequests

GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FIELD_5 = bytes([5 << 3 | 2, len(GOOD)]) + GOOD.encode()
"""The field's number and wire type, its length, its text."""


def test_it_is_field_5_of_both_events() -> None:
    asked = bytes.fromhex("0a0161") + bytes.fromhex("1204616e6e61") + FIELD_5
    assert (
        events_pb2.SecretUploadKeyRequested(request=b"a", subject="anna", traceparent=GOOD).SerializeToString() == asked
    )
    sent = bytes.fromhex("0a0162") + bytes.fromhex("1007") + FIELD_5
    assert events_pb2.SecretUploadRequested(sealed_sha256=b"b", size=7, traceparent=GOOD).SerializeToString() == sent


def test_without_it_the_events_are_as_they_always_were() -> None:
    assert events_pb2.SecretUploadKeyRequested(request=b"a", subject="anna").SerializeToString().hex() == (
        "0a0161" + "1204616e6e61"
    )


@pytest.mark.parametrize("text", ["", GOOD])
def test_the_rule_in_proto_takes_it(text: str) -> None:
    protovalidate.validate(events_pb2.SecretUploadRequested(traceparent=text))


def test_the_rule_in_proto_refuses_anything_else() -> None:
    with pytest.raises(protovalidate.ValidationError):
        protovalidate.validate(events_pb2.SecretUploadRequested(traceparent=GOOD + "\r\n"))


@pytest.mark.parametrize(("told", "kept"), [(GOOD, GOOD), (f"{GOOD}\r\nX-Vault-Token: a", ""), ("x" * 9_999, "")])
def test_a_reactor_passes_no_header_on_that_m8_made_up(told: str, kept: str) -> None:
    request_id = os.urandom(16)
    message = events_pb2.SecretUploadKeyRequested(request=b"a", subject="anna", traceparent=told)
    event = event_pb2.Event(
        stream=upload_stream(request_id),
        version=1,
        type="SecretUploadKeyRequested",
        data=message.SerializeToString(),
    )
    request = OpenRequests().apply(event, b"", now=0.0)
    assert request is not None
    assert request.traceparent == kept
