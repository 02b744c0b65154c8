"""`m8 events`: the log itself, without a server."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from pathlib import Path

import click

from monoskope.command_line import Group
from monoskope.m8.cli.common import folder_option, on_log, output_option, own_folder_option, seconds, show
from monoskope.m8.cli.signatures import signatures
from monoskope.m8.log.event_log import EventLog, RecordedEvent
from monoskope.m8.log.sqlite.disk import ROOM, Reserve
from monoskope.m8.opened import adopt_log
from monoskope.m8.readmodels.uploads import ENDED, OPEN_UPLOADS, ended, open_upload
from monoskope.m8.settings import ServerSettings, load
from monoskope.m8.tree.signing import LastSigned
from monoskope.m8.tree.verifying import Verified, verified
from monoskope.text import counted
from monoskope.times import rfc3339, wall_clock

_PAGE = 256
_COLUMNS = ("position", "stream", "version", "type", "time", "actor", "hash", "detail")


@click.group(cls=Group, invoke_without_command=True)
@folder_option
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="N", help="Only events after position N.")
@click.option(
    "--limit", type=click.IntRange(min=1, max=100_000), default=100, show_default=True, help="At most this many."
)
@click.option("--stream", default="", metavar="NAME", help="Only events of this stream, e.g. upload/<request id>.")
@output_option
@click.pass_context
def events(context: click.Context, *, folder: Path, after: int, limit: int, stream: str, output: str) -> None:
    """Print events in the order of the event log."""
    context.obj = folder
    if context.invoked_subcommand is None:
        show(
            [_row(event, output) for event in on_log(folder, lambda _, log: _read(log, after, limit, stream))],
            _COLUMNS,
            output,
        )


async def _read(log: EventLog, after: int, limit: int, stream: str) -> list[RecordedEvent]:
    if not stream:
        return await log.read(after=after, limit=limit)
    return [event for event in await log.read_stream(stream) if event.position > after][:limit]


def _row(event: RecordedEvent, output: str) -> dict[str, object]:
    digest = event.hash.hex()
    return {
        "position": event.position,
        "stream": event.stream,
        "version": event.version,
        "type": event.type,
        "time": rfc3339(event.recorded_at_ms),
        "actor": event.actor,
        "hash": digest if output == "json" else digest[:16],
        "detail": event.detail,
    }


@events.command(short_help="Check the records, the tree and its checkpoints.")
@own_folder_option
def verify(folder: Path) -> None:
    """Check every record, the hash chain, the tree, and every checkpoint and cosignature that is kept."""

    async def work(settings: ServerSettings, log: EventLog) -> tuple[int, str, Verified]:
        position = await log.check_chain()
        events = await log.read(after=position - 1, limit=1) if position else []
        digest = events[0].hash.hex() if events else "none"
        return position, digest, await verified(log, position, LastSigned(settings.folder).read())

    last, digest, tree = on_log(folder, work)
    click.echo(f"The log holds: {counted(last, 'event')}, each naming the hash of the one before it.")
    click.echo(f"Hash of the last: {digest}. Keep it elsewhere to notice a log rewritten as a whole.")
    if tree.names:
        signed = f"{counted(tree.checkpoints, 'checkpoint')} with {counted(tree.cosignatures, 'cosignature')}"
        click.echo(f"The tree holds: {signed}, each as it was signed, and each of the records that are here.")


@events.command(short_help="Write the records byte for byte.")
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="N", help="Only records after position N.")
@own_folder_option
def export(folder: Path, after: int) -> None:
    """Write the records byte for byte, one JSON object a line: position, hash (hex) and record (base64).

    The hash is the SHA-256 of the outline, and the entry of the log's tree. Sealed bytes are not among them.
    """

    async def work(_: ServerSettings, log: EventLog) -> None:
        at = after
        while page := await log.read(after=at, limit=_PAGE):
            for event in page:
                line: dict[str, object] = {"position": event.position, "hash": event.hash.hex()}
                line["outline"] = b64encode(event.outline).decode()
                line["record"] = b64encode(event.record).decode()
                click.echo(json.dumps(line))
            at = page[-1].position

    on_log(folder, work)


@events.command()
@click.option(
    "--older-than", type=seconds, default="0s", metavar="30d", help="Only of requests that ended at least so long ago."
)
@own_folder_option
def erase_sealed(folder: Path, older_than: int) -> None:
    """Erase the sealed bytes of requests that have ended. The hash chain stays intact.

    This works on a full disk, too: for the SQLite file m8 keeps a reserve of disk space. PostgreSQL gives the space
    back to its disk by itself, a while later.
    """

    async def work(settings: ServerSettings, log: EventLog) -> tuple[int, Reserve | None]:
        erased = await log.erase_sealed(await erasable(log, wall_clock() - older_than * 1000))
        return erased, None if settings.database else Reserve(settings.event_log)

    erased, reserve = on_log(folder, work, frees_reserve=True)
    click.echo(f"Erased {erased} sealed secrets.")
    if erased and reserve is not None and not reserve.is_made:
        click.echo(
            f"warning: the disk is nearly full. m8 makes its reserve again once {ROOM >> 20} MiB are free.", err=True
        )


@events.command(short_help="Let this folder serve another log.")
@click.argument("log_id", metavar="ID")
@own_folder_option
def adopt(folder: Path, log_id: str) -> None:
    """Let this folder serve the log ID, which the settings name, in place of the one that it served until now.

    This is for a log that was restored or moved. Nothing is deleted. Clients and reactors see another log: what the
    other one held is unknown here.
    """
    settings = load(folder)
    before = asyncio.run(adopt_log(settings, log_id))
    click.echo(f"{settings.folder} serves the log {log_id}" + (f", in place of {before}." if before else "."))


events.add_command(signatures)


async def erasable(log: EventLog, before_ms: int) -> set[bytes]:
    """Return the SHA-256 of sealed bytes that only requests name which ended at `before_ms` or earlier.

    The same bytes may belong to two requests. Bytes that any other request names are kept.
    """
    open_ones: set[bytes] = set()
    async for _, body in log.scan_all(OPEN_UPLOADS):
        open_ones.add(open_upload(body).sealed_sha256)
    old: set[bytes] = set()
    kept: set[bytes] = set()
    async for key, _ in log.scan_all(ENDED):
        ended_at_ms, digest = ended(key)
        (old if ended_at_ms <= before_ms else kept).add(digest)
    return old - kept - open_ones
