"""The `database` settings of `m8.toml`: which PostgreSQL, with which password, under which certificates.

No message here repeats the URL: it may hold a password.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from monoskope.errors import UsageError
from monoskope.host_port import is_host
from monoskope.m8.log.postgres.target import DEFAULT_PORT, PASSWORD_VARIABLE, PostgresTarget, Tls, password_of
from monoskope.settings import read_private

_NAME = re.compile(r"[a-z_]{1,40}", re.ASCII)

_EXAMPLE = "Write for example: postgresql://m8@db1.example,db2.example:5432/m8"

_ELSEWHERE = {
    "password": f"Name a file of mode 0600 in `database_password_file`, or set {PASSWORD_VARIABLE}.",
    "passfile": f"Name a file of mode 0600 in `database_password_file`, or set {PASSWORD_VARIABLE}.",
    "sslrootcert": "Name the file in `database_ca`.",
    "sslcert": "Name the file in `database_certificate`.",
    "sslkey": "Name the file in `database_key`.",
    "connect_timeout": "Remove it: m8 gives each host 2 seconds.",
    "user": "Write it before the hosts: postgresql://USER@HOST/DATABASE",
    "dbname": "Write it after the hosts: postgresql://USER@HOST/DATABASE",
}

_WEAK = {
    "require": "it encrypts, but takes any certificate: who stands between m8 and the database can read and change all",
    "prefer": "who stands between m8 and the database can switch encryption off",
    "allow": "it encrypts only if the server insists",
    "verify-ca": "it takes the certificate of any other machine that the same authority signed for",
}


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """What `m8.toml` says about the database. Paths are relative to its folder.

    Attributes:
        database: The URL, "" for the SQLite file.
        password_file: A file with the password, "" for none.
        ca: PEM file with the authorities of the server, "" for the system's.
        certificate: PEM file with m8's own certificate, "" for none.
        key: PEM file with its private key, "" for none.
    """

    database: str = ""
    password_file: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""

    def target(self, file: Path, environment: Mapping[str, str]) -> PostgresTarget | None:
        """Check everything that can be checked without the database, and return where it is; None for SQLite.

        Args:
            file: `m8.toml`, as errors name it.
            environment: Where a password may stand, in `M8_DATABASE_PASSWORD`.

        Raises:
            UsageError: a setting breaks its rule, or a file cannot be used.
            RefusedError: others can reach the file with the password or the key.
        """
        if not self.database:
            self._check_nothing_else(file)
            return None
        try:
            return self.place(file.parent, environment)
        except UsageError as error:
            raise UsageError(f"{file}: {error.message}", fix=error.fix) from None

    def _check_nothing_else(self, file: Path) -> None:
        for name in ("password_file", "ca", "certificate", "key"):
            if getattr(self, name):
                raise UsageError(
                    f"{file}: database_{name} is set, but database is not.",
                    fix=f"{_EXAMPLE} . Or remove database_{name}: then the log is the SQLite file log.db.",
                )

    def place(self, folder: Path, environment: Mapping[str, str]) -> PostgresTarget:
        """Return where the database is that is named, as `target`; paths are relative to `folder`. Raises so, too."""
        url = _split(self.database)
        options = _options(url.query)
        hosts = _hosts(url, options)
        database = unquote(url.path.removeprefix("/"))
        if not database or "/" in database:
            raise UsageError("database names no database after the hosts.", fix=_EXAMPLE)
        password = password_of(folder / self.password_file if self.password_file else None, environment)
        password()
        return PostgresTarget(
            hosts=hosts,
            database=database,
            user=_user(url),
            password=password,
            tls=self._tls(folder, hosts, options.get("sslmode", "verify-full")),
        )

    def _tls(self, folder: Path, hosts: tuple[tuple[str, int], ...], mode: str) -> Tls | None:
        if mode == "disable":
            outside = next((host for host, _ in hosts if not _is_local(host)), None)
            if outside is not None:
                raise UsageError(
                    f"database has sslmode=disable, but {outside} is another machine: all would go in clear text.",
                    fix="Remove sslmode: then it is verify-full, and `database_ca` names the authority.",
                )
            return None
        if mode != "verify-full":
            why = _WEAK.get(mode, "it is none that m8 knows")
            raise UsageError(
                f"database has an sslmode that m8 does not accept; {why}.",
                fix="Remove sslmode: then it is verify-full. Towards a Unix socket or loopback it may be disable.",
            )
        if bool(self.certificate) != bool(self.key):
            raise UsageError(
                "one of database_certificate and database_key is set without the other.", fix="Set both, or none."
            )
        tls = Tls(
            ca=folder / self.ca if self.ca else None,
            certificate=folder / self.certificate if self.certificate else None,
            key=folder / self.key if self.key else None,
        )
        if tls.key is not None:
            read_private(tls.key, client=True)
        tls.context()
        return tls


def _split(text: str) -> SplitResult:
    # First of all, and of the whole text: a password may hold any character that ends a part of a URL.
    if ":" in text.partition("//")[2].rpartition("@")[0]:
        raise UsageError(
            "database holds a password, and m8.toml is no place for one.",
            fix=f"Remove it, and change it if others may have read it. {_ELSEWHERE['password']}",
        )
    # Newer Pythons split no URL with an address in brackets among several hosts: they see the rest alone.
    scheme, slashes, rest = text.partition("//")
    hosts = re.match(r"[^/?#]*", rest)
    assert hosts is not None
    url = urlsplit(f"{scheme}{slashes}{rest[hosts.end() :]}")._replace(netloc=hosts[0])
    if url.scheme not in ("postgresql", "postgres"):
        raise UsageError("database is not a URL that begins with postgresql:// .", fix=_EXAMPLE)
    if url.fragment or any(not character.isprintable() or character == " " for character in text):
        raise UsageError(
            "database holds a character that no URL has: a space, a # or a control character.",
            fix="Write %20 for a space and %23 for #.",
        )
    return url


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in _ELSEWHERE:
            raise UsageError(f"database has the parameter {name}, which m8 does not take there.", fix=_ELSEWHERE[name])
        if name not in ("sslmode", "host", "target_session_attrs"):
            raise UsageError(
                f"database has the parameter {name if _NAME.fullmatch(name) else '…'}, which m8 does not know.",
                fix="Remove it. m8 knows sslmode and host.",
            )
        if name in options:
            raise UsageError(f"database has the parameter {name} twice.", fix="Remove one of them.")
        options[name] = value
    if options.get("target_session_attrs", "read-write") != "read-write":
        raise UsageError(
            "database has a target_session_attrs that is not read-write.",
            fix="Remove it: m8 connects only to a server that takes writes.",
        )
    return options


def _user(url: SplitResult) -> str:
    user, _, _ = url.netloc.rpartition("@")
    if not user:
        raise UsageError("database names no user before the hosts.", fix=_EXAMPLE)
    return unquote(user)


def _hosts(url: SplitResult, options: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    listed = url.netloc.rpartition("@")[2]
    folder = options.get("host", "")
    if folder and (listed or not folder.startswith("/")):
        raise UsageError(
            "database has the parameter host, which is for the folder of a Unix socket alone, without other hosts.",
            fix="Write postgresql://m8@/m8?host=/run/postgresql , or name the hosts after the @.",
        )
    if folder:
        return ((folder, DEFAULT_PORT),)
    return tuple(_host(part) for part in listed.split(","))


def _host(text: str) -> tuple[str, int]:
    address, bracket, rest = text.partition("]")
    if bracket:
        host, has_port, port = address.removeprefix("["), rest[:1] == ":", rest.removeprefix(":")
    else:
        host, colon, port = text.partition(":")
        has_port = bool(colon)
    host = unquote(host)
    if not (is_host(host) or host.startswith("/")) or (not has_port and port):
        raise UsageError("database has a host that is neither a name nor an address.", fix=_EXAMPLE)
    if not has_port:
        return host, DEFAULT_PORT
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and 1 <= int(port) <= 65_535):
        raise UsageError(f"database has a port of {host} that is no number from 1 to 65535.", fix=_EXAMPLE)
    return host, int(port)


def _is_local(host: str) -> bool:
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
