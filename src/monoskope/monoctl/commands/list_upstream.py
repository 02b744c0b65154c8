"""`monoctl list-upstream`."""

from __future__ import annotations

import click

from monoskope.client import Client, UpstreamPage
from monoskope.monoctl.options import CommandSession, connection_options, output_option, timeout_option
from monoskope.monoctl.output import terminal, views
from monoskope.monoctl.output.formats import emit

_COLUMNS = {"URI": "uri", "M8 SAYS": "m8_says"}
PROVEN = "the store's receipt proves these names; what m8 knows of them is its word. They stand in m8's log now."
UNADDRESSABLE = "{count} more below {uri} cannot be named by a URI, and are left out."
SENTENCES = (PROVEN, UNADDRESSABLE)


@click.command(short_help="List what is in an engine, to find what can be imported.")
@click.argument("uri", metavar="URI")
@click.option("--importable", is_flag=True, help="Only secrets that can be imported.")
@timeout_option
@output_option
@connection_options
def list_upstream(uri: str, *, importable: bool, timeout: float, output: str, session: CommandSession) -> None:
    """List the names that a store's engine holds directly below URI, known to m8 or not.

    Names alone: the store's reactor reads no value for it. A name with "/" at its end is a folder; list it to see what
    is below. URI has at least one segment (`store://segment`). It takes the right `list`, and a store whose reactor may
    list (`listable = true`). All listed names stay in m8's log for ever.
    """

    async def work(client: Client) -> list[UpstreamPage]:
        return [page async for page in client.list_upstream_pages(uri, timeout=timeout)]

    pages = session.run(work)
    names = [name for page in pages for name in page.names if name.can_be_imported or not importable]
    emit(output, [views.upstream(one) for one in names], _COLUMNS, nothing="No names found.")
    if names and output == "table":
        terminal.note(PROVEN)
    if unaddressable := max(page.unaddressable for page in pages):
        terminal.note(UNADDRESSABLE.format(count=unaddressable, uri=pages[0].uri))
