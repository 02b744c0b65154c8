"""Whether those whom a receipt names approved a change: recounted by their signatures, without a reactor.

`m8 events signatures` and the proof of an upload recount so (docs/signatures.md). Whose keys they are, and whether they
were enough, only the store's lists say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.secrets.v1 import proof_pb2
from monoskope.errors import Error
from monoskope.protocol.change import Change, executes, parse_change
from monoskope.protocol.events import EVENTS, receipt_of
from monoskope.protocol.identity import Namespace, ProofError, approval_statement
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.protocol.request import Request
from monoskope.protocol.sshsig import Certificate, FaultError, PublicKey
from monoskope.protocol.sshsig import parse as parse_signature
from monoskope.protocol.sshsig.lists import ListedKeys
from monoskope.protocol.wire import parse
from monoskope.value import Value


class CountedApproval(Value, frozen=True):
    """An approval that a receipt names, and that is a signature over the change of its request."""

    hidden = frozenset({"content"})

    principal: str
    """Who approved, by the receipt; a certificate says the same."""
    signer: PublicKey | Certificate
    """What signed: the key of the receipt, or a certificate over it."""
    content: bytes
    """The SSHSIG, without armour."""

    @property
    def key(self) -> PublicKey:
        """The key that signed: of a certificate the key in it."""
        return self.signer.key if isinstance(self.signer, Certificate) else self.signer


def open_change(content: bytes, *, request: Request, receipt: Receipt, identity: str) -> Change:
    """Return the change that was executed.

    Args:
        content: The serialised change.
        request: What the store was asked, by its own grant.
        receipt: Of that request, by `open_receipt`; it names a change. Nobody is in it twice, or approves their own.
        identity: The store's, as shown, that signed it.

    Raises:
        ProofError: the change is not the one that the request executed.
        MalformedError: it is none.
    """
    change = parse_change(content)
    if not executes(request, change):
        raise ProofError("the change is not the one that was executed, or not for what was asked")
    if change.requester != receipt.signer:
        raise ProofError("the change is for another requester than the signer")
    if change.identity != identity:
        raise ProofError("the change is for another identity than the store's")
    return change


def recount(change: Change, approvals: Sequence[bytes], receipt: Receipt) -> tuple[CountedApproval, ...]:
    """Return the approval of each approver of a receipt, in the receipt's order.

    Args:
        change: What was approved.
        approvals: As they came; those that the receipt does not name are passed over, as the reactor did.
        receipt: It names `change`.

    Raises:
        ProofError: it names somebody of whom there is no good signature over the change.
    """
    principals = {key: principal for principal, key in receipt.approvers}
    good = [found for blob in approvals if (found := _counted(change, blob, principals)) is not None]
    counted: list[CountedApproval] = []
    for principal, key in receipt.approvers:
        one = next((each for each in good if each.principal == principal), None)
        if one is None:
            raise ProofError(f"the receipt names the approver {principal}, and there is no approval by the key {key}")
        counted.append(one)
    return tuple(counted)


def is_listed(one: CountedApproval, listed: ListedKeys, at: float) -> bool:
    """Whether a list of approvers has the key, or the certificate's CA, under the approver's name at a time.

    Whether the certificate itself held then, the reactor looked at alone.

    Args:
        one: The approval.
        listed: The list.
        at: Seconds since 1970.
    """
    signer = one.signer
    key, is_authority = (signer.ca_key, True) if isinstance(signer, Certificate) else (signer, False)
    line = listed.get(key.blob)
    return line is not None and line.authority == is_authority and line.covers(one.principal) and line.holds_at(at)


def counted_alone(evidence: proof_pb2.UploadEvidence) -> None:
    """Leave out of an evidence what the reactor passed over. What does not fit stays: `verifying the proof` says so."""
    try:
        event = parse(event_pb2.Event, evidence.record)
        signed = receipt_of(parse(EVENTS[event.type], event.data))
        receipt = None if signed is None else parse_receipt(signed.content)
        if receipt is not None and receipt.change_sha256:
            kept = recount(parse_change(evidence.change), evidence.approvals, receipt)
            evidence.approvals[:] = [one.content for one in kept]
        else:
            evidence.ClearField("change")
            evidence.ClearField("approvals")
    except (Error, KeyError):
        pass


def _counted(change: Change, blob: bytes, principals: Mapping[str, str]) -> CountedApproval | None:
    """Return an approval by one of the keys that a receipt names with their principals, None for any other."""
    try:
        found = parse_signature(blob, Namespace.APPROVAL)
        principal = principals.get(found.key.fingerprint, "")
        if not principal or (found.certificate is not None and found.certificate.principal != principal):
            return None
        found.verify(approval_statement(change.sha256))
    except FaultError:
        return None
    return CountedApproval(principal, found.signer, blob)
