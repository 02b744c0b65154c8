"""What a proof of an upload says, and whether two people are shown one log (docs/log-proofs.md)."""

from __future__ import annotations

import datetime as dt
from typing import Self

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.results.words import moment
from monoskope.client.walk import reasons
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.tlog.policy import Believed
from monoskope.protocol.tlog.upload_proof import ProvenUpload
from monoskope.value import Value


class UploadProof(Value, frozen=True):
    """What a proof of an upload says. All of it is proven, but for what is called m8's word."""

    hidden = frozenset({"content"})

    content: bytes
    """The proof itself, as a file of c2sp.org/tlog-proof holds it."""
    request_id: str
    """32 hex digits."""
    uri: str
    """What was asked, with the next three: signed by the store if `identity` is given, else m8's word."""
    destination: str
    """With a copy: the URI of the destination."""
    purpose: str
    expect: str
    """What had to be upstream: "ANY", "ABSENT", "VERSION", "OVERWRITE", or "" for what writes nothing."""
    identity: str
    """The identity of the store that signed what it was asked and the receipt; "" if the store signed nothing."""
    destination_identity: str
    """After a copy: the identity of the other store, which signed its own receipt; else ""."""
    event: str
    """The last event of the request when the proof was made, by its name of docs/protocol.md."""
    ended: bool
    """Whether the request was over with it."""
    outcome: str
    """What became of it, by the receipt; "" without one: then m8 ended the request, or it had not ended."""
    reason: str
    """Why it failed, by the receipt; without one m8's word."""
    hash: str
    """The whole secret's fingerprint, by the receipt; "" if the receipt has none."""
    values: dict[str, str]
    """Each key's fingerprint, by the receipt."""
    upstream_version: str
    """The version upstream then, by the receipt."""
    signer: str
    """Who signed the request; the signature verifies. "" where the store asked for none."""
    signer_key: str
    """The key that signed it, `SHA256:…`."""
    subject: str
    """Who asked: m8's word."""
    recorded_at: dt.datetime | None
    """When m8 recorded the event: m8's word."""
    position: int
    """The place of the event in the log, from 1."""
    log: str
    """The log's origin."""
    log_size: int
    """How many events the log had in the checkpoint."""
    signed_at: dt.datetime | None
    """When the log signed that: m8's word."""
    witnesses: tuple[str, ...]
    """The witnesses that cosigned it, of those that the caller knows."""
    witnessed_at: dt.datetime | None
    """By when the event stood in the log, by the time of the witnesses that the quorum needs; None without any."""

    @classmethod
    def of(cls, proven: ProvenUpload, content: bytes) -> Self:
        """Return what was proven by `content`."""
        asked, receipt, believed = proven.request, proven.receipt, proven.believed
        return cls(
            content=content,
            request_id=asked.request_id.hex(),
            uri=str(asked.uri),
            destination=str(asked.destination or ""),
            purpose=spelled(upload_pb2.Purpose, asked.purpose),
            expect=spelled(upload_pb2.Expect, asked.expect) if asked.expect else "",
            identity=proven.identity,
            destination_identity=proven.destination_identity,
            event=proven.event,
            ended=proven.ended,
            outcome="" if receipt is None else spelled(upload_pb2.Outcome, receipt.outcome),
            reason=reasons.name(proven.reason) if proven.reason else "",
            hash="" if receipt is None else receipt.fingerprint,
            values={} if receipt is None else dict(receipt.values),
            upstream_version="" if receipt is None else receipt.upstream_version,
            signer="" if receipt is None else receipt.signer,
            signer_key="" if receipt is None else receipt.signer_key,
            subject=proven.subject,
            recorded_at=moment(proven.recorded_at_ms),
            position=proven.position,
            log=believed.checkpoint.origin,
            log_size=believed.checkpoint.size,
            signed_at=moment(believed.signed_at_s * 1000),
            witnesses=tuple(key.name for key, _ in believed.cosigned),
            witnessed_at=None if proven.by_s is None else moment(proven.by_s * 1000),
        )


class LogComparison(Value, frozen=True):
    """Another person's note of a log belongs to the log that this client is shown: one continues the other."""

    log: str
    """The log's origin."""
    size: int
    """How many events the log has in the other person's note."""
    known_size: int
    """How many it has in the note that this client keeps."""
    signed_at: dt.datetime | None
    """When the log signed the other note: m8's word."""
    witnesses: tuple[str, ...]
    """The witnesses that cosigned it, of those that the caller knows."""

    @classmethod
    def of(cls, other: Believed, known_size: int) -> Self:
        """Return what was found of the note `other`."""
        return cls(
            log=other.checkpoint.origin,
            size=other.checkpoint.size,
            known_size=known_size,
            signed_at=moment(other.signed_at_s * 1000),
            witnesses=tuple(key.name for key, _ in other.cosigned),
        )
