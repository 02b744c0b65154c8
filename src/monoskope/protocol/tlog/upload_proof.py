"""The proof of an upload, checked without a server: what was asked, what the reactor signed, and since when.

It is a `ProofFile` whose `extra` is an `UploadEvidence` (proof.proto). The entry is the hash of the record of the
request's last event. Three parties speak in it, and each says another thing:

- the store: by the grant and the receipt, what its reactor was asked and what became of that;
- the witnesses: by their cosignatures, that the record stood in the log by their time;
- m8: everything else, such as who asked and the record's own time. Nothing proves that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.secrets.v1 import events_pb2, proof_pb2, upload_pb2
from monoskope.errors import Error
from monoskope.protocol import sshsig
from monoskope.protocol.approvers import CountedApproval, open_change, recount
from monoskope.protocol.change import Change
from monoskope.protocol.events import EVENTS, RequestEvent, receipt_of, request_id_of, step_with, steps_of
from monoskope.protocol.former import check_before, former
from monoskope.protocol.grant import Grant, open_grant
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT, Namespace, follow, open_signed, shown, statement
from monoskope.protocol.open_receipt import open_receipt
from monoskope.protocol.outcomes import State
from monoskope.protocol.receipt import Receipt, parse_receipt, sealed_digest
from monoskope.protocol.request import Request, parse_request
from monoskope.protocol.tlog.forms import Fault, LogProofError, NoteError
from monoskope.protocol.tlog.merkle import leaf_hash, outline, verify_inclusion
from monoskope.protocol.tlog.note import Believed, Policy
from monoskope.protocol.tlog.proof_file import ProofFile
from monoskope.protocol.wire import MalformedError, parse
from monoskope.value import Value


class ProvenUpload(Value, frozen=True):
    """What a proof says, after every check."""

    request: Request
    """What was asked: the store's word. Without a grant it is what the file says, and m8's word at most."""
    event: str
    """The request's last event when the proof was made, by its name."""
    ended: bool
    """Whether the request was over with it."""
    position: int
    """The place of the event in the log, from 1."""
    recorded_at_ms: int
    """When m8 recorded it, milliseconds since the Unix epoch: m8's word."""
    subject: str
    """Who asked: m8's word, "" where there is no grant."""
    identity: str
    """The identity of the store that signed grant and receipt; "" where the store signed nothing."""
    grant: Grant | None
    receipt: Receipt | None
    """What the reactor signed; None if m8 ended the request, or it had not ended."""
    reason: upload_pb2.Reason
    """Why it failed: of the receipt; without one m8's word."""
    request_signature: bytes
    """The signature of the request (SSHSIG), which verifies and is of the signer in the receipt; or b""."""
    change: Change | None
    """The change that was executed, None for none: what was approved is what was asked."""
    approvals: tuple[CountedApproval, ...]
    """Of each approver in the receipt, in its order. Whose keys they are, only a list of approvers proves."""
    destination_identity: str
    """After COPIED: the pinned identity of the other store, which signed its own receipt; "" if it is not pinned."""
    believed: Believed
    """The checkpoint, with the signatures that were demanded."""
    by_s: int | None
    """By when it stood in the log, by the time of the witnesses that the quorum needs; None if no witness cosigned."""


