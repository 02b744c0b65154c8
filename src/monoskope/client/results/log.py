"""What m8 shows of its log after it was checked: events, the log itself, and proofs for others (docs/log-proofs.md)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Self

from monoskope.api.gateway.v1 import log_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.results import moment
from monoskope.client.walk import reasons
from monoskope.protocol.events import request_id_of
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.tlog.note import Believed
from monoskope.protocol.tlog.upload_proof import ProvenUpload
from monoskope.value import Value


class Event(Value, frozen=True):
    """One event of the log."""

    position: int
    """Its place in the log, from 1."""
    stream: str
    version: int
    """Its place in the stream, from 1."""
    type: str
    """Its name, of those in docs/protocol.md."""
    recorded_at: dt.datetime | None
    actor: str
    """Who caused it."""
    uri: str
    """The secret's URI, for events of a request."""
    request_id: str
    """The request's id, 32 hex digits; "" for other events."""
    detail: str
    """Its content in a few words."""
    record_hash: str
    """Hash of its record, which contains that of the record before it, 64 hex digits."""
    proven: bool
    """Whether it stands in the log as it is pinned. What is newer than the checkpoint, or watched, is m8's word."""

    @classmethod
    def of(cls, view: views_pb2.EventSummary, *, proven: bool) -> Self:
        """Return what a view says."""
        return cls(
            position=view.position,
            stream=view.stream,
            version=view.version,
            type=view.type,
            recorded_at=moment(view.recorded_at_ms),
            actor=view.actor,
            uri=view.uri,
            request_id=(request_id_of(view.stream) or b"").hex(),
            detail=view.detail,
            record_hash=view.hash.hex(),
            proven=proven,
        )


class LogWitness(Value, frozen=True):
    """A witness that m8 asks for cosignatures. All of this is m8's word."""

    name: str
    vkey: str
    size: int
    """The size of the largest tree that it cosigned, 0 if none."""
    cosigned_at: dt.datetime | None
    """When, by its own clock."""
    trouble: str
    """What is wrong with it, or ""."""

    @classmethod
    def of(cls, said: log_pb2.Witness) -> Self:
        """Return what m8 says of a witness."""
        return cls(said.vkey.partition("+")[0], said.vkey, said.size, moment(said.cosigned_at_s * 1000), said.trouble)


class Log(Value, frozen=True):
    """The log of an m8. Origin, sizes, notes and times are signed by it, and fit what was known of it before."""

    server: str
    """The server that answered."""
    origin: str
    """Its name."""
    vkeys: tuple[str, str]
    """Its verifier keys: Ed25519, then ML-DSA-44."""
    size: int
    """How many entries it has at its newest checkpoint."""
    note: str
    """The signed note of that."""
    signed_at: dt.datetime | None
    """When it signed that, by its own clock."""
    witnessed_size: int
    """How many entries it has at the newest checkpoint with a quorum of witnesses, 0 if there is none."""
    witnessed_note: str
    """The signed note of that, "" if there is none."""
    newest_at: dt.datetime | None
    """How old all this is: the time of the quorum that the settings demand, else `signed_at`."""
    demanded: int
    """The cosignatures that the settings demand, 0 for none."""
    quorum: int
    """How many of `witnesses` m8 wants; its word, as what follows."""
    witnesses: tuple[LogWitness, ...]
    trouble: str
    """Why m8 signs no checkpoint at present, or ""."""
    quorum_trouble: str
    """That a quorum of witnesses is missing for longer than m8 is set to take, or ""."""
    renewed_at: dt.datetime | None
    """When the log began in the place of one that was lost, None if it did not."""
    renewal_reason: str
    """Why, in the administrator's words."""
    pinned_size: int
    """How many entries the log had when this client saw it last before, 0 if this is the first look."""

    @property
    def age_s(self) -> float:
        """Seconds since `newest_at`."""
        now = dt.datetime.now(dt.UTC)
        return (now - (self.newest_at or now)).total_seconds()


class ProvenApprover(Value, frozen=True):
    """One whose approval of a change counted, by the store's receipt; the signature is over that change."""

    principal: str
    key: str
    """`SHA256:…`; with a certificate of the key in it."""
    lists: tuple[str, ...]
    """Which of the given lists of approvers have this key, or its CA, under this name; () where none was given."""


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
    expected_version: str
    """The version that had to be upstream; "" without one."""
    change_sha256: str
    """SHA-256 of the change that was executed, 64 hex digits: what its approvers signed. "" for none."""
    change_id: str
    """Its id, 32 hex digits; "" for none."""
    change_reason: str
    """Why, in the requester's words; "" if they did not say."""
    approvers: tuple[ProvenApprover, ...]
    """Whose approvals counted, by the receipt; each signature is over this change, and verifies."""
    break_glass: str
    """Why it was done without the approvals that it takes, in the signer's words; "" if nobody broke the glass."""
    approvals_asked: int
    """How many approvals the store asked there at most, of anybody: of this signer perhaps fewer."""
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
    def of(cls, proven: ProvenUpload, content: bytes, lists: Mapping[str, Sequence[str]]) -> Self:
        """Return what was proven by `content`. `lists` names those that have an approver, by the approver's name."""
        asked, receipt, believed, change = proven.request, proven.receipt, proven.believed, proven.change
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
            expected_version=asked.expect_version,
            change_sha256="" if change is None else change.sha256.hex(),
            change_id="" if change is None else change.change_id.hex(),
            change_reason="" if change is None else change.reason,
            approvers=tuple(
                ProvenApprover(one.principal, one.key.fingerprint, tuple(lists.get(one.principal, ())))
                for one in proven.approvals
            ),
            break_glass="" if receipt is None else receipt.break_glass,
            approvals_asked=0 if proven.grant is None else proven.grant.approvals,
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
