"""Where a client connects to, a server of HTTPS and the proxy on the way; and how an exchange there fails.

No error holds anything of a request or an answer.
"""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING, NamedTuple

from monoskope.value import Unshared


class ExchangeError(Exception):
    """One exchange failed. The caller tells its user what that means."""


class NotSentError(ExchangeError):
    """No byte of the request was sent: there is no connection. The request may be sent again, and elsewhere."""


class TurnedAwayError(NotSentError):
    """The server took the connection and ended it before TLS: it may have too many to begin with just now."""


class UnknownHostError(NotSentError):
    """There is no host of that name, says the resolver. It says another thing while it is itself away."""


class UnsendableError(NotSentError, ValueError):
    """A part of the request has characters that it may not have, so that it could be taken for another one."""


class UntrustedError(NotSentError):
    """There is no connection since TLS refused it: the certificate is not trusted, or the server speaks no TLS.

    Attributes:
        certificate: Whether it is the server's certificate that was refused.
        misnamed: Whether that is for other names or addresses than the one that was dialled.
    """

    def __init__(self, message: str, *, certificate: bool, misnamed: bool = False) -> None:
        super().__init__(message)
        self.certificate = certificate
        self.misnamed = misnamed


class BrokenError(ExchangeError):
    """The connection broke after some of the request had been sent: the server may have done what it asks."""


class StaleError(BrokenError):
    """A connection that had been idle ended before any byte of the answer, as where a server ends it just then."""


class MalformedError(BrokenError):
    """The answer is not one of HTTP/1.1 that can be read in one way alone (RFC 9112), or it is larger than allowed."""


class TooLargeError(MalformedError):
    """The answer, its head or its body, is larger than allowed."""


class LateError(ExchangeError):
    """The time for the exchange is over.

    Attributes:
        sent: Whether some of the request had been sent.
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


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


def unconnected(error: OSError) -> ExchangeError:
    """Return how a request fails when `error` came while its connection was made. It holds nothing of `error`."""
    import socket  # noqa: PLC0415 - callers that connect have loaded both; others need not
    import ssl  # noqa: PLC0415

    if isinstance(error, ssl.SSLCertVerificationError):
        return UntrustedError(
            f"the certificate was refused: {error.verify_message}",
            certificate=True,
            misnamed=error.verify_code in _HOSTNAME_MISMATCHES,
        )
    if isinstance(error, ssl.SSLEOFError | ConnectionResetError):
        return TurnedAwayError("the server ended the connection before TLS")
    if isinstance(error, ssl.SSLError):
        return UntrustedError("the server does not speak TLS as it is asked to", certificate=False)
    if isinstance(error, TimeoutError):
        return LateError("the server was not reached in time", sent=False)
    if isinstance(error, socket.gaierror) and error.errno in {socket.EAI_NONAME, socket.EAI_NODATA}:
        return UnknownHostError("no host has this name")
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
