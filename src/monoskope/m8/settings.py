"""The settings of an m8 server: its folder, and `m8.toml` in it. They are read and checked once.

The folder holds everything: `m8.toml`, `log.db` (the event log, unless `database` names one), `log-id` (which log it
is), `token-signing.key`, `log.key`, `tls.crt`, `tls.key`, `ca.crt`, `ca.key` unless it is not kept; `log.checkpoint`,
which m8 keeps; while a server runs, `address`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from monoskope import operations as address
from monoskope import settings
from monoskope.errors import UsageError
from monoskope.host_port import HostPort, is_origin
from monoskope.m8 import notice_settings, sink_settings
from monoskope.m8.issuers import settings as issuer_settings
from monoskope.m8.issuers.settings import Issuer, IssuerFile
from monoskope.m8.limits.settings import AccessLimits, ServerTimings
from monoskope.m8.log.postgres.settings import DatabaseSettings
from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.m8.notice_settings import NoticeSettings, NoticeTable
from monoskope.m8.sink_settings import AuditTable, SinkSettings
from monoskope.m8.tree import witness_settings
from monoskope.m8.tree.witness_settings import WitnessesSettings, WitnessTable
from monoskope.m8.tree.witnessed_log import LogTable
from monoskope.operations import Address

SETTINGS_FILE = "m8.toml"
DEFAULT_LISTEN = "127.0.0.1:7443"
DEFAULT_OPERATIONS_LISTEN = "127.0.0.1:7444"
"""What `m8 init` writes into the settings of a server with the default port."""

DEFAULT_RECORDED_BYTES = 1_073_741_824
MIN_RECORDED_BYTES = 2_097_152
"""Room for the largest secret. The quota cannot be switched off."""
MAX_RECORDED_BYTES = 2**50

DEFAULT_PUTS = 2_000
MAX_PUTS = 10_000_000
"""Puts of one user in an hour."""

MOST_ORIGINS = 64
"""Origins at most."""

MAX_DRAIN_S = 600
"""Seconds that m8 may take to stop, of each kind."""

_BOUNDS = {
    "open_requests_per_user": (1, 10_000),
    "open_changes_per_user": (1, 1_000),
    "recorded_bytes_per_user_per_day": (MIN_RECORDED_BYTES, MAX_RECORDED_BYTES),
    "verify_every_hours": (0, 8_784),
    "erase_sealed_after_days": (0, 36_500),
    "puts_per_hour_per_user": (0, MAX_PUTS),
    "secrets_per_user": (0, 10_000),
    "not_ready_s": (0, MAX_DRAIN_S),
    "drain_s": (0, MAX_DRAIN_S),
}
"""The least and the most that each number may be."""

_AUDIENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}", re.ASCII)


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`m8.toml`. Paths are relative to its folder.

    Attributes:
        listen: Where to listen, `host:port`; port 0 takes a free one.
        names: `host:port` names by which clients and reactors may dial this server; port 0 means the bound one.
        origins: The web pages that may call (CORS), as browsers name them: `https://app.example.com`.
        audience: The audience of this server's tokens.
        tls_certificate: PEM file with the server's certificate and those that lead to its CA.
        tls_key: PEM file with its private key, mode 0600.
        database: URL of the PostgreSQL database that holds the event log, without a password; "" for the file log.db.
        database_password_file: File with the password of m8's role, mode 0600, read for each connection; or set the
            environment variable M8_DATABASE_PASSWORD.
        database_ca: PEM file with the authorities of the database's certificate; "" for the system's.
        database_certificate: PEM file with m8's certificate for the database; "" for none.
        database_key: PEM file with its private key, mode 0600.
        bundle: The file of `monoctl config bundle` that m8 shows to everybody who asks, without a credential; "" for
            none (docs/join.md). It is read again when it changes.
        log_file: Where structured log lines go; "" for standard error. SIGHUP opens it again.
        operations_listen: Where `/healthz`, `/readyz` and `/metrics` are answered over HTTP: a loopback `address:port`
            (port 0 takes a free one), or `unix:path`; "" for nowhere. `m8 init` writes 127.0.0.1:7444.
        open_requests_per_user: How many requests of one user may be open at once; more wait until one has ended.
        open_changes_per_user: How many changes that one user proposed may be open at once, up to 1,000.
        recorded_bytes_per_user_per_day: How many bytes m8 records for one user in a day (UTC).
        puts_per_hour_per_user: How many puts one user may begin in an hour; 0 for any number.
        puts_per_hour_of: The same of single users, by subject, as for a bulk import.
        secrets_per_user: How many secrets one user may have, those that are there and that the user changed last, up to
            10,000; 0 for any number.
        verify_every_hours: m8 verifies by itself each secret whose newest receipt is older than this; 0 for never.
        erase_sealed_after_days: m8 erases the sealed bytes of requests that ended so many days ago; 0 for never.
        not_ready_s: After SIGTERM m8 says for so many seconds that it is not ready, and still takes calls: time for a
            load balancer that asks, and 0 without one.
        drain_s: Then m8 sends its connections away, and calls under way may take so many seconds to end.
        audit: Where audit lines go (docs/operate/audit.md).
        notices: Who is told of what somebody should look at (docs/operate/notices.md).
        limits: For peers that have not logged in.
        issuers: Whose tokens m8 exchanges for its own.
        quorum: How many of the witnesses must have cosigned a checkpoint before users who demand witnesses believe it.
        witness_alarm_s: m8 says that a quorum is missing after so many seconds.
        witness: Who cosigns the checkpoints of the log (docs/operate/witnesses.md).
        log: How often checkpoints of the log are signed (docs/operate/witnessed-log.md).
        timings: For tests (docs/breakage.md).
    """

    listen: str = DEFAULT_LISTEN
    names: tuple[str, ...] = ("localhost:7443", "127.0.0.1:7443")
    origins: tuple[str, ...] = ()
    audience: str = "m8"
    tls_certificate: str = "tls.crt"
    tls_key: str = "tls.key"
    database: str = ""
    database_password_file: str = ""
    database_ca: str = ""
    database_certificate: str = ""
    database_key: str = ""
    bundle: str = ""
    log_file: str = ""
    operations_listen: str = ""
    open_requests_per_user: int = 100
    open_changes_per_user: int = 100
    recorded_bytes_per_user_per_day: int = DEFAULT_RECORDED_BYTES
    puts_per_hour_per_user: int = DEFAULT_PUTS
    puts_per_hour_of: dict[str, int] = msgspec.field(default_factory=dict)
    secrets_per_user: int = 0
    verify_every_hours: int = 0
    erase_sealed_after_days: int = 0
    not_ready_s: float = 0.0
    drain_s: float = 5.0
    audit: tuple[AuditTable, ...] = ()
    notices: tuple[NoticeTable, ...] = ()
    limits: AccessLimits = msgspec.field(default_factory=AccessLimits)
    issuers: tuple[IssuerFile, ...] = ()
    quorum: int = 0
    witness_alarm_s: float = witness_settings.DEFAULT_ALARM_S
    witness: tuple[WitnessTable, ...] = ()
    log: LogTable = msgspec.field(default_factory=LogTable)
    timings: ServerTimings = msgspec.field(default_factory=ServerTimings)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The checked settings of one server."""

    folder: Path
    file: File
    """What `m8.toml` says, checked; the rest here is what follows from it."""
    listen: HostPort
    names: tuple[HostPort, ...]
    tls_certificate: Path
    tls_key: Path
    log_file: Path | None
    origins: frozenset[str] = frozenset()
    """The web pages that may call, as browsers name them."""
    operations_listen: Address | None = None
    database: PostgresTarget | None = None
    """The database that holds the event log, None for the SQLite file."""
    audit: tuple[SinkSettings, ...] = ()
    notices: tuple[NoticeSettings, ...] = ()
    issuers: tuple[Issuer, ...] = ()
    witnesses: WitnessesSettings | None = None

    @property
    def event_log(self) -> Path:
        """The SQLite event log, which is used if there is no `database`."""
        return self.folder / "log.db"

    @property
    def engine(self) -> str:
        """The engine of the event log, by its name in backups."""
        return "sqlite" if self.database is None else "postgresql"

    @property
    def log_id(self) -> Path:
        """Holds the id of the log that this folder serves (`log.identity`)."""
        return self.folder / "log-id"

    @property
    def signing_key(self) -> Path:
        """The Ed25519 seed that signs tokens, 32 bytes."""
        return self.folder / "token-signing.key"

    @property
    def address_file(self) -> Path:
        """Holds `host:port` while a server runs."""
        return self.folder / "address"

    def names_at(self, port: int) -> tuple[str, ...]:
        """Return the names by which the server may be dialled when it is bound to this port."""
        return tuple(dict.fromkeys(str(name.at(port)) for name in self.names))


def _no_server(folder: Path) -> UsageError:
    return UsageError(
        f"{folder} holds no m8: it has no {SETTINGS_FILE}.",
        fix=f"For a new server run: m8 init folder --dir {folder} . If there was one, restore the file from your"
        " backup.",
    )


def load(folder: Path) -> ServerSettings:
    """Read the settings in `folder`.

    Raises:
        UsageError: there are none, or a field is unknown or breaks its rule; names the file and the field.
    """
    path = folder / SETTINGS_FILE
    if not path.exists():
        raise _no_server(folder)
    return check(settings.load(path, File), path)


def check(file: File, path: Path) -> ServerSettings:
    """Check what `m8.toml`, which is at `path`, says. Raises `UsageError` and `RefusedError` that name the field."""
    if not file.names:
        raise UsageError(f"{path}: names is empty.", fix="Name at least one host:port by which m8 is dialled.")
    if _AUDIENCE.fullmatch(file.audience) is None:
        raise UsageError(
            f"{path}: audience {file.audience!r} is not valid.", fix="Use 1 to 128 of A-Z a-z 0-9 . _ : / -"
        )
    _check_numbers(file, path)
    listen = _address(path, "listen", file.listen)
    if file.operations_listen == str(listen) and listen.port:
        raise UsageError(
            f"{path}: listen and operations_listen are the same address, {listen}.", fix="Give each a port of its own."
        )
    return ServerSettings(
        folder=path.parent,
        file=file,
        listen=listen,
        names=tuple(_address(path, "names", name) for name in file.names),
        origins=_origins(path, file.origins),
        tls_certificate=_path(path, "tls_certificate", file.tls_certificate),
        tls_key=_path(path, "tls_key", file.tls_key),
        log_file=path.parent / file.log_file if file.log_file else None,
        operations_listen=address.setting(file.operations_listen, path),
        database=DatabaseSettings(
            file.database,
            password_file=file.database_password_file,
            ca=file.database_ca,
            certificate=file.database_certificate,
            key=file.database_key,
        ).target(path, os.environ),
        audit=sink_settings.checked(file.audit, path),
        notices=notice_settings.checked(file.notices, path),
        issuers=issuer_settings.checked(file.issuers, path),
        witnesses=witness_settings.checked(file.witness, file.quorum, file.witness_alarm_s, path),
    )


def _check_numbers(file: File, path: Path) -> None:
    for name, (least, most) in _BOUNDS.items():
        if not least <= getattr(file, name) <= most:
            raise UsageError(
                f"{path}: {name} must be from {least} to {most}.",
                fix=f"Correct the number, or remove the line: then it is {getattr(File(), name)}.",
            )
    for subject, puts in file.puts_per_hour_of.items():
        if not 1 <= puts <= MAX_PUTS:
            raise UsageError(
                f"{path}: puts_per_hour_of: {subject!r} must have from 1 to {MAX_PUTS}.",
                fix="Correct the number, or remove the line: then puts_per_hour_per_user counts.",
            )


def _address(path: Path, field: str, text: str) -> HostPort:
    try:
        return HostPort.parse(text)
    except UsageError as error:
        raise UsageError(f"{path}: {field}: {error.message}", fix=error.fix) from None


def _origins(path: Path, given: Sequence[str]) -> frozenset[str]:
    if len(given) > MOST_ORIGINS:
        raise UsageError(f"{path}: origins names more than {MOST_ORIGINS} origins.", fix="Name fewer.")
    for text in given:
        if not is_origin(text):
            raise UsageError(
                f"{path}: origins: {text!r} is not the origin of a page over HTTPS, or of one on this machine.",
                fix="Write what the browser sends, in lower case and without a path: https://app.example.com",
            )
    return frozenset(given)


def _path(path: Path, field: str, text: str) -> Path:
    if not text:
        raise UsageError(f"{path}: {field} is empty.", fix="Name a PEM file, or remove the line for the default.")
    return path.parent / text


def state_folder(environment: Mapping[str, str], name: str) -> Path:
    """Return `$XDG_STATE_HOME/monoskope/<name>`, by default below `~/.local/state`. `monoctl` uses the same folder."""
    given = environment.get("XDG_STATE_HOME")
    base = Path(given) if given else Path("~/.local/state").expanduser()
    return base.absolute() / "monoskope" / name


def default_folder() -> Path:
    """Return the folder of m8 when neither `--dir` nor `M8_DIR` names one."""
    return state_folder(os.environ, "m8")
