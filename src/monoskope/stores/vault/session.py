"""Requests to Vault or OpenBao, what their failures mean, and a login that is kept alive.

The login is renewed at two thirds of its lease, and repeated when the renewal or the token fails. Only one login runs
at a time, however many requests find the token dead. Tokens are kept in memory only.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from monoskope.http.client.pool import Pool
from monoskope.stores.driver import DriverError, StoreRefusedError
from monoskope.stores.shared.http import JSON, EngineHttp, HttpAnswer
from monoskope.stores.shared.trust import show_files, trusting
from monoskope.stores.vault.config import TokenFile, VaultConfig
from monoskope.stores.vault.logins import Method, log_in, read_credential
from monoskope.value import Unshared


class VaultHttp(EngineHttp):
    """One engine's address with a pool of connections. Made inside a running event loop; `close` it.

    Raises:
        StoreRefusedError: `ca_file` cannot be used.
    """

    wait = ("the engine is sealed or asks to wait.", "Unseal it, or try again later.")
    redirect_fix = "Set address to the engine itself."

    def __init__(self, config: VaultConfig) -> None:
        super().__init__(trusting(config.ca_file), config)
        self._base = f"{config.address}/v1/"
        self._ca_file = config.ca_file
        self._fixed = {"X-Vault-Request": "true"}
        if config.namespace:
            self._fixed["X-Vault-Namespace"] = config.namespace
        self._retiring: set[asyncio.Task[None]] = set()

    def show_certificate(self, certificate_file: str, key_file: str, state_dir: Path) -> None:
        """Show a client certificate on all connections from now on; requests that are under way end on the old ones.

        Args:
            certificate_file: Of the certificate, PEM.
            key_file: Of its private key, PEM.
            state_dir: The reactor's own folder.

        Raises:
            StoreRefusedError: a file cannot be used, or they are not a pair.
        """
        tls = trusting(self._ca_file)
        show_files(tls, certificate_file, key_file, state_dir)
        self._tls = tls
        before, self._pools = self._pools, {}
        for pool in before.values():
            retiring = asyncio.create_task(_close_after(pool, self._config.timeout_s))
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)

    async def send(
        self, method: str, path: str, *, token: str = "", body: object | None = None, writes: bool = False
    ) -> HttpAnswer:
        """Send one request and return its answer. Raises as `EngineHttp.exchange`.

        Args:
            method: GET, POST, PATCH or DELETE.
            path: What follows `/v1/`, of characters that need no escape.
            token: Sent as `X-Vault-Token` unless "".
            body: Sent as JSON.
            writes: Whether the request would make a new version of a secret.
        """
        headers = self._fixed | ({"X-Vault-Token": token} if token else {})
        content = None
        if body is not None:
            headers["Content-Type"] = "application/merge-patch+json" if method == "PATCH" else JSON
            content = msgspec.json.encode(body)  # bytes at once: no text of it remains besides
        return await self.exchange(method, self._base + path, headers, content, writes=writes)

    def asks_to_wait(self, answer: HttpAnswer) -> bool:
        """See `EngineHttp.asks_to_wait`. A 503 is the engine's own word if it says sealed; others may be a proxy's."""
        errors = answer.json().get("errors") if answer.status == 503 else None
        sealed = isinstance(errors, list) and any("sealed" in str(error) for error in errors)
        return answer.status in {412, 429} or sealed

    async def close(self) -> None:
        """Close every connection. Safe to call twice."""
        await super().close()
        retiring = list(self._retiring)
        for task in retiring:
            task.cancel()
        await asyncio.gather(*retiring, return_exceptions=True)


def is_absent(answer: HttpAnswer) -> bool:
    """Return whether nothing is at the path: a 404 for which the engine gives no reason."""
    return answer.status == 404 and not answer.json().get("errors")


async def _close_after(pool: Pool, seconds: float) -> None:
    """Close `pool` when every request in it has ended, or at once if cancelled."""
    try:
        await asyncio.sleep(seconds)
    finally:
        await pool.close()


_RENEW_AT = 2 / 3
_WORTH_RENEWING = 1 / 2
"""A renewal that gives less than this part of the first lease is near the token's end of life: log in again."""
_RETRY_S = 5.0
_FOREVER_S = 3600.0


@dataclass(frozen=True, slots=True)
class VaultToken(Unshared):
    """A live token and what the engine said of it."""

    value: str = field(repr=False)
    lease_s: int
    """Seconds it lived on from `since`, 0 if it does not expire."""
    first_lease_s: int
    renewable: bool
    since: float = field(default_factory=time.monotonic)

    def renew_in(self) -> float:
        """Seconds from now until two thirds of the lease are over."""
        if self.lease_s == 0:
            return _FOREVER_S
        return max(0.0, self.since + self.lease_s * _RENEW_AT - time.monotonic())


