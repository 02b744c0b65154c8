"""Proofs from a log that has one event alone."""

from __future__ import annotations

import hashlib

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.secrets.v1 import proof_pb2
from monoskope.protocol.events import event_of, upload_stream
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.merkle import leaf_hash, outline
from monoskope.protocol.tlog.note import LogKeys, Note, Policy
from monoskope.protocol.tlog.proof_file import ProofFile
from monoskope.protocol.tlog.upload_proof import UploadProof
from monoskope.protocol.wire import serialise
from tests.support.vectors import Signer

KEY = LogKey.make("monoskope/0123456789abcdef")
POLICY = Policy(LogKeys.of(KEY.vkeys))
STORE, THERE = Signer(), Signer()


def proof(grant: Grant, found: Receipt) -> UploadProof:
    """Return the proof from a log that has this event alone."""
    event = event_of(found, STORE.sign(RECEIPT, found.content))
    record = serialise(
        event_pb2.Event(
            position=1,
            stream=upload_stream(grant.request.request_id),
            version=5,
            type=event.DESCRIPTOR.name,
            recorded_at_ms=1,
            actor="reactor/vault",
            data=serialise(event),
            previous_hash=bytes(32),
            uri=str(grant.request.uri),
        )
    )
    signed = STORE.sign(UPLOAD_GRANT, grant.content)
    return logged(proof_pb2.UploadEvidence(record=record, grant=signed, request=grant.request.content))


def logged(evidence: proof_pb2.UploadEvidence) -> UploadProof:
    """Return the proof from a log that has the record of `evidence` alone."""
    root = leaf_hash(hashlib.sha256(outline(event_pb2.Event.FromString(evidence.record))).digest())
    note = Note.parse(KEY.sign(Checkpoint(KEY.origin, 1, root), 1_798_000_000))
    return UploadProof.parse(bytes(ProofFile(0, (), note, serialise(evidence))))
