"""The commands about changes: who proposes, approves, declines and withdraws them. m8 counts no approval.

Each checks its caller, refuses what cannot become anything, lets the domain decide, records, and answers with the
change as it is then. The same command again records nothing, and has the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from google.protobuf.message import Message

from monoskope import operating_log
from monoskope.api.gateway.v1 import changes_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import ConflictError, RateLimitedError, RefusedError
from monoskope.event_loop import KeyedLock
from monoskope.m8.domain import change as domain
from monoskope.m8.domain.aggregates import change_of
from monoskope.m8.domain.change import Proposal, places
from monoskope.m8.domain.principal import Principal
from monoskope.m8.limits.subjects import bytes_with
from monoskope.m8.readmodels.changes import OPEN, OPEN_OF, OVERTAKEN, open_count, row_of, state_of
from monoskope.m8.readmodels.documents import store_in
from monoskope.m8.readmodels.stores import STORES
from monoskope.m8.service import policy
from monoskope.m8.service.app import App, Caller
from monoskope.m8.service.known_change import Known, find, view, visible
from monoskope.protocol.change import Change, parse_change
from monoskope.protocol.outcomes import spelled

FULL_RETRY_AFTER_S = 60.0
"""When a user with too many open changes may ask again. Nobody can say when one of them ends, so this is a guess."""


class ChangeCommands:
    """The commands of `SecretChangeService`, without a transport: one method for each."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._proposing: KeyedLock[str] = KeyedLock()

    async def propose_secret_change(
        self, message: changes_pb2.ProposeSecretChangeRequest, caller: Caller
    ) -> changes_pb2.ProposeSecretChangeResponse:
        """Record a change, unless the same subject proposed the same bytes before; return it as it is now.

        It takes the right to propose, and no other: who executes the change needs the right of its purpose then.

        Raises:
            UsageError: the change is not well formed, or its time is over or too far ahead.
            NotFoundError: a store does not exist, or a URI is outside the caller's prefixes.
            RefusedError: the caller lacks the right, the store is deactivated, or its engine can hold no write to a
                version.
            ConflictError: it is for another identity of its store, or another version is there than it expects.
            AlreadyExistsError: its id is taken.
            RateLimitedError: the caller has too many open changes, or may have no more recorded today.
        """
        change, principal = parse_change(message.change), caller.principal
        operating_log.bind_contextvars(uri=str(change.request.uri), change_id=change.change_id.hex())
        for place in places(change):
            policy.require_right(principal, events_pb2.RIGHT_PROPOSE, place)
        about, subject = change_of(change.change_id), principal.subject
        async with self._proposing.held(subject):
            known = await self._app.aggregates.get(about)
            if not known.version:
                await self._require_useful(change)
                await self._require_room(subject)
            await self._record(known, change, lambda now: domain.propose(now, change, subject), caller)
        return changes_pb2.ProposeSecretChangeResponse(change=await self._now(change.change_id, principal))

    async def approve_secret_change(
        self, message: changes_pb2.ApproveSecretChangeRequest, caller: Caller
    ) -> changes_pb2.ApproveSecretChangeResponse:
        """Record an approval, unless its bytes are there; return the change as it is now. No signature is verified.

        Raises:
            UsageError: it has not the form of an approval.
            NotFoundError: there is no such change, or it is not the caller's to see.
            RefusedError: the caller lacks the right to approve, or proposed it.
            ConflictError: it can be executed no more.
            RateLimitedError: it has as many approvals as it may, or as many of the caller's; or the caller may have no
                more recorded today.
        """
        known = await self._to_judge(message.change_id, caller.principal)
        approval, subject = message.approval, caller.principal.subject
        now = await self._say(known, lambda before: domain.approve(before, approval, subject), caller, OPEN)
        return changes_pb2.ApproveSecretChangeResponse(change=now)

    async def decline_secret_change(
        self, message: changes_pb2.DeclineSecretChangeRequest, caller: Caller
    ) -> changes_pb2.DeclineSecretChangeResponse:
        """Record that the caller declines a change; return it as it is now.

        Raises:
            UsageError: the reason holds what cannot be printed.
            NotFoundError: there is no such change, or it is not the caller's to see.
            RefusedError: the caller lacks the right to approve, or proposed it.
            ConflictError: it can be executed no more.
            RateLimitedError: the caller may have no more recorded today.
        """
        known = await self._to_judge(message.change_id, caller.principal)
        reason, subject = message.reason, caller.principal.subject
        now = await self._say(known, lambda before: domain.decline(before, reason, subject), caller, OPEN, OVERTAKEN)
        return changes_pb2.DeclineSecretChangeResponse(change=now)

    async def withdraw_secret_change(
        self, message: changes_pb2.WithdrawSecretChangeRequest, caller: Caller
    ) -> changes_pb2.WithdrawSecretChangeResponse:
        """Record that the caller withdraws a change of its own, whatever its rights are now; return it as it is now.

        Raises:
            NotFoundError: there is no such change, or it is not the caller's to see.
            RefusedError: another one proposed it.
            ConflictError: it can be executed no more.
            RateLimitedError: the caller may have no more recorded today.
        """
        known = await visible(self._app, message.change_id, caller.principal)
        subject = caller.principal.subject
        now = await self._say(known, lambda before: domain.withdraw(before, subject), caller, OPEN, OVERTAKEN)
        return changes_pb2.WithdrawSecretChangeResponse(change=now)

    async def _to_judge(self, change_id: bytes, principal: Principal) -> Known:
        """Return a change that the caller may approve. Raises `NotFoundError`, or `RefusedError` without the right."""
        known = await visible(self._app, change_id, principal)
        operating_log.bind_contextvars(uri=known.row.uri, change_id=change_id.hex())
        if known.proposal.subject != principal.subject:  # who proposed it is told that others judge it
            for place in places(known.change):
                policy.require_right(principal, events_pb2.RIGHT_APPROVE, place)
        return known

    async def _say(
        self,
        known: Known,
        decide: Callable[[Proposal], Sequence[Message]],
        caller: Caller,
        *states: changes_pb2.ChangeState,
    ) -> changes_pb2.SecretChange:
        """Record what is said of a change that is in one of `states`, and return it as it is then."""

        def decided(before: Proposal) -> Sequence[Message]:
            events = decide(before)
            if events:
                _require_state(known, *states)
            return events

        await self._record(known.proposal, known.change, decided, caller)
        return await self._now(known.change.change_id, caller.principal)

    async def _record(
        self, known: Proposal, change: Change, decide: Callable[[Proposal], Sequence[Message]], caller: Caller
    ) -> None:
        """Record what is decided on a change, within what may be recorded of the caller's in a day."""
        subject = caller.principal.subject
        events = decide(known)
        if not events:
            return
        usage = await self._app.documents.usage(subject, self._app.clock())
        with self._app.quota.used(subject, usage, bytes_with(*events)):
            await self._app.aggregates.change(
                change_of(change.change_id), decide, actor=subject, loaded=known, is_sent_again=True
            )

    async def _now(self, change_id: bytes, principal: Principal) -> changes_pb2.SecretChange:
        known = await find(self._app, change_id)
        assert known is not None, "the change was recorded"
        return await view(self._app, known, principal)

    async def _require_useful(self, change: Change) -> None:
        """Raise if nothing can become of a new change, as `propose_secret_change`."""
        domain.check_time(change, self._app.clock())
        row = row_of(change, "", self._app.clock())
        of_store = [(STORES, place.store) for place in places(change)]
        documents = (await self._app.log.look({}, [*of_store, *row.depends_on])).documents
        stores = [store_in(documents[which]) for which in of_store]
        for place, store in zip(places(change), stores, strict=True):
            if store is None:
                raise policy.hidden(str(place))
            _require_able(store, change)
        asked = stores[0]
        assert asked is not None, "it was looked at above"
        if change.identity != asked.identity:
            raise ConflictError(
                f"the change is for another identity of the store {asked.name} than it has.",
                fix="Compare the store's identity with what you pinned, and propose the change again.",
            )
        if state_of(row, documents, row.proposed_ms) == OVERTAKEN:
            raise _overtaken(row.place)

    async def _require_room(self, subject: str) -> None:
        most = self._app.limits.open_changes_per_user
        if open_count(await self._app.log.get(OPEN_OF, subject), self._app.clock()) >= most:
            raise RateLimitedError(
                f"{subject} has as many open changes as a user may have: {most:,}.",
                fix="Execute or withdraw some, or ask an operator to raise `open_changes_per_user` in m8.toml.",
                retry_after_s=FULL_RETRY_AFTER_S,
            )


