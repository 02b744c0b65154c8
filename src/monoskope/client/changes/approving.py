"""Who signs here, and what is checked before an approval is signed: whose change it is, and that its store is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monoskope.client.changes.approved import check_identity, check_open
from monoskope.client.connection import CALL_TIMEOUT_S
from monoskope.client.results.changes import ProposedChange
from monoskope.client.runtime import unhurried
from monoskope.client.session import Session
from monoskope.client.walk.task import unsigned
from monoskope.errors import NotAgreedError, RefusedError

if TYPE_CHECKING:
    from monoskope.client.signing import Signing
    from monoskope.client.walk.target import Target


async def approving(session: Session, change: ProposedChange) -> Signing:
    """Return what signs an approval, once all is checked that can be before.

    Raises:
        NotAgreedError: no identity of its store is pinned here.
        IdentityChangedError: the change is for another identity than the pinned one.
        RefusedError: it is one's own.
        Error: as `check_open`, or the signer cannot sign.
    """
    check_open(change)
    signing = signing_of(session, await _pinned(session, change))
    with unhurried():
        signing.prepare()
    public = signing.public
    if change.requester == (public.principal if public is not None else "") or change.subject == _subject(session):
        raise RefusedError(
            f"{change.uri}: change {change.change_id} is your own, and yours alone is no approval of it.",
            fix="Ask somebody else.",
        )
    return signing


def signing_of(session: Session, target: Target) -> Signing:
    """Return what signs here. Raises the error of a request that is not signed if nothing does."""
    if session.signing is None:
        raise unsigned(target.uri)
    return session.signing


def _subject(session: Session) -> str | None:
    from monoskope.client.walk.trust import subject_of  # noqa: PLC0415 - loads the walk

    return subject_of(session.connection.token)


async def _pinned(session: Session, change: ProposedChange) -> Target:
    """Return the target of a change whose store is pinned. Nobody is asked here whether to pin one."""
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
