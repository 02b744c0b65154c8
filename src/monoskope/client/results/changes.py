"""What m8 knows of changes that take approvals, decoded, and what one's own look at them finds.

Who proposed, declined and handed in what, and when, is m8's word. What is asked is in the change itself, whose SHA-256
approvers sign. Whose keys they are and whether they are enough, only the store's reactor decides.
"""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import Any, Literal, Self

from google.protobuf import json_format
from msgspec.structs import replace

from monoskope.api.gateway.v1 import changes_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.results import moment
from monoskope.client.walk.receipts import NO_RECEIPT, Checked
from monoskope.client.walk.results import Approver
from monoskope.errors import UsageError
from monoskope.protocol.change import Change, parse_change
from monoskope.protocol.grant import MAX_APPROVALS
from monoskope.protocol.identity import Namespace, ProofError, approval_statement
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.request import Request
from monoskope.protocol.sshsig import FaultError, parse
from monoskope.value import Value

ChangeState = Literal["open", "done", "overtaken", "ended", "withdrawn", "declined"]
"""Where a change stands, as m8 says."""
CHANGE_STATES = MappingProxyType(
    {
        "open": changes_pb2.CHANGE_STATE_OPEN,
        "done": changes_pb2.CHANGE_STATE_DONE,
        "overtaken": changes_pb2.CHANGE_STATE_OVERTAKEN,
        "ended": changes_pb2.CHANGE_STATE_ENDED,
        "withdrawn": changes_pb2.CHANGE_STATE_WITHDRAWN,
        "declined": changes_pb2.CHANGE_STATE_DECLINED,
    }
)
_OTHER_VERSION = "the newest receipt that m8 shows says otherwise"
_TWICE = "the same key approved before"


class Approval(Value, frozen=True):
    """An approval, by one's own look: whether the store counts its key, only its reactor's list says."""

    hidden = frozenset({"content"})

    key: str
    """The key that signed, `SHA256:…`; "" if it is no signature at all."""
    principal: str
    """Whom its certificate names; "" for a plain key, and where it is no good signature."""
    certificate_ends_at: dt.datetime | None
    """When its certificate ends, and the approval with it; None without one."""
    why_not: str
    """Why it is no approval of this change; "" if it is one."""
    subject: str
    """Who handed it in: m8's word."""
    approved_at: dt.datetime | None
    """When: m8's word."""
    content: bytes
    """The signature as it came."""

    @classmethod
    def of(cls, view: changes_pb2.ChangeApproval, change: Change, now: dt.datetime) -> Self:
        """Return what one's own look says of an approval of `change`, at a time."""
        key, principal, ends_at, why_not = "", "", None, ""
        try:
            found = parse(view.approval, Namespace.APPROVAL)
            key = found.key.fingerprint
            found.verify(approval_statement(change.sha256))
            if found.certificate is not None:
                principal, ends_at = found.certificate.principal, moment(1000 * found.certificate.valid_before)
                if ends_at is not None and ends_at <= now:
                    why_not = "its certificate has ended"
        except FaultError as fault:
            why_not = fault.message.removesuffix(".")
        return cls(key, principal, ends_at, why_not, view.subject, moment(view.approved_at_ms), view.approval)