def _require_able(store: views_pb2.SecretStore, change: Change) -> None:
    """Raise unless a store takes requests, and its reactors say that its engine can hold to the versions of a change.

    A store whose reactors ask for no approvals takes changes all the same, and one without a reactor may have one soon.
    """
    if not store.active:
        raise RefusedError(f"the store {store.name} is deactivated.", fix="Ask an administrator to activate it.")
    able = [reactor.capabilities for reactor in store.reactors if reactor.attached]
    if not able:
        return
    lacks = []
    if change.request.place.store == store.name and not any(one.check_and_set for one in able):
        lacks.append("replace exactly one version")
    is_read = change.request.source_version and change.request.uri.store == store.name
    if is_read and not any(one.source_versions for one in able):
        lacks.append("copy exactly one version")
    if lacks:
        raise RefusedError(
            f"{spelled(upload_pb2.Reason, upload_pb2.REASON_UNSUPPORTED)}: the store {store.name} cannot {lacks[0]}, so"
            " no change of it can be approved.",
            fix="Put it without a change, or into a store that can.",
        )


def _require_state(known: Known, *allowed: changes_pb2.ChangeState) -> None:
    """Raise `ConflictError` unless a change is in one of these states."""
    if known.state in allowed:
        return
    if known.state == OVERTAKEN:
        raise _overtaken(known.row.place)
    done = known.state == changes_pb2.CHANGE_STATE_DONE
    raise ConflictError(
        "the change was executed already." if done else "the time of the change is over.",
        fix="Look at it with `monoctl describe change`." if done else "Let it be proposed again.",
    )


def _overtaken(place: str) -> ConflictError:
    return ConflictError(
        f"{place}: another version is there than the change expects.", fix="Look at it, and propose the change again."
    )
