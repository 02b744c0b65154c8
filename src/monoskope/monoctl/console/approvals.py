"""Changes that take approvals, on the page: which there are, what of one is proven, and what people say to them.

The page shows what `monoctl describe change` prints, from the same lines. It names what it showed by its SHA-256, and
only that is signed: what this program decoded, once a person touched a security key, or typed a word in the terminal.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Annotated, Any

from msgspec import Meta

from monoskope.client.changes.approved import check_same
from monoskope.client.results.changes import ChangeState, ProposedChange
from monoskope.errors import AlreadyExistsError, Error
from monoskope.monoctl.console.operations import Context
from monoskope.monoctl.console.overview import signs_with
from monoskope.monoctl.console.requests import Request, Text
from monoskope.monoctl.output.changes import described, document, lines_of
from monoskope.monoctl.output.ending import failure
from monoskope.monoctl.output.formats import Document

_MOST = 100
"""How many of a list are shown."""
_AT_A_TIME = 10
"""How many changes are looked at before others have their turn."""
_SHORT = 8
"""Digits of the SHA-256 in the word: the person types what the page shows, too."""

Reason = Annotated[str, Meta(max_length=500)]


class ChangesAsked(Request, frozen=True):
    """Which changes: those that wait for the caller, the caller's own, in one state, or all."""

    waiting: bool = False
    mine: bool = False
    state: ChangeState | None = None


class OfChange(Request, frozen=True):
    """About one change."""

    change_id: Text


class ApproveAsked(OfChange, frozen=True):
    """One change, and the SHA-256 of what the page showed of it."""

    sha256: Text


class DeclineAsked(OfChange, frozen=True):
    """One change, and why it is declined."""

    reason: Reason = ""


async def changes(context: Context, asked: ChangesAsked) -> Document:
    """Answer changes, the newest first, at most `_MOST`; `more` says that there are others."""
    found: list[Document] = []
    listed = context.client.changes.list(waiting=asked.waiting, mine=asked.mine, state=asked.state, page_size=_MOST + 1)
    async with aclosing(listed) as all_of_them:
        async for one in all_of_them:
            if len(found) == _MOST:
                return {"changes": found, "more": True}
            found.append(document(one))
            if len(found) % _AT_A_TIME == 0:
                await asyncio.sleep(0)
    return {"changes": found, "more": False}


async def change(context: Context, asked: OfChange) -> Document:
    """Answer one change, and how the caller could approve it, or why not."""
    return await _shown(context, await context.client.changes.get(asked.change_id))


async def approve(context: Context, asked: ApproveAsked) -> Document:
    """Sign the change that the page showed, once a person has agreed, and hand the approval in.

    Raises:
        IdentityChangedError: m8 shows another change under this id by now.
        Error: as `client.changes.approve`, and `Word.agreed`; nothing was signed.
    """
    found = await context.client.changes.get(asked.change_id)
    check_same(found, asked.sha256, otherwise="nothing was signed")
    lines = lines_of(found, context.client.people)
    if await context.client.changes.needs_touch(found):
        context.word.show(["What you approve by touching your security key:", *lines])
    else:
        await context.word.agreed(["The console's page asks for your approval:", *lines], word_for(found))
    return await _shown(context, await context.client.changes.approve(found))


async def decline(context: Context, asked: DeclineAsked) -> Document:
    """Decline a change of others."""
    return await _shown(context, await context.client.changes.decline(asked.change_id, asked.reason))


async def withdraw(context: Context, asked: OfChange) -> Document:
    """Withdraw a change of the caller's own."""
    return await _shown(context, await context.client.changes.withdraw(asked.change_id))


def word_for(found: ProposedChange) -> str:
    """Return what the person types in the terminal to approve a change."""
    return f"approve {found.sha256[:_SHORT]}"


async def _shown(context: Context, found: ProposedChange) -> Document:
    by, why_not = await _how(context, found)
    return document(found) | {
        "lines": [
            {"name": one.name, "text": one.text, "said_by": one.said_by}
            for one in described(found, context.client.people)
        ],
        "own": found.subject == context.client.subject,
        "by": by,
        "word": word_for(found) if by == "word" else "",
        "why_not": None if why_not is None else failure(why_not),
    }


async def _how(context: Context, found: ProposedChange) -> tuple[str, Error | None]:
    """Return by what the caller would agree, "touch" or "word", or why the caller cannot approve."""
    try:
        by = "touch" if await context.client.changes.needs_touch(found) else "word"
        own_key: Any = signs_with(context)["key"]
        if any(one.key == own_key and not one.why_not for one in found.approvals):
            raise AlreadyExistsError("you have approved this change.", fix="Its requester executes it.")
        if by == "word":
            context.word.require()
    except Error as error:
        return "", error
    return by, None
