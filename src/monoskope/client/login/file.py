"""The login that this machine has for a server: one file of mode 0600, which this user's programs share.

Each command of a user who has logged in reads it first, so it is a file of plain lines, and nothing else is imported.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from monoskope.client.known.sources import ID_TOKEN_VARIABLE, state_path
from monoskope.client.login.credential import RENEW_BEFORE_S, Credential, Exchange, Issued
from monoskope.client.runtime import Runtime
from monoskope.errors import UnauthenticatedError
from monoskope.settings import find_private, parse
from monoskope.value import Unshared, Value

LOG_IN = "Log in: `monoctl login`."


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
