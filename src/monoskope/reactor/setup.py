"""What `m8 reactor init` writes and what `m8 reactor check` shows: `reactor.toml`, the lists of signers, a unit."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from monoskope import systemd
from monoskope.errors import UsageError, docs_page
from monoskope.host_port import HostPort
from monoskope.ownership import check_owner
from monoskope.protocol.sshsig.lists import END
from monoskope.reactor import engine_table
from monoskope.reactor.identity.copy_key import COPY_KEY_FILE, principal_of
from monoskope.reactor.settings import SETTINGS_FILE, ReactorFile, ReactorSettings
from monoskope.reactor.signers import Signers
from monoskope.reactor.signers.settings import SignersFile
from monoskope.reactor.ways_around import who_asks_whom, who_knows
from monoskope.settings import check_closed, convert, write_private
from monoskope.stores.driver import StoreDriver, UnsupportedError

_SIGNERS = f"""
# This reactor does what m8 asks. With a table [signers] it acts only on what a key of its own list signed:
# {docs_page("operate/signers.md")} says how to turn that on, and in which order.
# The lists are allowed_signers and revoked_keys.
"""
_LISTS = {
    "allowed_signers": """\
# Whose keys count, once reactor.toml has a table [signers]: PRINCIPAL [OPTIONS] KIND BASE64, one a line.
""",
    "revoked_keys": """\
# Which keys no longer count: SHA256:… of a key or a CA, or of a CA with `serial N` or `id KEY-ID`, one a line.
""",
}
CA_FILE = "m8-ca.pem"
"""In the reactor's folder: the CA certificates for m8, where a service would not see those that were named."""
_LAST = f"""\
# The last line says that nothing is missing. Without it this reactor refuses everybody.
{END}
"""


def make_folder(folder: Path) -> None:
    """Make a folder for its owner alone, or close one that is there, as `useradd --create-home` leaves it open.

    One with folders in it, such as /srv, may be for others, too: that is refused if it is open.

    Raises:
        RefusedError: it is open and may be for others, or belongs to another user.
        UsageError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_owner(folder, folder.stat())
        if not any(entry.is_dir() and not entry.name.startswith(".") for entry in folder.iterdir()):
            folder.chmod(0o700)
        check_closed(folder)
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be made: {error.strerror}.", fix="Name another one.") from None


def write(
    folder: Path,
    *,
    server: str,
    ca_file: Path,
    store: str,
    prefixes: list[str],
    driver: type[StoreDriver],
    engine: dict[str, Any],
    accounts: list[str],
    allow_swap: bool = False,
) -> None:
    """Write the settings and the lists of a new reactor into `folder`, an absolute path.

    Args:
        folder: The reactor's folder. Lists that are there already stay.
        server: The m8 of one log; several have commas between them.
        ca_file: The CA certificates for m8.
        store: The store's name.
        prefixes: The path prefixes to serve.
        driver: The kind of engine.
        engine: The settings of the engine, without its type, as `engine_table.new` made them.
        accounts: The patterns of the accounts to serve, for an engine of accounts alone.
        allow_swap: Whether to run where memory can be swapped to disk.

    Raises:
        UsageError: a value is bad.
    """
    if driver.of_accounts is not bool(accounts):
        raise UsageError(
            "accounts are named for an engine of accounts, and for each of them.",
            fix="Give --account 'orders_*'." if driver.of_accounts else "Leave --account out.",
        )
    table: dict[str, Any] = {
        "server": server.split(",") if "," in server else server,
        "ca_file": str(ca_file),
        "store": store,
        "prefixes": prefixes,
        "engine": {"type": driver.kind, **engine},
        "limits": {},
    }
    if accounts:
        table["accounts"] = {"allow": accounts}
    if allow_swap:
        table["allow_swap"] = True
    convert(table, ReactorFile, where=SETTINGS_FILE)
    text = tomli_w.dumps(table).replace("[engine]\n", f"[engine]\n{driver.example_notes}", 1)
    write_private(folder / SETTINGS_FILE, (text + _SIGNERS).encode())
    for name, about in _LISTS.items():
        if not (folder / name).exists():
            write_private(folder / name, (about + _LAST).encode())


_OWN = """\
# Longer than a write to the engine may take.
TimeoutStopSec=90
# No secret leaves memory by swapping: the reactor locks its memory; where it may not, the second line helps.
LimitMEMLOCK=infinity
MemorySwapMax=0
# It sets its own limits (core files, locked memory) and locks its memory. It reads /proc/swaps: no ProcSubset=pid.
SystemCallFilter=setrlimit prlimit64 mlock mlock2 mlockall
"""


def unit_name(store: str) -> str:
    """Return the name of the unit of a store's reactor: an instance of the template in `deploy/systemd`."""
    return f"monoskope-reactor@{store}.service"


