"""The proof of an upload of every purpose and outcome; no byte of a proof, a note or a key can be another one."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.secrets.v1 import events_pb2, proof_pb2, upload_pb2
from monoskope.client.proofs import verified
from monoskope.errors import UsageError
from monoskope.protocol.events import upload_stream
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT
from monoskope.protocol.receipt import Receipt, make_receipt, sealed_digest
from monoskope.protocol.tlog.checkpoint import MAX_VKEY_LENGTH, VerifierKey
from monoskope.protocol.tlog.forms import Fault, LogProofError, NoteError
from monoskope.protocol.tlog.note import LogKeys, Note, Policy
from monoskope.protocol.tlog.upload_proof import ProvenUpload, UploadProof
from monoskope.protocol.wire import parse, serialise
from tests.support.proofs import POLICY, STORE, THERE, logged, proof
from tests.support.receipts import COPY_GRANT, GOOD, GRANT, GRANTS, SEALED, put_grant, receipt
from tests.support.vectors import Signer


def sealed_of(grant: Grant) -> bytes:
    return SEALED if grant.request.rules.seals else sealed_digest(b"", b"")


@pytest.mark.parametrize("kind", GOOD)
def test_every_outcome_can_be_proven(kind: str) -> None:
    grant = GRANTS.get(kind, GRANT)
    found = copied_to(THERE) if kind == "COPIED" else receipt(kind, grant=grant, sealed=sealed_of(grant))
    proven = proof(grant, found).verify(POLICY, {"vault": STORE.shown})
    assert (proven.receipt, proven.grant, proven.identity) == (found, grant, STORE.shown)
    assert proven.ended == (found.outcome != upload_pb2.OUTCOME_STARTED)


@pytest.mark.parametrize("kind", GOOD)
def test_a_receipt_about_other_sealed_bytes_than_its_purpose_has_is_refused(kind: str) -> None:
    grant = GRANTS.get(kind, GRANT)
    if grant.request.rules.seals:
        return  # which bytes were sealed, only the receipt says
    found = receipt(kind, grant=grant, sealed=SEALED)
    with pytest.raises(LogProofError) as refused:
        proof(grant, found).verify(POLICY, {"vault": STORE.shown})
    assert refused.value.fault is Fault.RECEIPT


def copied_to(signer: Signer) -> Receipt:
    """Return the receipt of a copy whose destination was signed for by `signer`."""
    put = put_grant()
    fields: dict[str, Any] = GOOD["UPLOADED first"]
    arrived = make_receipt(grant=put, sealed_sha256=SEALED, **fields)
    return receipt(
        "COPIED",
        grant=COPY_GRANT,
        sealed=sealed_of(COPY_GRANT),
        destination=signer.sign(RECEIPT, arrived.content),
        destination_grant=signer.sign(UPLOAD_GRANT, put.content),
    )


def copied(signer: Signer) -> ProvenUpload:
    """Return what is proven of it."""
    return proof(COPY_GRANT, copied_to(signer)).verify(POLICY, {"vault": STORE.shown, "local": THERE.shown})


def test_a_copy_is_proven_by_both_stores() -> None:
    assert copied(THERE).destination_identity == THERE.shown


def test_a_copy_that_another_identity_signed_for_at_its_destination_is_refused() -> None:
    with pytest.raises(LogProofError) as refused:
        copied(Signer())
    assert refused.value.fault is Fault.IDENTITY


def test_a_copy_is_no_proof_where_the_destination_is_not_pinned() -> None:
    """Its source alone would say what stands at the destination, and a hostile source says what it likes."""
    made_up = bytes(proof(COPY_GRANT, copied_to(Signer())).file)
    with pytest.raises(UsageError, match="no identity of the store 'local' is pinned here"):
        verified(made_up, POLICY, {"vault": STORE.shown})
    content = bytes(proof(COPY_GRANT, copied_to(THERE)).file)
    pins = {"vault": STORE.shown, "local": THERE.shown}
    assert verified(content, POLICY, pins).destination_identity == THERE.shown


def test_a_copy_that_does_not_say_by_which_request_is_refused() -> None:
    with pytest.raises(LogProofError) as refused:
        proof(COPY_GRANT, receipt("COPIED", grant=COPY_GRANT, sealed=sealed_of(COPY_GRANT))).verify(
            POLICY, {"vault": STORE.shown}
        )
    assert refused.value.fault is Fault.RECEIPT


def test_a_record_that_says_what_was_asked_is_no_proof_of_another_question() -> None:
    """Before a store has signed, the record alone says it: a file with another URI must not borrow it."""
    asked = GRANT.request
    event = events_pb2.SecretUploadKeyRequested(request=asked.content)
    record = serialise(
        event_pb2.Event(
            position=1,
            stream=upload_stream(asked.request_id),
            version=1,
            type=event.DESCRIPTOR.name,
            recorded_at_ms=1,
            actor="user:corp:alice",
            data=serialise(event),
            previous_hash=bytes(32),
            uri=str(asked.uri),
        )
    )
    pins = {"vault": STORE.shown}
    honest = logged(proof_pb2.UploadEvidence(record=record, request=asked.content)).verify(POLICY, pins)
    assert honest.request.uri == asked.uri
    for another in ({"uri": "vault://app/another"}, {"expect": upload_pb2.EXPECT_OVERWRITE}):
        other = parse(upload_pb2.UploadRequest, asked.content)
        other.MergeFrom(upload_pb2.UploadRequest(**another))
        with pytest.raises(LogProofError) as refused:
            logged(proof_pb2.UploadEvidence(record=record, request=serialise(other))).verify(POLICY, pins)
        assert refused.value.fault is Fault.RECORD


VECTORS = json.loads((Path(__file__).parents[3] / "vectors-log.json").read_text())
PUT = next(vector for vector in VECTORS["uploads"] if vector["name"] == "a signed put")
PROOF = base64.b64decode(PUT["proof"])
KEYS = [VerifierKey.parse(VECTORS["keys"][name]) for name in PUT["policy"]["log"]]
OF_THE_FIRST = Policy(LogKeys.of(KEYS))


def changed(content: bytes, at: int, put: bytes, removed: int) -> bytes:
    return content[:at] + put + content[at + removed :]


@given(st.integers(0, len(PROOF)), st.binary(max_size=3), st.integers(0, 3))
def test_no_byte_of_a_proof_can_be_another_one(at: int, put: bytes, removed: int) -> None:
    faulty = changed(PROOF, at, put, removed)
    if faulty == PROOF:
        return
    with pytest.raises((NoteError, LogProofError)):
        UploadProof.parse(faulty).verify(OF_THE_FIRST, PUT["pins"])


@given(st.data())
def test_no_byte_of_a_key_can_be_another_one(data: st.DataObject) -> None:
    key = str(KEYS[0])
    at = data.draw(st.integers(0, len(key) - 1))
    faulty = key[:at] + data.draw(st.characters()) + key[at + 1 :]
    if faulty == key:
        return
    with pytest.raises(NoteError):
        VerifierKey.parse(faulty)


def without(line: bytes) -> bytes:
    """The proof without the one line that begins so."""
    return b"".join(each for each in PROOF.splitlines(keepends=True) if not each.startswith(line))


@pytest.mark.parametrize(
    ("faulty", "said", "fault"),
    [
        (PROOF.replace(b"\nextra ", b"\nextra " + base64.b64encode(bytes(786_432)), 1), "1,048,576 bytes", Fault.SIZE),
        (PROOF.partition(b"\n\n")[0], "an empty line before its checkpoint", Fault.FORM),
        (b"\n\n".join((PROOF.partition(b"\n")[0], PROOF.partition(b"\n\n")[2])), "a line with the index", Fault.FORM),
        (without(b"index "), "a line with the index", Fault.FORM),
    ],
    ids=["large", "no checkpoint", "no lines", "no index"],
)
def test_a_proof_that_lacks_a_part_or_is_too_large_says_so(faulty: bytes, said: str, fault: Fault) -> None:
    with pytest.raises(NoteError, match=said) as refused:
        UploadProof.parse(faulty)
    assert refused.value.fault is fault


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.kind.name)
@pytest.mark.parametrize("signature", [b"", bytes(7), bytes(65)], ids=len)
def test_a_signature_of_another_length_is_refused_by_its_length(key: VerifierKey, signature: bytes) -> None:
    with pytest.raises(LogProofError, match="wrong length"):
        key.verify_text(UploadProof.parse(PROOF).file.note.text, signature)


def test_a_long_verifier_key_is_refused_before_it_is_read() -> None:
    with pytest.raises(NoteError, match="must be a name, 8 hex digits and base64"):
        VerifierKey.parse(str(KEYS[0]) + "A" * MAX_VKEY_LENGTH)


@given(st.binary(max_size=300) | st.text(alphabet="a\n— =+/AQ", max_size=60).map(str.encode))
def test_any_bytes_are_a_note_in_its_one_form_or_none(content: bytes) -> None:
    try:
        note = Note.parse(content)
    except NoteError:
        return
    assert bytes(note) == content