class VaultSession(Unshared):
    """Sends requests with a token that it keeps alive.

    Args:
        http: Where to send them.
        method: How to log in.
        state_dir: The reactor's own folder, for an unwrapped secret id.
    """

    def __init__(self, http: VaultHttp, method: Method | TokenFile, state_dir: Path) -> None:
        self._http = http
        self._method = method
        self._state_dir = state_dir
        self._login_lock = asyncio.Lock()
        self._token: VaultToken | None = None
        self._keeper: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return "<VaultSession token=hidden>"

    async def start(self) -> None:
        """Log in and keep the login alive from now on.

        Raises:
            StoreRefusedError: the engine or a credential's file does not allow it; the message says which.
            StoreUnavailableError: the engine does not answer.
        """
        token = await self._login()
        self._token = token
        self._keeper = asyncio.create_task(self._keep(token), name="vault-token")

    async def stop(self) -> None:
        """Stop renewing, and revoke the login's token if the engine answers. Safe to call twice."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        token, self._token = self._token, None
        if token is not None and not isinstance(self._method, TokenFile):
            with contextlib.suppress(DriverError):
                await self._http.send("POST", "auth/token/revoke-self", token=token.value)

    async def request(self, method: str, path: str, *, body: object | None = None, writes: bool = False) -> HttpAnswer:
        """Send a request as `VaultHttp.send` does; if the token turns out to be dead, log in and send it once more.

        A 403 means that nothing was done, so sending it again is safe for a write too.
        """
        token = self._live()
        answer = await self._http.send(method, path, token=token.value, body=body, writes=writes)
        if answer.status != 403 or not await self._is_dead(token):
            return answer
        token = await self._replace(token)
        return await self._http.send(method, path, token=token.value, body=body, writes=writes)

    def _live(self) -> VaultToken:
        if self._token is None:
            raise StoreRefusedError("the store is closed.")
        return self._token

    async def _is_dead(self, token: VaultToken) -> bool:
        """Whether the engine no longer knows `token`: every token may look itself up by the `default` policy."""
        return (await self._http.send("GET", "auth/token/lookup-self", token=token.value)).status == 403

    async def _replace(self, dead: VaultToken) -> VaultToken:
        """Return a token that is not `dead`, logging in unless another caller just did."""
        async with self._login_lock:
            current = self._live()
            if current is dead:
                current = self._token = await self._login()
            return current

    async def _login(self) -> VaultToken:
        if isinstance(self._method, TokenFile):
            return await self._from_file(self._method)
        token = _issued(await log_in(self._http, self._method, self._state_dir))
        if token is None:
            raise StoreRefusedError("the engine took the login but gave no token.", fix="Check the method's mount.")
        return token

    async def _from_file(self, method: TokenFile) -> VaultToken:
        value = read_credential(method.token_file)
        answer = await self._http.send("GET", "auth/token/lookup-self", token=value)
        if not answer.ok:
            raise StoreRefusedError(
                "the engine does not know the token in token_file.", fix="Write a live token to that file."
            )
        data = answer.section("data")
        lease = _seconds(data.get("ttl"))
        return VaultToken(value, lease, lease, data.get("renewable") is True)

    async def _keep(self, token: VaultToken) -> None:
        """Renew or replace the token forever; retry every few seconds while the engine does not answer."""
        delay = token.renew_in()
        while True:
            await asyncio.sleep(delay)
            token = self._live()
            delay = token.renew_in()
            if delay > 0:
                continue  # another caller logged in meanwhile
            try:
                token = await self._refresh(token)
            except DriverError:
                delay = _RETRY_S
            else:
                delay = max(1.0, token.renew_in())

    async def _refresh(self, token: VaultToken) -> VaultToken:
        renewed = await self._renew(token) if token.renewable else None
        if renewed is None:
            return await self._replace(token)
        async with self._login_lock:
            if self._live() is token:
                self._token = renewed
            return self._live()

    async def _renew(self, token: VaultToken) -> VaultToken | None:
        """Return the renewed token, or None if the engine refuses or the token is near its end of life."""
        renewed = _issued(await self._http.send("POST", "auth/token/renew-self", token=token.value, body={}))
        if renewed is None or renewed.lease_s < token.first_lease_s * _WORTH_RENEWING:
            return None
        return VaultToken(token.value, renewed.lease_s, token.first_lease_s, renewed.renewable)


def _issued(answer: HttpAnswer) -> VaultToken | None:
    """Return the token that a login or a renewal gave, or None if it was refused."""
    auth = answer.section("auth")
    value = auth.get("client_token")
    if not answer.ok or not isinstance(value, str):
        return None
    lease = _seconds(auth.get("lease_duration"))
    return VaultToken(value, lease, lease, auth.get("renewable") is True)


def _seconds(value: object) -> int:
    return value if isinstance(value, int) else 0
