"""`monoctl patch secret`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from monoskope.client import Client, PutResult
from monoskope.client.purposes.patch import changes
from monoskope.errors import Error
from monoskope.monoctl.commands.put import COLUMNS, show
from monoskope.monoctl.input.engine_options import engine_options
from monoskope.monoctl.input.expectation import expectation
from monoskope.monoctl.input.gathered_values import Values
from monoskope.monoctl.input.values import Sources, check_words, read_values, source_options, split_words
from monoskope.monoctl.options import CommandSession, connection_options, output_option, timeout_option
from monoskope.monoctl.output import done
from monoskope.monoctl.output.report import end
from monoskope.protocol.request import Options

if TYPE_CHECKING:
    from monoskope.client.walk.preview import Preview


@click.command(short_help="Change some keys of secrets and leave the others.")
@click.argument("words", nargs=-1, required=True, metavar="URI [URI...] [KEY...]")
@source_options
@click.option("--remove", multiple=True, metavar="KEY", help="Remove this key; can be repeated.")
@click.option("--expect", metavar="VERSION", help="Change it only if this version is upstream.")
@click.option("--overwrite", is_flag=True, help="Change whatever is upstream, even what was not put through m8.")
@engine_options
@click.option("--dry-run", is_flag=True, help="Show what would be sent, without a value; request no key.")
@timeout_option
@output_option
@connection_options
def secret(  # noqa: PLR0917 - click passes them by name
    words: tuple[str, ...],
    sources: Sources,
    remove: tuple[str, ...],
    expect: str | None,
    options: Options | None,
    timeout: float,
    output: str,
    session: CommandSession,
    *,
    overwrite: bool,
    dry_run: bool,
) -> None:
    """Change some keys of secrets and leave the others.

    URIs, keys and values are given as for `put secret`; the value of each KEY is asked for and not shown. Other keys
    stay as they are. This program does not read them; if the engine can merge, the reactor does not either.

    The command succeeds only with a receipt signed by the store's pinned identity. The secret must exist; by default
    only what was put through m8 is changed. Labels and day of expiry stay.

    \b
    monoctl patch secret app/db password
    monoctl patch secret app/db --from-file tls.key=key.pem --remove old.key
    """  # noqa: D301 - click wants the character itself
    uris, keys = split_words(words)
    check_words(remove, remove)
    expected = expectation(expect, overwrite=overwrite, must_exist=True)
    asked = keys or sources.named or not remove
    values = read_values(sources, keys) if asked else Values()
    changes(values, remove)

    async def preview(client: Client) -> list[Preview]:
        return [await client.preview_patch(uri, values, remove=remove, expect=expected) for uri in uris]

    async def work(client: Client) -> list[PutResult | Error]:
        return await client.patch_secrets(
            uris, values, remove=remove, expect=expected, options=options, timeout=timeout
        )

    if dry_run:
        show(session.run(preview), output)
    else:
        end(session.run(work, several=len(uris) > 1), output, COLUMNS, done.put, changes=True)
