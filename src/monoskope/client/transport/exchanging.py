"""What both ways over HTTP have in common: where they connect to, and what failed exchanges say."""

from __future__ import annotations

import functools
import ssl

from monoskope.client.proxies import proxy_for
from monoskope.client.roots import Roots
from monoskope.client.transport import failures
from monoskope.client.transport.failures import NotSentError
from monoskope.errors import Error, NotReachedError
from monoskope.host_port import parse_server
from monoskope.http import CIPHERS
from monoskope.http.client.destination import Server
from monoskope.http.client.failures import (
    ExchangeError,
    LateError,
    MalformedError,
    TurnedAwayError,
    UntrustedError,
)
from monoskope.http.client.failures import NotSentError as NothingSentError

IDLE_S = 50.0
"""How many seconds a connection is kept without being used: less than m8 keeps it."""

HEAD_S = 30.0
"""How many seconds m8 has to begin a stream."""

LOOK_AFTER_S = 10.0
LOOK_S = 5.0
"""Where there is another server to go to: after how many seconds without an answer a client looks whether m8 still
stands, and how many seconds it gives m8 to say so. A server that stands still accepts connections and answers nothing,
and HTTP/1.1 has no pings."""
LOOK_AT = "/healthz"


class Dialled:
    """One server of a list, as it is dialled over HTTP.

    Args:
        name: `host:port`.
        roots: The authorities that may have signed its certificate.

    Raises:
        UsageError: the authorities are no certificates, or the environment names no usable proxy.
    """

    def __init__(self, name: str, roots: Roots) -> None:
        self.name = name
        self._roots = roots
        parsed = parse_server(name)
        found = proxy_for(parsed.host)
        self._variable, proxy = found if found is not None else ("", None)
        self.server = Server(parsed.host, parsed.port, _trusting(roots), proxy)

    def stands_still(self) -> Error:
        """Return the error for a server that accepts connections and answers nothing."""
        return failures.silent(self.name, NotReachedError)

    def failed(self, error: ExchangeError, *, late: bool) -> Error:
        """Return what a failed exchange means to the caller. `late`: whether the caller's own time is over."""
        if isinstance(error, UntrustedError) and error.certificate:
            return failures.misnamed(self.name) if error.misnamed else failures.untrusted(self.name, self._roots)
        if isinstance(error, MalformedError):
            return failures.unreadable(self.name)
        if isinstance(error, LateError) and (error.sent or late):
            return failures.late(self.name)
        is_away = isinstance(error, TurnedAwayError)
        kind = NotSentError if isinstance(error, NothingSentError | LateError) else NotReachedError
        if self._variable:
            return failures.silent_behind(self.name, self._variable, failures.TurnedAwayError if is_away else kind)
        if is_away:
            return failures.turned_away(self.name)
        return failures.silent(self.name, kind)


@functools.lru_cache(maxsize=4)
def _trusting(roots: Roots) -> ssl.SSLContext:
    # Kept: to read a system's whole list takes 10 ms, and a command can have two connections.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_verify_locations(cadata=roots.pem.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError):
        raise roots.no_pem() from None
    return context
