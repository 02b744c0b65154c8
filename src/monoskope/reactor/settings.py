"""`reactor.toml`: which m8, which store, which paths, which engine, which limits. None of it ever comes from m8.

server = "m8.example:7443"      # host:port; a list for several of one log
ca_file = "ca.crt"              # relative to this file
store = "vault"
prefixes = ["team-a"]           # whole segments; "" for all paths
allow_swap = false              # true runs where memory could be swapped to disk: for experiments only

[engine]
type = "vault"                  # and that driver's own fields; relative paths begin here, too

[limits]
uploads_per_second = 100

[accounts]                      # with an engine of accounts alone, and then it must be there
allow = ["orders_*"]            # the names that this reactor serves; * for any characters of a name

[[copy]]                        # where this reactor may copy to; none of it ever comes from m8
to = "local"                    # a store of the same m8, or this one
identity = "SHA256:..."         # its identity, as its own `m8 reactor init` printed it
paths = [{from = "team-a", to = "team-a"}]  # whole segments: from below here to below there; "" for all paths

[[rules]]                       # what a value must be to be written: `monoskope.reactor.value_rules`
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from monoskope import operations
from monoskope.errors import UsageError, docs_page
from monoskope.host_port import check_servers, parse_server
from monoskope.operations import Address
from monoskope.ownership import check_settings
from monoskope.protocol.grant import DEFAULT_LIFETIME_S, MAX_LIFETIME_S, MIN_LIFETIME_S
from monoskope.protocol.payload import MAX_PADDED, is_padded_size
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.tlog.checkpoint import VerifierKey
from monoskope.protocol.tlog.note import LogKeys
from monoskope.reactor import engine_table
from monoskope.reactor.accounts import AccountsFile
from monoskope.reactor.copy_rules import CopyRule
from monoskope.reactor.signers.settings import PURPOSE_BY_WORD, SignersFile
from monoskope.reactor.timings import Timings
from monoskope.reactor.value_rules import ValueRule
from monoskope.settings import convert, load
from monoskope.stores import registry
from monoskope.stores.driver import StoreDriver
from monoskope.uri import SecretUri, UriPrefix, check_store_name, parse_below

R = TypeVar("R")

SETTINGS_FILE = "reactor.toml"

_MOST_PUTS = 1_000_000
"""In an hour."""
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


class ReactorLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[limits]` table: the most that one reactor process does."""

    uploads_per_second: int = 100
    """Of all subjects together. Here and below, each subject may have at most half of what the others leave."""
    compares_per_hour_per_uri: int = 10
    """Comparisons of one secret, and announced writes to it that were not made."""
    compares_per_hour: int = 60
    """The same for all secrets together."""
    puts_per_hour: int = 2_000
    """Puts, patches, generations and imports of one subject, and of one signer: each of them tells who may see hashes
    whether a guess is right."""
    puts_per_hour_of: dict[str, int] = msgspec.field(default_factory=dict)
    """The same of single subjects and signers, by name, as for a bulk import."""
    keys_alive: int = 1_000
    """One-time keys that have not ended yet."""
    lifetime_s: int = DEFAULT_LIFETIME_S
    """Seconds for which a one-time key can be used."""
    max_plaintext: int = MAX_PADDED
    """Largest padded plaintext in bytes, at most what the protocol allows. The engine's own, smaller limit counts."""

    def __post_init__(self) -> None:
        for field, most in (
            ("uploads_per_second", 1_000),
            ("compares_per_hour_per_uri", 1_000),
            ("compares_per_hour", 10_000),
            ("puts_per_hour", _MOST_PUTS),
            ("keys_alive", 10_000),
        ):
            if not 1 <= getattr(self, field) <= most:
                raise ValueError(f"`{field}` must be from 1 to {most}")
        if not all(1 <= puts <= _MOST_PUTS for puts in self.puts_per_hour_of.values()):
            raise ValueError(f"`puts_per_hour_of` must have numbers from 1 to {_MOST_PUTS}")
        if not MIN_LIFETIME_S <= self.lifetime_s <= MAX_LIFETIME_S:
            raise ValueError(f"`lifetime_s` must be from {MIN_LIFETIME_S} to {MAX_LIFETIME_S}")
        if not is_padded_size(self.max_plaintext):
            raise ValueError("`max_plaintext` must be a power of two from 512 to 1048576")


class ReactorFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file as it is written."""

    server: str | list[str]
    """The m8 that is dialled, `host:port`, which is signed at the login. Or a list of those of one log, tried in
    order."""
    ca_file: str
    """PEM file of the certificate authority that signs m8's certificate."""
    store: str
    """The name of the store, as `monoctl create secret-store` gave it."""
    prefixes: list[str]
    """The paths that this reactor serves, by whole segments; `[""]` for all."""
    engine: dict[str, Any]
    """The kind of engine, `type`, and the fields of its driver. Relative paths of files and folders begin at the folder
    of this file."""
    limits: ReactorLimits = msgspec.field(default_factory=ReactorLimits)
    """The most that this process does."""
    log_file: str = ""
    """Where structured log lines go; "" for standard error. SIGHUP opens it again."""
    operations_listen: str = ""
    """Where `/healthz`, `/readyz` and `/metrics` are answered over HTTP: a loopback `address:port` (port 0 takes a free
    one), or `unix:path`; "" for nowhere."""
    allow_swap: bool = False
    """Whether to run where the reactor's memory could be swapped to disk (ADR 4). For experiments only."""
    timings: Timings = msgspec.field(default_factory=Timings)
    """For tests (docs/breakage.md)."""
    copy: list[CopyRule] = msgspec.field(default_factory=list)
    """The stores to which this reactor may copy; nothing of it ever comes from m8."""
    accounts: AccountsFile | None = None
    """Which accounts this reactor serves, with an engine of accounts alone."""
    signers: SignersFile | None = None
    """Who must sign what this reactor does (docs/operate/signers.md); without it, it does what m8 asks."""
    log_vkeys: list[str] = msgspec.field(default_factory=list)
    """The two verifier keys of m8's log, as `monoctl get log` shows them. A rotation of the store's identity then names
    a tree of this log alone; without them, the one that m8 shows."""
    rules: list[ValueRule] = msgspec.field(default_factory=list)
    """What a value must be to be written (docs/operate/value-rules.md); each has a name of its own."""

    def __post_init__(self) -> None:
        try:
            servers = self.servers
        except UsageError as error:
            raise ValueError(f"`server`, or one of its list: {error.message} {error.fix.removesuffix('.')}") from None
        # Tests shorten the spans that must not be shortened, against an m8 on this machine.
        self.timings.check(testing=all(parse_server(server).host in _THIS_MACHINE for server in servers))
        if not self.prefixes:
            raise ValueError('`prefixes` must name at least one path prefix; [""] serves all paths')
        try:
            check_store_name(self.store)
            for prefix in self.prefixes:
                parse_below(prefix)
        except UsageError as error:
            raise ValueError(f"`store` and `prefixes`: {error.message}") from None
        names = [rule.to for rule in self.copy]
        if len(set(names)) != len(names):
            raise ValueError("`copy.to` must name each store once")
        if self.log_vkeys:
            try:
                LogKeys.of([VerifierKey.parse(text) for text in self.log_vkeys])
            except UsageError as error:
                raise ValueError(f"`log_vkeys`: {error.message}") from None
        if len({rule.name for rule in self.rules}) != len(self.rules):
            raise ValueError("`rules.name` must be another one in each rule")

    @property
    def servers(self) -> tuple[str, ...]:
        """The servers, each checked. Raises `UsageError`."""
        return check_servers(self.server if isinstance(self.server, str) else ",".join(self.server))


