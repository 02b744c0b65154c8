"""`m8 backup create` and `m8 backup key`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

import click

from monoskope.archive import places
from monoskope.counted import counted
from monoskope.errors import UsageError
from monoskope.m8.backup.create import Making
from monoskope.m8.bootstrap import version
from monoskope.m8.cli.backup import own_folder_option
from monoskope.m8.cli.common import opened
from monoskope.m8.log import noted
from monoskope.m8.log.opening import find_id
from monoskope.m8.opened import place_of, wall_clock
from monoskope.times import rfc3339

endpoint_option = click.option(
    "--endpoint-url", default="", metavar="URL", help="With s3://: where an S3-compatible store is. Without it: AWS."
)


@click.command(short_help="Write a new identity for backups, and print its recipient.")
@click.argument("file", type=click.Path(path_type=Path))
def key(file: Path) -> None:
    """Write a new age identity into the new FILE (mode 0600), and print its recipient.

    Do this on a machine that is not m8's: m8 needs the recipient alone. Whoever has FILE can open the backups, and
    without it nobody can.
    """
    from monoskope.archive import keys  # noqa: PLC0415 - pyrage is an extra, and the help needs none

    click.echo(keys.make_identity(file))


@click.command(short_help="Write an encrypted backup of the event log.")
@own_folder_option
@click.option("--recipient", "recipients", multiple=True, metavar="age1…", help="Encrypt for it; can be repeated.")
@click.option(
    "--recipients-file", type=click.Path(path_type=Path), default=None, metavar="FILE", help="The same, one a line."
)
@endpoint_option
@click.argument("target")
@click.pass_obj
def create(
    folder: Path,
    *,
    own: Path | None,
    recipients: tuple[str, ...],
    recipients_file: Path | None,
    endpoint_url: str,
    target: str,
) -> None:
    """Write a backup to TARGET: a new file, '-' for standard output, or s3://BUCKET/KEY. m8 may run meanwhile.

    It holds the event log up to now, encrypted with age for each recipient, and no key. The chain is checked on the
    way. TARGET appears when it is whole. Credentials of S3 are found as the AWS SDK finds them.
    """
    try:
        making, warning = asyncio.run(_create(own or folder, recipients, recipients_file, target, endpoint_url))
    except asyncio.CancelledError:
        raise click.Abort from None
    assert making.header is not None, "it was made"
    assert making.end is not None, "it was made"
    header, end = making.header, making.end
    erased = f" ({end.erased} erased before)" if end.erased else ""
    held = f"{counted(end.records, 'event')} and {counted(end.sealed, 'sealed secret')}{erased}"
    click.echo(f"{target} holds {held}.", err=target == "-")
    if header.position:
        click.echo(
            f"It is of {rfc3339(header.created_at_ms)} and ends at {header.position}:{header.head} . "
            "Keep that elsewhere; --at-least takes it.",
            err=target == "-",
        )
    if warning:
        click.echo(f"warning: {warning}", err=True)


async def _create(
    folder: Path, recipients: Sequence[str], recipients_file: Path | None, target: str, endpoint_url: str
) -> tuple[Making, str]:
    """Write the backup, note its position, and return it with a warning, "" for none.

    SIGTERM cancels it, as Ctrl-C does, so that nothing of it is left.
    """
    from monoskope.archive import age, keys  # noqa: PLC0415 - as above

    to = keys.recipients(recipients, recipients_file)
    task = asyncio.current_task()
    assert task is not None, "it runs in one"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with (
        opened(folder) as (settings, log),
        places.written(target, endpoint_url=endpoint_url) as writer,
    ):
        making = Making(
            log,
            created_at_ms=wall_clock(),
            log_id=await find_id(place_of(settings)),
            engine=settings.engine,
            version=version(),
        )
        await age.encrypt(making.pieces(), writer, to)
    assert making.header is not None, "it was made"
    at = noted.Noted(making.header.position, bytes.fromhex(making.header.head))
    try:
        noted.advance(settings.folder, at)
    except UsageError as error:
        return making, f"the position is not noted: {error.message}"
    return making, ""
