"""The decision about approvals: a function of the lists, the request, what came with it and the time alone.

Step 6.1 of docs/protocol.md (Approvals), after `decide`: who signed the request is known, and that it may be done. Have
enough others signed exactly this change, or does the signer break the glass?
"""

from __future__ import annotations

from monoskope.protocol.change import Change, executes, parse_change
from monoskope.protocol.grant import MAX_APPROVALS
from monoskope.protocol.identity import Namespace, approval_statement
from monoskope.protocol.request import Request
from monoskope.protocol.sshsig import Fault, FaultError
from monoskope.protocol.wire import MalformedError
from monoskope.reactor.signers.decision import Rules, Signed, covering, verified
from monoskope.reactor.signers.settings import ApproverPermission
from monoskope.text import counted, says_something
from monoskope.value import Value


class Presented(Value, frozen=True):
    """What m8 delivered beside the signature of a request. It proves nothing before it is verified."""

    hidden = frozenset({"change", "approvals"})

    change: bytes = b""
    """The serialised change, b"" for none."""
    approvals: tuple[bytes, ...] = ()
    """SSHSIGs without armour."""


NOTHING_PRESENTED = Presented()


class ApprovalRules(Value, frozen=True):
    """What is in force, besides what decides about the requester's signature."""

    approvers: Rules
    """The list of approvers, and the same revocations; its `permissions` do not count."""
    permissions: tuple[ApproverPermission, ...]
    identity: str
    """The store's own, as shown."""
    max_change_s: int
    """For how many seconds from now a change may still be approved."""


class Approved(Value, frozen=True):
    """What lets a signed request go on."""

    change: Change | None = None
    """The change that it executes; None where it executes none."""
    approvers: tuple[tuple[str, str], ...] = ()
    """Principal and key of those whose approvals count, sorted by principal."""
    passed_over: tuple[str, ...] = ()
    """A word about each approval that does not count."""


NOT_APPROVED = Approved()
"""Of what goes on without approvals."""


def approve(
    rules: Rules, approval: ApprovalRules, request: Request, signed: Signed, presented: Presented, *, now: float
) -> Approved:
    """Return by whose approvals `request` goes on. The numbers are those of docs/protocol.md, Approvals.

    Args:
        rules: What decided about the requester's signature.
        approval: What decides about approvals.
        request: What is asked for, by the reactor's own grant.
        signed: Who signed it.
        presented: What came with it.
        now: Seconds since 1970.

    Raises:
        FaultError: it does not.
    """
    # 1. How many must have approved. Entries never combine: the highest number counts.
    asking = covering(rules, signed.principal, request)
    needed = max(permission.approvals for permission in asking)
    if not request.change_sha256:
        if presented != NOTHING_PRESENTED:
            raise FaultError(Fault.APPROVALS, "there are approvals, and the request names no change")
        if request.break_glass:
            highest = [permission for permission in asking if permission.approvals == needed]
            _check("the reason to break the glass is blank", holds=says_something(request.break_glass))
            _check_glass(signed, may_break=all(permission.break_glass for permission in highest))
        elif needed:
            raise FaultError(
                Fault.APPROVALS, f"it takes {counted(needed, 'approval')}, and the request names no change"
            )
        return NOT_APPROVED
    # 2. The change is the one of the request, whole, and of this store, requester and time.
    change = _checked(approval, request, signed, presented, now)
    # 3. Who approved it; what does not count spoils nothing.
    found, passed_over = _found(approval, change, presented, now)
    # 4. Each principal and each key counts once, and neither is the requester's.
    approvers = _apart(found, signed)
    # 5. There are enough of them.
    if len(approvers) < needed:
        words = f"it takes {counted(needed, 'approval')}, and {len(approvers)} of {len(presented.approvals)} count"
        raise FaultError(Fault.APPROVALS, "; ".join((words, *passed_over)))
    return Approved(change, approvers, passed_over)


def _check_glass(signed: Signed, *, may_break: bool) -> None:
    """Raise `FaultError` unless the signer may break the glass, and a person touched the key for it."""
    _check("an entry with the highest number of approvals does not allow break_glass", holds=may_break)
    # Of a security key no signature without a touch is read at all: `sk-no-touch`.
    _check("the glass is broken with a security key's touch alone", holds=signed.key.kind.hardware)


def _checked(approval: ApprovalRules, request: Request, signed: Signed, presented: Presented, now: float) -> Change:
    """Return the change, which is the one that `request` executes. Raises `FaultError`."""
    _check(f"there are more than {MAX_APPROVALS} approvals", holds=len(presented.approvals) <= MAX_APPROVALS)
    try:
        change = parse_change(presented.change)
    except MalformedError as error:
        raise FaultError(Fault.APPROVALS, f"the change is malformed: {error.field}") from None
    _check("the change is not the one that the request names, or not for what it asks", holds=executes(request, change))
    _check("the change is for another identity than this store's of now", holds=change.identity == approval.identity)
    _check("the change is for another requester", holds=change.requester == signed.principal)
    _check("the change has ended", holds=now <= change.not_after)
    _check("the change ends too late", holds=change.not_after <= now + approval.max_change_s)
    return change


def _check(sentence: str, *, holds: bool) -> None:
    if not holds:
        raise FaultError(Fault.APPROVALS, sentence)


def _found(
    approval: ApprovalRules, change: Change, presented: Presented, now: float
) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """Return principal and key of each approval that is one by the lists, and a word about each other."""
    found: list[tuple[str, str]] = []
    passed_over: list[str] = []
    for number, signature in enumerate(presented.approvals, start=1):
        try:
            signed = verified(
                approval.approvers, Namespace.APPROVAL, approval_statement(change.sha256), signature, now=now
            )
            if not any(entry.covers(signed.principal, change.request) for entry in approval.permissions):
                raise FaultError(Fault.NOT_PERMITTED, "no entry of signers.approve")  # noqa: TRY301 - ends as the others
        except FaultError as error:
            passed_over.append(f"approval {number}: {error.fault.value}")
        else:
            found.append((signed.principal, signed.key.fingerprint))
    return found, tuple(passed_over)


def _apart(found: list[tuple[str, str]], signed: Signed) -> tuple[tuple[str, str], ...]:
    """Return those of `found` that count: in whatever order they came, the same ones."""
    principals, keys = {signed.principal}, {signed.key.fingerprint}
    apart: list[tuple[str, str]] = []
    for principal, key in sorted(found):
        if principal not in principals and key not in keys:
            principals.add(principal)
            keys.add(key)
            apart.append((principal, key))
    return tuple(apart)
