"""`monoctl get events`."""

from __future__ import annotations

import click

from monoskope.client import Client
from monoskope.errors import UsageError
from monoskope.escape import json_text
from monoskope.monoctl.input.forms import full_prefix
from monoskope.monoctl.options import CommandSession, connection_options, output_option
from monoskope.monoctl.output import views, write
from monoskope.monoctl.output.formats import Document, cell, emit

_COLUMNS = {
    "POSITION": "position",
    "RECORDED": "recorded_at",
    "TYPE": "type",
    "STREAM": "stream",
    "BY": "actor",
    "DETAIL": "detail",
}


@click.command(short_help="List events.")
@click.option("--request-id", default="", metavar="ID", help="Only those of this request.")
@click.option(
    "--prefix",
    default="",
    metavar="URI",
    help="Only those of secrets below this URI prefix, or path in the default store.",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N.")
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the latest N.")
@click.option("-w", "--watch", is_flag=True, help="Show events as they are recorded, until Ctrl-C.")
@click.option("--after", type=click.IntRange(0), default=0, help="With --watch: begin after this position.")
@output_option
@connection_options
def events(  # noqa: PLR0917 - click passes them by name
    request_id: str,
    prefix: str,
    limit: int | None,
    last: int | None,
    after: int,
    output: str,
    session: CommandSession,
    *,
    watch: bool,
) -> None:
    """List events in the order of the log. Users see those of requests below their prefixes."""
    if last is not None and (watch or limit is not None):
        raise UsageError("--last goes with neither --watch nor --limit.", fix="Leave one out.")
    if watch:
        if request_id or output == "yaml":
            raise UsageError("--watch goes with neither --request-id nor YAML.", fix="Leave one out.")
        session.run(lambda client: _watch(client, after, prefix, limit, output))
        return

    async def work(client: Client) -> list[Document]:
        below = await full_prefix(client, prefix)
        if last is not None:
            latest = await client.queries.last_events(last, request_id=request_id, prefix=below)
            return [views.event(view) for view in latest]
        found: list[Document] = []
        async for view in client.queries.events(request_id=request_id, prefix=below):
            found.append(views.event(view))
            if len(found) == limit:
                break
        return found

    emit(output, session.run(work), _COLUMNS, nothing="No events found.")


async def _watch(client: Client, after: int, prefix: str, limit: int | None, output: str) -> None:
    """Print one event a line: JSON, or the table's cells."""
    seen = 0
    below = await full_prefix(client, prefix)
    async for view in client.queries.watch(after=after, prefix=below):
        document = views.event(view)
        if output == "json":
            write.out(json_text(document))
        else:
            write.out("  ".join(cell(document, field) for field in _COLUMNS.values()))
        seen += 1
        if seen == limit:
            return
