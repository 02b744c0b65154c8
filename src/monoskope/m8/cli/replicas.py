"""`m8 replicas`: the m8 processes that serve one log."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from monoskope.m8.background.presence import Replica, replicas
from monoskope.m8.cli.common import folder_option, opened, output_option, show
from monoskope.m8.opened import wall_clock
from monoskope.times import instant

_COLUMNS = ("address", "http", "host", "version", "since", "heard", "leases", "names", "id")


@click.command("replicas", short_help="List the m8 processes that serve this log.")
@folder_option
@output_option
def list_replicas(folder: Path, output: str) -> None:
    """List the m8 processes that serve this log: where each listens, since when, and which leases it holds.

    HEARD says whether its last heartbeat is so young that it counts as there. One that was killed is listed until the
    others have forgotten it, some ten seconds later.
    """
    show(asyncio.run(_rows(folder)), _COLUMNS, output)


async def _rows(folder: Path) -> list[dict[str, object]]:
    async with opened(folder) as (settings, log):
        found = replicas(await log.beats(), await log.beat_notes())
    oldest_ms = wall_clock() - settings.timings.issuer_gone * 1000
    return [_row(replica, is_heard=replica.seen_ms > oldest_ms) for replica in found]


def _row(replica: Replica, *, is_heard: bool) -> dict[str, object]:
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
