"""One request, from the asking for a key to its end: what was recorded, and what users and m8 itself may add.

What a reactor may add is in `append`. The order of events is the table in `monoskope.protocol.events`; here are the
rules about content (docs/protocol.md, The walk). When m8 ends a request is in `deadlines`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from google.protobuf.message import Message
from msgspec.structs import replace

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import AlreadyExistsError, ConflictError, NotFoundError, UsageError
from monoskope.m8.domain.events import read
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.protocol.events import EVENTS, RequestEvent, Step, advance, follow, receipt_of
from monoskope.protocol.grant import ENCAPSULATED_KEY_BYTES, TAG_BYTES, Grant, parse_grant
from monoskope.protocol.outcomes import Author, State, WrongStepError
from monoskope.protocol.payload import is_padded_size
from monoskope.protocol.receipt import Receipt, parse_receipt, sealed_digest
from monoskope.protocol.request import Request, parse_request
from monoskope.protocol.wire import serialise
from monoskope.uri import SecretUri
from monoskope.value import Value

KEPT_BYTES = 8_192
"""Bytes of the largest receipt that is remembered with a request; a larger one is read again."""


class Upload(Value, frozen=True):
    """What the log says about one request. Every part of m8 that follows a request folds its events into this."""

    version: int = 0
    """Events in its stream."""
    state: State = State.NEW
    since_ms: int = 0
    """When the state was entered, by m8's clock."""
    began_ms: int = 0
    """When the request was recorded, by m8's clock."""
    request: Request | None = None
    subject: str = ""
    last_receipt: upload_pb2.Signed | None = None
    """The newest receipt of its secret when it was recorded; None for none, or for one larger than `KEPT_BYTES`."""
    grant: Grant | None = None
    """From GRANTED on."""
    signed_grant: upload_pb2.Signed | None = None
    """The same, as it was signed."""
    sealed_sha256: bytes = b""
    """From UPLOADING on."""
    signed_sha256: bytes = b""
    """From UPLOADING on: `_signed_digest` of what came with the sealed bytes."""
    started: Receipt | None = None
    """From WRITING on."""
    signed_receipt: upload_pb2.Signed | None = None
    """Its last receipt, as it was signed: STARTED while WRITING, then that of its end, of which there may be none."""
    receipt: Receipt | None = None
    """The receipt of an end that is no failure."""
    failed: events_pb2.SecretUploadFailed | None = None
    """What ended it, if it failed."""

    @property
    def request_id(self) -> bytes:
        """Its id, b"" while NEW."""
        return b"" if self.request is None else self.request.request_id

    @property
    def uri(self) -> SecretUri | None:
        """The secret that it is about, None while NEW."""
        return None if self.request is None else self.request.uri

    @property
    def store(self) -> str:
        """The store it is for, "" while NEW."""
        return "" if self.request is None else self.request.uri.store

    @property
    def outcome(self) -> upload_pb2.Outcome:
        """How it ended; without meaning before."""
        if self.state is not State.ENDED:
            return upload_pb2.OUTCOME_UNSPECIFIED
        return upload_pb2.OUTCOME_FAILED if self.receipt is None else self.receipt.outcome


NEW = Upload()


def evolve(upload: Upload, message: Message, *, at_ms: int = 0) -> Upload:
    """Return `upload` after a recorded event. An event that is not a request's changes only the version.

    Raises:
        WrongStepError: the log holds what was never decided.
    """
    after = following(upload, message, at_ms=at_ms)
    if after is None and message.DESCRIPTOR.name in EVENTS:
        raise WrongStepError(upload.state, message.DESCRIPTOR.name)
    return after or replace(upload, version=upload.version + 1)


def following(upload: Upload, message: Message, *, at_ms: int) -> Upload | None:
    """Return `upload` after a recorded event, None if the event cannot follow or is not a request's."""
    version = upload.version + 1
    state = follow(upload.state, message, version=version, seen=upload.version)
    if state is None:
        return None
    changes: dict[str, object] = {"version": version, "state": state, "since_ms": at_ms}
    match message:
        case events_pb2.SecretUploadKeyRequested():
            last = message.last_receipt if 0 < message.last_receipt.ByteSize() <= KEPT_BYTES else None
            changes |= {"request": parse_request(message.request), "subject": message.subject}
            changes |= {"began_ms": at_ms, "last_receipt": last}
        case events_pb2.SecretUploadKeyProvided():
            changes |= {"grant": parse_grant(message.grant.content), "signed_grant": message.grant}
        case events_pb2.SecretUploadRequested():
            digest = _signed_digest(message.request_signature, message.change, message.approvals)
            changes |= {"sealed_sha256": message.sealed_sha256, "signed_sha256": digest}
        case events_pb2.SecretUploadStarted():
            changes |= {"started": parse_receipt(message.receipt.content), "signed_receipt": message.receipt}
        case events_pb2.SecretUploadFailed():
            changes |= {"failed": message, "signed_receipt": receipt_of(message)}
        case _:
            signed = receipt_of(message)
            receipt = None if signed is None else parse_receipt(signed.content)
            changes |= {"signed_receipt": signed, "receipt": receipt}
    return replace(upload, **changes)


