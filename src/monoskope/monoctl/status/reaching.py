"""How m8 is reached: what chose the server, whether it answers, its certificate, and its clock.

None of it takes m8's word for whom to trust: a certificate that this machine does not trust is looked at over a
connection over which nothing is sent.
"""

from __future__ import annotations

import datetime as dt
import time
from email.utils import parsedate_to_datetime

from cryptography import x509

from monoskope.checks.certificate import common_name, server_check
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
    chosen = f"{name}, chosen by {source}"
    try:
        dialled = Dialled(name, roots)
        try:
            with connect(dialled.server, time.monotonic() + DIAL_S) as connection:
                own = _parsed(connection.getpeercert(binary_form=True))
            found = Check.ok(server, f"m8 answers at {chosen}.")
            clock = _clock(dialled)
        except UntrustedError as error:
            own = _shown(dialled)
            failed = dialled.failed(error, late=True)
            return [_untrusted(certificate, own, name, roots) or Check.failed(certificate, failed)]
        except ExchangeError as error:
            failed = dialled.failed(error, late=True)
            return [Check.fail(server, f"{failed.message} It is {chosen}.", failed.fix)]
    except Error as error:
        return [Check.failed(server, error)]
    trust = f"trusted by {roots.source}"
    return [found, *([] if own is None else [_judged(certificate, own, name, trust)]), clock]


def _untrusted(certificate: str, own: x509.Certificate | None, name: str, roots: Roots) -> Check | None:
    """Return what is wrong with a certificate that TLS refused, as far as it shows; it is a FAIL in any case."""
    if own is None:
        return None
    trust = f"signed by {common_name(own.issuer)}"
    found = _judged(certificate, own, name, trust)
    if found.verdict is Verdict.FAIL:
        return found
    return Check.fail(
        certificate,
        f"It is signed by {common_name(own.issuer)}, and that is no authority in {roots.source}.",
        "Name the CA file of this server with `ca_file`. If it is the right one, someone may be intercepting:"
        " tell who runs m8, by another way.",
    )


def _judged(certificate: str, own: x509.Certificate, name: str, trust: str) -> Check:
    host = name.rpartition(":")[0].strip("[]")
    now = dt.datetime.now(dt.UTC)
    return server_check(certificate, own, hosts=[host], trust=trust, now=now, renew=_RENEW)


def _shown(dialled: Dialled) -> x509.Certificate | None:
    """Return the certificate that a server shows to everybody; nothing is sent to it."""
    try:
        server = dialled.server._replace(tls=trusting_nobody())
        with connect(server, time.monotonic() + DIAL_S) as connection:
            return _parsed(connection.getpeercert(binary_form=True))
    except ExchangeError:
        return None


def _parsed(content: bytes | None) -> x509.Certificate | None:
    try:
        return None if content is None else x509.load_der_x509_certificate(content)
    except ValueError:
        return None


def _clock(dialled: Dialled) -> Check:
    """Return how far this machine's clock is from m8's. Raises `ExchangeError` if m8 does not answer."""
    pool = BlockingPool(dialled.server)
    before_s = time.time()
    try:
        answer = pool.request("GET", LOOK_AT, timeout_s=DIAL_S, most_body=_MOST_ANSWER)
    finally:
        pool.close()
    try:
        # The header has whole seconds, cut off.
        said_s = parsedate_to_datetime(answer.header("date")).timestamp() + 0.5
    except ValueError:
        return Check.not_known(CLOCK, "What answers does not tell its time.", "Look whether a proxy answers for m8.")
    return clock_check((before_s + time.time()) / 2 - said_s, "m8")
