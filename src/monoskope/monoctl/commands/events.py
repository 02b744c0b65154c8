"""`monoctl get events`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import click

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client import Client
from monoskope.client.log.events import ShownEvents
from monoskope.client.queries import EventFilter
from monoskope.errors import Error, UsageError
from monoskope.monoctl.groups import command
from monoskope.monoctl.input.request_options import full_prefix
from monoskope.monoctl.options import CommandSession, output_options
from monoskope.monoctl.output import terminal, views
from monoskope.monoctl.output.formats import cell, emit
from monoskope.text import json_text
from monoskope.times import instant, now_ms, parse_moment
from monoskope.value import Value

TAIL = 50
"""How many events are shown if nothing else is asked for."""

_COLUMNS = {
    "POSITION": "position",
    "RECORDED": "recorded_at",
    "TYPE": "type",
    "STREAM": "stream",
    "BY": "actor",
    "DETAIL": "detail",
}


class _Asked(Value, frozen=True):
    """What the words of one call ask for."""

    request_id: str
    prefix: str
    wanted: EventFilter
    tail: int | None
    limit: int | None
    after: int | None
    every: bool

    async def query(self, client: Client) -> dict[str, Any]:
        """Return which events are asked for, as `Queries` takes it."""
        return {
            "request_id": self.request_id,
            "prefix": await full_prefix(client, self.prefix),
            "wanted": self.wanted,
        }


@command(short_help="List events.")
@click.option("--request-id", default="", metavar="ID", help="Only those of this request.")
@click.option(
    "--prefix",
    default="",
    metavar="URI",
    help="Only those of secrets below this URI prefix, or path in the default store.",
)
@click.option("--by", "actor", default="", metavar="SUBJECT", help="Only those that this subject caused.")
@click.option("--since", default="", metavar="TIME", help="Only those since then: 2h, 7d, 2026-01-31T18:00:00Z.")
@click.option("--until", default="", metavar="TIME", help="Only those before then.")
@click.option(
    "--tail", "--last", "tail", type=click.IntRange(1), metavar="N", help=f"Only the latest N; {TAIL} by default."
)
@click.option("--all", "every", is_flag=True, help="All, not only the latest.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N.")
@click.option("-w", "--watch", is_flag=True, help="Show events as they are recorded from now on, until Ctrl-C.")
@click.option("--after", type=click.IntRange(0), metavar="N", help="With --watch: begin after this position.")
@output_options
def events(
    session: CommandSession,
    *,
    request_id: str,
    prefix: str,
    actor: str,
    since: str,
    until: str,
    tail: int | None,
    limit: int | None,
    after: int | None,
    every: bool,
    watch: bool,
) -> None:
    """List the latest events, the newest last. Users see those of requests below their prefixes.

    Each is held against the log as this machine pinned it (docs/witnessed-log.md): an event that was changed ends the
    command with exit code 18, and without filters so does one that is missing, if you may see all. A note says what is
    proven. What is newer than the last checkpoint, and what --watch shows, is m8's word.

    With --watch: events as they are recorded, from now on. --since, --tail and --after begin earlier, --after 0 with
    the first one.
    """
    now = now_ms()
    wanted = EventFilter(
        since_ms=parse_moment(since, now_ms=now) if since else 0,
        until_ms=parse_moment(until, now_ms=now) if until else 0,
        actor=actor,
    )
    asked = _Asked(request_id, prefix, wanted, tail, limit, after, every=every)
    _check(asked, session.output, watch=watch)
    if watch:
        session.run(lambda client: _watch(client, asked, session))
        return
    found, shown = session.run(lambda client: _listed(client, asked))
    documents = [views.event(view, proven=shown.proves(view)) for view in found]
    emit(session.output, session.named(documents), _COLUMNS, nothing="No events found.")
    if session.output == "table":
        terminal.note(shown.said())


def _check(asked: _Asked, output: str, *, watch: bool) -> None:
    if sum((asked.tail is not None, asked.every, asked.limit is not None and not watch)) > 1:
        raise UsageError("--tail, --all and --limit exclude one another.", fix="Leave all but one out.")
    if not watch:
        if asked.after is not None:
            raise UsageError("--after goes with --watch alone.", fix="Add --watch, or name a time: --since 2h.")
        return
    if asked.request_id or output == "yaml" or asked.wanted.until_ms:
        raise UsageError("--watch goes with neither --request-id, --until nor YAML.", fix="Leave one out.")
    if sum((asked.tail is not None, asked.every, bool(asked.wanted.since_ms), asked.after is not None)) > 1:
        raise UsageError(
            "--watch begins at one place: --tail, --all, --since and --after exclude one another.",
            fix="Leave all but one out.",
        )


async def _listed(client: Client, asked: _Asked) -> tuple[list[views_pb2.EventSummary], ShownEvents]:
    """Return the events to be listed and what they were held against, and say it if there are more of them."""
    query = await asked.query(client)
    against: list[ShownEvents] = []
    if asked.every or asked.limit is not None:
        found: list[views_pb2.EventSummary] = []
        async for view in client.queries.events(**query, told=against.append):
            found.append(view)
            if len(found) == asked.limit:
                break
        return found, against[0]
    latest = await client.queries.last_events(asked.tail or TAIL + 1, **query, told=against.append)
    if asked.tail is None and len(latest) > TAIL:
        terminal.note(f"These are the latest {TAIL} events. For more: --tail N, or --all.")
        latest = latest[-TAIL:]
    return latest, against[0]


async def _watch(client: Client, asked: _Asked, session: CommandSession) -> None:
    """Print one event a line: JSON, or the table's cells with the time of the clock."""
    shown = 0
    async for view in _watched(client, asked):
        [document] = session.named([views.event(view)])
        if session.output == "json":
            terminal.out(json_text(document))
        else:
            cells = [cell(document, field) for field in _COLUMNS.values() if field != "recorded_at"]
            terminal.out("  ".join((cells[0], instant(view.recorded_at_ms), *cells[1:])))
        shown += 1
        if shown == asked.limit:
            return


async def _watched(client: Client, asked: _Asked) -> AsyncIterator[views_pb2.EventSummary]:
    """Yield what stands before now, if that is asked for, and then each event as it is recorded."""
    query = await asked.query(client)
    # Asked first: what is recorded while the earlier events are read comes after them.
    after = await client.queries.head() if asked.after is None else asked.after
    if asked.tail is not None:
        for view in await client.queries.last_events(asked.tail, **query):
            after = max(after, view.position)
            yield view
    elif asked.every or asked.wanted.since_ms:
        async for view in client.queries.events(**query):
            after = max(after, view.position)
            yield view
    async for view in client.queries.follow(after=after, prefix=query["prefix"], wanted=asked.wanted, lost=_lost):
        yield view


def _lost(error: Error) -> None:
    terminal.note(f"{error.message} Connecting again; no event is missed.")