class UploadProof(Value, frozen=True):
    """A proof as it came. What it says of itself is what is needed to check it, and nothing else."""

    file: ProofFile
    evidence: proof_pb2.UploadEvidence
    request: Request
    """What was asked, as the proof says."""

    @classmethod
    def parse(cls, content: bytes) -> UploadProof:
        """Return the proof in `content`.

        Raises:
            NoteError: it is not one, or not in its one form.
        """
        file = ProofFile.parse(content)
        try:
            evidence = parse(proof_pb2.UploadEvidence, file.extra)
            request = parse_request(evidence.request)
        except MalformedError as error:
            rule = f"must be the evidence of a request ({error.message.removesuffix('.')})"
            raise NoteError("the extra data of a proof", rule) from None
        return cls(file, evidence, request)

    @property
    def origin(self) -> str:
        """Which log it claims to be of."""
        return self.file.checkpoint.origin

    @property
    def stores(self) -> tuple[str, ...]:
        """Whose identities it takes: the store that was asked, and the destination of a COPY."""
        to = self.request.destination
        return (self.request.uri.store,) if to is None else (self.request.uri.store, to.store)

    @property
    def receipt(self) -> upload_pb2.Signed | None:
        """The receipt in the record, as it came; None if its event has none."""
        stored = _stored(self.evidence.record)
        return receipt_of(_read(stored, self.file.index, self.request, self.evidence.request))

    def verify(self, policy: Policy, pins: Mapping[str, str]) -> ProvenUpload:
        """Return what is proven.

        Args:
            policy: The log's keys, its witnesses, and how many of them must have cosigned.
            pins: Store to identity, as shown. A later identity counts if signed rotations lead to it; a former one if
                the record was there before the rotation from it.

        Raises:
            LogProofError: something does not hold; says what.
            NoteError: the checkpoint is malformed.
        """
        believed = policy.believe(bytes(self.file.note))
        stored = _stored(self.evidence.record)
        leaf, root = leaf_hash(hashlib.sha256(outline(stored)).digest()), believed.checkpoint.root
        verify_inclusion(self.file.index, believed.checkpoint.size, leaf, self.file.hashes, root)
        event = _read(stored, self.file.index, self.request, self.evidence.request)
        identities = self._identities(pins, leaf)
        grant = self._grant(identities)
        receipt = self._receipt(identities, grant, event)
        change = self._change(grant, receipt)
        return ProvenUpload(
            request=self.request,
            event=stored.type,
            ended=_is_end(event, receipt),
            position=stored.position,
            recorded_at_ms=stored.recorded_at_ms,
            subject="" if grant is None else grant.subject,
            identity="" if grant is None else shown(self.evidence.grant.identity_key),
            grant=grant,
            receipt=receipt,
            reason=_reason(event, receipt),
            request_signature=self._signature(grant, receipt),
            change=change,
            approvals=self._approvals(change, receipt),
            destination_identity=_destination(receipt, pins),
            believed=believed,
            by_s=_by(believed, policy.quorum),
        )

    def _identities(self, pins: Mapping[str, str], leaf: bytes) -> frozenset[str]:
        """Return the identities whose signatures count: the pinned one, and those to which signed rotations lead.

        A former one counts if it signed the grant, and the record was there before the rotation from it.
        """
        store, rotations = self.request.uri.store, self.evidence.rotations
        pin = pins.get(store)
        if pin is None:
            return frozenset()
        signer = shown(self.evidence.grant.identity_key)
        try:
            identities = frozenset([pin, *follow(pin, rotations, store=store)])
            if signer in identities or (step := former(pin, rotations, store=store).get(signer)) is None:
                return identities
            check_before(step, index=self.file.index, leaf=leaf, proof=self.evidence.before_rotation)
        except Error as error:
            raise LogProofError(_why("rotation of the store's identity", error), fault=Fault.IDENTITY) from None
        return frozenset([signer])

    def _grant(self, identities: frozenset[str]) -> Grant | None:
        if not self.evidence.HasField("grant"):
            return None
        signed = self.evidence.grant
        identity = _signer_of(signed, identities, "grant")
        try:
            return open_grant(signed, identity=identity, request=self.evidence.request, subject=None)
        except Error as error:
            raise LogProofError(_why("grant", error), fault=Fault.GRANT) from None

    def _receipt(self, identities: frozenset[str], grant: Grant | None, event: RequestEvent) -> Receipt | None:
        signed = receipt_of(event)
        if signed is None:
            return None
        if grant is None:
            raise LogProofError("there is a receipt without the grant that it answers", fault=Fault.GRANT)
        identity = _signer_of(signed, identities, "receipt")
        try:
            sealed = parse_receipt(signed.content).sealed_sha256
            if sealed and not grant.request.rules.seals:
                sealed = sealed_digest(b"", b"")
            receipt = open_receipt(signed, identity=identity, grant=grant, sealed_sha256=sealed or None)
        except Error as error:
            raise LogProofError(_why("receipt", error), fault=Fault.RECEIPT) from None
        if step_with(event, receipt.outcome) is None:
            raise LogProofError("the record is an event of another kind than its receipt says", fault=Fault.RECORD)
        return receipt

    def _signature(self, grant: Grant | None, receipt: Receipt | None) -> bytes:
        """Return the signature of the request, if the receipt names who made it."""
        blob = self.evidence.request_signature
        if grant is None or receipt is None or receipt.outcome == upload_pb2.OUTCOME_FAILED:
            return b""  # nothing says that it is good: the reactor may have refused it
        if not receipt.signer:
            if blob:
                raise LogProofError("there is a signature of a request that needs none", fault=Fault.SIGNER)
            return b""
        try:
            found = sshsig.parse(blob, Namespace.REQUEST)
            found.verify(statement(grant.sha256, receipt.sealed_sha256))
        except sshsig.FaultError as error:
            raise LogProofError(_why("signature of the request", error), fault=Fault.SIGNER) from None
        principal = receipt.signer if found.certificate is None else found.certificate.principal
        if (found.key.fingerprint, principal) != (receipt.signer_key, receipt.signer):
            raise LogProofError("the receipt names another signer than the one who signed", fault=Fault.SIGNER)
        return blob

    def _change(self, grant: Grant | None, receipt: Receipt | None) -> Change | None:
        """Return the change that was executed, if the receipt names one."""
        if grant is None or receipt is None or receipt.outcome == upload_pb2.OUTCOME_FAILED:
            return None
        if not receipt.change_sha256:
            if self.evidence.change or self.evidence.approvals:
                raise LogProofError(
                    "there is a change or an approval, and the receipt names none", fault=Fault.APPROVALS
                )
            return None
        identity = shown(self.evidence.grant.identity_key)
        try:
            return open_change(self.evidence.change, request=grant.request, receipt=receipt, identity=identity)
        except Error as error:
            raise LogProofError(_why("change", error), fault=Fault.APPROVALS) from None

    def _approvals(self, change: Change | None, receipt: Receipt | None) -> tuple[CountedApproval, ...]:
        """Return the approvals, which are those of the receipt's approvers and no others."""
        if change is None or receipt is None:
            return ()
        try:
            found = recount(change, self.evidence.approvals, receipt)
        except Error as error:
            raise LogProofError(_why("approval", error), fault=Fault.APPROVALS) from None
        if [one.content for one in found] != list(self.evidence.approvals):
            raise LogProofError("there is an approval that the receipt does not name", fault=Fault.APPROVALS)
        return found


