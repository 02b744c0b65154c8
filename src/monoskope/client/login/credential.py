"""Whose calls a connection makes: the token of now, and where the next one comes from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from monoskope.client.runtime import Runtime
from monoskope.errors import Code, Error
from monoskope.value import Unshared, Value

ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a name
JWT = "urn:ietf:params:oauth:token-type:jwt"
"""What is exchanged for a token of m8: an ID token, or another JWT of an issuer (RFC 8693, 3)."""

RENEW_BEFORE_S = 60.0
"""A token that lasts no longer than this many seconds is renewed before it is sent."""


class Issued(Unshared, Value, frozen=True):
    """A token of m8."""

    hidden = frozenset({"token"})

    token: str
    lasts_s: float
    """For how many seconds from now; infinity if that is not known: then m8 says when it is over."""


Exchange = Callable[[str, str], Awaitable[Issued]]
"""Exchanges a token of an issuer, of type `ID_TOKEN` or `JWT`, for one of m8. Raises what m8 says, and `Error`."""


class Credential(Protocol):
    """Where the tokens of m8 come from."""

    @property
    def source(self) -> str:
        """Where that is, in words for a person. Never a token."""

    async def issue(self, exchange: Exchange, runtime: Runtime, *, refused: str) -> Issued:
        """Return a token of m8.

        Args:
            exchange: To exchange a token of an issuer at the m8 that is dialled.
            runtime: What to wait with.
            refused: The token that m8 has just refused, "" for none. Without another one, return the same again.

        Raises:
            UnauthenticatedError: there is none, and only a person can change that.
            IssuerAwayError: the issuer does not answer.
            Error: what m8 says of the exchange.
        """


class IssuerAwayError(Error):
    """An issuer that is needed does not answer.

    m8 may well, so this is no `UnavailableError`, after which a client would try another m8.
    """

    code = Code.UNAVAILABLE


class FixedToken(Unshared):
    """A token that was given. There is no other.

    Args:
        token: The token.
        source: Where it was given.
    """

    def __init__(self, token: str, source: str = "the token that was given") -> None:
        self._token = token
        self.source = source

    def __repr__(self) -> str:
        return f"<FixedToken of {self.source}>"

    async def issue(self, exchange: Exchange, runtime: Runtime, *, refused: str) -> Issued:
        """Return the token."""
        del exchange, runtime, refused
        return Issued(self._token, float("inf"))


class Caller(Unshared):
    """Who calls m8 on one connection: keeps the token of now in memory, and has it renewed before it ends.

    Args:
        credential: Where tokens come from.
        exchange: Exchanges at the m8 of the connection.
        runtime: What to wait with.
    """

    def __init__(self, credential: Credential, exchange: Exchange, runtime: Runtime) -> None:
        self._credential = credential
        self._exchange = exchange
        self._runtime = runtime
        self._semaphore = runtime.semaphore(1)
        self._ends_at = 0.0
        self.last = ""
        """The token that was sent last, "" before the first."""

    def __repr__(self) -> str:
        return f"<Caller by {self._credential.source}>"

    async def token(self, refused: str = "") -> str:
        """Return the token to send. Many calls at once have it renewed once.

        Args:
            refused: One that m8 has just refused: another one is returned, or the same if there is no other.

        Raises:
            Error: as `Credential.issue`; not that the issuer is away while the token of now still counts.
        """
        if self._lasts_s() > RENEW_BEFORE_S and self.last != refused:
            return self.last
        await self._semaphore.acquire()
        try:
            if self._lasts_s() <= RENEW_BEFORE_S or self.last == refused:
                await self._renew(refused)
        finally:
            self._semaphore.release()
        return self.last

    def forget(self) -> None:
        """Drop the token."""
        self.last, self._ends_at = "", 0.0

    def _lasts_s(self) -> float:
        return self._ends_at - self._runtime.now() if self.last else 0.0

    async def _renew(self, refused: str) -> None:
        try:
            issued = await self._credential.issue(self._exchange, self._runtime, refused=refused)
        except Error as error:
            # A token that still counts is used until it does not.
            if error.code in {Code.UNAVAILABLE, Code.TIMED_OUT} and self._lasts_s() > 0 and self.last != refused:
                return
            raise
        self.last, self._ends_at = issued.token, self._runtime.now() + issued.lasts_s
