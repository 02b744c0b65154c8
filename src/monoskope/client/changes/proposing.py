"""What a proposal asks for: which version approvers approve to replace, and who asks.

What m8 says of it goes into the change, and no further: the reactor holds the change to what is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.purposes import Expect, Expected, is_typed, whole
from monoskope.client.walk.checks import check_options
from monoskope.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from monoskope.client.changes.proposal import Proposal
    from monoskope.client.session import Session
    from monoskope.client.signing import Signing
    from monoskope.client.walk.target import Target
    from monoskope.client.walk.task import Task


async def task_of(
    session: Session, proposal: Proposal, source: Target, place: Target, expected: Expected, *, break_glass: str = ""
) -> Task:
    """Return what a proposal asks for, with the versions that are not there yet by name."""
    check_options([source], proposal.options)
    to, source_version = proposal.to, ""
    if is_typed(to):
        to = await whole(to, source.uri, session.queries)
    if proposal.destination and not break_glass:
        source_version, _ = await _there(session, source)
        if not source_version:
            raise NotFoundError(f"{source.uri}: m8 knows nothing there that could be copied.", fix="Check the URI.")
    return proposal.task(
        source,
        expected,
        place if proposal.destination else None,
        to_version=to,
        source_version=source_version,
        break_glass=break_glass,
    )


async def expected_by(session: Session, proposal: Proposal, place: Target) -> Expected:
    """Return exactly what approvers approve to replace."""
    if proposal.expect is Expect.OVERWRITE:
        raise UsageError(
            "whatever is there cannot be approved to be replaced: approvers approve one version.",
            fix="Leave `overwrite` out, or name the version to expect.",
        )
    if proposal.expect is not Expect.ANY:
        return await session.expected(proposal.expect, place)
    version, deleted = await _there(session, place)
    found = deleted if proposal.rules.undeletes else version
    if found:
        return upload_pb2.EXPECT_VERSION, found
    if upload_pb2.EXPECT_ABSENT in proposal.rules.expects:
        return upload_pb2.EXPECT_ABSENT, ""
    what = "deleted" if proposal.rules.undeletes else "there"
    raise NotFoundError(
        f"{place.uri}: m8 knows no version that is {what}.", fix="Name the version to expect, or check the URI."
    )


async def _there(session: Session, target: Target) -> tuple[str, str]:
    """Return which version m8 says is there, and which was deleted; "" for none."""
    try:
        view = await session.queries.secret(str(target.uri))
    except NotFoundError:
        return "", ""
    return ("", view.upstream_version) if view.deleted else (view.upstream_version, "")


async def requester_of(session: Session, signing: Signing, place: Target) -> str:
    """Return whom one's certificate names, or the settings, or whom the store's own receipt says that one's key is."""
    public = signing.public
    if public is not None and public.principal:
        return public.principal
    if session.settings.requester:
        return session.settings.requester
    if public is not None:
        try:
            view = await session.queries.secret(str(place.uri))
            receipt = (await session.proofs.secret(view)).receipt
        except NotFoundError:
            receipt = None
        if receipt is not None and receipt.signer_key == public.shown:
            return receipt.signer
    raise UsageError(
        f"{place.uri}: nothing says how the store's list calls you.",
        fix="Give that name, such as anna@example.org, as `requester`, or once: `monoctl config set requester NAME`."
        " The store's operator knows it.",
    )
