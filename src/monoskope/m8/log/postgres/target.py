"""Which PostgreSQL database holds the event log, and everything that is needed to connect to it.

The names follow libpq (https://www.postgresql.org/docs/current/libpq-connect.html). What is read from files is read
for each new connection: a password or a certificate that was replaced counts from the next connection on.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from monoskope.errors import UsageError
from monoskope.settings import is_descriptor, read_private

DEFAULT_PORT = 5432


def no_password() -> str:
    """The password of a target without one: for `peer`, `trust` and certificates."""
    return ""


@dataclass(frozen=True, slots=True)
class Tls:
    """How the server proves who it is, and perhaps m8 too. The server's name is always checked (`verify-full`).

    Attributes:
        ca: PEM file with the authorities that may have signed the server's certificate; None for the system's.
        certificate: PEM file with m8's own certificate, None for none.
        key: PEM file with its private key, None if there is no certificate.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Read the files and return a context of TLS 1.2 or newer.

        Raises:
            UsageError: a file cannot be read, or is not what it should be.
        """
        context = _trusting(self.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["postgresql"])
        if self.certificate is not None:
            _present(context, self.certificate, self.key)
        return context


def _trusting(ca: Path | None) -> ssl.SSLContext:
    # Not `create_default_context`: it writes the session's keys to the file that SSLKEYLOGFILE names, and in newer
    # Pythons it refuses authorities that libpq takes, such as one without a key usage.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if ca is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cafile=ca)
    except ssl.SSLError:
        raise UsageError(
            f"database_ca: {ca} holds no certificate in PEM.",
            fix="Name the file with the certificate of the authority that signed the database's.",
        ) from None
    except OSError as error:
        raise UsageError(
            f"database_ca: {ca} cannot be read: {error.strerror}.",
            fix="Check its name and mode, or remove the line to trust the system's authorities.",
        ) from None
    return context


def _present(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    try:
        # The callback stops OpenSSL from asking for a pass phrase on the terminal.
        context.load_cert_chain(certificate, key, password=no_password)
    except ssl.SSLError:
        raise UsageError(
            f"database_certificate {certificate} and database_key {key} are no pair of certificate and key in PEM.",
            fix="Name two files that belong together; the key must have no pass phrase.",
        ) from None
    except OSError as error:
        raise UsageError(
            f"database_certificate {certificate} or database_key {key} cannot be read: {error.strerror}.",
            fix="Check the names and modes of both.",
        ) from None


@dataclass(frozen=True, slots=True)
class PostgresTarget:
    """One database, on one or more hosts of which one at a time takes writes.

    Attributes:
        hosts: Host name, address or folder of a Unix socket (it starts with "/"), each with a port. At least one.
        database: The name of the database.
        user: The role that m8 connects as.
        password: Returns the password, "" for none. It is called for each connection.
        tls: How the connection is protected, None for not at all: only towards sockets and loopback.
        options: Settings of the session, such as `search_path`, by name.
    """

    hosts: tuple[tuple[str, int], ...]
    database: str = "m8"
    user: str = "m8"
    password: Callable[[], str] = field(default=no_password, repr=False)
    tls: Tls | None = None
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        """The database as messages show it, without the user's name and without any secret."""
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        return f"{self.database} at {hosts}"

    def arguments(self, host: str, port: int) -> dict[str, Any]:
        """Return what `asyncpg.connect` needs for one of `hosts`. It connects only where writes are taken.

        Raises:
            UsageError: as `Tls.context`.
        """
        # A Unix socket has no TLS in PostgreSQL, whatever is asked for.
        tls = None if host.startswith("/") else self.tls
        return {
            "host": host,
            "port": port,
            "database": self.database,
            "user": self.user,
            "password": self.password,
            "ssl": False if tls is None else tls.context(),
            "direct_tls": False,
            "target_session_attrs": "read-write",
            "server_settings": {"application_name": "m8", **self.options},
        }


PASSWORD_VARIABLE = "M8_DATABASE_PASSWORD"  # noqa: S105 - the name of a variable, not a password


def _checked(content: bytes, source: str) -> str:
    password = content.decode("utf-8", "replace")
    if not password or not password.isprintable() or "\ufffd" in password:
        raise UsageError(
            f"{source} holds no password: it is empty, has several lines, or characters that cannot be printed.",
            fix="Write the password alone, in one line of UTF-8.",
        )
    return password


def password_of(file: Path | None, environment: Mapping[str, str]) -> Callable[[], str]:
    """Return what gives the password: of the file, read each time, else of the environment, else none.

    A function, because no `repr` of one shows what it returns.

    Raises:
        UsageError: both give one, or what is given cannot be one.
    """
    given = environment.get(PASSWORD_VARIABLE, "")
    if file is None:
        if not given:
            return no_password
        password = _checked(given.encode("utf-8", "surrogateescape"), PASSWORD_VARIABLE)
        return lambda: password
    if given:
        raise UsageError(
            f"the password is given twice: by database_password_file and by {PASSWORD_VARIABLE}.",
            fix="Remove one of them.",
        )
    if is_descriptor(file):
        raise UsageError(
            "database_password_file names a descriptor, but m8 reads the password for each connection.",
            fix=f"Name a file, or set {PASSWORD_VARIABLE}.",
        )
    missing = "Write the password of m8's role into it, or correct database_password_file."

    def read() -> str:
        # One line feed at its end does not count.
        return _checked(read_private(file, client=True, missing=missing).removesuffix(b"\n"), str(file))

    return read
