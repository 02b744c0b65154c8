"""Requests to Barbican and Keystone, what their failures mean, and logging in at Keystone.

A token is replaced before it expires and when it no longer works. Or no login at all.

Only one login runs at a time. Tokens are kept in memory only.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monoskope.settings import read_private
from monoskope.stores.barbican.config import ApplicationCredential, BarbicanConfig, NoLogin, Password
from monoskope.stores.driver import StoreRefusedError
from monoskope.stores.shared.http import JSON, EngineHttp, HttpAnswer
from monoskope.stores.shared.trust import refused, trusting
from monoskope.value import Unshared


class BarbicanHttp(EngineHttp):
    """A pool of connections. Made inside a running event loop; `close` it.

    Raises:
        StoreRefusedError: `ca_file` cannot be used.
    """

    redirect_fix = "Set address to Barbican itself."
    keepalive_s = 1.0
    """WSGI servers close idle connections after 2 s or 5 s: a write must not go into one that is just being closed."""

    def __init__(self, config: BarbicanConfig) -> None:
        super().__init__(trusting(config.ca_file), config)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        accept: str = JSON,
        body: object | None = None,
        writes: bool = False,
    ) -> HttpAnswer:
        """Send one request and return its answer. Raises as `EngineHttp.exchange`.

        Args:
            method: GET, POST or DELETE.
            url: The whole address, of characters that need no escape.
            headers: Who asks.
            accept: The content type that is wanted.
            body: Sent as JSON.
            writes: Whether the request would change a secret.
        """
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        sent = {**headers, "Accept": accept} | ({} if body is None else {"Content-Type": JSON})
        return await self.exchange(method, url, sent, content, writes=writes)


_EARLY_S = 60.0
"""How long before it expires a token is no longer used."""
_CREDENTIAL = re.compile(r"[^\x00-\x1f\x7f]{1,4096}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}", re.ASCII)


@dataclass(frozen=True, slots=True)
class KeystoneToken(Unshared):
    """A Keystone token and until when it is used."""

    value: str = field(repr=False)
    until: float
    """Monotonic seconds."""


class BarbicanSession(Unshared):
    """Sends requests below `address` as the configured user or project."""

    def __init__(
        self, http: BarbicanHttp, config: BarbicanConfig, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._http = http
        self._method = config.auth
        self._base = f"{config.address}/v1/"
        self._now = now
        self._lock = asyncio.Lock()
        self._token: KeystoneToken | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<BarbicanSession {self._base}>"

    async def request(
        self, method: str, path: str, *, accept: str = JSON, body: object | None = None, writes: bool = False
    ) -> HttpAnswer:
        """Send a request as `BarbicanHttp.send` does; if the token turns out to be dead, log in and send it once more.

        A 401 means that nothing was done, so sending it again is safe for a write too.

        Raises:
            StoreRefusedError: Keystone refuses the login, besides what `BarbicanHttp.send` raises.
        """
        if isinstance(self._method, NoLogin):
            headers = {"X-Project-Id": self._method.project_id}
            return await self._http.send(
                method, self._base + path, headers=headers, accept=accept, body=body, writes=writes
            )
        token = await self._live(None)
        for last in (False, True):
            headers = {"X-Auth-Token": token.value}
            answer = await self._http.send(
                method, self._base + path, headers=headers, accept=accept, body=body, writes=writes
            )
            if answer.status != 401 or last:
                return answer
            token = await self._live(token)
        raise AssertionError("unreachable")

    def stop(self) -> None:
        """Forget the token. Safe to call twice."""
        self._closed, self._token = True, None

    async def _live(self, dead: KeystoneToken | None) -> KeystoneToken:
        """Return a token that is not `dead` and not about to expire, logging in unless another caller just did."""
        async with self._lock:
            if self._closed:
                raise StoreRefusedError("the store is closed.")
            current = self._token
            if current is None or current is dead or self._now() >= current.until:
                current = self._token = await self._login()
            return current

    async def _login(self) -> KeystoneToken:
        method = self._method
        assert not isinstance(method, NoLogin)
        sent = self._now()
        answer = await self._http.send("POST", f"{method.auth_url}/auth/tokens", headers={}, body=_identity(method))
        if answer.status in {401, 403, 404}:
            raise StoreRefusedError(
                "Keystone refused the login.",
                fix="Check auth_url, that it ends in /v3, and that the credential is right and has not expired.",
            )
        lease = _lease(answer.json())
        token = answer.headers.get("x-subject-token", "")
        if answer.status != 201 or _TOKEN.fullmatch(token) is None or lease is None:
            raise StoreRefusedError("what is at auth_url does not answer as Keystone does.", fix="Check auth_url.")
        return KeystoneToken(token, sent + lease - _EARLY_S)


def _identity(method: ApplicationCredential | Password) -> dict[str, Any]:
    """Return the body of a token request, Keystone's Identity API version 3."""
    if isinstance(method, ApplicationCredential):
        proof = {"id": method.id, "secret": read_credential(method.secret_file)}
        return {"auth": {"identity": {"methods": ["application_credential"], "application_credential": proof}}}
    user = {
        "name": method.username,
        "domain": {"name": method.user_domain},
        "password": read_credential(method.password_file),
    }
    identity = {"methods": ["password"], "password": {"user": user}}
    return {"auth": {"identity": identity, "scope": {"project": {"id": method.project_id}}}}


def _lease(body: dict[str, Any]) -> float | None:
    """Return for how many seconds a token lives by Keystone's own clock, None where the answer does not say."""
    token = body.get("token")
    if not isinstance(token, dict):
        return None
    try:
        issued = dt.datetime.fromisoformat(str(token.get("issued_at")))
        return (dt.datetime.fromisoformat(str(token.get("expires_at"))) - issued).total_seconds()
    except (ValueError, TypeError):
        return None


def read_credential(path: str) -> str:
    """Return the one line of a file of mode 0600.

    Raises:
        StoreRefusedError: it is missing, open to others or not one line of text.
    """
    with refused():
        content = read_private(Path(path))
    try:
        text = content.decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError:
        text = ""
    if _CREDENTIAL.fullmatch(text) is None:
        raise StoreRefusedError(f"{path} does not hold one line of text.", fix="Write it again.")
    return text