class ProposedChange(Value, frozen=True, kw_only=True):
    """A change that was proposed: what it says, and where it stands."""

    hidden = frozenset({"change", "version"})

    change_id: str
    """32 hex digits."""
    sha256: str
    """SHA-256 of the whole change, 64 hex digits: what approvers sign."""
    uri: str
    """The secret. With a copy: the one that is read."""
    purpose: str
    """What is to be done, e.g. "UPLOAD"."""
    place: str
    """The secret that is written: with a copy the destination, else `uri`."""
    expected_version: str
    """The version that must be there, or with "UNDELETE" must have been deleted; "" where nothing may be there."""
    requester: str
    """Who will sign the request, by the store's own list."""
    keys: tuple[str, ...]
    """The keys that are sealed, or copied: all of them, and no others. () with a copy of the whole secret."""
    fingerprint: str
    """Of what is put, "" where nobody is held to one."""
    reason: str
    """Why, in the requester's words."""
    not_after: dt.datetime | None
    """Until when it can be executed, by the reactor's clock."""
    asked: dict[str, Any]
    """Every field of the request that is set, by its name in docs/protocol.md."""
    identity: str
    """The store's identity as the requester pinned it."""
    pinned: bool
    """Whether that identity is the one that is pinned here."""
    proven: bool
    """Whether a receipt of the pinned identity proves that what the change expects is there, or that it was done."""
    why_not_proven: str
    """Why not; "" if it does."""
    done: bool
    """Whether a receipt of the pinned identity names this change as done."""
    approvers: tuple[Approver, ...]
    """With `done`: those whose approvals counted."""
    state: str
    """"OPEN", "DONE", "OVERTAKEN", "ENDED", "WITHDRAWN" or "DECLINED": m8's word."""
    subject: str
    """Who proposed it: m8's word, as are the fields below."""
    proposed_at: dt.datetime | None
    changed_at: dt.datetime | None
    ended_by: str
    """Who declined or withdrew it."""
    decline_reason: str
    request_id: str
    """The last request that named it, 32 hex digits, or ""."""
    approvals: tuple[Approval, ...]
    """In the order in which they came. Whether one counts, its own `why_not` says."""
    change: Change
    """The change itself, decoded."""
    version: int
    """How much has happened to it: the number of events in its stream."""

    @classmethod
    def of(cls, view: changes_pb2.SecretChange, change: Change, checked: Checked, *, pinned: bool) -> Self:
        """Return what a view says.

        Args:
            view: As m8 shows it.
            change: Its change (`change_of`).
            checked: What the newest receipt for the place that it writes proves.
            pinned: Whether the change's identity is the pinned one.
        """
        request = change.request
        receipt = checked.receipt
        done = receipt is not None and receipt.change_sha256 == change.sha256
        # What the change itself replaced is there no more.
        proven, why_not = (True, "") if done else _stands(request, checked)
        return cls(
            change_id=change.change_id.hex(),
            sha256=change.sha256.hex(),
            uri=str(request.uri),
            purpose=spelled(upload_pb2.Purpose, request.purpose),
            place=str(request.place),
            expected_version=request.expect_version,
            requester=change.requester,
            keys=change.keys or change.request.keys,
            fingerprint=change.fingerprint,
            reason=change.reason,
            not_after=moment(1000 * change.not_after),
            asked=_asked(request),
            identity=change.identity,
            pinned=pinned,
            proven=proven,
            why_not_proven=why_not,
            done=done,
            approvers=tuple(Approver(*each) for each in receipt.approvers) if done and receipt is not None else (),
            state=spelled(changes_pb2.ChangeState, view.state),
            subject=view.subject,
            proposed_at=moment(view.proposed_at_ms),
            changed_at=moment(view.changed_at_ms),
            ended_by=view.ended_by,
            decline_reason=view.decline_reason,
            request_id=view.request_id.hex(),
            approvals=_looked_at(view, change),
            change=change,
            version=view.version,
        )

    @property
    def counting(self) -> tuple[bytes, ...]:
        """The approvals that are good by one's own look, each key once, at most 8: those that are sent."""
        return tuple(one.content for one in self.approvals if not one.why_not)[:MAX_APPROVALS]


def change_of(view: changes_pb2.SecretChange) -> Change:
    """Return the change that m8 shows. Raises `ProofError` if it is none, or has another id."""
    try:
        change = parse_change(view.change)
    except UsageError as error:
        raise ProofError(f"m8 shows a change that is none: {error.message.removesuffix('.')}") from None
    if change.change_id != view.change_id:
        raise ProofError("m8 shows a change under another id than its own")
    return change


def _asked(request: Request) -> dict[str, Any]:
    """Return every field that is set. A new one shows up here by itself, so nobody approves what he did not see."""
    message = upload_pb2.UploadRequest.FromString(request.content)
    message.ClearField("request_id")
    message.ClearField("suites")
    found: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return found | {
        "purpose": spelled(upload_pb2.Purpose, request.purpose),
        "expect": spelled(upload_pb2.Expect, request.expect),
    }


def _stands(request: Request, checked: Checked) -> tuple[bool, str]:
    """Whether the newest receipt for the place says that what is expected is there; and why it does not."""
    receipt = checked.receipt
    if receipt is None:
        return False, checked.why_not or NO_RECEIPT
    deleted = receipt.outcome == upload_pb2.OUTCOME_DELETED
    there = receipt.prior_version if deleted else receipt.upstream_version
    if request.expect == upload_pb2.EXPECT_ABSENT:
        stands = deleted
    else:
        stands = deleted == request.rules.undeletes and there == request.expect_version
    return stands, "" if stands else _OTHER_VERSION


def _looked_at(view: changes_pb2.SecretChange, change: Change) -> tuple[Approval, ...]:
    now, keys = dt.datetime.now(dt.UTC), set[str]()
    found: list[Approval] = []
    for each in view.approvals:
        one = Approval.of(each, change, now)
        if not one.why_not and one.key in keys:
            one = replace(one, why_not=_TWICE)
        elif not one.why_not:
            keys.add(one.key)
        found.append(one)
    return tuple(found)