def write_unit(settings: ReactorSettings, *, is_trial: bool = False) -> list[tuple[str, str]]:
    """Write the systemd unit beside the settings, and return the steps that start the reactor.

    A reactor for trying out gets none: one whose folder lies in a home, or one that `is_trial`.

    Raises:
        UsageError: a path cannot stand in a unit.
        NotWritableError: the unit cannot be written.
    """
    folder, listens = settings.folder, settings.operations_listen
    if is_trial or systemd.is_trial(folder):
        return [("run it until Ctrl-C", f"m8 reactor run {shlex.quote(str(folder))}")]
    engine = engine_table.folders(msgspec.to_builtins(settings.engine))
    text = systemd.service(
        f"Monoskope reactor for the store {settings.store}",
        [systemd.program("m8"), "reactor", "run", folder],
        writable=[folder, *(f"-{path}" for path in engine if not path.is_relative_to(folder))],
        ports=[listens.port] if isinstance(listens, HostPort) else [],
        own=_OWN,
    )
    copying, starting = systemd.write({unit_name(settings.store): text}, folder / systemd.FOLDER)
    return [(f"{systemd.misplaced()} As root, its unit".strip(), copying), ("and then", starting)]


def next_steps(
    settings: ReactorSettings, running: list[tuple[str, str]], *, identity: str, checked: bool, is_first: bool
) -> str:
    """Return what to do after `m8 reactor init`, one step a line: first here, then at m8; `running` starts it."""
    folder = shlex.quote(str(settings.folder))
    added = f"{settings.store} --type {settings.driver.kind} --identity {identity}"
    steps = [
        ("the least rights, to grant in the engine", f"m8 reactor policy {folder}") if _has_policy(settings) else None,
        ("a table [signers], which accounts need, then", f"m8 reactor check {folder}") if settings.accounts else None,
        ("try the engine", f"m8 stores check {folder}") if not checked else None,
        None if is_first else ("for the first reactor of this m8", f"m8 reactor fingerprint-key new {folder}"),
        None if is_first else ("for every other one", f"m8 reactor fingerprint-key import {folder} FILE"),
        *running,
        ("an administrator of m8 adds the store", f"monoctl create secret-store {added} --activate"),
    ]
    return "Next:\n" + "\n".join(f"  {what}:\n    {command}" for what, command in filter(None, steps))


def _has_policy(settings: ReactorSettings) -> bool:
    try:
        settings.policy()
    except UnsupportedError:
        return False
    return True


_WITHOUT = (
    "Requests need no signature: there is no [signers], and this reactor does what m8 asks"
    f" ({docs_page('operate/signers.md')})."
)


def check(settings: ReactorSettings) -> str:
    """Return the text; every line ends with a line break.

    Raises:
        UsageError: a list of `[signers]` is missing or bad, or accounts need one.
        RefusedError: others than its owner can write a list.
    """
    return "".join(f"{line}\n" for line in _lines(settings))


def _lines(settings: ReactorSettings) -> Iterator[str]:
    settings.check_accounts()
    yield f"Store: {settings.store}"
    yield f"m8: {', '.join(settings.servers)}"
    yield f"Prefixes: {', '.join(str(prefix) for prefix in settings.prefixes)}"
    yield f"Engine: {settings.driver.kind}"
    if settings.accounts is not None:
        yield f"Accounts: {', '.join(settings.accounts.allow)}"
    for rule in settings.copies:
        pairs = ", ".join(f"{settings.store}://{pair.source} to {rule.to}://{pair.to}" for pair in rule.paths)
        yield f"Copies to: {rule.to} ({_signed_there(settings, rule.to)}): {pairs}"
    for value_rule in settings.rules:
        prefixes = ", ".join(f"{settings.store}://{prefix}" for prefix in value_rule.prefixes)
        yield f"Rule {value_rule.name} at {prefixes}: {value_rule}"
    if settings.signers is None:
        yield _WITHOUT
        return
    yield from _signers(settings, settings.signers)


def _signed_there(settings: ReactorSettings, to: str) -> str:
    """Say whether the puts of copies are signed, and within one store whether an entry takes them."""
    if settings.signers is None or "copy" in settings.signers.unsigned:
        return "not signed: no key signs copies here"
    if not (settings.folder / COPY_KEY_FILE).exists():
        return "not signed: no copy.key"
    name = principal_of(settings.store)
    if to == settings.store and not any(
        one.principal == name and "upload" in one.purposes for one in settings.signers.may
    ):
        return f"refused here: no [[signers.may]] lets {name} upload"
    return "signed with copy.key"


def _signers(settings: ReactorSettings, file: SignersFile) -> Iterator[str]:
    signers = Signers.load(file, folder=settings.folder, store=settings.store)
    lists = signers.state().lists
    yield f"Signers: {settings.folder / file.file} (SHA-256 {lists.file})"
    yield f"Revoked: {settings.folder / file.revoked} (SHA-256 {lists.revoked})"
    yield f"Both end with the line `{END}`: if one of them does not, everybody is refused."
    if file.approvers:
        yield f"Approvers: {settings.folder / file.approvers} (SHA-256 {lists.approvers})"
    yield f"All lists and entries: SHA-256 {lists.rules}, the same at each replica"
    yield f"Certificates: valid for at most {file.max_certificate_hours} h"
    yield f"Without a signature: {', '.join(file.unsigned) or 'nothing'}"
    if not file.may:
        yield "Nothing may be done: there is no [[signers.may]]."
    for rule in file.may:
        prefixes = ", ".join(f"{settings.store}://{prefix}" for prefix in rule.prefixes)
        to = f", to {', '.join(rule.destinations)}" if rule.destinations else ""
        yield f"{rule.who} may {', '.join(rule.purposes)} at {prefixes}{to}"
    yield from who_asks_whom(file, signers.can_sign)
    if settings.accounts is not None:
        yield from who_knows(file, settings.rules)
