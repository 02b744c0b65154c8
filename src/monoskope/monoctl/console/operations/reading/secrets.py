"""The table of secrets, one secret, and its history."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, to_builtins

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.walk.receipts import Checked
from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.kept.picking import SortField, State, Wanted, ordered, picked
from monoskope.monoctl.console.kept.row import Row
from monoskope.monoctl.console.operations.fields import OfUri, Text
from monoskope.monoctl.console.operations.operation import Request
from monoskope.monoctl.console.operations.reading.shown import checks, proof, shown
from monoskope.monoctl.output import views
from monoskope.monoctl.output.formats import Document

_MOST_ASKED = 5_000
"""How many secrets below a prefix m8 is asked for, if the console does not keep all."""


class SecretsAsked(Request, frozen=True):
    """What to show of all secrets."""

    search: Text = ""
    store: Text = ""
    prefix: Text = ""
    subject: Text = ""
    label: Text = ""
    state: State = "present"
    expiring_days: Annotated[int, Meta(ge=0, le=36_525)] | None = None
    sort: SortField = "uri"
    descending: bool = False
    page: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    page_size: Annotated[int, Meta(ge=1, le=200)] = 50

    @property
    def wanted(self) -> Wanted:
        """Which secrets."""
        return Wanted(self.search, self.store, self.prefix, self.subject, self.label, self.state, self.expiring_days)


async def secrets(desk: Desk, asked: SecretsAsked) -> Document:
    """Answer one page of the secrets that are wanted, and how many there are of each kind."""
    kept, facets, figures = desk.secrets, desk.secrets.counts.facets, desk.secrets.counts.figures(today=today())
    found = await _found(desk, asked)
    first = asked.page * asked.page_size
    return {
        "secrets": await shown(desk, found[first : first + asked.page_size]),
        "total": len(found),
        "loaded": kept.loaded,
        "complete": kept.complete,
        "note": kept.note,
        "stores": facets.stores,
        "subjects": facets.subjects,
        "labels": facets.labels,
        "statuses": facets.statuses,
        "figures": to_builtins(figures),
    }


async def _found(desk: Desk, asked: SecretsAsked) -> Sequence[Row]:
    """Return all that are wanted, in order."""
    if desk.secrets.is_full and asked.prefix:
        rows = picked(await _below(desk, asked), asked.wanted, today=today())
        found: Sequence[Row] = ordered(rows, asked.sort, descending=asked.descending)
    else:
        found = desk.found.of(asked.wanted, asked.sort, descending=asked.descending, today=today())
    if asked.state != "unproven":
        return found
    return [
        row
        for row, checked in zip(found, await checks(desk, found), strict=True)
        if not isinstance(checked, Checked) or not checked.proven
    ]


async def _below(desk: Desk, asked: SecretsAsked) -> list[Row]:
    """Ask m8 for the secrets below a prefix, because not all are kept."""
    state = views_pb2.SECRET_STATE_DELETED if asked.state == "deleted" else views_pb2.SECRET_STATE_PRESENT
    rows: list[Row] = []
    async for view in desk.client.queries.secrets(asked.prefix, state=state, page_size=1_000):
        rows.append(Row(view))
        if len(rows) == _MOST_ASKED:
            break
    return rows


async def secret(desk: Desk, asked: OfUri) -> Document:
    """Answer one secret, as m8 shows it now."""
    view = await desk.client.queries.secret(await desk.client.full_uri(asked.uri))
    [document] = await shown(desk, [Row(view)])
    return document


async def versions(desk: Desk, asked: OfUri) -> Document:
    """Answer every version of a secret and every edit of its notes, the newest first, each with its proof."""
    client = desk.client
    full = await client.full_uri(asked.uri)
    found = [view async for view in client.queries.secret_versions(full, with_edits=True)]
    proven = await client.proofs.versions(found)
    return {
        "versions": [
            views.version(view) | proof(one) | views.signed(one.receipt)
            for view, one in zip(found, proven, strict=True)
        ]
    }


def today() -> dt.date:
    """Return the day by which expiry is judged, as commands do: in UTC."""
    return dt.datetime.now(dt.UTC).date()
