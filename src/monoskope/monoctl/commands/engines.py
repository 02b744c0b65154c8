"""What engines hold: `monoctl copy secret`, `import secret`, `verify secret` and `list-upstream`."""

from __future__ import annotations

import click

from monoskope.client import Client, Copy, Import, UpstreamPage, Verification
from monoskope.errors import Error, UsageError
from monoskope.monoctl.input.request_options import expect_options, full_prefix
from monoskope.monoctl.options import CommandSession, connection_options, output_option, timeout_option
from monoskope.monoctl.output import terminal, views
from monoskope.monoctl.output.formats import done, emit
from monoskope.monoctl.output.listed import Listed, verify_listed
from monoskope.monoctl.output.report import end

_COPIED = {
    "FROM": "uri",
    "TO": "destination",
    "OUTCOME": "outcome",
    "VERSION": "destination_version",
    "HASH": "hash",
}
_IMPORTED = {"URI": "uri", "OUTCOME": "outcome", "VERSION": "upstream_version", "HASH": "hash"}
_LISTED = {"URI": "uri", "M8 SAYS": "m8_says"}
_VERIFIED = {"URI": "uri", "OUTCOME": "outcome", "UPSTREAM": "upstream_version", "NEWEST": "newest"}


@command(short_help="Copy a secret into another store.")
@click.argument("uri")
@click.argument("destination")
@expect_options("absent|VERSION", "Copy only if nothing, or this version, is there.", "Replace whatever is there.")
@request_options
def copy_secret(uri: str, destination: str, expect: Expect | str, session: CommandSession) -> None:
    """Copy the secret at URI to DESTINATION, in another store.

    The reactor of URI's store reads the secret and puts it there; none else sees it. The reactor's own settings say
    where it may copy to: see `copies_to` in `monoctl describe secret-store`. The command succeeds only with signed
    receipts of both stores that show the same hash.
    """

    emit(
        session.output,
        done(session.run(lambda client: client.copy_secret(uri, destination, expect=expect, timeout=session.timeout))),
        _COPIED,
    )


@command(short_help="Adopt secrets that others put into an engine.")
@click.argument("uris", nargs=-1, required=True, metavar="URI [URI...]")
@request_options
def import_secret(uris: tuple[str, ...], session: CommandSession) -> None:
    """Adopt secrets that others put into an engine.

    The store's reactor reads each secret and signs a receipt with its hash. It moves, writes and shows nothing. From
    then on a put may replace the secret, as if it had been put through m8.
    """

    end(
        session.run(lambda client: client.import_secrets(uris, timeout=session.timeout), several=len(uris) > 1),
        session.output,
        _IMPORTED,
        changes=True,
    )


PROVEN = "the store's receipt proves these names; what m8 knows of them is its word. They stand in m8's log now."
UNADDRESSABLE = "{count} more below {uri} cannot be named by a URI, and are left out."
SENTENCES = (PROVEN, UNADDRESSABLE)


@command(short_help="Check that stores still hold what was put.")
@click.argument("uris", nargs=-1, metavar="[URI...]")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="All secrets below the given prefixes (`store://`, `store://segment…`, or a path in the default store), or "
    "all that you may see.",
)
@request_options
def verify_secret(uris: tuple[str, ...], session: CommandSession, *, everything: bool) -> None:
    """See whether stores still hold what the newest receipts say. Nobody sees a value, nothing is written.

    The outcome is IN_SYNC, DRIFTED (something else is upstream) or GONE. Exit code 0 if all are in sync, 12 if one is
    not. NEWEST says whether the store was asked about the newest receipt that m8 shows; without the right to see hashes
    it is empty.

    With --all it is m8 that says which secrets there are. What it lists and shows is compared with what it did before
    (`seen_secrets`, beside `known_stores`): a warning names what is missing without a proven deletion of the version
    that it listed last, what is older, and what does not follow from what it showed and is not in sync.
    """
    if not uris and not everything:
        raise UsageError("no secret is named.", fix="Name URIs, or say --all.")

    async def work(client: Client) -> tuple[Listed | None, list[Verification | Error]]:
        if not everything:
            return None, await client.verify_secrets(uris, timeout=session.timeout)
        below = tuple([await full_prefix(client, uri) for uri in uris])
        asked = await verify_listed(client, below, session.timeout)
        return asked, asked.results

    asked, results = session.run(work, several=everything or len(uris) > 1)
    end(
        results,
        session.output,
        _VERIFIED,
        as_expected=lambda verification: verification.in_sync,
        listed=everything,
        after=lambda: asked.tell() if asked is not None else None,
    )


@command(short_help="List what is in an engine, to find what can be imported.")
@click.argument("uri", metavar="URI")
@click.option("--importable", is_flag=True, help="Only secrets that can be imported.")
@request_options
def list_upstream(uri: str, *, importable: bool, session: CommandSession) -> None:
    """List the names that a store's engine holds directly below URI, known to m8 or not.

    Names alone: the store's reactor reads no value for it. A name with "/" at its end is a folder; list it to see what
    is below. URI has at least one segment (`store://segment`). It takes the right `list`, and a store whose reactor may
    list (`listable = true`). All listed names stay in m8's log for ever.
    """

    async def work(client: Client) -> list[UpstreamPage]:
        return [page async for page in client.list_upstream_pages(uri, timeout=session.timeout)]

    pages = session.run(work)
    names = [name for page in pages for name in page.names if name.can_be_imported or not importable]
    emit(session.output, [views.upstream(one) for one in names], _LISTED, nothing="No names found.")
    if names and session.output == "table":
        terminal.note(PROVEN)
    if unaddressable := max(page.unaddressable for page in pages):
        terminal.note(UNADDRESSABLE.format(count=unaddressable, uri=pages[0].uri))
