"""Whose calls a connection makes: the token of now, and where the next one comes from.

The login that this machine has for a server: one file of mode 0600, which this user's programs share.

Each command of a user who has logged in reads it first, so it is a file of plain lines, and nothing else is imported.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

from monoskope.client.known.config_file import state_path
from monoskope.client.known.table import ID_TOKEN_VARIABLE
from monoskope.client.runtime import Runtime
from monoskope.errors import Code, Error, UnauthenticatedError
from monoskope.settings import find_private, parse
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


LOG_IN = "Log in: `monoctl login`."
LOG_IN_AGAIN = "Log in again: `monoctl login`."


class KeptLogin(Unshared, Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept. Every field is text, so that the file has plain lines alone."""

    hidden = frozenset({"id_token", "refresh_token", "token"})

    server: str
    """The first server that was dialled: the m8 that the login is for."""
    issuer: str
    client_id: str
    audience: str
    """What the ID tokens name as their audience, and nothing else."""
    hosts: str = ""
    """Hosts at which the issuer may have endpoints, besides its own."""
    ca_file: str = ""
    """Of the issuer, "" for the system's authorities."""
    subject: str = ""
    """The `sub` of the ID token: a refresh brings no other."""
    keyring: str = ""
    """ "yes": the ID token and the refresh token are in the desktop's keyring, and their fields are empty."""
    id_token: str = ""
    id_token_ends_at: str = ""
    """Seconds since the Unix epoch, by the clock of this machine when it came."""
    used: str = ""
    """ "yes": m8 has exchanged the ID token, and may refuse it the second time."""
    refresh_token: str = ""
    """ "": the issuer gave none."""
    token: str = ""
    """m8's own."""
    token_ends_at: str = ""

    def issued(self, refused: str) -> Issued | None:
        """Return m8's token if it lasts long enough and is not the one that m8 has just refused."""
        left_s = seconds(self.token_ends_at) - time.time()
        # A clock that was set back makes no token last longer than m8 gives it.
        if not self.token or self.token == refused or not RENEW_BEFORE_S < left_s <= MOST_S:
            return None
        return Issued(self.token, left_s)


MOST_S = 960.0
"""How long a token of m8 can last at most, and a minute more."""


def seconds(text: str) -> float:
    """Return a time of a kept login; 0 for none and for what is none."""
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 12 else 0.0


class Login(Unshared):
    """The login of a user (`monoskope.client.login.credential.Credential`).

    Args:
        path: Its file.
        issuer: At which it was made.
    """

    def __init__(self, path: Path, issuer: str) -> None:
        self._path = path
        self.source = f"the login at {issuer}"

    def __repr__(self) -> str:
        return f"<Login {self._path}>"

    @property
    def is_renewed(self) -> bool:
        """Whether the issuer gave what renews it without the user. With a keyring that is not known, so it is True.

        Raises as `read`.
        """
        kept = read(self._path)
        return kept is not None and bool(kept.refresh_token or kept.keyring)

    async def issue(self, exchange: Exchange, runtime: Runtime, *, refused: str) -> Issued:
        """Return m8's token that is kept, or a new one.

        Raises:
            UnauthenticatedError: the login has ended, or there is none any more.
            IssuerAwayError: the issuer does not answer.
            Error: what m8 says of the exchange.
        """
        kept = read(self._path)
        if kept is None:
            raise UnauthenticatedError("you have logged out meanwhile.", fix=LOG_IN)
        found = kept.issued(refused)
        if found is not None:
            return found
        from monoskope.client.login.renewing import renew  # noqa: PLC0415 - a token that lasts needs none of it

        return await renew(self._path, exchange, runtime, refused=refused)


def login_path(server: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return where the login for a server is kept, which need not exist; None if no home folder is known."""
    name = "".join(character if character.isalnum() or character in ".-" else "_" for character in server)
    return state_path(f"login/{name}.toml", environ)


def find_login(server: str, environ: Mapping[str, str] = os.environ) -> Login | None:
    """Return the login for a server, None if there is none. Raises as `read`."""
    path = login_path(server, environ)
    kept = None if path is None else read(path)
    if path is None or kept is None or kept.server != server:
        return None
    return Login(path, kept.issuer)


def read(path: Path) -> KeptLogin | None:
    """Return what is kept there, None if nothing is.

    Raises:
        UsageError: it is malformed.
        RefusedError: others can reach it.
    """
    content = find_private(path, client=True)
    return None if content is None else parse(content, KeptLogin, path=path)


GITHUB = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
"""What GitHub gives a job with `permissions: id-token: write`."""
KUBERNETES = Path("/var/run/secrets/monoskope/token")
"""Where a pod has the projected token for m8. The one for the API server itself is never read."""


def ambient(server: str, audience: str, environ: Mapping[str, str]) -> Credential | None:
    """Return what there is, the most explicit first; None if there is nothing.

    Args:
        server: The first server that is dialled.
        audience: What a build job's token must name as its audience.
        environ: The environment.

    Raises:
        UsageError: a login is malformed.
        RefusedError: others can reach the login or the pod's token.
    """
    login: Login | None = find_login(server, environ)
    if login is not None:
        return login
    if environ.get(ID_TOKEN_VARIABLE) or all(environ.get(name) for name in GITHUB) or KUBERNETES.exists():
        from monoskope.client.login.workload import workload  # noqa: PLC0415 - a person has none

        return workload(audience, environ)
    return None