def _stored(record: bytes) -> event_pb2.Event:
    """Return the record, which is in its one form."""
    try:
        stored = parse(event_pb2.Event, record)
    except MalformedError as error:
        raise LogProofError(_why("record", error), fault=Fault.RECORD) from None
    if stored.data_sha256:
        raise LogProofError("the record is an outline, without its data", fault=Fault.RECORD)
    return stored


def _read(stored: event_pb2.Event, index: int, request: Request, asked: bytes) -> RequestEvent:
    """Return the event in the record, which is at the place and of the request that the proof says."""
    try:
        kind = EVENTS.get(stored.type)
        if kind is None:
            raise LogProofError("the record is no event of a request", fault=Fault.RECORD)
        event = parse(kind, stored.data)
    except MalformedError as error:
        raise LogProofError(_why("record", error), fault=Fault.RECORD) from None
    if stored.position != index + 1:
        raise LogProofError("the record says that it stands at another place of the log", fault=Fault.RECORD)
    if (request_id_of(stored.stream), stored.uri) != (request.request_id, str(request.uri)):
        raise LogProofError("the record is of another request", fault=Fault.RECORD)
    if isinstance(event, events_pb2.SecretUploadKeyRequested) and event.request != asked:
        raise LogProofError("the record says that something else was asked", fault=Fault.RECORD)
    return event


def _signer_of(signed: upload_pb2.Signed, identities: frozenset[str], what: str) -> str:
    identity = shown(signed.identity_key)
    if identity not in identities:
        raise LogProofError(
            f"the {what} is signed by {identity}, which is neither the pinned identity of the store nor one that signed"
            " steps join to it",
            fault=Fault.IDENTITY,
        )
    return identity


def _is_end(event: RequestEvent, receipt: Receipt | None) -> bool:
    step = None if receipt is None else step_with(event, receipt.outcome)
    steps = steps_of(event) if step is None else (step,)
    return all(step.leads_to is State.ENDED for step in steps)


def _reason(event: RequestEvent, receipt: Receipt | None) -> upload_pb2.Reason:
    if receipt is not None:
        return receipt.reason
    return event.reason if isinstance(event, events_pb2.SecretUploadFailed) else upload_pb2.REASON_UNSPECIFIED


def _destination(receipt: Receipt | None, pins: Mapping[str, str]) -> str:
    """Check that the destination of what was copied signed its receipt, if it is pinned, and return its identity."""
    if receipt is None or receipt.destination is None:
        return ""
    if receipt.destination_grant is None:
        raise LogProofError("the receipt says that it was copied, but not by which request", fault=Fault.RECEIPT)
    try:
        pin = pins.get(parse_receipt(receipt.destination.content).uri.store, "")
        if pin:
            open_signed(receipt.destination_grant, UPLOAD_GRANT, pin)
            open_signed(receipt.destination, RECEIPT, pin)
    except Error as error:
        raise LogProofError(_why("receipt of the destination", error), fault=Fault.IDENTITY) from None
    return pin


def _by(believed: Believed, quorum: int) -> int | None:
    """Return the time by which as many witnesses as the quorum needs had cosigned; without a quorum the first one."""
    times = sorted(at_s for _, at_s in believed.cosigned)
    return times[max(quorum, 1) - 1] if times else None


def _why(what: str, error: Error) -> str:
    return f"the {what} does not hold: {error.message.removesuffix('.')}"
