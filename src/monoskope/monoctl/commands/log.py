"""`monoctl get log`, `monoctl accept-log` and `monoctl forget-log`: the log to which m8 is held."""

from __future__ import annotations

from pathlib import Path

import click

from monoskope.client import Client
from monoskope.client.known.logs import NAME, KnownLogs
from monoskope.client.known.stores import SYSTEM_FILE
from monoskope.client.proofs.log import OfferedLog
from monoskope.client.results.shown_log import Log
from monoskope.client.settings import find
from monoskope.counted import counted
from monoskope.errors import LogMismatchError, UsageError
from monoskope.host_port import check_servers
from monoskope.monoctl.options import CommandSession, connection_options, output_option
from monoskope.monoctl.output import terminal, views
from monoskope.monoctl.output.formats import cell, emit, pairs
from monoskope.monoctl.output.report import print_notes

_LINES = {
    "Log": "origin",
    "Server": "server",
    "Entries": "size",
    "Signed": "signed_at",
    "Entries that witnesses saw": "witnessed_size",
    "Seen before with": "pinned_size",
    "Witnesses that m8 wants": "quorum",
    "Witnesses that you demand": "demanded",
    "Trouble": "trouble",
    "Trouble with witnesses": "quorum_trouble",
    "Renewed": "renewed_at",
    "Why renewed": "renewal_reason",
}


@click.command(short_help="Show the log to which m8 is held.")
@click.option("--note", "only_note", is_flag=True, help="Print the newest signed note alone, to give to somebody else.")
@output_option
@connection_options
def log(output: str, session: CommandSession, *, only_note: bool) -> None:
    """Show the log to which m8 is held: how many entries it has, who signed that and when, and who cosigned it.

    The command ends with exit code 18 if the log does not fit what this machine knows of it. Give the note that --note
    prints to somebody else: their `monoctl verify log` shows whether m8 shows them the same log.
    """

    async def work(client: Client) -> Log:
        return await client.log.get()

    found = session.run(work)
    if only_note:
        terminal.out(*found.note.split("\n"), end="")
        return
    document = views.log(found)
    if output != "table":
        emit(output, document, {})
        return
    pairs({title: cell(document, name) for title, name in _LINES.items() if document[name]})
    if document["witnesses"]:
        terminal.out()
        columns = {"WITNESS": "name", "ENTRIES": "size", "COSIGNED": "cosigned_at", "TROUBLE": "trouble"}
        emit(output, document["witnesses"], columns)
    terminal.err("What m8 says of witnesses, of trouble and of a renewal is its word. The rest is signed by the log.")


@click.command("accept-log", short_help="Accept a log that was renewed in the place of the one that is pinned.")
@click.option("--origin", default="", metavar="ORIGIN", help="The name of the new log, as the administrator says it.")
@connection_options
def accept_log(origin: str, session: CommandSession) -> None:
    """Accept a log that was renewed, after a loss, in the place of the one that is pinned.

    Ask your administrator first, by another way than m8, whether the log was renewed, and why: an m8 that hides what it
    recorded would show a new log, too. The command shows both logs and asks; on no terminal it wants --origin. Compare
    the key, too: any log can use any name. If your settings have log_vkeys, no other keys are accepted. The command
    changes known_logs on this machine alone, and keeps the file as it was beside it.
    """

    async def work(client: Client) -> tuple[OfferedLog, Path]:
        offered = await client.log.offered()
        _show(client.settings.server, offered)
        return offered, await client.log.accept(origin or _asked(offered), vkeys=offered.shown.vkeys)

    offered, copy = session.run(work)
    terminal.out(
        f"The log {offered.shown.origin} is pinned now, with {counted(offered.shown.size, 'entry', 'entries')}.",
        f"The file as it was, with {offered.known.origin}: {copy}",
    )


def _show(server: str, offered: OfferedLog) -> None:
    terminal.err(
        f"{server} shows the log {offered.shown.origin} with {counted(offered.shown.size, 'entry', 'entries')}."
        f" Pinned is the log {offered.known.origin} with {offered.known.size}.",
        f"Its Ed25519 key, which `m8 log key` prints on the server: {offered.shown.vkeys[0]}",
        f"m8 says why it was renewed: {offered.reason}" if offered.reason else "m8 does not say that it was renewed.",
    )
    print_notes([note.decode("utf-8", "replace") for note in (offered.known.note, offered.shown.note) if note])


def _asked(offered: OfferedLog) -> str:
    """Return the origin that a person on the terminal accepts."""
    if not terminal.interactive():
        raise UsageError("nobody is there to be asked.", fix="Name the new log with --origin.")
    question = (
        "Ask your administrator, by another way than m8, whether the log was renewed.\n"
        "What happened before is not held against m8 any more. Accept the new log?"
    )
    if not terminal.confirm(question):
        raise LogMismatchError("you did not accept the new log; nothing was changed.", fix="Ask your administrator.")
    return offered.shown.origin


@click.command("forget-log", short_help="Forget the log that is pinned for a server.")
@click.option("--server", metavar="SERVER", help="The m8 [MONOCTL_SERVER].")
@click.option("--known-stores", metavar="FILE", help="The file beside which known_logs lies [MONOCTL_KNOWN_STORES].")
@click.option("--config", metavar="FILE", type=click.Path(path_type=Path), help="Your settings [MONOCTL_CONFIG].")
def forget_log(server: str | None, known_stores: str | None, config: Path | None) -> None:
    """Forget the log that is pinned for a server, as after an m8 that was made anew for tests.

    From then on nothing of what m8 showed before is held against it: for a log that was renewed after a loss use
    `monoctl accept-log`. The command changes known_logs on this machine alone, and keeps the file as it was beside it.
    """
    found = find({"server": server, "known_stores": known_stores}, config=config)
    if "server" not in found:
        raise UsageError("no server is configured.", fix="Say --server HOST:PORT.")
    servers = check_servers(found["server"].value)
    beside = Path(found["known_stores"].value) if "known_stores" in found else None
    known = KnownLogs(beside and beside.with_name(NAME), system=SYSTEM_FILE.with_name(NAME), servers=servers)
    pin, copy = known.forget(servers[0])
    terminal.out(
        f"The log {pin.origin} of {servers[0]} is no longer pinned; it had {counted(pin.size, 'entry', 'entries')}.",
        "The next command pins the log that m8 shows then.",
        f"The file as it was: {copy}",
    )
