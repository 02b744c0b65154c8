"""Why a PostgreSQL cannot be used, in sentences for those who run m8, and which failures leave a commit open.

The sentences hold nothing of the server's text.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from dataclasses import dataclass

import asyncpg

from monoskope.errors import (
    AwayError,
    Error,
    IdentityChangedError,
    RefusedError,
    UnauthenticatedError,
    UnavailableError,
    UsageError,
    docs_page,
)
from monoskope.m8.log.postgres.target import PostgresTarget

MINIMUM_VERSION = 15
"""The oldest major version of PostgreSQL that m8 takes: the one before it gets no more corrections."""

_HOST_NAME_MISMATCH = 62
"""X509_V_ERR_HOSTNAME_MISMATCH of OpenSSL."""
_ADDRESS_MISMATCH = 64
"""X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL."""
_EXPIRED = 10
"""X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL."""
_NOT_SIGNED = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's codes for a chain that ends at no authority which is trusted."""


_DIAGNOSE_S = 0.5
"""Seconds to find out why a host did not answer."""

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one host cannot be used.

    Attributes:
        reason: What is wrong, as the end of a sentence.
        fix: What to do.
        kind: The error that m8 ends with if that is so at its start.
        lasts: Whether it does not pass by itself.
    """

    reason: str
    fix: str
    kind: type[Error] = UnavailableError
    lasts: bool = False

    @property
    def is_brief(self) -> bool:
        """Whether it may pass by itself within a minute, as when another host becomes the primary."""
        return self.kind is UnavailableError and not self.lasts


NO_TLS = Refusal(
    "the server has no TLS",
    "Switch it on there (ssl = on). Only towards a Unix socket or loopback may m8 do without: sslmode=disable.",
    UsageError,
)
NOT_POSTGRES = Refusal(
    "what answers there does not speak PostgreSQL's protocol", "Correct host and port in `database`.", UsageError
)
READ_ONLY = Refusal(
    "it takes no writes: it is a standby, or default_transaction_read_only is on",
    "Name the primary in `database`, or all hosts: m8 finds the one that takes writes.",
)
TOO_OLD = Refusal(
    f"it is older than PostgreSQL {MINIMUM_VERSION}",
    f"Upgrade the server to PostgreSQL {MINIMUM_VERSION} or newer; m8 is tested with 15, 17 and 18.",
    UsageError,
)
SILENT = Refusal(
    "it does not answer in time", "Check that it runs, and that no firewall or load between it and m8 stops it."
)
_BY_STATE: dict[str, Refusal] = {
    "28P01": Refusal(
        "the password is wrong, or there is no such role",
        "Correct the role in `database` and its password in database_password_file or M8_DATABASE_PASSWORD.",
        UnauthenticatedError,
    ),
    "28000": Refusal(
        "the server lets this role not in from here, or not without a certificate",
        "Check the role in `database`, database_certificate, and pg_hba.conf on the server.",
        RefusedError,
    ),
    "3D000": Refusal("there is no such database", "Correct its name in `database`, or create it.", UsageError),
    "42501": Refusal(
        "the role lacks a right that m8 needs",
        f"Let the role own the database's schema m8, or grant what {docs_page('operate/postgresql.md')} names.",
        RefusedError,
    ),
    "53300": Refusal(
        "all of its connections are taken",
        "Raise max_connections there, or let other programs use fewer; each m8 needs up to 8.",
    ),
    "55000": Refusal(
        "it takes no connections to this database", "Check ALLOW_CONNECTIONS of the database.", lasts=True
    ),
    "57P03": Refusal("it is just starting or stopping", "Wait a moment, then try again."),
    "53100": Refusal(
        "its disk is full", "Give the server room (m8 events erase-sealed helps); m8 goes on by itself.", lasts=True
    ),
    "53200": Refusal("it is out of memory", "Look at the server's log."),
    "25006": READ_ONLY,
    "57P01": Refusal(
        "an administrator ended the connection", "m8 goes on by itself when the server is in service again."
    ),
}

_POOLER = "08P01"
"""protocol_violation: what pgbouncer answers when it refuses a login itself."""


def _of_certificate(error: ssl.SSLCertVerificationError) -> Refusal:
    if error.verify_code in (_HOST_NAME_MISMATCH, _ADDRESS_MISMATCH):
        return Refusal(
            "its certificate is for another name",
            "Write the name that is in the certificate in `database`, or give the server one for this name.",
            IdentityChangedError,
        )
    if error.verify_code == _EXPIRED:
        return Refusal("its certificate has expired", "Renew it on the server.", IdentityChangedError)
    if error.verify_code in _NOT_SIGNED:
        return Refusal(
            "no authority that m8 trusts signed its certificate",
            "Name the right authority in `database_ca`. If it was right until now, find out who answers there.",
            IdentityChangedError,
        )
    return Refusal(
        f"its certificate, or one of those that vouch for it, cannot be used ({error.verify_message})",
        "Replace that certificate; `openssl x509 -noout -text -in FILE` shows what each of them may do.",
        IdentityChangedError,
    )


_BREAKS = Refusal("the connection breaks", "Look at the server's log, and at what stands between it and m8.")

_BY_KIND: tuple[tuple[type[OSError] | tuple[type[OSError], ...], Refusal], ...] = (
    (
        ssl.SSLError,
        Refusal(
            "TLS fails", "Check that the server speaks TLS 1.2 or newer, and takes database_certificate.", UsageError
        ),
    ),
    (socket.gaierror, Refusal("its name is not known", "Correct the host in `database`, or your name service.")),
    (TimeoutError, SILENT),
    (
        (ConnectionRefusedError, FileNotFoundError),
        Refusal("nothing listens there", "Start the server, or correct host and port in `database`."),
    ),
    (
        PermissionError,
        Refusal("m8 may not use that socket", "Check the mode of the socket and its folder.", RefusedError),
    ),
)


def _of_system(error: OSError) -> Refusal:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _of_certificate(error)
    return next((refusal for kind, refusal in _BY_KIND if isinstance(error, kind)), _BREAKS)


def why(error: BaseException) -> Refusal | None:
    """Return why `error` was raised by a connection or a statement; None if it says nothing about the server."""
    if isinstance(error, asyncpg.PostgresError):
        state = str(getattr(error, "sqlstate", None) or "")
        if state == _POOLER:
            return Refusal(
                "it refuses how m8 logs in",
                "If that is a pooler such as pgbouncer, connect to PostgreSQL itself"
                f" ({docs_page('operate/postgresql.md')}).",
                UsageError,
            )
        known = _BY_STATE.get(state)
        reason = f"it answers with the error {state}" if state else "it answers with an error without a number"
        return known or Refusal(reason, "Look at the server's log.")
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return READ_ONLY
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError):
        return _BREAKS
    return None


FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""Everything that the driver raises when the database does not do what it was asked."""

