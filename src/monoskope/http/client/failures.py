"""How an exchange of HTTP/1.1 fails, at the client's side. No error holds anything of a request or an answer."""

from __future__ import annotations


class ExchangeError(Exception):
    """One exchange failed. The caller tells its user what that means."""


class NotSentError(ExchangeError):
    """No byte of the request was sent: there is no connection. The request may be sent again, and elsewhere."""


class TurnedAwayError(NotSentError):
    """The server took the connection and ended it before TLS: it may have too many to begin with just now."""


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
