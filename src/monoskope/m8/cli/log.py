"""`m8 log`: the keys and the state of the witnessed log."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from monoskope.command_line import Group
from monoskope.errors import ConflictError, UsageError
from monoskope.m8.cli.common import folder_option, on_log, output_option, show
from monoskope.m8.doctor.witnessed import look
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.settings import ServerSettings, load
from monoskope.m8.tree import key_file
from monoskope.m8.tree.key_file import FILE, KeyFile
from monoskope.m8.tree.key_file import renew as begin_anew
from monoskope.m8.tree.witnessed_log import Seen, WitnessedLog
from monoskope.m8.tree.witnesses import PREFIX, Evidence, Witnesses, asked
from monoskope.times import rfc3339, wall_clock

_NEXT = "Copy {path} to the folder of every other m8 of this log, and into the backup of its keys. Clients pin:"


@click.group(cls=Group)
def log() -> None:
    """Look after the witnessed log: what strangers hold m8 to."""


@log.command(short_help="Make the keys of a server that has none.")
@folder_option
@click.option("--log-origin", default="", metavar="NAME", help="As m8 init folder has it.")
def init(folder: Path, log_origin: str) -> None:
    """Make log.key, with which m8 signs checkpoints: m8 init makes it, too, and servers of before have none."""
    if names := on_log(folder, lambda _, event_log: event_log.names()):
        raise ConflictError(
            f"this log has keys: it is {names[-1].origin}.",
            fix=f"Copy {FILE} from another m8 of it. If it is lost, run: m8 log renew --reason TEXT",
        )
    key = key_file.make(log_origin)
    key_file.write(folder, key)
    _print_keys([str(vkey) for vkey in key.vkeys], folder)


@log.command()
@folder_option
def key(folder: Path) -> None:
    """Print the public keys of the log, for those who pin them beforehand."""
    load(folder)
    found = KeyFile(folder).load()
    if found is None:
        raise UsageError(f"{folder} has no {FILE}.", fix="Run m8 log init, or copy it from another m8 of this log.")
    for vkey in found.vkeys:
        click.echo(str(vkey))


@log.command(short_help="Begin the log anew after records or keys were lost for good.")
@folder_option
@click.option("--reason", required=True, metavar="TEXT", help="What was lost, and how: every user is shown it.")
def renew(folder: Path, reason: str) -> None:
    """Give the log a new name and new keys, after records or keys were lost for good, and for nothing else.

    Every user has to accept it, told this reason. The last note known of the former log is recorded, and shown to
    them. Events stay as they are.
    """

    async def work(_: ServerSettings, event_log: EventLog) -> None:
        shown = await asyncio.to_thread(Evidence(folder).read)
        await begin_anew(event_log, folder, reason=reason, at_ms=wall_clock(), shown=shown)

    on_log(folder, work)
    found = KeyFile(folder).load()
    assert found is not None, "it was made"
    _print_keys([str(vkey) for vkey in found.vkeys], folder)


@log.command()
@folder_option
@output_option
def status(folder: Path, output: str) -> None:
    """Show how far the tree and its checkpoints are, and what keeps m8 from signing."""

    async def work(settings: ServerSettings, event_log: EventLog) -> dict[str, object]:
        async with asked(settings.witnesses, folder, wall_clock) as witnesses:
            return await _status(event_log, folder, witnesses)

    row = on_log(folder, work)
    if output == "json":
        show([row], list(row), output)
        return
    for name, value in row.items():
        click.echo(f"{name.replace('_', ' ')}: {value}")


async def _status(event_log: EventLog, folder: Path, witnesses: Witnesses | None) -> dict[str, object]:
    looked = await look(event_log, folder, witnesses, wall_clock)
    witnessed, seen = looked.log, looked.seen
    return {
        "origin": "none" if seen.named is None else seen.named.origin,
        "events": await event_log.head(),
        "tree": await event_log.tree_size(),
        **_newest(seen),
        "log_checkpoint": looked.here,
        "log_key": witnessed.key_trouble or "fits",
        "trouble": witnessed.trouble(seen) or "none",
        **_witnesses(witnessed, seen, folder),
        "renewed": _renewed(seen),
    }


def _newest(seen: Seen) -> dict[str, object]:
    newest = seen.newest
    if newest is None:
        return {"checkpoint": "none", "signed_at": "never", "cosignatures": 0}
    return {
        "checkpoint": newest.size,
        "signed_at": rfc3339(newest.at_ms),
        "cosignatures": len(newest.cosignatures),
    }


def _witnesses(witnessed: WitnessedLog, seen: Seen, folder: Path) -> dict[str, object]:
    """What is known of the witnesses; nothing if m8 asks none and none has shown anything."""
    found: dict[str, object] = {}
    if witnessed.cosigners is not None:
        found["quorum"] = f"{witnessed.cosigners.quorum} of {len(seen.witnesses)}"
        found["newest_with_quorum"] = "none" if seen.witnessed is None else seen.witnessed.size
        found["quorum_trouble"] = witnessed.quorum_trouble(seen) or "none"
    for witness in seen.witnesses:
        when = (
            f"cosigned position {witness.size} at {rfc3339(witness.at_s * 1000)}" if witness.size else "never cosigned"
        )
        found[f"witness {witness.vkey.partition('+')[0]}"] = f"{when}. {witness.trouble}".rstrip(". ") + "."
    if evidence := [str(path) for path in sorted(folder.glob(f"{PREFIX}*"))]:
        found["evidence"] = " ".join(evidence)
    return found


def _renewed(seen: Seen) -> str:
    named = seen.named
    if named is None or not named.reason:
        return "never"
    return f"{rfc3339(named.since_ms)}: {named.reason}"


def _print_keys(vkeys: list[str], folder: Path) -> None:
    click.echo(_NEXT.format(path=folder / FILE))
    for vkey in vkeys:
        click.echo(vkey)
