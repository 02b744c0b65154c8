"""Changes that take approvals: to propose, approve, decline, withdraw and execute them (docs/approvals.md).

m8 carries changes and signatures, and is believed nothing: what is signed here is what was decoded here. The store's
reactor counts. What waits for approvals keeps its values in the memory of this process, and nowhere else.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import changes_pb2
from monoskope.client.changes.approved import check_identity, check_open, check_reason, sealed_for, stays
from monoskope.client.changes.proposing import expected_by, requester_of, task_of
from monoskope.client.connection import CALL_TIMEOUT_S
from monoskope.client.http.methods import Method
from monoskope.client.purposes.proposal import Proposal, check_approvable, of_change, result_of
from monoskope.client.queries import PAGE_SIZE, change_id_bytes, pages, prefix_of
from monoskope.client.results.changes import CHANGE_STATES, ChangeState, ProposedChange, change_of, place_of
from monoskope.client.runtime import unhurried, within
from monoskope.client.session import Session
from monoskope.client.walk.receipts import NO_RECEIPT, Checked
from monoskope.client.walk.task import ApprovalsMissingError, Task, request_of, unsigned
from monoskope.errors import NotAgreedError, NotAuthorizedError, NotFoundError, RefusedError, TimedOutError, UsageError
from monoskope.protocol.change import CHANGE_ID_BYTES, make_change
from monoskope.protocol.grant import MAX_APPROVALS
from monoskope.protocol.identity import ProofError

if TYPE_CHECKING:
    from monoskope.client.signing import Signing
    from monoskope.client.walk.results import Proven
    from monoskope.client.walk.target import Target
    from monoskope.client.walk.walk import Walk

R = TypeVar("R", bound=Message)

VALID_FOR_S = 43_200.0
"""How long a change can be approved and executed, unless its requester says otherwise: a store allows 24 h or more."""
TIMEOUT_S = 120.0
_POLL_S = 60.0
"""How long one question waits for news of a change."""
_LONGEST_PAUSE_S = 5.0
_RESENDS = 16
"""How often the same bytes are sent again: half a minute, enough for an m8 to restart."""

Told = Callable[[ProposedChange, int], None]
"""Told of each news of a change that is waited for, and how many approvals the store asks for at most; 0: not known."""


def _method(answer: Callable[[], type[R]], *, may_be_repeated: bool = False) -> Method[R]:
    return Method("SecretChangeService", answer, may_be_repeated=may_be_repeated)


# The same bytes get the same answer.
_PROPOSE = _method(lambda: changes_pb2.ProposeSecretChangeResponse, may_be_repeated=True)
_APPROVE = _method(lambda: changes_pb2.ApproveSecretChangeResponse)
_DECLINE = _method(lambda: changes_pb2.DeclineSecretChangeResponse)
_WITHDRAW = _method(lambda: changes_pb2.WithdrawSecretChangeResponse)
_GET = _method(lambda: changes_pb2.GetSecretChangesResponse, may_be_repeated=True)


class Changes:
    """Changes that take approvals. Each method raises what m8 answers, besides what it says."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def propose(
        self,
        proposal: Proposal,
        *,
        requester: str = "",
        reason: str = "",
        valid_for: float = VALID_FOR_S,
        fingerprint: str = "",
        timeout: float = TIMEOUT_S,
    ) -> ProposedChange:
        """Propose a change, so that others can approve it. Nothing is sealed, and no value leaves this process.

        Args:
            proposal: What is to be done.
            requester: How the store's list calls you. "" for the name in your certificate, or with which the secret's
                newest receipt names your key.
            reason: Why, for those who approve; at most 500 printable characters, never secret.
            valid_for: Seconds for which it can be approved and executed; the store allows 24 hours, or what it says.
            fingerprint: With a put or a copy: the hash that it must have, `fp1:…`.
            timeout: Seconds for everything.

        Raises:
            UsageError: it says `Expect.OVERWRITE`, no signing key is set, or nothing says who you are to the store; or
                the change is too large, or the reason is none.
            NotFoundError: nothing is there that could be changed, as m8 says.
            RefusedError: the store cannot hold a write to one version, or do this at all.
        """
        if reason:
            check_reason(reason)
        session = self._session
        with within(session.runtime, timeout):
            source = await session.target(proposal.uri, timeout, may_sign=True)
            place = source if not proposal.destination else await session.target(proposal.destination, timeout)
            signing = self._signing(source)
            check_approvable(source, place)
            task = await task_of(session, proposal, source, place, await expected_by(session, proposal, place))
            change = make_change(
                change_id=os.urandom(CHANGE_ID_BYTES),
                request=request_of(task),
                requester=requester or await requester_of(session, signing, place),
                identity=source.trust.pin,
                not_after=int(time.time() + valid_for),
                keys=proposal.keys,
                fingerprint=fingerprint,
                reason=reason,
            )
            message = changes_pb2.ProposeSecretChangeRequest(change=change.content)
            answer = await session.connection.call(_PROPOSE, message, CALL_TIMEOUT_S, resends=_RESENDS)
            if answer.change.change != change.content:
                raise ProofError("m8 answered with another change than was proposed")
            return await self._seen(answer.change)

    async def get(self, change_id: str) -> ProposedChange:
        """Return one change, decoded, and what is proven of it. Raises `NotFoundError` if m8 shows none."""
        return await self._asked(changes_pb2.GetSecretChangesRequest(change_id=change_id_bytes(change_id)))

    async def list(
        self,
        prefix: str = "",
        *,
        mine: bool = False,
        waiting: bool = False,
        state: ChangeState | None = None,
        page_size: int = PAGE_SIZE,
    ) -> AsyncGenerator[ProposedChange]:
        """Yield changes, the newest first: the caller's own, and those that the caller may approve.

        Args:
            prefix: Below this URI prefix, by whole segments.
            mine: Only those that the caller proposed.
            waiting: Only open ones that the caller may approve, did not propose and has not approved.
            state: Only in this state.
            page_size: Fetched at once, 1 to 1,000.

        Raises:
            UsageError: `state` or `prefix` is none.
        """
        if state is not None and state not in CHANGE_STATES:
            raise UsageError(f"{state!r} is not a state of changes.", fix=f"Use one of {', '.join(CHANGE_STATES)}.")
        request = changes_pb2.GetSecretChangesRequest(
            mine=mine,
            waiting=waiting,
            prefix=prefix_of(prefix),
            state=changes_pb2.CHANGE_STATE_UNSPECIFIED if state is None else CHANGE_STATES[state],
            page_size=page_size,
        )
        async for page in pages(self._session.connection, _GET, request):
            for view in page.changes:
                yield await self._seen(view)

    async def wait(self, change: ProposedChange, *, timeout: float = VALID_FOR_S) -> ProposedChange:
        """Wait until something happens to an open change, such as an approval, and return it as it is then.

        Raises:
            TimedOutError: nothing happened in time, or until the change's own end.
            UnavailableError: m8 went away, and was not back within half a minute; the change stays proposed.
            UnauthenticatedError: the login has ended; the change stays proposed.
        """
        runtime = self._session.runtime
        ends_at = runtime.now() + min(timeout, change.change.not_after - time.time())
        message = changes_pb2.GetSecretChangesRequest(
            change_id=change.change.change_id, wait_version=max(change.version, 1)
        )
        pause_s = self._session.pause_s
        with stays(change):
            while (left_s := ends_at - runtime.now()) > 0:
                try:
                    found = await self._asked(message, min(left_s, _POLL_S))
                except TimedOutError:
                    continue
                if found.change != change.change:
                    raise ProofError("m8 shows another change under the same id")
                if (found.version, found.state) != (change.version, change.state):
                    return found
                # It answered before anything happened, as an m8 does that stops.
                await runtime.sleep(min(pause_s, left_s))
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        check_open(change)
        raise TimedOutError(
            f"{change.uri}: the time to wait for approvals of change {change.change_id} is over; nothing was written.",
            fix=f"It stays proposed: `monoctl run change {change.change_id}` executes it once it is approved.",
        )

    async def approve(self, change: ProposedChange) -> ProposedChange:
        """Sign exactly the change that is given, which the caller has looked at, and hand in the approval.

        Raises:
            NotAgreedError: no identity of its store is pinned here.
            IdentityChangedError: the change is for another identity than the pinned one.
            RefusedError: it is one's own, or it was declined or withdrawn.
            Error: as `check_open`, or the signer does not sign; nothing was sent.
        """
        session, signing = self._session, await self._approving(change)
        if signing.needs_touch:
            session.notify("touch your security key to approve.")
        approval = await signing.approve(change.change)
        message = changes_pb2.ApproveSecretChangeRequest(change_id=change.change.change_id, approval=approval)
        answer = await session.connection.call(_APPROVE, message, CALL_TIMEOUT_S)
        return await self._same(answer.change, change.change.change_id)

    async def needs_touch(self, change: ProposedChange) -> bool:
        """Return whether one's key approves a change only when a security key is touched. Nothing is signed.

        Raises:
            Error: as `approve`, before it signs.
        """
        return (await self._approving(change)).needs_touch

    async def decline(self, change_id: str, reason: str = "") -> ProposedChange:
        """Decline a change that others proposed: m8 carries it no more. What others signed stays signed.

        Args:
            change_id: 32 hex digits.
            reason: Why, at most 500 printable characters.
        """
        if reason:
            check_reason(reason)
        content = change_id_bytes(change_id)
        message = changes_pb2.DeclineSecretChangeRequest(change_id=content, reason=reason)
        answer = await self._session.connection.call(_DECLINE, message, CALL_TIMEOUT_S)
        return await self._same(answer.change, content)

    async def withdraw(self, change_id: str) -> ProposedChange:
        """Withdraw a change of one's own: m8 carries it no more. What others signed stays signed."""
        content = change_id_bytes(change_id)
        message = changes_pb2.WithdrawSecretChangeRequest(change_id=content)
        answer = await self._session.connection.call(_WITHDRAW, message, CALL_TIMEOUT_S)
        return await self._same(answer.change, content)

    async def run(
        self,
        change: ProposedChange,
        values: Mapping[str, bytes] | None = None,
        *,
        wait: float = 0.0,
        timeout: float = TIMEOUT_S,
        told: Told | None = None,
    ) -> Proven:
        """Execute exactly the change that is given, which the caller has looked at; return once a receipt proves it.

        Args:
            change: One's own.
            values: Where a secret is sealed: the bytes of each of the change's keys, and of no others.
            wait: Seconds to wait for as many approvals as the store asks for here at most, and for more while it counts
                too few of them. 0 sends those that are there, however many.
            timeout: Seconds for the request itself.
            told: Told of each news while it waits.

        Returns:
            What the client's method for this purpose returns.

        Raises:
            UsageError: the values are not those of the change's keys.
            RefusedError: it was declined or withdrawn.
            ConflictError: another version is there than it expects; nothing was written.
            TimedOutError: the wait or the change is over; nothing was written.
            NotAuthorizedError: the approvals are not enough, or the store's list does not let you; nothing was written.
                While it waits for more of them, that is told and ends nothing.
            Error: as `Client.put_secret`, and `wait`.
        """
        plaintext = sealed_for(change, values)
        session = self._session
        ends_at, needed = session.runtime.now() + wait, 0
        while True:
            check_open(change)
            if len(change.counting) >= needed:
                try:
                    with stays(change):
                        return await self._execute(change, plaintext, timeout, awaits=wait > 0)
                except ApprovalsMissingError as missing:
                    needed = missing.needed
                except NotAuthorizedError:
                    # Anybody who may approve at m8 could end the wait otherwise, with a key that is in no list.
                    if not wait or len(change.counting) not in range(1, MAX_APPROVALS):
                        raise
                    needed = len(change.counting) + 1
                    session.notify("the store refused it: it may not count one of these approvals, or not let you.")
            if told is not None:
                told(change, needed)
            change = await self.wait(change, timeout=ends_at - session.runtime.now())

    async def break_glass(self, proposal: Proposal, reason: str, *, timeout: float = TIMEOUT_S) -> Proven:
        """Do at once, without approvals, what takes some: by an entry of the store's that was made for that.

        The store's reactor records it before it does anything, with the reason, and the receipt says it for ever.

        Args:
            proposal: What is to be done.
            reason: Why, 1 to 500 printable characters.
            timeout: Seconds for everything.

        Raises:
            UsageError: the reason is none.
            NotAuthorizedError: the store's list does not let you do this alone; nothing was written.
            Error: as `Client.put_secret`.
        """
        check_reason(reason)
        session = self._session

        async def one(walk: Walk, source: Target) -> Proven:
            place = source if not proposal.destination else await session.target(proposal.destination, timeout)
            expected = await session.expected(proposal.expect, place)
            task = await task_of(session, proposal, source, place, expected, break_glass=reason)
            return await _done(walk, task, place)

        return await session.one(proposal.uri, timeout, one)

    async def _execute(self, change: ProposedChange, plaintext: bytes, timeout: float, *, awaits: bool) -> Proven:
        session = self._session

        async def one(walk: Walk, source: Target) -> Proven:
            check_identity(change, source)
            destination = change.change.request.destination
            place = source if destination is None else await session.target(str(destination), timeout)
            return await _done(walk, of_change(change.change, plaintext, change.counting, awaits=awaits), place)

        return await session.one(change.uri, timeout, one)

    async def _approving(self, change: ProposedChange) -> Signing:
        """Return what signs an approval, once all is checked that can be before."""
        check_open(change)
        signing = self._signing(await self._pinned(change))
        with unhurried():
            signing.prepare()
        public = signing.public
        if change.requester == (public.principal if public is not None else "") or change.subject == self._subject():
            raise RefusedError(
                f"{change.uri}: change {change.change_id} is your own, and yours alone is no approval of it.",
                fix="Ask somebody else.",
            )
        return signing

    def _signing(self, target: Target) -> Signing:
        if self._session.signing is None:
            raise unsigned(target.uri)
        return self._session.signing

    def _subject(self) -> str | None:
        from monoskope.client.walk.trust import subject_of  # noqa: PLC0415 - loads the walk

        return subject_of(self._session.connection.token)

    async def _pinned(self, change: ProposedChange) -> Target:
        """Return the target of a change whose store is pinned. Nobody is asked here whether to pin one."""
        session = self._session
        request = change.change.request
        pins = session.known.read_with(session.settings.server, session.settings.store_identities)
        if (session.settings.server, request.uri.store) not in pins.identities:
            raise NotAgreedError(
                f"{change.uri}: no identity of store {request.uri.store!r} is pinned here, so nothing says whose change"
                " this is.",
                fix="Ask the store's operator for its identity, by another way than m8, and give it once as"
                " `store_identity`.",
            )
        target = await session.target(change.uri, CALL_TIMEOUT_S)
        check_identity(change, target)
        return target

    async def _asked(
        self, message: changes_pb2.GetSecretChangesRequest, timeout_s: float = CALL_TIMEOUT_S
    ) -> ProposedChange:
        answer = await self._session.connection.call(_GET, message, timeout_s, resends=_RESENDS)
        if len(answer.changes) != 1:
            raise NotFoundError("m8 shows no such change.", fix="See `monoctl get changes`.")
        return await self._same(answer.changes[0], message.change_id)

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
            checked = await session.proofs.newest(str(place_of(request)), view.last_receipt)
        pin = session.proofs.pins.identities.get((session.settings.server, request.uri.store))
        return ProposedChange.of(view, change, checked, pinned=pin == change.identity)


async def _done(walk: Walk, task: Task, place: Target) -> Proven:
    if task.destination is None:
        return result_of(task, await walk.run(task))
    from monoskope.client.purposes.copy import copied  # noqa: PLC0415 - it loads the walk

    return await copied(walk, task, place)
