"""What this machine has pinned: `monoctl forget-store`, `monoctl accept-log` and `monoctl forget-log`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from monoskope.client import Client
from monoskope.client.known.logs import NAME, KnownLogs
from monoskope.client.known.sources import find
from monoskope.client.known.stores import SYSTEM_FILE, KnownStores
from monoskope.client.proofs.log import OfferedLog
from monoskope.errors import LogMismatchError, UsageError
from monoskope.monoctl.groups import command
from monoskope.monoctl.options import CommandSession, config_option, configured, connection_options, context_option
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.ending import print_notes
from monoskope.text import counted
from monoskope.uri import check_store_name


@command(short_help="Forget the identity that you agreed to for a store.")
@click.argument("store", metavar="NAME")
@click.option("--server", metavar="SERVER", help="The m8 that the store belongs to [MONOCTL_SERVER].")
@click.option("--known-stores", metavar="FILE", help="The identities you trust; mode 0600 [MONOCTL_KNOWN_STORES].")
@config_option
@context_option
def forget_store(
    store: str, server: str | None, known_stores: str | None, config: Path | None, context: str | None
) -> None:
    """Forget the identity that you agreed to for a store, as after a change that the store's operator confirmed.

    The command changes `known_stores` on this machine alone, and keeps the file as it was beside it. The next command
    that uses the store shows you the identity that the store has then, and asks whether you trust it.
    """
    check_store_name(store)
    servers, file = _pinned_at(server, known_stores, config, context)
    at = servers[0]
    known = KnownStores(file, servers=servers)
    identity, copy = known.forget(at, store)
    terminal.out(
        f"Store {store!r} of {at} is no longer pinned to {identity}.",
        f"The next command that uses it shows you its identity and asks. Compare it with what the operator of {store!r}"
        " says, by another way than m8.",
        f"The file as it was: {copy}",
    )
    still = known.identity(at, store)
    if still is not None:
        terminal.note(f"the administrator of this machine pins the store to {still}: that counts now.")


@command("accept-log", short_help="Accept a log that was renewed in the place of the one that is pinned.")
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
        _print_both(client.settings.server, offered)
        return offered, await client.log.accept(origin or _asked(offered), vkeys=offered.shown.vkeys)

    offered, copy = session.run(work)
    terminal.out(
        f"The log {offered.shown.origin} is pinned now, with {counted(offered.shown.size, 'entry', 'entries')}.",
        f"The file as it was, with {offered.known.origin}: {copy}",
    )


def _print_both(server: str, offered: OfferedLog) -> None:
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
        raise UsageError("there is no terminal to ask on.", fix="Name the new log with --origin.")
    question = (
        "Ask your administrator, by another way than m8, whether the log was renewed.\n"
        "What happened before is not held against m8 any more. Accept the new log?"
    )
    if not terminal.confirm(question):
        raise LogMismatchError("you did not accept the new log; nothing was changed.", fix="Ask your administrator.")
    return offered.shown.origin


@command("forget-log", short_help="Forget the log that is pinned for a server.")
@click.option("--server", metavar="SERVER", help="The m8 [MONOCTL_SERVER].")
@click.option("--known-stores", metavar="FILE", help="The file beside which known_logs lies [MONOCTL_KNOWN_STORES].")
@config_option
@context_option
def forget_log(server: str | None, known_stores: str | None, config: Path | None, context: str | None) -> None:
    """Forget the log that is pinned for a server, as after an m8 that was made anew for tests.

    From then on nothing of what m8 showed before is held against it: for a log that was renewed after a loss use
    `monoctl accept-log`. The command changes known_logs on this machine alone, and keeps the file as it was beside it.
    """
    servers, beside = _pinned_at(server, known_stores, config, context)
    known = KnownLogs(beside and beside.with_name(NAME), system=SYSTEM_FILE.with_name(NAME), servers=servers)
    pin, copy = known.forget(servers[0])
    terminal.out(
        f"The log {pin.origin} of {servers[0]} is no longer pinned; it had {counted(pin.size, 'entry', 'entries')}.",
        "The next command pins the log that m8 shows then.",
        f"The file as it was: {copy}",
    )


def _pinned_at(
    server: str | None, known_stores: str | None, config: Path | None, context: str | None
) -> tuple[Sequence[str], Path | None]:
    """Return the servers that are configured, and the file of stores' identities, None if there is none."""
    found = find({"server": server, "known_stores": known_stores}, config=config, context=context)
    return configured(found), Path(found["known_stores"].value) if "known_stores" in found else None
