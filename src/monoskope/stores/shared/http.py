"""Sending one request to an engine with an HTTP API, and the meaning of its answer or failure.

TLS is always verified. No redirect is followed, and no proxy or cookie is used. The text of a server's errors never
leaves this file: each error has a sentence of the driver.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

from monoskope.http.client.destination import ExchangeError, LateError, NotSentError, UnsendableError, UntrustedError
from monoskope.http.client.exchange import Answer
from monoskope.http.client.pool import Pool, Server
from monoskope.stores.driver import DriverError, StoreRefusedError, StoreUnavailableError, UnknownOutcomeError
from monoskope.stores.shared.checks import HttpConfig
from monoskope.traces import spans
from monoskope.value import Unshared

JSON = "application/json"

_MAX_ANSWER = 8 * 1024 * 1024
_CONNECTIONS = 32
_SCHEME = "https://"
_AGENT = {"User-Agent": "monoskope-reactor"}


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
    """By names in lower case. May hold a token: not shown."""

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
    """Connections to the servers of one engine, made inside a running event loop; `close` it. Drivers have subclasses.

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
        self._tls = tls
        self._pools: dict[str, Pool] = {}

    async def close(self) -> None:
        """Close every connection. Safe to call twice."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.close()

    def asks_to_wait(self, answer: HttpAnswer) -> bool:
        """Return whether the engine says that it did nothing now and may do it later."""
        return answer.status == 429

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, *, writes: bool
    ) -> HttpAnswer:
        """Send one request and return its answer.

        Args:
            method: A GET is sent again where a kept connection ended before it answered; no other method is.
            url: The whole address, of characters that need no escape.
            headers: All that the request needs.
            content: The body, None for none.
            writes: Whether the request would change a secret.

        Raises:
            StoreRefusedError: a redirect, or a certificate that is not trusted.
            StoreUnavailableError: no answer, or one that says to wait; with `writes`, nothing was changed.
            UnknownOutcomeError: with `writes`, it may have reached the engine and no clear answer came back.
        """
        pool, target = self._pool_of(url)
        failure: DriverError
        try:
            with _traced(headers) as sent:
                asked = pool.request(
                    method,
                    target,
                    [*_AGENT.items(), *sent.items()],
                    content,
                    timeout_s=self._config.timeout_s,
                    most_body=_MAX_ANSWER,
                    repeat=method == "GET",
                )
                del content
                found = await asked
                if not _is_encoded(found):
                    return self._judged(HttpAnswer(found.status, found.body, dict(found.headers)), writes=writes)
                del found
                failure = self._broken() if writes else self._silent()
        except UntrustedError:
            failure = StoreRefusedError(
                f"{self.engine}'s certificate is not trusted, or it does not speak TLS.", fix=self.untrusted_fix
            )
        except UnsendableError:
            failure = StoreRefusedError(
                f"a credential for {self.engine} has characters that no request can carry.",
                fix="Look at what it gives at a login.",
            )
        except ExchangeError as error:
            failure = self._broken() if writes and _was_sent(error) else self._silent()
        # Raised out here so that no other error hangs on it.
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

    def _pool_of(self, url: str) -> tuple[Pool, str]:
        """Return the connections to the server that `url` names, and what follows its name."""
        server, _, path = url.removeprefix(_SCHEME).partition("/")
        pool = self._pools.get(server)
        if pool is None:
            pool = self._pools[server] = self._connections(server)
        return pool, f"/{path}"

    def _connections(self, server: str) -> Pool:
        try:
            named = urlsplit(_SCHEME + server)
            place = Server(named.hostname or "", named.port or 443, self._tls)
        except ValueError:
            place = None
        if place is None:
            raise self._silent()  # no server has such a port
        return Pool(
            place,
            most_connections=_CONNECTIONS,
            idle_s=self.keepalive_s,
            connect_timeout_s=self._config.connect_timeout_s,
        )


def _is_encoded(found: Answer) -> bool:
    """Return whether the body is compressed, which was not asked for: it is not what it seems to be."""
    return any(name == "content-encoding" and value.lower() != "identity" for name, value in found.headers)


def _was_sent(error: ExchangeError) -> bool:
    """Return whether any of the request may have reached a server."""
    return error.sent if isinstance(error, LateError) else not isinstance(error, NotSentError)


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
