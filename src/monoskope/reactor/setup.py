"""What `m8 reactor init` writes and what `m8 reactor check` shows: `reactor.toml`, and the lists of signers.

The `[engine]` table is the driver's own example, to fill in or ready to run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from monoskope.errors import UsageError, docs_page
from monoskope.protocol.sshsig.lists import END
from monoskope.reactor.identity.copy_key import COPY_KEY_FILE, principal_of
from monoskope.reactor.settings import SETTINGS_FILE, ReactorFile, ReactorSettings
from monoskope.reactor.signers import Signers
from monoskope.reactor.signers.settings import SignersFile
from monoskope.reactor.ways_around import who_asks_whom, who_knows
from monoskope.settings import convert, write_private
from monoskope.stores.driver import PLACEHOLDER, StoreDriver

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
_LAST = f"""\
# The last line says that nothing is missing. Without it this reactor refuses everybody.
{END}
"""


def write(
    folder: Path,
    *,
    server: str,
    ca_file: Path,
    store: str,
    prefixes: list[str],
    driver: type[StoreDriver],
    allow_swap: bool = False,
) -> None:
    """Write the settings and the lists of a new reactor into `folder`, an absolute path.

    `server` may be a list with commas. Lists that are there already stay.

    Raises:
        UsageError: a value is bad.
    """
    table: dict[str, Any] = {
        "server": server.split(",") if "," in server else server,
        "ca_file": str(ca_file),
        "store": store,
        "prefixes": prefixes,
        "engine": {"type": driver.kind, **driver.example(folder)},
        "limits": {},
    }
    if driver.of_accounts:
        table["accounts"] = {"allow": [PLACEHOLDER]}
    if allow_swap:
        table["allow_swap"] = True
    convert(table, ReactorFile, where=SETTINGS_FILE)
    text = tomli_w.dumps(table).replace("[engine]\n", f"[engine]\n{driver.example_notes}", 1)
    write_private(folder / SETTINGS_FILE, (text + _SIGNERS).encode())
    for name, about in _LISTS.items():
        if not (folder / name).exists():
            write_private(folder / name, (about + _LAST).encode())


_WITHOUT = (
    "Requests need no signature: there is no [signers], and this reactor does what m8 asks"
    f" ({docs_page('operate/signers.md')})."
)


def check(settings: ReactorSettings) -> str:
    """Return the text; every line ends with a line break.

    Raises:
        UsageError: a list of `[signers]` is missing or bad, or accounts need one, or a field still has its placeholder.
        RefusedError: others than its owner can write a list.
    """
    return "".join(f"{line}\n" for line in _lines(settings))


def _lines(settings: ReactorSettings) -> Iterator[str]:
    given = {"engine": msgspec.to_builtins(settings.engine), "accounts": msgspec.to_builtins(settings.accounts)}
    for field in _placeholders(given, ""):
        raise UsageError(
            f"`{field}` still has its placeholder, {PLACEHOLDER!r}.",
            fix="Write what your engine gave you into reactor.toml; the page on this kind of store says how.",
        )
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


def _placeholders(value: object, field: str) -> Iterator[str]:
    """Yield the names of the fields below `field` that `m8 reactor init` left to be filled in."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _placeholders(inner, f"{field}.{name}".removeprefix("."))
    elif isinstance(value, list):
        for inner in value:
            yield from _placeholders(inner, field)
    elif isinstance(value, str) and value.removeprefix("/") == PLACEHOLDER:
        yield field


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
        yield f"{rule.principal} may {', '.join(rule.purposes)} at {prefixes}{to}"
    yield from who_asks_whom(file, signers.can_sign)
    if settings.accounts is not None:
        yield from who_knows(file, settings.rules)
