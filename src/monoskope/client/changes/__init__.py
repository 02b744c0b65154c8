"""Changes that take approvals: to propose, approve, decline, withdraw and execute them (docs/approvals.md).

m8 carries changes and signatures, and is believed nothing: what is signed here is what was decoded here. The store's
reactor counts. What waits for approvals keeps its values in the memory of this process, and nowhere else.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TYPE_CHECKING

from msgspec import structs

from monoskope.api.gateway.v1 import changes_pb2
from monoskope.client.changes.approved import check_identity, check_open, check_reason, sealed_for, stays
from monoskope.client.changes.approving import approving, signing_of
from monoskope.client.changes.calls import Calls
from monoskope.client.changes.proposal import Proposal, check_approvable, of_change, result_of
from monoskope.client.changes.proposing import expected_by, requester_of, task_of
from monoskope.client.queries import PAGE_SIZE, change_id_bytes, prefix_of
from monoskope.client.results.changes import CHANGE_STATES, ChangeState, ProposedChange
from monoskope.client.runtime import within
from monoskope.client.session import Session
from monoskope.client.walk.task import ApprovalsMissingError, Task, request_of
from monoskope.errors import NotAuthorizedError, TimedOutError, UsageError
from monoskope.protocol.change import CHANGE_ID_BYTES, make_change
from monoskope.protocol.grant import MAX_APPROVALS
from monoskope.protocol.identity import ProofError
from monoskope.protocol.request import REQUEST_ID_BYTES

if TYPE_CHECKING:
    from monoskope.client.walk.results import Proven
    from monoskope.client.walk.target import Target
    from monoskope.client.walk.walk import Walk

VALID_FOR_S = 43_200.0
"""How long a change can be approved and executed, unless its requester says otherwise: a store allows 24 h or more."""
TIMEOUT_S = 120.0
_POLL_S = 60.0
"""How long one question waits for news of a change."""
_LONGEST_PAUSE_S = 5.0

Told = Callable[[ProposedChange, int], None]
"""Told of each news of a change that is waited for, and how many approvals the store asks for at most; 0: not known."""


class Changes:
    """Changes that take approvals. Each method raises what m8 answers, besides what it says."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._calls = Calls(session)

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
            requester: How the store's list calls you. "" for the name in your certificate, in the settings, or with
                which the secret's newest receipt names your key.
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
            signing = signing_of(session, source)
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
            return await self._calls.propose(change)

    async def get(self, change_id: str) -> ProposedChange:
        """Return one change, decoded, and what is proven of it. Raises `NotFoundError` if m8 shows none."""
        return await self._calls.get(change_id_bytes(change_id))

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

        What m8 shows and cannot be read here is left out, which is told.

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
        async for change in self._calls.list(request):
            yield change

    async def wait(self, change: ProposedChange, *, timeout: float = VALID_FOR_S) -> ProposedChange:
        """Wait until something happens to an open change, such as an approval, and return it as it is then.

        Raises:
            TimedOutError: nothing happened in time, or until the change's own end.
            UnavailableError: m8 went away, and was not back in time (docs/waiting.md); the change stays proposed.
            UnauthenticatedError: the login has ended; the change stays proposed.
        """
        runtime = self._session.runtime
        ends_at = runtime.now() + min(timeout, change.change.not_after - time.time())
        change_id, version = change.change.change_id, max(change.version, 1)
        pause_s = self._session.pause_s
        with stays(change):
            while (left_s := ends_at - runtime.now()) > 0:
                try:
                    with within(runtime, left_s):
                        found = await self._calls.get(change_id, wait_version=version, timeout_s=_POLL_S)
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
            fix=f"It stays proposed: `monoctl run change {change.change_id}` sends the approvals that are there;"
            " fewer may be asked of you than of others.",
        )

    async def approve(self, change: ProposedChange) -> ProposedChange:
        """Sign exactly the change that is given, which the caller has looked at, and hand in the approval.

        Raises:
            NotAgreedError: no identity of its store is pinned here.
            IdentityChangedError: the change is for another identity than the pinned one.
            RefusedError: it is one's own, or it was declined or withdrawn.
            Error: as `check_open`, or the signer does not sign; nothing was sent.
        """
        session, signing = self._session, await approving(self._session, change)
        if signing.needs_touch:
            session.notify("touch your security key to approve.")
        return await self._calls.approve(change.change.change_id, await signing.approve(change.change))

    async def needs_touch(self, change: ProposedChange) -> bool:
        """Return whether one's key approves a change only when a security key is touched. Nothing is signed.

        Raises:
            Error: as `approve`, before it signs.
        """
        return (await approving(self._session, change)).needs_touch

    async def decline(self, change_id: str, reason: str = "") -> ProposedChange:
        """Decline a change that others proposed: m8 carries it no more. What others signed stays signed.

        Args:
            change_id: 32 hex digits.
            reason: Why, at most 500 printable characters.
        """
        if reason:
            check_reason(reason)
        return await self._calls.decline(change_id_bytes(change_id), reason)

    async def withdraw(self, change_id: str) -> ProposedChange:
        """Withdraw a change of one's own: m8 carries it no more. What others signed stays signed."""
        return await self._calls.withdraw(change_id_bytes(change_id))

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

        The store's reactor records it before it does anything, with the reason, and the receipt says it for ever. It is
        tried once: each time is a broken glass of its own, of which a store takes few in an hour.

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
            return await _done(walk, structs.replace(task, request_id=os.urandom(REQUEST_ID_BYTES)), place)

        return await session.one(proposal.uri, timeout, one)

    async def _execute(self, change: ProposedChange, plaintext: bytes, timeout: float, *, awaits: bool) -> Proven:
        session = self._session

        async def one(walk: Walk, source: Target) -> Proven:
            check_identity(change, source)
            destination = change.change.request.destination
            place = source if destination is None else await session.target(str(destination), timeout)
            return await _done(walk, of_change(change.change, plaintext, change.counting, awaits=awaits), place)

        return await session.one(change.uri, timeout, one)


async def _done(walk: Walk, task: Task, place: Target) -> Proven:
    if task.destination is None:
        return result_of(task, await walk.run(task))
    from monoskope.client.purposes.copy import copied  # noqa: PLC0415 - it loads the walk

    return await copied(walk, task, place)
