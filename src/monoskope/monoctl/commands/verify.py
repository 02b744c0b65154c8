"""`monoctl verify secret`."""

from __future__ import annotations

import click

from monoskope.client import Client, Verification
from monoskope.errors import Error, UsageError
from monoskope.monoctl.input.forms import full_prefix
from monoskope.monoctl.options import CommandSession, connection_options, output_option, timeout_option
from monoskope.monoctl.output import done
from monoskope.monoctl.output.listed import Listed, verify_listed
from monoskope.monoctl.output.report import end

_COLUMNS = {"URI": "uri", "OUTCOME": "outcome", "UPSTREAM": "upstream_version", "NEWEST": "newest"}


@click.command(short_help="Check that stores still hold what was put.")
@click.argument("uris", nargs=-1, metavar="[URI...]")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="All secrets below the given prefixes (`store://`, `store://segment…`, or a path in the default store), or "
    "all that you may see.",
)
@timeout_option
@output_option
@connection_options
def secret(uris: tuple[str, ...], timeout: float, output: str, session: CommandSession, *, everything: bool) -> None:
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
            return None, await client.verify_secrets(uris, timeout=timeout)
        below = tuple([await full_prefix(client, uri) for uri in uris])
        asked = await verify_listed(client, below, timeout)
        return asked, asked.results

    asked, results = session.run(work, several=everything or len(uris) > 1)
    end(
        results,
        output,
        _COLUMNS,
        done.verified,
        as_expected=lambda verification: verification.in_sync,
        listed=everything,
        after=lambda: asked.tell() if asked is not None else None,
    )
