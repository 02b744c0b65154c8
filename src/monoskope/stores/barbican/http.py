"""Requests to Barbican and Keystone, and what their failures mean."""

from __future__ import annotations

import json
from collections.abc import Mapping

from monoskope.stores.barbican.config import BarbicanConfig
from monoskope.stores.shared.http import JSON, EngineHttp, HttpAnswer
from monoskope.stores.shared.trust import trusting


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
