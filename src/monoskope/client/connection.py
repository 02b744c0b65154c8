"""The connection to m8, with the caller's token: what is called again, and at which of several servers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from monoskope import errors
from monoskope.client.credential import Caller, Credential, FixedToken, Issued
from monoskope.client.methods import EXCHANGE_TOKEN, Method
from monoskope.client.pace import CALLS_AT_ONCE, pause_after
from monoskope.client.roots import Roots, find_roots
from monoskope.client.runtime import Runtime, left, on_asyncio
from monoskope.client.servers import Servers
from monoskope.client.transport import failures
from monoskope.client.transport.base import Metadata, Transport
from monoskope.client.transport.failures import NotSentError, TurnedAwayError
from monoskope.errors import (
    AwayError,
    Error,
    LogMismatchError,
    RateLimitedError,
    UnauthenticatedError,
    UnavailableError,
)
from monoskope.traces import spans
from monoskope.value import Unshared

R = TypeVar("R", bound=Message)

CALL_TIMEOUT_S = 30.0
"""For a call that waits for m8 alone."""

MOST_DOUBLINGS = 3
"""How often the pause doubles while something that m8 needs is away."""

LEAST_LEFT_S = 0.02
"""A call with less time is not made again: it would end as late, and hide what m8 said."""

MOST_TURNED_AWAY = 4
"""How often a call is made again whose connection m8 ended before TLS, after 1, 2, 4 and 8 seconds or a little more:
where a thousand come at once from one address, m8 begins 50 a second."""

NotReachedError = errors.NotReachedError

_NO_ANSWER = (UnavailableError, UnauthenticatedError, RateLimitedError)
"""What m8 says instead of an answer."""


class LogUse(Enum):
    """What a call has to do with the check of m8's log (`monoskope.client.log_watch`)."""

    WAITS = auto()
    """A check begins beside it if one is due, and the answer is given when the log was found to fit."""
    BEGINS = auto()
    """A check begins beside it if one is due. Its caller waits for `fits` before anything is sealed or sent."""
    NONE = auto()
    """It is about what was sent before: its answer is reported whatever the log is like."""


class Watch(Protocol):
    """What holds m8 to its log."""

    def begin(self, token: str) -> None:
        """Begin a check if one is due. Never waits."""

    def doubt(self) -> None:
        """Let a check be due: m8 was away, and what answers next may be another one."""

    async def fits(self, ends_at: float) -> None:
        """Wait until a check that was begun has ended, until `ends_at` (of `Runtime.now`). Raises what it found."""

    async def close(self) -> None:
        """Let a check that is under way go."""


class RenewedError(UnavailableError):
    """A stream ended with the token that it began with, and there is a new one: it can go on at once."""


class PartlyReachedError(UnavailableError):
    """m8 refused a call, but another m8 was not reached: it may be starting, as in an update, and take the call."""