def fold(events: Iterable[RecordedEvent], upload: Upload = NEW) -> Upload:
    """Return `upload` after the recorded `events` of its stream."""
    for event in events:
        message = read(event)
        if message is None:
            upload = replace(upload, version=upload.version + 1)
        else:
            upload = evolve(upload, message, at_ms=event.recorded_at_ms)
    return upload


def request_key(
    upload: Upload, *, request: Request, subject: str, last_receipt: upload_pb2.Signed | None, traceparent: str = ""
) -> list[RequestEvent]:
    """Decide step 1: [] if the same subject asked for the same before.

    Raises:
        AlreadyExistsError: the id is taken by anything else; no detail.
    """
    if upload.version:
        if upload.request is not None and upload.request.content == request.content and upload.subject == subject:
            return []
        raise _taken()
    advance(upload.state, Step.KEY_REQUESTED, Author.M8)
    return [
        events_pb2.SecretUploadKeyRequested(
            request=request.content, subject=subject, last_receipt=last_receipt, traceparent=traceparent
        ),
    ]


def request_upload(
    upload: Upload,
    *,
    subject: str,
    encapsulated_key: bytes,
    ciphertext: bytes,
    request_signature: bytes = b"",
    change: bytes = b"",
    approvals: Sequence[bytes] = (),
    last_receipt: upload_pb2.Signed | None,
    traceparent: str = "",
) -> list[events_pb2.SecretUploadRequested]:
    """Decide step 5: [] if the same bytes came before, or the request ended before any came.

    Whether signature, change and approvals are needed, and good, the store's reactor decides by its own lists. Their
    sizes alone are looked at, as of each field of every call (commands.proto).

    Raises:
        NotFoundError: there is no such request of `subject`.
        AlreadyExistsError: other bytes, or another signature, change or approval, came before.
        ConflictError: no key was given yet.
        UsageError: lengths that the grant does not allow.
    """
    if upload.request is None or upload.subject != subject:
        raise unknown_request()
    digest = sealed_digest(encapsulated_key, ciphertext)
    if upload.sealed_sha256:
        signed = _signed_digest(request_signature, change, approvals)
        if (upload.sealed_sha256, upload.signed_sha256) == (digest, signed):
            return []
        raise _taken()
    if upload.state is State.ENDED:
        return []
    if upload.grant is None:
        raise ConflictError("the request has no key yet.", fix="Ask for it with GetSecretUploadKey first.")
    advance(upload.state, Step.UPLOAD_REQUESTED, Author.M8)
    if not upload.request.rules.seals:
        _check_empty(encapsulated_key, ciphertext)
    elif encapsulated_key or ciphertext or not upload.request.remove_keys:
        _check_lengths(upload.grant, encapsulated_key, ciphertext)
    return [
        events_pb2.SecretUploadRequested(
            sealed_sha256=digest,
            size=len(encapsulated_key) + len(ciphertext),
            last_receipt=last_receipt,
            traceparent=traceparent,
            request_signature=request_signature,
            change=change,
            approvals=approvals,
        )
    ]


def unknown_request() -> NotFoundError:
    """Return the error for an id that is unknown or another user's: the caller cannot tell which."""
    return NotFoundError("there is no such request, or it is not yours.", fix="Begin a new one.")


def _taken() -> AlreadyExistsError:
    return AlreadyExistsError("the request id is taken.", fix="Begin again under a new request id.")


def _signed_digest(request_signature: bytes, change: bytes, approvals: Iterable[bytes]) -> bytes:
    """Return a SHA-256 that tells what was signed from anything else, and where each of it begins."""
    parts = events_pb2.SecretUploadRequested(request_signature=request_signature, change=change, approvals=approvals)
    return hashlib.sha256(serialise(parts)).digest()


def _check_empty(encapsulated_key: bytes, ciphertext: bytes) -> None:
    if encapsulated_key or ciphertext:
        raise UsageError("ciphertext: must be empty where nothing is to be sealed.", fix="Use an unmodified client.")


def _check_lengths(grant: Grant, encapsulated_key: bytes, ciphertext: bytes) -> None:
    if len(encapsulated_key) != ENCAPSULATED_KEY_BYTES:
        raise UsageError("encapsulated_key: must have 1,120 bytes.", fix="Use an unmodified client.")
    padded = len(ciphertext) - TAG_BYTES
    if not is_padded_size(padded):
        raise UsageError(
            "ciphertext: must have 16 bytes more than 512, 1,024, … 1,048,576.", fix="Use an unmodified client."
        )
    if padded > grant.max_plaintext:
        raise UsageError(
            f"ciphertext: the padded secret has {padded} bytes; the store takes at most {grant.max_plaintext}.",
            fix="Store a smaller secret, or let max_plaintext in the reactor's reactor.toml be raised.",
        )
