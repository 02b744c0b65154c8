"""The table of secrets, one secret and its history, with what receipts prove, and where the same value stands."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, convert, to_builtins

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.walk.receipts import Checked
from monoskope.errors import Error
from monoskope.monoctl.console.counts import expiring as by_day
from monoskope.monoctl.console.operations import Context, Nothing, OfUri
from monoskope.monoctl.console.rows import Row, Wanted, ordered, picked
from monoskope.monoctl.output import views
from monoskope.monoctl.output.formats import Document

_AT_A_TIME = 50
"""How many receipts are checked before others have their turn."""


async def shown(context: Context, rows: Sequence[Row]) -> list[Document]:
    """Return a `Secret` for each row."""
    counts = context.secrets.counts
    return [
        _secret(row.view, found) | {"same_elsewhere": counts.elsewhere(row)}
        for row, found in zip(rows, await checks(context, rows), strict=True)
    ]


async def checks(context: Context, rows: Sequence[Row]) -> list[Checked | Error]:
    """Check the receipt of each row against the pins as they are now. A proof is remembered with its row.

    An error stands for a row that could not be checked, because m8 did not say how a store changed its identity.
    """
    proofs = context.client.proofs
    found: list[Checked | Error] = []
    for number, row in enumerate(rows, start=1):
        checked = row.checked(proofs.pins)
        if checked is None:
            try:
                checked = await proofs.secret(row.view)
            except Error as error:
                found.append(error)
                continue
            row.remember(checked, proofs.pins)
            if number % _AT_A_TIME == 0:
                await asyncio.sleep(0)
        found.append(checked)
    return found


def _secret(view: views_pb2.Secret, found: Checked | Error) -> Document:
    if isinstance(found, Error):
        return views.secret(view, Checked(f"not checked: {found.message.removesuffix('.')}")) | {"is_false": False}
    return views.secret(view, found)


_MOST_DRIFTED = 1_000
_MOST_ASKED = 5_000
"""How many secrets below a prefix m8 is asked for, if the console does not cache all."""


class SecretsAsked(Wanted, frozen=True):
    """What to show of all secrets."""

    page: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    page_size: Annotated[int, Meta(ge=1, le=200)] = 50


async def secrets(context: Context, asked: SecretsAsked) -> Document:
    """Answer one page of the secrets that are wanted, and how many there are of each kind."""
    cache = context.secrets
    found = await _found(context, asked)
    first = asked.page * asked.page_size
    return {
        "secrets": await shown(context, found[first : first + asked.page_size]),
        "total": len(found),
        "loaded": len(cache.rows),
        "complete": cache.complete,
        "note": cache.note,
        "figures": to_builtins(cache.counts.figures(today=today())),
        **cache.counts.facets,
    }


async def _found(context: Context, asked: SecretsAsked) -> Sequence[Row]:
    """Return all that are wanted, in order."""
    if context.secrets.is_full and asked.prefix:
        rows = picked(await _below(context, asked), asked, today=today())
        found: Sequence[Row] = ordered(rows, asked.sort, descending=asked.descending)
    else:
        found = context.found.of(convert(asked, Wanted, from_attributes=True), today=today())
    if asked.state != "unproven":
        return found
    return [
        row
        for row, checked in zip(found, await checks(context, found), strict=True)
        if not isinstance(checked, Checked) or not checked.proven
    ]


async def _below(context: Context, asked: SecretsAsked) -> list[Row]:
    """Ask m8 for the secrets below a prefix, because not all are cache."""
    state = views_pb2.SECRET_STATE_DELETED if asked.state == "deleted" else views_pb2.SECRET_STATE_PRESENT
    rows: list[Row] = []
    async for view in context.client.queries.secrets(asked.prefix, state=state, page_size=1_000):
        rows.append(Row(view))
        if len(rows) == _MOST_ASKED:
            break
    return rows


async def secret(context: Context, asked: OfUri) -> Document:
    """Answer one secret, as m8 shows it now."""
    view = await context.client.queries.secret(await context.client.full_uri(asked.uri))
    [document] = await shown(context, [Row(view)])
    return document


async def versions(context: Context, asked: OfUri) -> Document:
    """Answer every version of a secret and every edit of its notes, the newest first, each with its proof."""
    client = context.client
    full = await client.full_uri(asked.uri)
    found = [view async for view in client.queries.secret_versions(full, with_edits=True)]
    proven = await client.proofs.versions(found)
    return {"versions": [views.version(view, one) for view, one in zip(found, proven, strict=True)]}


async def groups(context: Context, _asked: Nothing) -> Document:
    """Answer the values that stand in several places, by hash."""
    counted = context.secrets.counts
    found, is_whole = counted.groups()
    return {"groups": found, "keys_read": counted.keys_read, "complete": is_whole and context.secrets.complete}


async def expiring(context: Context, _asked: Nothing) -> Document:
    """Answer the days on which secrets expire."""
    return by_day(context.secrets.rows.values())


async def drift(context: Context, _asked: Nothing) -> Document:
    """Answer the present secrets whose engine does not hold what was put, or did not before the last put."""
    off = sorted((row for row in context.secrets.rows.values() if row.is_off), key=lambda row: row.uri)
    return {"secrets": await shown(context, off[:_MOST_DRIFTED])}


def today() -> dt.date:
    """Return the day by which expiry is judged, as commands do: in UTC."""
    return dt.datetime.now(dt.UTC).date()
