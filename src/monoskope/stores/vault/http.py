"""Requests to Vault or OpenBao, and what their failures mean. No redirect, no proxy, no cookie, TLS always verified.

What an engine says in words never leaves this file: errors carry sentences of ours.
"""

from __future__ import annotations

import asyncio
import io
import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
from yarl import URL

from monoskope.protocol.unshared import Unshared
from monoskope.stores.driver import DriverError, StoreRefusedError, StoreUnavailableError, UnknownOutcomeError
from monoskope.stores.shared.client_key import show_pair
from monoskope.stores.shared.http import body_of, connections, json_object, trusting
from monoskope.stores.vault.config import VaultConfig


@dataclass(frozen=True, slots=True)
class Answer(Unshared):
    """A whole answer that is neither a redirect nor a failure of the server."""

    status: int
    body: dict[str, Any] = field(repr=False)
    """The JSON object that came, `{}` if none did. May hold secrets: not shown."""

    @property
    def ok(self) -> bool:
        """Whether the request did what it asked for."""
        return 200 <= self.status < 300

    def section(self, name: str) -> dict[str, Any]:
        """Return the object under `name`, `{}` if there is none."""
        found = self.body.get(name)
        return found if isinstance(found, dict) else {}

    @property
    def has_errors(self) -> bool:
        """Whether the engine gave a reason; a 404 without one means that nothing is at the path."""
        return bool(self.body.get("errors"))


class VaultHttp:
    """One engine's address with a pool of connections. Made inside a running event loop; `close` it.

    Raises:
        StoreRefusedError: `ca_file` cannot be used.
    """

    def __init__(self, config: VaultConfig) -> None:
        self._base = f"{config.address}/v1/"
        self._config = config
        self._fixed = {"X-Vault-Request": "true"}
        if config.namespace:
            self._fixed["X-Vault-Namespace"] = config.namespace
        self._session = self._connections(trusting(config.ca_file))
        self._retiring: set[asyncio.Task[None]] = set()

    def _connections(self, tls: ssl.SSLContext) -> aiohttp.ClientSession:
        config = self._config
        return connections(tls, timeout_s=config.timeout_s, connect_timeout_s=config.connect_timeout_s)

    def show_certificate(self, key: bytes, certificate: bytes, state_dir: Path) -> None:
        """Show a client certificate on all connections from now on; requests that are under way end on the old ones.

        Args:
            key: The private key, PEM.
            certificate: The certificate, PEM.
            state_dir: The reactor's own folder.

        Raises:
            OSError: they are not a pair.
            ValueError: the key has a passphrase.
            StoreRefusedError: `ca_file` cannot be used.
        """
        tls = trusting(self._config.ca_file)
        show_pair(tls, key, certificate, state_dir)
        before, self._session = self._session, self._connections(tls)
        retiring = asyncio.create_task(_close_after(before, self._config.timeout_s))
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)

    async def send(
        self, method: str, path: str, *, token: str = "", body: object | None = None, writes: bool = False
    ) -> Answer:
        """Send one request and return its answer.

        Args:
            method: GET, POST, PATCH or DELETE. POST and PATCH are never repeated by the connection pool.
            path: What follows `/v1/`, of characters that need no escape.
            token: Sent as `X-Vault-Token` unless "".
            body: Sent as JSON.
            writes: Whether the request would make a new version of a secret.

        Raises:
            StoreRefusedError: a redirect, or a certificate that is not trusted.
            StoreUnavailableError: no answer, or one that says to wait; with `writes`, nothing was written.
            UnknownOutcomeError: with `writes`, it may have reached the engine and no clear answer came back.
        """
        progress = SimpleNamespace(connected=False)
        data = None if body is None else io.BytesIO(json.dumps(body).encode("ascii"))
        failure: DriverError
        try:
            async with self._session.request(
                method,
                URL(self._base + path, encoded=True),
                headers=self._fixed | _headers(method, token, has_body=body is not None),
                data=data,
                allow_redirects=False,
                trace_request_ctx=progress,
            ) as response:
                return _judge(response.status, await body_of(response), writes=writes)
        except aiohttp.ClientSSLError:
            failure = _untrusted()
        except (aiohttp.ClientError, TimeoutError, OSError):
            failure = _broken() if writes and progress.connected else _silent()
        # Raised out here so that no error of the library, which knows the request, hangs on it.
        raise failure

    async def close(self) -> None:
        """Close every connection. Safe to call twice."""
        await self._session.close()
        retiring = list(self._retiring)
        for task in retiring:
            task.cancel()
        await asyncio.gather(*retiring, return_exceptions=True)


def _headers(method: str, token: str, *, has_body: bool) -> dict[str, str]:
    headers = {"X-Vault-Token": token} if token else {}
    if has_body:
        headers["Content-Type"] = "application/merge-patch+json" if method == "PATCH" else "application/json"
    return headers


async def _close_after(session: aiohttp.ClientSession, seconds: float) -> None:
    """Close `session` when every request in it has ended, or at once if cancelled."""
    try:
        await asyncio.sleep(seconds)
    finally:
        await session.close()


def _judge(status: int, raw: bytes, *, writes: bool) -> Answer:
    """Turn an answer that means failure into its error; see `VaultHttp.send`."""
    answer = Answer(status, json_object(raw))
    if 300 <= status < 400:
        raise StoreRefusedError(
            "the engine answered with a redirect, which is never followed.", fix="Set address to the engine itself."
        )
    if status in {412, 429} or (status == 503 and _says_sealed(answer.body)):
        raise StoreUnavailableError("the engine is sealed or asks to wait.", fix="Unseal it, or try again later.")
    if status >= 500:
        raise _broken() if writes else StoreUnavailableError("the engine failed.", fix="Look into its log.")
    return answer


def _says_sealed(body: dict[str, Any]) -> bool:
    """Whether a 503 is the engine's own word that it is sealed, and so did nothing; others may be a proxy's."""
    errors = body.get("errors")
    return isinstance(errors, list) and any("sealed" in str(error) for error in errors)


def _untrusted() -> StoreRefusedError:
    return StoreRefusedError(
        "the engine's certificate is not trusted, or it does not speak TLS.",
        fix="Set ca_file to the authority that signed it, and address to a name that is in it.",
    )


def _broken() -> UnknownOutcomeError:
    return UnknownOutcomeError("the connection to the engine broke after a write had been sent.", fix="Look it up.")


def _silent() -> StoreUnavailableError:
    return StoreUnavailableError("the engine does not answer.", fix="Check that it runs and can be reached.")
