"""Where audit lines go: the `[[audit]]` tables of `m8.toml`. They stand in that file alone: no call changes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

import msgspec

from monoskope.errors import UsageError
from monoskope.host_port import HostPort, is_host
from monoskope.http.client.trusted import TlsFiles

EVENTS: Literal["events"] = "events"
ACCESS: Literal["access"] = "access"
Kind: TypeAlias = Literal["events", "access"]
"""Event lines say what stands in the log; access lines say which calls came."""

MOST_SINKS = 8
"""Tables at most: each one reads the whole log."""

MIN_FILE = 1_048_576
MOST_FILES = 1_000

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
_TARGET = re.compile(r"/[A-Za-z0-9._~%!$&'()*+,;=:@/?-]*", re.ASCII)


class FileTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="file"):
    """Lines in a file of this machine, all of one kind: calls shall push no event out when it is rotated.

    Attributes:
        name: Names the sink, and its cursor in the log: a new name begins with the first event.
        path: The file, mode 0600.
        lines: Which lines it gets: `["events"]`, or `["access"]` in a table and a file of its own.
        max_bytes: A file that has become as large is moved to `path.1`; 0 leaves that to logrotate.
        keep: How many moved files are kept. The oldest one is removed.
    """

    name: str
    path: str
    lines: tuple[Kind, ...] = (EVENTS,)
    max_bytes: int = 104_857_600
    keep: int = 10


class SyslogTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="syslog"):
    """Lines to a syslog server: RFC 5424 over TLS (RFC 5425).

    Attributes:
        name: Names the sink, and its cursor in the log: a new name begins with the first event.
        address: `host:port` of the server. Its certificate must be for that host.
        lines: Which lines it gets.
        ca_file: PEM file with the authorities of its certificate; "" for the system's.
        certificate_file: PEM file with m8's certificate for the server; "" for none.
        key_file: PEM file with its private key, mode 0600.
    """

    name: str
    address: str
    lines: tuple[Kind, ...] = (EVENTS, ACCESS)
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


class WebhookTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="webhook"):
    """Lines to a server of yours over HTTPS, each request with a MAC.

    Attributes:
        name: Names the sink, and its cursor in the log: a new name begins with the first event.
        url: Where they are posted, `https://host[:port]/path`. Its certificate must be for that host.
        secret_file: File with the key of the MAC, at least 32 bytes, mode 0600. It is read for each request.
        lines: Which lines it gets.
        ca_file: PEM file with the authorities of its certificate; "" for the system's.
        certificate_file: PEM file with m8's certificate for the server; "" for none.
        key_file: PEM file with its private key, mode 0600.
    """

    name: str
    url: str
    secret_file: str
    lines: tuple[Kind, ...] = (EVENTS, ACCESS)
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


AuditTable: TypeAlias = FileTable | SyslogTable | WebhookTable


@dataclass(frozen=True, slots=True)
class FileTarget:
    """A checked `FileTable`."""

    path: Path
    max_bytes: int
    keep: int


@dataclass(frozen=True, slots=True)
class SyslogTarget:
    """A checked `SyslogTable`."""

    server: HostPort
    tls: TlsFiles


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """A checked `WebhookTable`.

    Attributes:
        server: What is dialled.
        path: The path and the query, as they are sent.
        secret_file: With the key of the MAC.
        tls: Whom to trust.
    """

    server: HostPort
    path: str
    secret_file: Path
    tls: TlsFiles


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """One checked table."""

    name: str
    lines: frozenset[Kind]
    target: FileTarget | SyslogTarget | WebhookTarget


class Place(NamedTuple):
    """Where a table stands in `m8.toml`: what is wrong with one of its fields is told with that."""

    path: Path
    section: str
    name: str

    def wrong(self, field: str, what: str, fix: str) -> UsageError:
        """Return what is wrong with a field."""
        return UsageError(f"{self.path}: {field} of the table [[{self.section}]] named {self.name!r} {what}.", fix=fix)

    def file(self, name: str) -> Path | None:
        """Return a file that is named relative to that of the settings, None for ""."""
        return self.path.parent / name if name else None

    def check_name(self, names: Sequence[str]) -> None:
        """Raise `UsageError` unless the table has a name of its own among `names`."""
        if _NAME.fullmatch(self.name) is None:
            raise self.wrong("name", "is not valid", "Use a to z, 0 to 9 and -, at most 32.")
        if names.count(self.name) > 1:
            raise self.wrong("name", "is used twice", "Give each table a name of its own.")

    def tls(self, ca_file: str, certificate_file: str, key_file: str) -> TlsFiles:
        """Return the files of TLS. Raises `UsageError` if one of a pair is missing."""
        if bool(certificate_file) != bool(key_file):
            raise self.wrong("certificate_file", "and key_file go together", "Name both, or neither.")
        return TlsFiles(self.file(ca_file), self.file(certificate_file), self.file(key_file))

    def server(self, field: str, text: str, example: str) -> HostPort:
        """Return the server that a field names. Raises `UsageError` unless it has a port."""
        try:
            found = HostPort.parse(text)
        except UsageError:
            found = HostPort("", 0)
        if not found.port:
            raise self.wrong(field, "is not host:port", f'Write for example "{example}".')
        return found

    def webhook(self, url: str, secret_file: str, tls: TlsFiles) -> WebhookTarget:
        """Return the webhook at `url`. Raises `UsageError`."""
        if not secret_file:
            raise self.wrong("secret_file", "is empty", "Make a key: openssl rand -hex 32")
        try:
            named = urlsplit(url)
            server = HostPort(named.hostname or "", 443 if named.port is None else named.port)
        except ValueError:
            server, named = HostPort("", 0), urlsplit("")
        rest = (named.path or "/") + (f"?{named.query}" if named.query else "")
        whole = f"https://{named.netloc}{rest}"
        is_whole = url in (whole, whole.removesuffix("/")) and "@" not in named.netloc
        if not is_whole or not server.port or not is_host(server.host) or _TARGET.fullmatch(rest) is None:
            # What stands before an @ may be a password, and a query may hold a token: it is not shown.
            fix = 'Write for example "https://collector.example.org/m8", without a login and without #.'
            raise self.wrong("url", "is not an address of HTTPS", fix)
        return WebhookTarget(server, rest, self.path.parent / secret_file, tls)


def checked(tables: Sequence[AuditTable], path: Path) -> tuple[SinkSettings, ...]:
    """Return what the tables of `m8.toml`, which is at `path`, say. Raises `UsageError` that names the field."""
    if len(tables) > MOST_SINKS:
        raise UsageError(f"{path}: there are more than {MOST_SINKS} tables [[audit]].", fix="Name fewer.")
    names = [table.name for table in tables]
    for table in tables:
        place = Place(path, "audit", table.name)
        place.check_name(names)
        if not table.lines:
            raise place.wrong("lines", "is empty", 'Write lines = ["events", "access"], or one of them.')
    sinks = tuple(SinkSettings(table.name, frozenset(table.lines), _target(table, path)) for table in tables)
    files: set[Path] = set()
    for sink in sinks:
        if isinstance(sink.target, FileTarget):
            file = sink.target.path.resolve()
            if file in files:
                place = Place(path, "audit", sink.name)
                raise place.wrong("path", "is another table's", "Give each table a file of its own.")
            files.add(file)
    return sinks


def _target(table: AuditTable, path: Path) -> FileTarget | SyslogTarget | WebhookTarget:
    place = Place(path, "audit", table.name)
    if isinstance(table, FileTable):
        return _file(table, place)
    tls = place.tls(table.ca_file, table.certificate_file, table.key_file)
    if isinstance(table, SyslogTable):
        return SyslogTarget(place.server("address", table.address, "logs.example.org:6514"), tls)
    return place.webhook(table.url, table.secret_file, tls)


def _file(table: FileTable, place: Place) -> FileTarget:
    if len(set(table.lines)) > 1:
        fix = 'Write lines = ["events"] here, and another table with another path for lines = ["access"].'
        raise place.wrong("lines", "names two kinds for one file", fix)
    if not table.path:
        raise place.wrong("path", "is empty", 'Name a file, for example path = "audit.jsonl".')
    if table.max_bytes and table.max_bytes < MIN_FILE:
        raise place.wrong("max_bytes", f"is less than {MIN_FILE}", "Write more, or 0 for logrotate.")
    if not 1 <= table.keep <= MOST_FILES:
        raise place.wrong("keep", f"is not from 1 to {MOST_FILES}", "Write how many files to keep.")
    return FileTarget(place.path.parent / table.path, table.max_bytes, table.keep)
