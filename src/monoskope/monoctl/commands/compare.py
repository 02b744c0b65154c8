"""`monoctl compare secret`."""

from __future__ import annotations

import click

from monoskope.client import Client, Comparison
from monoskope.errors import Error
from monoskope.monoctl.input.values import Sources, read_values, source_options, split_words
from monoskope.monoctl.options import CommandSession, connection_options, output_option, timeout_option
from monoskope.monoctl.output import done
from monoskope.monoctl.output.report import end

_COLUMNS = {"URI": "uri", "EQUAL": "equal", "DIFFERENCES": "differences", "VERSION": "upstream_version"}


@click.command(short_help="Compare values with what a store holds.")
@click.argument("words", nargs=-1, required=True, metavar="URI [URI...] [KEY...]")
@source_options
@timeout_option
@output_option
@connection_options
def secret(words: tuple[str, ...], sources: Sources, timeout: float, output: str, session: CommandSession) -> None:
    """Compare values with what a store holds. Nobody sees a value, nothing is written.

    URIs, keys and values are given as for `put secret`. Exit code 0 if all are equal, 12 if one differs.
    """
    uris, keys = split_words(words)
    values = read_values(sources, keys)

    async def work(client: Client) -> list[Comparison | Error]:
        return await client.compare_secrets(uris, values, timeout=timeout)

    end(
        session.run(work, several=len(uris) > 1),
        output,
        _COLUMNS,
        done.comparison,
        as_expected=lambda comparison: comparison.equal,
    )
