"""Where a client connects to: a server of HTTPS, and the proxy on the way."""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING, NamedTuple

from monoskope.http.client.exchange import ResponseReader, request_head
from monoskope.http.client.failures import (
    ExchangeError,
    LateError,
    NotSentError,
    TurnedAwayError,
    UntrustedError,
)
from monoskope.value import Unshared

if TYPE_CHECKING:
    import ssl

_HOSTNAME_MISMATCHES = frozenset({62, 64})
"""What OpenSSL says of a certificate for other names, or other addresses: `X509_V_ERR_HOSTNAME_MISMATCH` and
`X509_V_ERR_IP_ADDRESS_MISMATCH`."""


class Proxy(Unshared):
    """A proxy of HTTP that opens tunnels (RFC 9110, 9.3.6). It sees which server is dialled, and nothing else.

    Args:
        host: Its name or address.
        port: Its port.
        authorization: The value of the header `Proxy-Authorization`, "" for none.
    """

    __slots__ = ("authorization", "host", "port")

    def __init__(self, host: str, port: int, authorization: str = "") -> None:
        self.host = host
        self.port = port
        self.authorization = authorization

    def __repr__(self) -> str:
        return f"<Proxy {self.host}:{self.port}>"


class Server(NamedTuple):
    """A server.

    Attributes:
        host: A name or an address.
        port: A port of TCP.
        tls: Whom to trust, and what to show. The certificate must be for `host`.
        proxy: Through which it is reached, None for none.
    """

    host: str
    port: int
    tls: ssl.SSLContext
    proxy: Proxy | None = None

    @property
    def dialled(self) -> tuple[str, int]:
        """The host and the port to which the connection is made: the proxy's if there is one."""
        return (self.host, self.port) if self.proxy is None else (self.proxy.host, self.proxy.port)


class Tunnel(Unshared):
    """The request for a tunnel to a server, and its answer; free of I/O.

    Attributes:
        request: What is sent to the proxy.
    """

    def __init__(self, server: Server, proxy: Proxy) -> None:
        named = f"[{server.host}]" if ":" in server.host else server.host
        target = f"{named}:{server.port}"
        headers = (("proxy-authorization", proxy.authorization),) if proxy.authorization else ()
        self.request = request_head("CONNECT", target, target, headers, None)
        self._reader = ResponseReader("CONNECT", most_body=0)

    def opened(self, data: bytes) -> bool:
        """Read `data`, which came next, b"" for the end. Return whether the tunnel is open.

        Raises:
            NotSentError: the proxy does not open it.
        """
        if not data:
            raise NotSentError("the proxy ended the connection")
        try:
            self._reader.feed(data)
        except ExchangeError:
            raise NotSentError("the proxy does not open a tunnel") from None
        if not self._reader.status:
            return False
        if not 200 <= self._reader.status < 300:
            raise NotSentError(f"the proxy answers with {self._reader.status}")
        return True


def unconnected(error: OSError) -> ExchangeError:
    """Return how a request fails when `error` came while its connection was made. It holds nothing of `error`."""
    import ssl  # noqa: PLC0415 - callers that connect have loaded it; others need not

    if isinstance(error, ssl.SSLCertVerificationError):
        return UntrustedError(
            f"the certificate was refused: {error.verify_message}",
            certificate=True,
            misnamed=error.verify_code in _HOSTNAME_MISMATCHES,
        )
    if isinstance(error, ssl.SSLError):
        return UntrustedError("the server does not speak TLS as it is asked to", certificate=False)
    if isinstance(error, TimeoutError):
        return LateError("the server was not reached in time", sent=False)
    if isinstance(error, ConnectionResetError):
        return TurnedAwayError("the server ended the connection before TLS")
    return NotSentError(f"there is no connection: {error.strerror or type(error).__name__}")


def readable(descriptor: int) -> bool:
    """Return whether an idle connection has bytes to read, or has ended: then it is closed, and not used again."""
    if descriptor < 0:
        return True
    if sys.platform == "win32":
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
