"""What events say of signed requests: who signed and with which key, for readers without the log."""

from __future__ import annotations

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.events import upload_stream
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.wire import serialise
from tests.support.m8_walk import Documents, Walk

KEY = f"SHA256:{'a' * 43}"
SIGNER = {"signer": "anna@example.org", "signer_key": KEY}


def test_events_say_who_signed_and_unsigned_ones_do_not() -> None:
    documents, walk, unsigned = Documents(), Walk(), Walk()
    message = upload_pb2.UploadGrant.FromString(walk.grant.content)
    message.signature_required = True
    walk.grant = parse_grant(serialise(message))
    for one, fields in ((walk, SIGNER), (unsigned, {})):
        events = [one.asked(), one.provided(), one.sent(), one.started(**fields), one.uploaded(**fields)]
        documents.record(upload_stream(one.request.request_id), events)
    said = [event.detail for event in documents.events]
    assert said.count(f"UPLOADED, version 1, signed by anna@example.org with {KEY}") == 1
    assert said.count(f"replacing nothing, signed by anna@example.org with {KEY}") == 1
    assert said.count("UPLOADED, version 1") == 1
