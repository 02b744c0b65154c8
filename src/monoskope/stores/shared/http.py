"""Sending one request to an engine with an HTTP API, and the meaning of its answer or failure.

TLS is always verified. No redirect is followed, and no proxy or cookie is used. The text of a server's errors never
leaves this file: each error has a sentence of the driver.
"""

from __future__ import annotations

import io
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import aiohttp
from yarl import URL

from monoskope.stores.driver import DriverError, StoreRefusedError, StoreUnavailableError, UnknownOutcomeError
from monoskope.stores.shared.config import HttpConfig
from monoskope.traces import spans
from monoskope.unshared import Unshared

JSON = "application/json"

_MAX_ANSWER = 8 * 1024 * 1024
_CONNECTIONS = 32


class Refusal(NamedTuple):
    """What a refusal says, and what to do."""

    sentence: str
    fix: str

    def error(self) -> StoreRefusedError:
        """Return the refusal, to be raised."""
        return StoreRefusedError(self.sentence, fix=self.fix)


@dataclass(frozen=True, slots=True)
class HttpAnswer(Unshared):
    """A whole answer that is neither a redirect nor a failure of the server."""

    status: int
    raw: bytes = field(default=b"", repr=False)
    """The body. May hold a secret: not shown."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """May hold a token: not shown."""

    @property
    def ok(self) -> bool:
        """Whether the request did what it asked for."""
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """Return the JSON object that came, `{}` if none did."""
        try:
            parsed = json.loads(self.raw)
        except (ValueError, RecursionError):
            return {}
        return parsed if isinstance(parsed, dict) else {}

    def section(self, name: str) -> dict[str, Any]:
        """Return the object under `name` in the JSON object, `{}` if there is none."""
        found = self.json().get(name)
        return found if isinstance(found, dict) else {}


def expect_ok(answer: HttpAnswer, refusals: Mapping[int, Refusal], *, otherwise: Refusal) -> None:
    """Raise `StoreRefusedError` unless `answer` is a success; `refusals` says by status what it means."""
    if not answer.ok:
        raise refusals.get(answer.status, otherwise).error()


class EngineHttp:
    """A pool of connections to one engine. Made inside a running event loop; `close` it. Each driver has a subclass.

    Args:
        tls: Whom to trust.
        config: How long connecting and a request may take.
    """

    engine: ClassVar[str] = "the engine"
    """What errors call the engine."""
    wait: ClassVar[tuple[str, str]] = ("the engine asks to wait.", "Try again later.")
    """What is said where it `asks_to_wait`, and what to do."""
    redirect_fix: ClassVar[str]
    untrusted_fix: ClassVar[str] = "Set ca_file to the authority that signed it, and address to a name that is in it."
    failed_fix: ClassVar[str] = "Look into its log."
    keepalive_s: ClassVar[float] = 15.0
    """How long an idle connection is kept."""

    def __init__(self, tls: ssl.SSLContext, config: HttpConfig) -> None:
        self._config = config
        self._session = self._connections(tls)

    async def close(self) -> None:
        """Close every connection. Safe to call twice."""
        await self._session.close()

    def asks_to_wait(self, answer: HttpAnswer) -> bool:
        """Return whether the engine says that it did nothing now and may do it later."""
        return answer.status == 429

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, *, writes: bool
    ) -> HttpAnswer:
        """Send one request and return its answer.

        Args:
            method: POST and PATCH are never repeated by the connection pool; others may be.
            url: The whole address, of characters that need no escape.
            headers: All that the request needs.
            content: The body, None for none.
            writes: Whether the request would change a secret.

        Raises:
            StoreRefusedError: a redirect, or a certificate that is not trusted.
            StoreUnavailableError: no answer, or one that says to wait; with `writes`, nothing was changed.
            UnknownOutcomeError: with `writes`, it may have reached the engine and no clear answer came back.
        """
        progress = SimpleNamespace(connected=False)
        failure: DriverError
        try:
            with _traced(headers) as sent:
                async with self._session.request(
                    method,
                    URL(url, encoded=True),
                    headers=sent,
                    data=None if content is None else io.BytesIO(content),
                    allow_redirects=False,
                    trace_request_ctx=progress,
                ) as response:
                    answer = HttpAnswer(response.status, await _body_of(response), response.headers)
                    return self._judged(answer, writes=writes)
        except aiohttp.ClientSSLError:
            failure = StoreRefusedError(
                f"{self.engine}'s certificate is not trusted, or it does not speak TLS.", fix=self.untrusted_fix
            )
        except (aiohttp.ClientError, TimeoutError, OSError):
            failure = self._broken() if writes and progress.connected else self._silent()
        # Raised out here so that no error of the library, which knows the request, hangs on it.
        raise failure

    def _judged(self, answer: HttpAnswer, *, writes: bool) -> HttpAnswer:
        """Return `answer` unless it means failure; see `exchange`."""
        if 300 <= answer.status < 400:
            raise StoreRefusedError(
                f"{self.engine} answered with a redirect, which is never followed.", fix=self.redirect_fix
            )
        if self.asks_to_wait(answer):
            sentence, fix = self.wait
            raise StoreUnavailableError(sentence, fix=fix)
        if answer.status >= 500:
            raise self._broken() if writes else StoreUnavailableError(f"{self.engine} failed.", fix=self.failed_fix)
        return answer

    def _broken(self) -> UnknownOutcomeError:
        return UnknownOutcomeError(
            f"the connection to {self.engine} broke after a write had been sent.", fix="Look it up."
        )

    def _silent(self) -> StoreUnavailableError:
        return StoreUnavailableError(f"{self.engine} does not answer.", fix="Check that it runs and can be reached.")

    def _connections(self, tls: ssl.SSLContext) -> aiohttp.ClientSession:
        """Return a pool of connections.

        A request's `trace_request_ctx.connected` is set before any byte of the request is sent, so a request that fails
        with this unset has not reached anybody.
        """
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_mark_connected)
        trace.on_connection_reuseconn.append(_mark_connected)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=tls, keepalive_timeout=self.keepalive_s),
            timeout=aiohttp.ClientTimeout(total=self._config.timeout_s, sock_connect=self._config.connect_timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[trace],
            trust_env=False,
        )


@contextmanager
def _traced(headers: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Yield `headers` with the trace context of a user's request, in a span of its own.

    The reactor's own looks at its engine belong to no trace, and get `headers` as they are.
    """
    if not spans.current():
        yield headers
        return
    with spans.Span("engine request", kind="client"):
        yield {**headers, spans.KEY: spans.current()}


async def _mark_connected(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.connected = True


async def _body_of(response: aiohttp.ClientResponse) -> bytes:
    """Return the whole body, or raise `aiohttp.ClientPayloadError` if it is larger than any honest one (8 MiB)."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > _MAX_ANSWER:
            raise aiohttp.ClientPayloadError
        parts.append(part)
    return b"".join(parts)
