"""`m8 backup verify` and `m8 backup restore`."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import click

from monoskope.archive import places
from monoskope.counted import counted
from monoskope.errors import ConflictError, Error, UsageError
from monoskope.escape import escape
from monoskope.m8.backup import aftermath
from monoskope.m8.backup import restore as parts
from monoskope.m8.backup.check import Checking
from monoskope.m8.backup.form import Header
from monoskope.m8.backup.stopped import check_stopped
from monoskope.m8.cli.backup import own_folder_option
from monoskope.m8.cli.backup_create import endpoint_option
from monoskope.m8.cli.backup_report import Aftermath, tell
from monoskope.m8.cli.other_log import database_options, place
from monoskope.m8.log import noted
from monoskope.m8.log.identity import remembered
from monoskope.m8.log.opening import Place, give_id
from monoskope.m8.opened import log_at, opened_log, place_of, wall_clock
from monoskope.m8.settings import ServerSettings, load
from monoskope.times import rfc3339

identity_option = click.option(
    "--identity", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The age identity that opens it."
)


def _noted(_context: click.Context, _parameter: click.Parameter, text: str | None) -> noted.Noted | None:
    try:
        return None if text is None else noted.parse(text)
    except UsageError as error:
        raise click.BadParameter(f"{error.message} {error.fix}") from None


at_least_option = click.option(
    "--at-least",
    callback=_noted,
    default=None,
    metavar="POSITION[:HASH]",
    help="Refuse a backup that ends before it, or has another record there.",
)


@click.command(short_help="Check a backup from its first to its last byte.")
@identity_option
@at_least_option
@endpoint_option
@click.argument("source")
def verify(*, identity: Path, at_least: noted.Noted | None, endpoint_url: str, source: str) -> None:
    """Check a backup without restoring it: SOURCE is a file, '-' for standard input, or s3://BUCKET/KEY.

    It is decrypted, and every record, the hash chain, the sealed bytes and the end are checked. Nothing is written.
    """
    from monoskope.archive import age, keys  # noqa: PLC0415 - pyrage is an extra, and the help needs none

    async def work() -> Checking:
        async with contextlib.AsyncExitStack() as stack:
            reader = await stack.enter_async_context(places.read(source, endpoint_url=endpoint_url))
            checking = Checking(age.decrypted(reader, keys.identities(identity)), at_least)
            stack.push_async_callback(checking.close)
            await checking.begin()
            async for _ in checking.pages():
                pass
            return checking

    checking = asyncio.run(work())
    assert checking.header is not None, "it was read"
    assert checking.end is not None, "it was read"
    held = counted(checking.end.records, "event")
    click.echo(f"The backup holds: {held}, each naming the hash of the one before it,")
    click.echo(f"and {counted(checking.end.sealed, 'sealed secret')} ({checking.end.erased} erased before).")
    click.echo(_made(checking.header))


def _made(header: Header) -> str:
    ends = f" Its last is {header.position}:{header.head} ." if header.position else ""
    version, engine = escape(header.version[:64]), escape(header.engine[:64])
    return f"It was made at {rfc3339(header.created_at_ms)} by m8 {version} on {engine}.{ends}"


@click.command(short_help="Restore a backup into the empty event log of a folder.")
@own_folder_option
@identity_option
@at_least_option
@click.option("--accept-loss", is_flag=True, help="Restore although a later position is noted in the folder.")
@click.option(
    "--compare-with",
    default="",
    metavar="LOG",
    help="The log of before, if it can still be read: sqlite:PATH or postgresql://USER@HOST/DATABASE.",
)
@database_options
@endpoint_option
@click.argument("source")
@click.pass_obj
def restore(
    folder: Path,
    /,
    *,
    own: Path | None,
    identity: Path,
    at_least: noted.Noted | None,
    accept_loss: bool,
    compare_with: str,
    endpoint_url: str,
    source: str,
    **files: Path | None,
) -> None:
    """Restore a backup into the event log that the folder's m8.toml names, which must be empty. m8 must not run.

    SOURCE is a file, '-' for standard input, or s3://BUCKET/KEY. It is checked as verify does. If it breaks off, the
    same command goes on; until it ends well, m8 does not open the log. At its end it lists the tokens that count again
    or still, because the restored log knows nothing of what happened after the backup.
    """
    settings = load(own or folder)
    least = _least(settings, at_least, accept_loss=accept_loss)
    old = place("--compare-with", compare_with, **files) if compare_with else None
    header, found = asyncio.run(
        _restore(settings, source=source, endpoint_url=endpoint_url, identity=identity, least=least, before=old)
    )
    noted.note(settings.folder, noted.Noted(header.position, bytes.fromhex(header.head)))
    click.echo(f"Restored {counted(header.position, 'event')}. {_made(header)}")
    tell(header, found)


async def _restore(
    settings: ServerSettings,
    *,
    source: str,
    endpoint_url: str,
    identity: Path,
    least: noted.Noted | None,
    before: Place | None,
) -> tuple[Header, Aftermath]:
    from monoskope.archive import age, keys  # noqa: PLC0415 - as above

    async with contextlib.AsyncExitStack() as stack:
        old = await stack.enter_async_context(log_at(before)) if before is not None else None
        reader = await stack.enter_async_context(places.read(source, endpoint_url=endpoint_url))
        checking = Checking(age.decrypted(reader, keys.identities(identity)), least)
        stack.push_async_callback(checking.close)
        # Read first: a backup that is refused makes no log, which m8 would serve as a new one.
        header = await checking.begin()
        log = await stack.enter_async_context(opened_log(settings, for_import=True))
        await check_stopped(log, tick_s=settings.timings.tick)
        _check_same_log(settings, header)
        await parts.restore(checking, log)
        if header.log_id:
            await give_id(place_of(settings), header.log_id)
        found = Aftermath(await aftermath.valid_tokens(log, wall_clock()))
        if old is not None:
            try:
                found.lost = await aftermath.lost(old, header)
            except Error as error:
                found.failure = error
        return header, found


def _check_same_log(settings: ServerSettings, header: Header) -> None:
    known = remembered(settings.log_id)
    if known and header.log_id and known != header.log_id:
        raise ConflictError(
            f"{settings.folder} serves the log {known}, and the backup is of the log {header.log_id}.",
            fix="Restore it into a new folder (m8 init --dir NEW), and copy token-signing.key and the TLS files there.",
        )


def _least(settings: ServerSettings, at_least: noted.Noted | None, *, accept_loss: bool) -> noted.Noted | None:
    """Return the later one of the position that is given and the one that the folder notes."""
    if accept_loss:
        return at_least
    found = noted.find(settings.folder)
    known = [each for each in (at_least, found) if each is not None]
    # Of two of the same position, the one that also says which record stands there.
    return max(known, key=lambda each: (each.position, each.hash != b""), default=None)
