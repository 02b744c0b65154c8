"""The changes of a scripted m8: it carries them honestly until a test bends them, and a scripted reactor counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import changes_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import NotFoundError
from monoskope.protocol.change import parse_change
from monoskope.protocol.identity import Namespace, approval_statement
from monoskope.protocol.sshsig import FaultError, parse

if TYPE_CHECKING:
    from monoskope.testing.scripted.m8 import Attempt

AT_MS = 1_790_000_000_000


class ScriptedChanges:
    """What was proposed, by its id. Change what is in it to make it lie."""

    def __init__(self) -> None:
        self.by_id: dict[bytes, changes_pb2.SecretChange] = {}
        self.subject = "alice"
        """Who proposes."""
        self.next: list[Callable[[changes_pb2.SecretChange], None]] = []
        """What happens to a change that is waited for: one of these each time that somebody waits for news."""
        self.last_receipt: upload_pb2.Signed | None = None
        """What is shown as the newest receipt of every place."""

    def add(self, content: bytes, *, subject: str = "") -> changes_pb2.SecretChange:
        """Propose a change."""
        change = parse_change(content)
        view = changes_pb2.SecretChange(
            change_id=change.change_id,
            change=content,
            subject=subject or self.subject,
            state=changes_pb2.CHANGE_STATE_OPEN,
            proposed_at_ms=AT_MS,
            changed_at_ms=AT_MS,
            version=1,
        )
        if self.last_receipt is not None:
            view.last_receipt.CopyFrom(self.last_receipt)
        return self.by_id.setdefault(change.change_id, view)

    def handle(self, message: Message) -> Message | None:
        """Answer one call of the service; None for another one. Raises the `Error` to answer with."""
        match message:
            case changes_pb2.ProposeSecretChangeRequest():
                return changes_pb2.ProposeSecretChangeResponse(change=self.add(message.change))
            case changes_pb2.ApproveSecretChangeRequest():
                found = self._found(message.change_id)
                approve(found, message.approval)
                return changes_pb2.ApproveSecretChangeResponse(change=found)
            case changes_pb2.DeclineSecretChangeRequest():
                found = self._found(message.change_id)
                end(found, changes_pb2.CHANGE_STATE_DECLINED, message.reason)
                return changes_pb2.DeclineSecretChangeResponse(change=found)
            case changes_pb2.WithdrawSecretChangeRequest():
                found = self._found(message.change_id)
                end(found, changes_pb2.CHANGE_STATE_WITHDRAWN)
                return changes_pb2.WithdrawSecretChangeResponse(change=found)
            case changes_pb2.GetSecretChangesRequest():
                return changes_pb2.GetSecretChangesResponse(changes=self._asked(message))
            case _:
                return None

    def _asked(self, message: changes_pb2.GetSecretChangesRequest) -> list[changes_pb2.SecretChange]:
        if not message.change_id:
            return [one for one in self.by_id.values() if message.state in {0, one.state}]
        found = self._found(message.change_id)
        if message.wait_version and self.next:
            self.next.pop(0)(found)
        return [found]

    def _found(self, change_id: bytes) -> changes_pb2.SecretChange:
        if change_id not in self.by_id:
            raise NotFoundError("there is no such change.")
        return self.by_id[change_id]


def approve(view: changes_pb2.SecretChange, approval: bytes, *, subject: str = "ben") -> None:
    """Add an approval to a change."""
    view.approvals.add(approval=approval, subject=subject, approved_at_ms=AT_MS)
    view.version += 1


def end(view: changes_pb2.SecretChange, state: changes_pb2.ChangeState, reason: str = "", *, by: str = "ben") -> None:
    """End a change."""
    view.state, view.ended_by, view.decline_reason = state, by, reason
    view.version += 1


def counted(attempt: Attempt) -> list[tuple[str, str]]:
    """Return the principals and keys that a scripted reactor counts: it numbers the keys of good approvals."""
    keys = []
    for approval in attempt.approvals:
        try:
            found = parse(approval, Namespace.APPROVAL)
            found.verify(approval_statement(attempt.request.change_sha256))
        except FaultError:
            continue
        keys.append(found.key.fingerprint)
    return [(f"approver{number}", key) for number, key in enumerate(dict.fromkeys(keys), start=1)]
