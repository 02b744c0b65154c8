"""How m8 is reached: what chose the server, whether it answers, its certificate, and its clock.

None of it takes m8's word for whom to trust: a certificate that this machine does not trust is looked at over a
connection over which nothing is sent.
"""

from __future__ import annotations

import datetime as dt
import time
from email.utils import parsedate_to_datetime

from cryptography import x509

from monoskope.checks.certificate import UNREADABLE, common_name, server_check
from monoskope.checks.check import Check, Verdict
from monoskope.checks.clock import CLOCK, clock_check
from monoskope.client.http.transport import LOOK_AT, Dialled, Roots, find_roots, trusting_nobody
from monoskope.client.settings import ClientSettings
from monoskope.errors import Error
from monoskope.http.client.blocking import BlockingPool, connect
from monoskope.http.client.destination import ExchangeError, UntrustedError

SERVER, CERTIFICATE = "server", "certificate"
"""Names of checks; of several servers with their names."""

DIAL_S = 10.0
"""Seconds for a connection, and again for an answer."""

_MOST_ANSWER = 4_096
_RENEW = "On the server: m8 tls renew. m8 doctor there says more."


def reaching_checks(settings: ClientSettings, source: str) -> list[Check]:
    """Return whether each server answers, and whether its certificate and its clock are right. Blocks.

    Args:
        settings: Which servers, and which authorities count.
        source: What named them, as a setting says it.
    """
    try:
        roots = find_roots(settings.ca_file, settings.ca)
    except Error as error:
        return [Check.failed(CERTIFICATE, error)]
    several = len(settings.servers) > 1
    return [row for name in settings.servers for row in _server(name, roots, source, several=several)]


def _server(name: str, roots: Roots, source: str, *, several: bool) -> list[Check]:
    """Return the rows of one server. What is not reached is one row."""
    suffix = f" {name}" if several else ""
    server, certificate = f"{SERVER}{suffix}", f"{CERTIFICATE}{suffix}"
    try:
        dialled = Dialled(name, roots)
        try:
            with connect(dialled.server, time.monotonic() + DIAL_S) as connection:
                own = connection.getpeercert(binary_form=True) or b""
            found = Check.ok(server, f"m8 answers at {name}, chosen by {source}.")
            clock = _clock(dialled)
        except UntrustedError as error:
            failed = dialled.failed(error, late=True)
            return [untrusted_check(certificate, _shown(dialled), name, roots) or Check.failed(certificate, failed)]
        except ExchangeError as error:
            failed = dialled.failed(error, late=True)
            return [Check.fail(server, f"{failed.message} {source} chose it.", failed.fix)]
    except Error as error:
        return [Check.failed(server, error)]
    trust = f"trusted by {roots.source}"
    return [found, _judged(certificate, x509.load_der_x509_certificate(own), name, trust), clock]


def untrusted_check(certificate: str, content: bytes, name: str, roots: Roots) -> Check | None:
    """Return what is wrong with a certificate that TLS refused, None if that does not show. It is a FAIL in any case.

    Args:
        certificate: The name of the check.
        content: The certificate in DER, by whoever answers; b"" if it was not shown.
        name: Of the server.
        roots: The authorities that count.
    """
    try:
        own = x509.load_der_x509_certificate(content)
        signer = common_name(own.issuer)
    except UNREADABLE:
        return None
    found = _judged(certificate, own, name, f"signed by {signer}")
    if found.verdict is Verdict.FAIL:
        return found
    return Check.fail(
        certificate,
        f"It is signed by {signer}, and that is no authority in {roots.source}.",
        "Name the CA file of this server with `ca_file`. If it is the right one, someone may be intercepting:"
        " tell who runs m8, by another way.",
    )


def _judged(certificate: str, own: x509.Certificate, name: str, trust: str) -> Check:
    host = name.rpartition(":")[0].strip("[]")
    now = dt.datetime.now(dt.UTC)
    return server_check(certificate, own, hosts=[host], trust=trust, now=now, renew=_RENEW)


def _shown(dialled: Dialled) -> bytes:
    """Return the certificate that a server shows to everybody, in DER, b"" for none; nothing is sent to it."""
    try:
        server = dialled.server._replace(tls=trusting_nobody())
        with connect(server, time.monotonic() + DIAL_S) as connection:
            return connection.getpeercert(binary_form=True) or b""
    except ExchangeError:
        return b""


def _clock(dialled: Dialled) -> Check:
    """Return how far this machine's clock is from m8's. Raises `ExchangeError` if m8 does not answer."""
    pool = BlockingPool(dialled.server)
    before_s = time.time()
    try:
        answer = pool.request("GET", LOOK_AT, timeout_s=DIAL_S, most_body=_MOST_ANSWER)
    finally:
        pool.close()
    said_s = told_s(answer.header("date"))
    if said_s is None:
        return Check.not_known(CLOCK, "What answers does not tell its time.", "Look whether a proxy answers for m8.")
    return clock_check((before_s + time.time()) / 2 - said_s, "m8")


def told_s(header: str) -> float | None:
    """Return what a header `Date` says, in seconds since 1970, None if it says no time (RFC 9110, 5.6.7)."""
    try:
        # It has whole seconds, cut off.
        return parsedate_to_datetime(header).timestamp() + 0.5
    except (ValueError, TypeError, OverflowError):
        return None
