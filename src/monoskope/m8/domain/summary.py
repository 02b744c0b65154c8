"""An event in a few words, for people. Never a fingerprint, a signature, a sealed byte or its digest. Pure.

They become part of the record and of its outline, which every caller who may see the event is shown.
"""

from __future__ import annotations

from google.protobuf.message import Message

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.counted import counted
from monoskope.m8.domain.summary_of_access import of_access
from monoskope.protocol.events import receipt_of
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.identity import open_rotation
from monoskope.protocol.notes import edit_of
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.protocol.request import parse_request

MOST = 512
"""Bytes of a detail at most: it stays in the log for ever, beside what it says again."""


def detail(message: Message) -> str:
    """Return what an event says in a few words: a purpose, an outcome, a reason, a name. A long one is cut."""
    said = _of_request(message) or _of_receipt(message) or _of_store(message) or of_access(message) or _of_rest(message)
    whole = said.encode()
    return said if len(whole) <= MOST else f"{whole[: MOST - 3].decode(errors='ignore')}…"


def _of_request(message: Message) -> str:
    match message:
        case events_pb2.SecretUploadKeyRequested():
            request = parse_request(message.request)
            to = f" to {request.destination}" if request.destination else ""
            after = f" after {request.list_after}" if request.list_after else ""
            return f"{spelled(upload_pb2.Purpose, request.purpose)} of {request.uri}{to}{after}"
        case events_pb2.SecretUploadKeyProvided():
            grant = parse_grant(message.grant.content)
            return f"by replica {grant.replica.hex()[:8]}, for {grant.lifetime_s} s"
        case events_pb2.SecretUploadRequested():
            return f"{message.size} sealed bytes"
        case _:
            return ""


def _of_receipt(message: Message) -> str:
    signed = receipt_of(message)
    if isinstance(message, events_pb2.SecretUploadFailed):
        reason = spelled(upload_pb2.Reason, message.reason)
        return f"{reason}, without a receipt" if signed is None else reason
    if signed is None:
        return ""
    receipt = parse_receipt(signed.content)
    by = f", signed by {receipt.signer} with {receipt.signer_key}" if receipt.signer else ""
    return _of_outcome(receipt) + by


def _of_outcome(receipt: Receipt) -> str:
    prior, version = receipt.prior_version, receipt.upstream_version
    match receipt.outcome:
        case upload_pb2.OUTCOME_STARTED:
            to = f"bringing back version {receipt.restored_version}, " if receipt.restored_version else ""
            return to + (f"replacing version {prior}" if prior else "replacing nothing")
        case upload_pb2.OUTCOME_DELETED:
            return f"DELETED, version {prior}"
        case upload_pb2.OUTCOME_LISTED:
            assert receipt.listed is not None, "LISTED holds a page"
            return f"LISTED, {counted(len(receipt.listed.names), 'name')}"
        case outcome:
            was = f" with the content of {receipt.restored_version}" if receipt.restored_version else ""
            return spelled(upload_pb2.Outcome, outcome) + (f", version {version}{was}" if version else "")


def _of_store(message: Message) -> str:
    match message:
        case events_pb2.SecretStoreCreated():
            return f"{message.name}, type {message.type}, identity {message.identity}"
        case (
            events_pb2.SecretStoreActivated() | events_pb2.SecretStoreDeactivated() | events_pb2.DefaultSecretStoreSet()
        ):
            return message.name
        case events_pb2.SecretStoreIdentityRotated():
            return f"{message.name}, to {open_rotation(message.rotation, store=message.name).new}"
        case events_pb2.SecretStoreIdentityReplaced():
            return f"{message.name}, to {message.identity}"
        case events_pb2.ReactorAttached() | events_pb2.ReactorDetached():
            return f"{message.store}, replica {message.replica.hex()[:8]}"
        case _:
            return ""


def _of_rest(message: Message) -> str:
    match message:
        case (
            events_pb2.FingerprintKeyAdopted()
            | events_pb2.FingerprintKeyRotationStarted()
            | events_pb2.FingerprintKeyRotationFinished()
        ):
            return f"key id {message.key_id}"
        case events_pb2.SecretNotesUpdated():
            # Its stream has a hash in its name, not the URI.
            return f"{message.uri}: {edit_of(message.edit)}"
        case _:
            return ""
