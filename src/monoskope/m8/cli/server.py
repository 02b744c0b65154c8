"""`m8 serve|replicas|readmodels`: the server, and the others of its log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monoskope import event_loop, failpoints, start
from monoskope.command_line import Command, Group
from monoskope.m8 import settings
from monoskope.m8.cli.common import arm_failpoints, folder_option, on_log, output_option, show
from monoskope.m8.init import check_owners
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.tree.tree import rebuild_tree
from monoskope.text import counted
from monoskope.times import instant, wall_clock

if TYPE_CHECKING:
    from monoskope.m8.background.presence import Replica


@click.group(cls=Group)
def readmodels() -> None:
    """Look after the read models, from which m8 answers queries."""


@readmodels.command(short_help="Rebuild the read models from the log, also while m8 serves.")
@folder_option
def rebuild(folder: Path) -> None:
    """Rebuild the read models from the log, also while m8 serves: it answers from the old ones until the end.

    The tiles of the log's tree are made anew, too. Checkpoints stay: m8 signed them, and others have them.
    """
    arm_failpoints()
    click.echo(f"Replayed {counted(on_log(folder, _rebuild), 'event')}.")


async def _rebuild(_: settings.ServerSettings, log: EventLog) -> int:
    replayed = await log.rebuild()
    if await log.tree_size():
        await rebuild_tree(log, upto=await log.head())
    return replayed


@click.command(cls=Command)
@folder_option
def serve(folder: Path) -> None:
    """Run the server until SIGTERM or Ctrl-C."""
    from monoskope.m8 import bootstrap  # noqa: PLC0415 - the other commands need nothing of what serves

    warnings = [sentence for sentence in (failpoints.arm(os.environ), start.warning()) if sentence]
    loaded = settings.load(folder)
    check_owners(loaded)
    event_loop.run(bootstrap.serve(loaded, warnings=warnings))


_REPLICA_COLUMNS = ("address", "http", "host", "version", "since", "heard", "leases", "names", "id")


@click.command("replicas", cls=Command, short_help="List the m8 processes that serve this log.")
@folder_option
@output_option
def list_replicas(folder: Path, output: str) -> None:
    """List the m8 processes that serve this log: where each listens, since when, and which leases it holds.

    HEARD says whether its last heartbeat is so young that it counts as there. One that was killed is listed until the
    others have forgotten it, some ten seconds later.
    """
    show(on_log(folder, _rows), _REPLICA_COLUMNS, output)


async def _rows(loaded: settings.ServerSettings, log: EventLog) -> list[dict[str, object]]:
    from monoskope.m8.background.presence import heard, replicas  # noqa: PLC0415 - as above

    found = replicas(await log.beats(), await log.beat_notes())
    there = heard(found, wall_clock(), loaded.file.timings.issuer_gone)
    return [_replica_row(replica, is_heard=replica in there) for replica in found]


def _replica_row(replica: Replica, *, is_heard: bool) -> dict[str, object]:
    note = replica.note
    return {
        "address": note.address,
        "host": note.host,
        "version": note.version,
        "since": instant(note.started_ms),
        "heard": "yes" if is_heard else f"not since {instant(replica.seen_ms)}",
        "leases": list(note.leases) if is_heard else [],
        "names": list(note.names),
        "id": replica.name.rpartition("/")[2][:8],
    }