_OF_DATA = frozenset({"21", "22", "23", "44", "54", "P0"})


def explain(error: BaseException, target: PostgresTarget) -> Error:
    """Return the error that explains `error` to users of an open log, without the server's text and address."""
    if isinstance(error, Error):
        return error
    refusal = why(error) or SILENT
    kind = AwayError if refusal.is_brief else UnavailableError
    explained = kind(f"the event log cannot be read or written: {refusal.reason}.", fix=refusal.fix)
    explained.place = str(target)
    return explained


def is_of_data(error: BaseException) -> bool:
    """Whether the server refused what was to be written, as it would refuse it on the best of days.

    Classes 21 to 23 (cardinality, data, integrity), 44 (a check), 54 (too large) and P0 (raised by a function).
    """
    return isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "")[:2] in _OF_DATA


def is_lost(error: BaseException) -> bool:
    """Whether an error leaves open what became of a commit: the connection broke, or the server was ending.

    Classes 08 (connection) and 57 (operator's intervention): a backend that ends while it waits for a standby has
    committed already. And whatever ends the backend: a server that cannot force its log to the disk panics, and may
    find the commit in it when it starts again.
    """
    if isinstance(error, asyncpg.PostgresError):
        if getattr(error, "severity_en", None) in {"FATAL", "PANIC"}:
            return True
        return (error.sqlstate or "08000")[:2] in {"08", "57"}
    return isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError))


async def diagnose(error: Exception, host: str, port: int) -> Refusal:
    """Say why a host refused. The driver tells a server without TLS and a foreign protocol only by its own text."""
    found = why(error) or SILENT
    is_plain = type(error) in (ConnectionError, TimeoutError)
    is_odd = isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError)
    if (is_plain or is_odd) and not host.startswith("/"):
        return await _asked_for_tls(host, port) or found
    return found


async def _asked_for_tls(host: str, port: int) -> Refusal | None:
    """Ask a server for TLS, as every client of PostgreSQL may: it answers with S or N, and no other server does."""
    answer = b""
    with contextlib.suppress(OSError):
        async with asyncio.timeout(_DIAGNOSE_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                # The empty lines make a server answer that waits for the end of a line, such as one of HTTP.
                writer.write(_SSL_REQUEST + b"\r\n\r\n")
                answer = await reader.read(1)
            finally:
                writer.close()
    if answer == b"N":
        return NO_TLS
    return None if answer in (b"", b"S", b"E") else NOT_POSTGRES
