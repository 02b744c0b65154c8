"""What every transport to one m8 promises, and what its failures mean to the caller."""

from __future__ import annotations

import functools
import ssl
from collections.abc import AsyncGenerator
from typing import Protocol, TypeAlias, TypeVar

from google.protobuf.message import Message

from monoskope.client.http.methods import Method
from monoskope.client.http.roots import Roots, proxy_for
from monoskope.errors import Error, IdentityChangedError, NotReachedError, ProtocolError, TimedOutError
from monoskope.host_port import parse_server
from monoskope.http import CIPHERS
from monoskope.http.client import failures
from monoskope.http.client.destination import Server

R = TypeVar("R", bound=Message)

Metadata: TypeAlias = tuple[tuple[str, str], ...]
"""Names in lower case, and values: sent with a call."""

IDLE_S = 50.0
"""For how many seconds an idle connection can be used again: less than m8 waits before it ends one."""
HEAD_S = 30.0
"""How many seconds m8 has to begin a stream."""
LOOK_AFTER_S = 10.0
LOOK_S = 5.0
"""Where there is another server to go to: after how many seconds without an answer a client looks whether m8 still
stands, and how many seconds it gives m8 to say so. A server that stands still accepts connections and answers nothing,
and HTTP/1.1 has no pings."""
LOOK_AT = "/healthz"


class NotSentError(NotReachedError):
    """There was no connection, so nothing of the call was sent: it is safe to call elsewhere, whatever it does."""


class TurnedAwayError(NotSentError):
    """m8 took the connection and ended it before TLS, as it does where too many come at once: nothing was sent."""


class StaleConnectionError(NotReachedError):
    """An idle connection ended when the call was sent on it. m8 may have seen the call."""


class Transport(Protocol):
    """The connections to one server. It dials at the first call, and sends each call once.

    Each method raises our errors alone:

        NotSentError: nothing of the call was sent. `TurnedAwayError` if the server ended the connection before TLS.
        NotReachedError: the connection failed or broke; `StaleConnectionError` if it was an idle one that had ended.
        IdentityChangedError: the server's certificate does not verify.
        ProtocolError: the answer is no message of this protocol.
        TimedOutError: no answer came in time.
        Error: what m8 said, by its code.
    """

    async def call(
        self, method: Method[R], request: Message, timeout_s: float, metadata: Metadata, *, fresh: bool = False
    ) -> R:
        """Call a unary method; if `fresh`, on a new connection."""

    def stream(self, method: Method[R], request: Message, metadata: Metadata) -> AsyncGenerator[R]:
        """Yield what a method streams, until it ends."""

    async def close(self) -> None:
        """Close the connections; calls under way are cancelled."""


class Dialled:
    """One server of a list, as it is dialled.

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
        return silent(self.name, NotReachedError)

    def failed(self, error: failures.ExchangeError, *, late: bool) -> Error:
        """Return what a failed exchange means to the caller. `late`: whether the caller's own time is over."""
        if isinstance(error, failures.UntrustedError) and error.certificate:
            return misnamed(self.name) if error.misnamed else self._untrusted()
        if isinstance(error, failures.MalformedError):
            return unreadable(self.name)
        if isinstance(error, failures.LateError) and (error.sent or late):
            return too_late(self.name)
        kind = NotReachedError
        if isinstance(error, failures.StaleError):
            kind = StaleConnectionError
        elif isinstance(error, failures.TurnedAwayError):
            kind = TurnedAwayError
        elif isinstance(error, failures.NotSentError | failures.LateError):
            kind = NotSentError
        return self._silent_behind(kind) if self._variable else silent(self.name, kind)

    def _untrusted(self) -> IdentityChangedError:
        return IdentityChangedError(
            f"the certificate of {self.name} is not signed by an authority in {self._roots.source}, or expired.",
            fix="Name the CA file of this server with `ca_file`; "
            "if it is the right one, and `m8 tls show` there finds nothing expired, someone may be intercepting.",
        )

    def _silent_behind(self, kind: type[NotReachedError]) -> NotReachedError:
        return kind(
            f"m8 does not answer at {self.name} through the proxy that {self._variable} names.",
            fix=f"Name the host of m8 in no_proxy to dial it directly, or correct {self._variable}.",
        )


def too_late(server: str) -> TimedOutError:
    """Return the error for an answer that did not come in time."""
    return TimedOutError(f"m8 at {server} did not answer in time.", fix="Try again, or raise the timeout.")


def unreadable(server: str) -> ProtocolError:
    """Return the error for an answer that does not parse."""
    return ProtocolError(
        f"m8 at {server} sent an answer that is not a message of this protocol.",
        fix="Check that the versions of server and client fit. "
        "If they fit, someone may be changing messages on the way.",
    )


def misnamed(server: str) -> IdentityChangedError:
    """Return the error for a certificate that is for other names."""
    return IdentityChangedError(
        f"the certificate of {server} does not carry that name.",
        fix="Dial the server by a name in its certificate, or have one made for this one: m8 tls renew.",
    )


def silent(server: str, kind: type[NotReachedError]) -> NotReachedError:
    """Return the error, of the given kind, for an address at which m8 does not answer."""
    if issubclass(kind, TurnedAwayError):
        return kind(
            f"{server} ended the connection as soon as it was there.",
            fix="m8 does so where too many come at once: try again in some seconds, and if many clients share your "
            "address, let an operator raise `handshakes` in m8.toml. Else check that m8 runs behind this address.",
        )
    return kind(
        f"m8 does not answer at {server}.",
        fix="Check that m8 runs (`m8 dev` starts one on this machine), and that this is the address of its `listen`. "
        "Or name another with `server`.",
    )


@functools.lru_cache(maxsize=4)
def _trusting(roots: Roots) -> ssl.SSLContext:
    # Cached: to read a system's whole list takes 10 ms, and a client can have several servers.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_verify_locations(cadata=roots.pem.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError):
        raise roots.no_pem() from None
    return context
