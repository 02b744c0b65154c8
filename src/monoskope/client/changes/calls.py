"""What m8 is asked and told about changes, and what is believed of its answers: what is decoded, and what is proven."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import changes_pb2
from monoskope.client.connection import CALL_TIMEOUT_S
from monoskope.client.http.methods import Method
from monoskope.client.queries import pages
from monoskope.client.results.changes import ProposedChange, change_of
from monoskope.client.session import Session
from monoskope.client.walk.receipts import NO_RECEIPT, Checked
from monoskope.errors import NotFoundError
from monoskope.protocol.change import Change
from monoskope.protocol.identity import ProofError

R = TypeVar("R", bound=Message)


def _method(answer: Callable[[], type[R]]) -> Method[R]:
    # The same bytes get the same answer, and are recorded once.
    return Method("SecretChangeService", answer, may_be_repeated=True)


_PROPOSE = _method(lambda: changes_pb2.ProposeSecretChangeResponse)
_APPROVE = _method(lambda: changes_pb2.ApproveSecretChangeResponse)
_DECLINE = _method(lambda: changes_pb2.DeclineSecretChangeResponse)
_WITHDRAW = _method(lambda: changes_pb2.WithdrawSecretChangeResponse)
_GET = _method(lambda: changes_pb2.GetSecretChangesResponse)


class Calls:
    """The calls of one client. Each raises what m8 answers, and `ProofError` for an answer about another change."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def propose(self, change: Change) -> ProposedChange:
        """Have a change recorded, and return it as it is now."""
        message = changes_pb2.ProposeSecretChangeRequest(change=change.content)
        answer = await self._session.connection.call(_PROPOSE, message, CALL_TIMEOUT_S)
        if answer.change.change != change.content:
            raise ProofError("m8 answered with another change than was proposed")
        return await self._seen(answer.change)

    async def get(
        self, change_id: bytes, *, wait_version: int = 0, timeout_s: float = CALL_TIMEOUT_S
    ) -> ProposedChange:
        """Return one change. With `wait_version` m8 answers once it is later than that, or the time is over."""
        message = changes_pb2.GetSecretChangesRequest(change_id=change_id, wait_version=wait_version)
        answer = await self._session.connection.call(_GET, message, timeout_s)
        if len(answer.changes) != 1:
            raise NotFoundError("m8 shows no such change.", fix="See `monoctl get changes`.")
        return await self._same(answer.changes[0], change_id)

    async def list(self, request: changes_pb2.GetSecretChangesRequest) -> AsyncGenerator[ProposedChange]:
        """Yield the changes of all pages, and tell of those that cannot be read: one must not hide the others."""
        async for page in pages(self._session.connection, _GET, request):
            for view in page.changes:
                try:
                    found = await self._seen(view)
                except ProofError as error:
                    # A newer program may have proposed it, with a character that is printable there alone.
                    self._session.notify(f"change {view.change_id.hex()} is left out: {error.message}")
                else:
                    yield found

    async def approve(self, change_id: bytes, approval: bytes) -> ProposedChange:
        """Hand in an approval."""
        message = changes_pb2.ApproveSecretChangeRequest(change_id=change_id, approval=approval)
        answer = await self._session.connection.call(_APPROVE, message, CALL_TIMEOUT_S)
        return await self._same(answer.change, change_id)

    async def decline(self, change_id: bytes, reason: str) -> ProposedChange:
        """Decline a change."""
        message = changes_pb2.DeclineSecretChangeRequest(change_id=change_id, reason=reason)
        answer = await self._session.connection.call(_DECLINE, message, CALL_TIMEOUT_S)
        return await self._same(answer.change, change_id)

    async def withdraw(self, change_id: bytes) -> ProposedChange:
        """Withdraw a change."""
        message = changes_pb2.WithdrawSecretChangeRequest(change_id=change_id)
        answer = await self._session.connection.call(_WITHDRAW, message, CALL_TIMEOUT_S)
        return await self._same(answer.change, change_id)

    async def _same(self, view: changes_pb2.SecretChange, change_id: bytes) -> ProposedChange:
        if view.change_id != change_id:
            raise ProofError("m8 answered with another change than was asked for")
        return await self._seen(view)

    async def _seen(self, view: changes_pb2.SecretChange) -> ProposedChange:
        """Return a change with what its place's newest receipt proves."""
        change = change_of(view)
        session, request = self._session, change.request
        checked = Checked(NO_RECEIPT)
        if view.HasField("last_receipt"):
            checked = await session.proofs.newest(str(request.place), view.last_receipt)
        pin = session.proofs.pins.identities.get((session.settings.server, request.uri.store))
        return ProposedChange.of(view, change, checked, pinned=pin == change.identity)