class Connection(Unshared):
    """A connection to one m8, or to the first that answers of several that serve one log. `close` ends it.

    It dials at the first call. When a server fails, later calls go to the next one. The call that met the failure is
    made again there if that does no harm: if nothing of it was sent, if it is a query, or if its request id makes a
    second one the same as the first.

    Args:
        servers: `host:port`, or several, in the order in which they are tried; the certificate of each must carry its
            host.
        ca_file: PEM file with the authority that signs their certificates; None for the system's authorities.
        token: Sent with every call, only over TLS; or where tokens come from, asked before each call.
        ca: The authority itself, in PEM form; it counts before `ca_file`.
        roots: What was found by the two before; it counts before both.
        pause_s: First pause in seconds before a call that was not let in is made again.
        runtime: What it waits with; by default asyncio.

    Raises:
        UsageError: the file cannot be read or holds no certificate. The first call reports a damaged one.
    """

    def __init__(
        self,
        servers: str | Sequence[str],
        ca_file: Path | str | None,
        token: str | Credential,
        *,
        ca: str = "",
        roots: Roots | None = None,
        pause_s: float = 0.2,
        runtime: Runtime | None = None,
    ) -> None:
        self.runtime: Runtime = runtime if runtime is not None else on_asyncio()
        """What everything that uses this connection waits with."""
        self._roots = roots or find_roots(ca_file, ca)
        self._servers = Servers([servers] if isinstance(servers, str) else servers, self._dial)
        self._pause_s = pause_s
        self._places = self.runtime.places(CALLS_AT_ONCE)
        credential = FixedToken(token) if isinstance(token, str) else token
        self._caller = Caller(credential, self._exchange, self.runtime)
        self.watch: Watch | None = None
        """What holds m8 to its log, None for nothing."""

    def twin(self, token: str) -> Connection:
        """Return another connection to the same servers, whose calls carry `token`: for a thread of its own."""
        runtime = self.runtime.alone()
        return Connection(self._servers.names, None, token, roots=self._roots, pause_s=self._pause_s, runtime=runtime)

    def __repr__(self) -> str:
        return f"<Connection {self.server} token=hidden>"

    def _dial(self, server: str) -> Transport:
        has_others = len(self._servers.names) > 1
        # One of the two is imported: it takes time.
        if self.runtime.blocks:
            from monoskope.client.transport.blocking import BlockingTransport  # noqa: PLC0415

            return BlockingTransport(server, self._roots, has_others=has_others, sent=self.runtime.sent)
        from monoskope.client.transport.http import HttpTransport  # noqa: PLC0415

        return HttpTransport(server, self._roots, has_others=has_others)

    @property
    def server(self) -> str:
        """The server to which the next call goes, as it was named."""
        return self._servers.current

    @property
    def token(self) -> str:
        """The token that was sent last, "" before the first call."""
        return self._caller.last

    async def call(self, method: Method[R], request: Message, timeout_s: float, *, log: LogUse = LogUse.WAITS) -> R:
        """Call `method` as `call_unwatched` does, and hold m8 to its log as `log` says.

        Raises:
            LogMismatchError: what m8 shows of its log does not fit.
            Error: as `call_unwatched`.
        """
        if self.watch is None or log is LogUse.NONE:
            return await self.call_unwatched(method, request, timeout_s)
        ends_at = self.runtime.now() + max(left(timeout_s), 0.001)
        try:
            answer = await self.call_unwatched(method, request, timeout_s, beside=self.watch)
        except Error as error:
            # What m8 refuses is an answer, too: with another log it may know nothing of what was asked for.
            if (
                error.by_m8
                and not isinstance(error, _NO_ANSWER)
                and (found := await self.mismatch(ends_at)) is not None
            ):
                try:
                    raise found from None
                finally:
                    del found  # its traceback has this frame: they would keep each other
            raise
        if log is LogUse.WAITS:
            await self.watch.fits(ends_at)
        return answer

    async def mismatch(self, ends_at: float) -> LogMismatchError | None:
        """Return why m8's log does not fit, as far as that is known by `ends_at`; None if it fits, or is not known."""
        try:
            await self.fits(ends_at)
        except LogMismatchError as error:
            return error
        except Error:
            pass
        return None

    async def fits(self, ends_at: float) -> None:
        """Wait until the log that m8 shows was found to fit, at most until `ends_at` (of `Runtime.now`).

        Raises:
            LogMismatchError: it does not fit.
            UnavailableError: m8 did not show it in time.
        """
        if self.watch is not None:
            await self.watch.fits(ends_at)

    async def call_unwatched(
        self, method: Method[R], request: Message, timeout_s: float, *, beside: Watch | None = None
    ) -> R:
        """Call `method`, and again while m8 does not let the call in, as `monoskope.client.pace` says.

        A query, and a command that may be sent twice, is also called again while m8 says that something it needs is
        away: a database that fails over is back in half a minute.

        At most `CALLS_AT_ONCE` calls are open; further ones wait for their place, which counts as time, too.

        Raises:
            NotReachedError: the connection failed or broke.
            IdentityChangedError: the server's certificate does not verify.
            ProtocolError: the answer is no message of this protocol.
            RateLimitedError: m8 has too much of the caller's to do, and that would not change in time.
            Error: what m8 said, by its code.
        """
        # `beside` is told of the token once there is one, so that it can begin its own call at the same time.
        ends_at = self.runtime.now() + max(left(timeout_s), 0.001)
        refusals = absences = 0
        while True:
            try:
                return await self._let_in(method, request, ends_at, beside)
            except (RateLimitedError, TurnedAwayError, AwayError) as error:
                pause_s = self._pause_after(error, method, refusals, absences)
                # Raised in here, so that no variable keeps the error, whose traceback has this frame.
                if pause_s is None or self.runtime.now() + pause_s + LEAST_LEFT_S >= ends_at:
                    raise
                absences += isinstance(error, AwayError)
            await self.runtime.sleep(pause_s)
            refusals += 1

    def _pause_after(self, error: Error, method: Method[R], refusals: int, absences: int) -> float | None:
        """Return the seconds after which a call is made again that ended in `error`, None if it is not."""
        if isinstance(error, RateLimitedError):
            return pause_after(error.retry_after_s, refusals, self._pause_s)
        if isinstance(error, TurnedAwayError):
            return pause_after(0.0, refusals, self._pause_s) if refusals < MOST_TURNED_AWAY else None
        if not method.may_be_repeated:
            return None
        return pause_after(self._pause_s * 2 ** min(absences, MOST_DOUBLINGS), 0, self._pause_s)

    async def _let_in(self, method: Method[R], request: Message, ends_at: float, beside: Watch | None) -> R:
        try:
            await self._places.acquire(ends_at)
        except TimeoutError:
            raise failures.late(self.server) from None
        try:
            return await self._somewhere(method, request, ends_at, beside)
        finally:
            self._places.release()

    async def _somewhere(self, method: Method[R], request: Message, ends_at: float, beside: Watch | None) -> R:
        """Call the current server and, while that does no harm, the others, each once."""
        names = self._servers.names
        unreached = 0
        for others in reversed(range(len(names))):
            server = self.server
            try:
                return await self._once(method, request, ends_at, beside)
            except UnavailableError as error:
                self._failed(server)
                unreached += isinstance(error, NotReachedError)
                if not others and unreached == len(names) > 1:
                    raise NotReachedError(f"m8 does not answer at any of {', '.join(names)}.", fix=error.fix) from None
                if not others and unreached and type(error) is UnavailableError:
                    raise PartlyReachedError(error.message, fix=error.fix, by_m8=error.by_m8) from None
                if not others or not (isinstance(error, NotSentError) or method.may_be_repeated):
                    raise
        raise AssertionError("there is at least one server")

    async def _once(self, method: Method[R], request: Message, ends_at: float, beside: Watch | None) -> R:
        """Call the current server; once more if it refuses the token and there is another one."""
        token = await self._caller.token()
        transport = self._servers.transport
        if beside is not None:
            beside.begin(token)
        with spans.Span(method.name, kind="client"):
            try:
                return await transport.call(method, request, self._left_s(ends_at), _metadata(token))
            except UnauthenticatedError:
                renewed = await self._caller.token(refused=token)
                if renewed == token:
                    raise
            return await self._servers.transport.call(method, request, self._left_s(ends_at), _metadata(renewed))

    def _left_s(self, ends_at: float) -> float:
        return max(ends_at - self.runtime.now(), 0.001)

    async def _exchange(self, subject_token: str, subject_token_type: str) -> Issued:
        """Exchange a token of an issuer for one of m8, at the current server."""
        from monoskope.api.gateway.v1 import access_pb2  # noqa: PLC0415 - a token that lasts needs none of it
        from monoskope.client.login.unverified import check_issued, lifetime_s  # noqa: PLC0415

        request = access_pb2.ExchangeTokenRequest(subject_token=subject_token, subject_token_type=subject_token_type)
        timeout_s = max(left(CALL_TIMEOUT_S), 0.001)
        answer = await self._servers.transport.call(EXCHANGE_TOKEN, request, timeout_s, _metadata(""))
        token = check_issued(answer.access_token, self.server)
        return Issued(token, lifetime_s(token))

    async def stream(self, method: Method[R], request: Message) -> AsyncIterator[R]:
        """Yield what `method` streams until it ends. When a server fails, the next call goes on.

        A stream can last for hours. So m8 is held to its log before the stream begins, and again before what comes is
        shown, as often as a client of single calls would do.

        Raises:
            RenewedError: the token has ended, and there is a new one.
            Error: as `call`.
        """
        server = self.server
        token = await self._caller.token()
        await self._held(token)
        began = False
        while True:
            try:
                streamed = self._servers.transport.stream(method, request, _metadata(token))
                async with contextlib.aclosing(streamed) as responses:
                    async for response in responses:
                        began = True
                        await self._held(token)
                        yield response
            except UnavailableError:
                self._failed(server)
                raise
            except UnauthenticatedError:
                renewed = await self._caller.token(refused=token)
                if renewed == token:
                    raise
                if began:
                    raise RenewedError("the stream ended with its token.", fix="Ask again.") from None
                token = renewed
            else:
                return

    def _failed(self, server: str) -> None:
        """Go to the next server. What was seen of the log before does not count for whoever answers there."""
        self._servers.failed(server)
        if self.watch is not None:
            self.watch.doubt()

    async def _held(self, token: str) -> None:
        """Hold m8 to its log if a check is due. Raises as `fits`."""
        if self.watch is not None:
            self.watch.begin(token)
            await self.watch.fits(self.runtime.now() + CALL_TIMEOUT_S)

    async def close(self) -> None:
        """Close it; calls under way are cancelled."""
        if self.watch is not None:
            await self.watch.close()
        self._caller.forget()
        await self._servers.close()


def _metadata(token: str) -> Metadata:
    """Return what goes with a call: the token, unless there is none, and the trace."""
    traceparent = spans.current()
    authorization: Metadata = (("authorization", f"Bearer {token}"),) if token else ()
    return (*authorization, (spans.KEY, traceparent)) if traceparent else authorization