@dataclass(frozen=True, slots=True)
class ReactorSettings:
    """The settings of a reactor, checked."""

    folder: Path
    """The folder of the settings, the identity and all other state."""
    servers: tuple[str, ...]
    """The m8 of one log, in the order in which they are tried."""
    ca_file: Path
    store: str
    prefixes: tuple[UriPrefix, ...]
    driver: type[StoreDriver]
    engine: msgspec.Struct
    limits: ReactorLimits
    log_file: Path | None
    timings: Timings = dataclasses.field(default_factory=Timings)
    operations_listen: Address | None = None
    """Where it says how it is, None for nowhere."""
    copies: tuple[CopyRule, ...] = ()
    """Where this reactor may copy to."""
    accounts: AccountsFile | None = None
    """Which accounts this reactor serves; None if its secrets are no accounts."""
    signers: SignersFile | None = None
    """Who must sign what this reactor does; None if it does what m8 asks."""
    rules: tuple[ValueRule, ...] = ()
    """What a value must be to be written."""

    def copies_to(self, store: str) -> CopyRule | None:
        """Return the rule by which this reactor copies to `store`, None if there is none."""
        return next((rule for rule in self.copies if rule.to == store), None)

    def allows(self, uri: SecretUri) -> bool:
        """Whether `uri` is in this store, at or below an allowed prefix, by whole segments, and an allowed account."""
        is_account = self.accounts is None or self.accounts.covers(uri.path)
        return is_account and any(prefix.covers(uri) for prefix in self.prefixes)

    def policy(self) -> str:
        """Return the least rights in the engine, as `StoreDriver.policy`. Raises `UnsupportedError`."""
        if self.accounts is not None:
            return self.driver.policy(self.engine, tuple((name,) for name in self.accounts.allow))
        return self.driver.policy(self.engine, tuple(prefix.path for prefix in self.prefixes))

    def check_accounts(self) -> None:
        """Raise `UsageError` if these are accounts and somebody could change one without a signature.

        Who puts a password that they know can log in. Without signatures m8 could.
        """
        if self.accounts is None:
            return
        writing = (
            [word for word in self.signers.unsigned if PURPOSES[PURPOSE_BY_WORD[word]].writes] if self.signers else []
        )
        if self.signers is None or writing:
            wrong = f"lets m8 {', '.join(writing)}" if writing else "lets m8 do anything"
            raise UsageError(
                f"{self.folder}: this reactor serves accounts, and {wrong} without a signature.",
                fix="Write a table [signers], and in its `unsigned` nothing that writes"
                f" ({docs_page('operate/signers.md')}).",
            )


def read_file(folder: Path, name: str = SETTINGS_FILE) -> ReactorFile:
    """Read the settings file in `folder` without loading its driver. Raises `UsageError`."""
    return load(folder / name, ReactorFile, missing="Make the folder with `m8 reactor init`, or name another one.")


def read(folder: Path, name: str = SETTINGS_FILE) -> ReactorSettings:
    """Read the settings in `folder`, the engine's table by its driver's own type.

    Raises:
        UsageError: a file, field or value is wrong; names it, the rule and the fix.
        RefusedError: there is a table `[signers]`, and others can change the file.
        NotFoundError: no driver of that kind is installed.
        BrokenDriverError: the driver lacks a package; names the extra to install.
    """
    file = read_file(folder, name)
    if file.signers is not None:
        check_settings(folder / name)
    table = dict(file.engine)
    kind = table.pop("type", None)
    where = f"{folder / name}: [engine]"
    if not isinstance(kind, str):
        raise UsageError(f"{where}: `type` is missing.", fix=f"Write one of: {', '.join(registry.kinds())}.")
    driver = registry.find(kind)
    if driver.of_accounts != (file.accounts is not None):
        raise UsageError(
            f"{folder / name}: a table [accounts] belongs to engines of accounts, and to each of them.",
            fix='Write [accounts] with allow = ["orders_*"].' if driver.of_accounts else "Leave it out.",
        )
    return ReactorSettings(
        folder=folder,
        servers=file.servers,
        ca_file=folder / file.ca_file,
        store=file.store,
        prefixes=tuple(UriPrefix(file.store, parse_below(prefix)) for prefix in file.prefixes),
        driver=driver,
        engine=convert(engine_table.resolved(table, folder), driver.Config, where=where),
        limits=file.limits,
        log_file=folder / file.log_file if file.log_file else None,
        operations_listen=operations.setting(file.operations_listen, folder / name),
        timings=file.timings,
        copies=tuple(file.copy),
        accounts=file.accounts,
        signers=file.signers,
        rules=tuple(file.rules),
    )
