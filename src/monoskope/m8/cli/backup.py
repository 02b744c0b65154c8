"""`m8 backup`: create, verify and restore encrypted backups of the event log, and make their keys."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from monoskope.command_line import Command
from monoskope.errors import UsageError
from monoskope.m8.backup import files
from monoskope.m8.backup.create import Making
from monoskope.m8.backup.form import Header
from monoskope.m8.backup.restore import Checking
from monoskope.m8.bootstrap import version
from monoskope.m8.cli.common import folder_option, opened, own_folder_option
from monoskope.m8.cli.main import LazyGroup
from monoskope.m8.log.folder import Noted, note_backup
from monoskope.m8.log.opening import find_id
from monoskope.m8.opened import place_of
from monoskope.text import counted, escape
from monoskope.times import rfc3339, wall_clock

if TYPE_CHECKING:
    from monoskope.m8.backup.age import Identity

identity_option = click.option(
    "--identity", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The age identity that opens it."
)


class _Backup(LazyGroup):
    places = MappingProxyType(
        {
            "create": "monoskope.m8.cli.backup:create",
            "key": "monoskope.m8.cli.backup:key",
            "restore": "monoskope.m8.cli.restore:restore",
            "verify": "monoskope.m8.cli.backup:verify",
        }
    )


@click.group(cls=_Backup, short_help="Back the event log up, also while m8 runs, and restore it.")
@folder_option
@click.pass_context
def backup(context: click.Context, *, folder: Path) -> None:
    """Back the event log up, also while m8 runs, and restore it, into SQLite or PostgreSQL.

    A backup is one encrypted file or stream. No key of m8 is in it: copy the keys in m8's folder as files.
    """
    context.obj = folder


@click.command(cls=Command, short_help="Write a new identity for backups, and print its recipient.")
@click.argument("file", type=click.Path(path_type=Path))
def key(file: Path) -> None:
    """Write a new age identity into the new FILE (mode 0600), and print its recipient.

    Do this on a machine that is not m8's: m8 needs the recipient alone. FILE opens the backups, and nothing else
    does.
    """
    from monoskope.m8.backup import age  # noqa: PLC0415 - pyrage is an extra, and the help needs none

    click.echo(age.make_identity(file))


@click.command(cls=Command, short_help="Write an encrypted backup of the event log.")
@own_folder_option
@click.option("--recipient", "recipients", multiple=True, metavar="age1…", help="Encrypt for it; can be repeated.")
@click.option(
    "--recipients-file", type=click.Path(path_type=Path), default=None, metavar="FILE", help="The same, one a line."
)
@click.argument("target")
def create(folder: Path, *, recipients: tuple[str, ...], recipients_file: Path | None, target: str) -> None:
    """Write a backup to TARGET: a new file, or '-' for standard output. m8 may run meanwhile.

    It holds the event log up to now, encrypted with age for each recipient, and no key. The chain is checked on the
    way. A file appears when it is whole.
    """
    try:
        making, warning = asyncio.run(made(folder, recipients, recipients_file, target))
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


async def made(
    folder: Path, recipients: Sequence[str], recipients_file: Path | None, target: str
) -> tuple[Making, str]:
    """Write the backup, note its position and time, and return it with a warning, "" for none.

    SIGTERM cancels it, as Ctrl-C does, so that nothing of it is left.
    """
    from monoskope.m8.backup import age  # noqa: PLC0415 - as above

    to = age.recipients(recipients, recipients_file)
    task = asyncio.current_task()
    assert task is not None, "it runs in one"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with (
        opened(folder) as (settings, log),
        files.written(target) as writer,
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
    try:
        making.header.end.advance(settings.folder)
        note_backup(settings.folder, making.header.created_at_ms)
    except UsageError as error:
        return making, f"the backup is not noted: {error.message}"
    return making, ""


def _noted(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Noted | None:
    try:
        return None if text is None else Noted.parse(text)
    except UsageError as error:
        raise click.BadParameter(f"{error.message} {error.fix}") from None


at_least_option = click.option(
    "--at-least",
    callback=_noted,
    default=None,
    metavar="POSITION[:HASH]",
    help="Refuse a backup that ends before it, or has another record there.",
)


@click.command(cls=Command, short_help="Check a backup from its first to its last byte.")
@identity_option
@at_least_option
@click.argument("source")
def verify(*, identity: Path, at_least: Noted | None, source: str) -> None:
    """Check a backup without restoring it: SOURCE is a file, or '-' for standard input.

    It is decrypted, and every record, the hash chain, the sealed bytes and the end are checked. Nothing is written.
    """
    checking = asyncio.run(checked(source, opened_by(identity), at_least))
    assert checking.header is not None, "it was read"
    assert checking.end is not None, "it was read"
    held = counted(checking.end.records, "event")
    click.echo(f"The backup holds: {held}, each naming the hash of the one before it,")
    click.echo(f"and {counted(checking.end.sealed, 'sealed secret')} ({checking.end.erased} erased before).")
    click.echo(made_line(checking.header))


def made_line(header: Header) -> str:
    """Return when, by which version and on which engine a backup was made."""
    ends = f" Its last is {header.position}:{header.head} ." if header.position else ""
    version, engine = escape(header.version[:64]), escape(header.engine[:64])
    return f"It was made at {rfc3339(header.created_at_ms)} by m8 {version} on {engine}.{ends}"


def opened_by(file: Path) -> Sequence[Identity]:
    """Return the identities in a file. Raises as `age.identities`."""
    from monoskope.m8.backup import age  # noqa: PLC0415 - pyrage is an extra, and the help needs none

    return age.identities(file)


async def checked(source: str, identities: Sequence[Identity], at_least: Noted | None) -> Checking:
    """Read a backup from its first to its last byte, and return what was read. Raises `Error`."""
    async with reading(source, identities, at_least) as checking:
        async for _ in checking.pages():
            pass
        return checking


@contextlib.asynccontextmanager
async def reading(source: str, identities: Sequence[Identity], at_least: Noted | None) -> AsyncIterator[Checking]:
    """Yield a backup whose header was read. Raises `Error`."""
    from monoskope.m8.backup import age  # noqa: PLC0415 - as above

    async with files.read(source) as reader:
        checking = Checking(age.decrypted(reader, identities), at_least)
        try:
            await checking.begin()
            yield checking
        finally:
            await checking.close()
