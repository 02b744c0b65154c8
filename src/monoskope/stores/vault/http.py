"""Requests to Vault or OpenBao, and what their failures mean."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from monoskope.http.client.pool import Pool
from monoskope.stores.shared.http import JSON, EngineHttp, HttpAnswer
from monoskope.stores.shared.trust import show_pair, trusting
from monoskope.stores.vault.config import VaultConfig


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
        tls = trusting(self._ca_file)
        show_pair(tls, key, certificate, state_dir)
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
