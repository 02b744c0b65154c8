"""Requests to Barbican and Keystone, and what their failures mean. No redirect, no proxy, no cookie, TLS verified.

What a server says in words never leaves this file: errors carry sentences of ours.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import aiohttp
from yarl import URL

from monoskope.protocol.unshared import Unshared
from monoskope.stores.barbican.config import BarbicanConfig
from monoskope.stores.driver import DriverError, StoreRefusedError, StoreUnavailableError, UnknownOutcomeError
from monoskope.stores.shared.http import body_of, connections, json_object, trusting

JSON = "application/json"

_KEEPALIVE_S = 1.0
"""WSGI servers close idle connections after 2 s or 5 s: a write must not be sent into one that is just being closed."""


@dataclass(frozen=True, slots=True)
class Answer(Unshared):
    """A whole answer that is neither a redirect nor a failure of the server."""

    status: int
    raw: bytes = field(repr=False)
    """The body. May hold a secret: not shown."""
    token: str = field(default="", repr=False)
    """The header in which Keystone gives a token."""

    @property
    def ok(self) -> bool:
        """Whether the request did what it asked for."""
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """Return the JSON object that came, `{}` if none did."""
        return json_object(self.raw)


class BarbicanHttp:
    """A pool of connections. Made inside a running event loop; `close` it.

    Raises:
        StoreRefusedError: `ca_file` cannot be used.
    """

    def __init__(self, config: BarbicanConfig) -> None:
        self._session = connections(
            trusting(config.ca_file),
            timeout_s=config.timeout_s,
            connect_timeout_s=config.connect_timeout_s,
            keepalive_s=_KEEPALIVE_S,
        )

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        accept: str = JSON,
        body: object | None = None,
        writes: bool = False,
    ) -> Answer:
        """Send one request and return its answer.

        Args:
            method: GET, POST or DELETE. POST is never repeated by the connection pool.
            url: The whole address, of characters that need no escape.
            headers: Who asks.
            accept: The content type that is wanted.
            body: Sent as JSON.
            writes: Whether the request would change a secret.

        Raises:
            StoreRefusedError: a redirect, or a certificate that is not trusted.
            StoreUnavailableError: no answer, or one that says to wait; with `writes`, nothing was changed.
            UnknownOutcomeError: with `writes`, it may have reached the server and no clear answer came back.
        """
        progress = SimpleNamespace(connected=False)
        data = None if body is None else io.BytesIO(json.dumps(body, ensure_ascii=False).encode())
        sent = {**headers, "Accept": accept} | ({} if body is None else {"Content-Type": JSON})
        failure: DriverError
        try:
            async with self._session.request(
                method,
                URL(url, encoded=True),
                headers=sent,
                data=data,
                allow_redirects=False,
                trace_request_ctx=progress,
            ) as response:
                raw, token = await body_of(response), response.headers.get("X-Subject-Token", "")
                return _judged(Answer(response.status, raw, token), writes=writes)
        except aiohttp.ClientSSLError:
            failure = _untrusted()
        except (aiohttp.ClientError, TimeoutError, OSError):
            failure = _broken() if writes and progress.connected else _silent()
        # Raised out here so that no error of the library, which knows the request, hangs on it.
        raise failure

    async def close(self) -> None:
        """Close every connection. Safe to call twice."""
        await self._session.close()


def _judged(answer: Answer, *, writes: bool) -> Answer:
    """Return `answer` unless it means failure; see `BarbicanHttp.send`."""
    if 300 <= answer.status < 400:
        raise StoreRefusedError(
            "the engine answered with a redirect, which is never followed.", fix="Set address to Barbican itself."
        )
    if answer.status == 429:
        raise StoreUnavailableError("the engine asks to wait.", fix="Try again later.")
    if answer.status >= 500:
        raise _broken() if writes else StoreUnavailableError("the engine failed.", fix="Look into its log.")
    return answer


def _untrusted() -> StoreRefusedError:
    return StoreRefusedError(
        "the engine's certificate is not trusted, or it does not speak TLS.",
        fix="Set ca_file to the authority that signed it, and address to a name that is in it.",
    )


def _broken() -> UnknownOutcomeError:
    return UnknownOutcomeError("the connection to the engine broke after a write had been sent.", fix="Look it up.")


def _silent() -> StoreUnavailableError:
    return StoreUnavailableError("the engine does not answer.", fix="Check that it runs and can be reached.")
