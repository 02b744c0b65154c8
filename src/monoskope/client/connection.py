"""The connection to m8, with the caller's token. It alone decides whether, where and when a call is sent again.

What is sent again, and for how long, is one loop: `Connection._call`, with the rules of `client.http.retry`. The file
is longer than others, so that there is no second place that decides so. `client.http.servers` has the servers.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from monoskope.client.http.methods import EXCHANGE_TOKEN, Method
from monoskope.client.http.retry import Patience, TimeOverError, Tries, Wait
from monoskope.client.http.servers import Servers
from monoskope.client.http.transport import Metadata, too_late
from monoskope.client.login.credential import Caller, Credential, FixedToken, Issued
from monoskope.client.people import People
from monoskope.client.runtime import Runtime, asyncio_runtime, left
from monoskope.client.settings import RETRY_FOR_S
from monoskope.errors import (
    Error,
    LogMismatchError,
    RateLimitedError,
    TimedOutError,
    UnauthenticatedError,
    UnavailableError,
    UsageError,
)
from monoskope.traces import spans
from monoskope.value import Unshared

R = TypeVar("R", bound=Message)

CALL_TIMEOUT_S = 30.0
"""For a call that waits for m8 alone."""
CALLS_AT_ONCE = 64
"""How many calls one connection has open, each on an HTTP connection of its own. Further calls wait."""

_OWN = "Open a client in each process, after the fork."
_NO_ANSWER = (UnavailableError, UnauthenticatedError, RateLimitedError)
"""What m8 says instead of an answer."""


class LogUse(Enum):
    """What a call has to do with the check of m8's log (`monoskope.client.log`)."""

    WAITS = auto()
    """A check begins in the background if one is due, and the answer is given when the log was found to fit."""
    BEGINS = auto()
    """A check begins in the background if one is due. The caller waits for `fits` before anything is sealed or sent."""
    NONE = auto()
    """The answer is given whatever the log is like: it is about what was sent before, or about the log itself."""


class Watch(Protocol):
    """What holds m8 to its log."""

    def begin(self) -> None:
        """Begin a check if one is due. Never waits."""

    def doubt(self) -> None:
        """Let a check be due: m8 was away, and what answers next may be another one."""

    async def fits(self, ends_at: float) -> None:
        """Wait until a check that was begun has ended, until `ends_at` (of `Runtime.now`). Raises what it found."""

    async def close(self) -> None:
        """Cancel a check that is under way."""


class RenewedError(UnavailableError):
    """A stream ended with the token that it began with, and there is a new one: it can go on at once."""


class Connection(Unshared):
    """A connection to one m8, or to the first that answers of several that serve one log. `close` ends it.

    It dials at the first call. When a server fails, later calls go to the next one. Any number of calls may be made at
    once, and with a runtime that blocks by any number of threads.

    Args:
        servers: `host:port`, or several, in the order in which they are tried; the certificate of each must carry its
            host.
        ca_file: PEM file with the authority that signs their certificates; None for the system's authorities.
        token: Sent with every call, only over TLS; or where tokens come from, asked before each call.
        ca: The authority itself, in PEM form; it counts before `ca_file`.
        pause_s: First pause in seconds before a call is sent again.
        runtime: How it waits; by default on asyncio.
        source: What chose the servers, which errors name; "" for the caller.
        retry_for_s: For how many seconds a call waits for what is away and comes back by itself; 0 for not at all.
        tell: Called with a sentence that says what is waited for, once for each absence.

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
        pause_s: float = 0.2,
        runtime: Runtime | None = None,
        source: str = "",
        retry_for_s: float = RETRY_FOR_S,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.runtime: Runtime = runtime if runtime is not None else asyncio_runtime()
        """How all that uses this connection waits."""
        self.patience = Patience(self.runtime, retry_for_s=retry_for_s, tell=tell)
        """For how long, and whom it tells."""
        names = (servers,) if isinstance(servers, str) else servers
        self._servers = Servers(names, ca_file, ca=ca, runtime=self.runtime, source=source)
        self._process = os.getpid()
        self._closed = False
        self._pause_s = pause_s
        self._semaphore = self.runtime.semaphore(CALLS_AT_ONCE)
        credential = FixedToken(token) if isinstance(token, str) else token
        self._caller = Caller(credential, self._exchange, self.runtime)
        self.watch: Watch | None = None
        """What holds m8 to its log, None for nothing."""
        self.people = People()
        """The names that came with answers."""

    def __repr__(self) -> str:
        return f"<Connection {self.server} token=hidden>"

    @property
    def server(self) -> str:
        """The server to which the next call goes, as it was named."""
        return self._servers.current

    @property
    def token(self) -> str:
        """The token that was sent last, "" before the first call."""
        return self._caller.last

    async def call(
        self,
        method: Method[R],
        request: Message,
        timeout_s: float,
        *,
        sent: bool = False,
        log: LogUse = LogUse.WAITS,
        check: Callable[[R], None] = lambda _answer: None,
    ) -> R:
        """Call `method`.

        Args:
            method: What to call.
            request: Its message.
            timeout_s: Seconds for everything but the waiting for what is away. That ends after `retry_for_s`, and with
                the time that the caller has (`runtime.within`).
            sent: Whether it is about what was sent: then the same bytes are sent again until time is over.
            log: How m8 is held to its log.
            check: Raises `AwayError` if by the answer something is away, which counts as if m8 had said so.

        Raises:
            LogMismatchError: what m8 shows of its log does not fit.
            NotReachedError: the connection failed or broke.
            IdentityChangedError: the server's certificate does not verify.
            ProtocolError: the answer is no message of this protocol.
            RateLimitedError: m8 has too much of the caller's to do, and that would not change in time.
            TimeOverError: with `sent`, time is over.
            UsageError: the client was closed, or this process was forked.
            Error: what m8 said, by its code.
        """
        ends_at = self.runtime.now() + max(left(timeout_s), 0.001)
        watch = None if log is LogUse.NONE else self.watch
        try:
            answer = await self._call(method, request, ends_at, watch, sent=sent, check=check)
        except Error as error:
            self._servers.name_source(error)
            # What m8 refuses is an answer, too: with another log it may know nothing of what was asked for.
            is_answer = watch is not None and error.by_m8 and not isinstance(error, _NO_ANSWER)
            if is_answer and (found := await self.mismatch(ends_at)) is not None:
                try:
                    raise found from None
                finally:
                    del found  # its traceback has this frame: they would keep each other
            raise
        if watch is not None and log is LogUse.WAITS:
            await watch.fits(ends_at)
        self.people.take(answer)
        return answer

    async def _call(
        self,
        method: Method[R],
        request: Message,
        ends_at: float,
        watch: Watch | None,
        *,
        sent: bool,
        check: Callable[[R], None],
    ) -> R:
        """Send a call until there is an answer, or a failure that it does not help to send it again after.

        1. At once, to the same server: with a new token if m8 refuses the one that was sent, and on a new connection if
           an idle one had ended, each once a round.
        2. At once, to each other server, if nothing was sent or the call may be carried out twice.
        3. After a pause, to all servers in a new round: if m8 is limiting, when it says; if what is needed is away and
           comes back by itself, for `retry_for_s` (docs/waiting.md); whatever failed, if it is about what was sent.

        The worst case, with n servers, T seconds and a first pause p (0.2): a round sends the same bytes at most n + 2
        times, and ends after p, 2p, 4p … up to 2 seconds if m8 was not reached, after at least 2.5p otherwise. So
        there are at most 4 + T / 2.5p rounds: one server and 30 seconds make 64 rounds, hence 192 sends. It ends
        after T and `retry_for_s`, or when the caller's time is over, plus what an issuer of tokens takes (10 seconds
        for one answer).
        """
        wait = Wait(self.patience, sent=sent)
        tries = Tries(self._servers.names, repeatable=method.may_be_repeated, wait=wait, pause_s=self._pause_s)
        while True:
            self._check_open()
            server, began = self.server, self.runtime.now()
            try:
                answer = await self._send(method, request, ends_at, tries, watch)
                check(answer)
            except (UnavailableError, RateLimitedError, TimedOutError) as error:
                if tries.wants_fresh(error):
                    continue
                if isinstance(error, UnavailableError):
                    self._failed(server)
                if tries.wants_next(error):
                    continue
                pause = tries.pause(error, began=began, ends_at=ends_at)
                # Raised in here, so that no variable keeps the error, whose traceback has this frame.
                if pause is None:
                    raise tries.told(error) from None
            else:
                wait.over()
                return answer
            await self.runtime.sleep(pause.seconds)
            if pause.is_last:
                raise TimeOverError(tries.said)
            ends_at = pause.ends_at
            tries.begin_round()

    async def _send(self, method: Method[R], request: Message, ends_at: float, tries: Tries, watch: Watch | None) -> R:
        """Send a call once to the current server; once more if m8 refuses the token, and there is another one."""
        try:
            await self._semaphore.acquire(ends_at)
        except TimeoutError:
            raise too_late(self.server) from None
        try:
            token = await self._caller.token()
            transport = self._servers.transport()
            if watch is not None:
                watch.begin()
            with spans.Span(method.name, kind="client"):
                left_s = max(ends_at - self.runtime.now(), 0.001)
                try:
                    return await transport.call(method, request, left_s, _metadata(token), fresh=tries.fresh)
                except UnauthenticatedError:
                    renewed = await self._caller.token(refused=token)
                    if renewed == token or tries.renewed:
                        raise
                tries.renewed = True
                left_s = max(ends_at - self.runtime.now(), 0.001)
                return await self._servers.transport().call(
                    method, request, left_s, _metadata(renewed), fresh=tries.fresh
                )
        finally:
            self._semaphore.release()

    def _failed(self, server: str) -> None:
        """Go to the next server, unless another call did. What was seen of the log does not count for that server."""
        self._servers.failed(server)
        if self.watch is not None:
            self.watch.doubt()

    def _check_open(self) -> None:
        """Raise `UsageError` if this connection was closed, or opened by the process that this one was forked from.

        A forked process shares its parent's connections: bytes of both would mix there.
        """
        if self._process != os.getpid():
            raise UsageError("the client was opened in another process, from which this one was forked.", fix=_OWN)
        if self._closed:
            raise UsageError("the client is closed.", fix="Open another one.")

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

    async def _exchange(self, subject_token: str, subject_token_type: str) -> Issued:
        """Exchange a token of an issuer for one of m8, at the current server."""
        from monoskope.api.gateway.v1 import access_pb2  # noqa: PLC0415 - a token that lasts needs none of it
        from monoskope.client.login.id_token import check_issued, lifetime_s  # noqa: PLC0415

        request = access_pb2.ExchangeTokenRequest(subject_token=subject_token, subject_token_type=subject_token_type)
        timeout_s = max(left(CALL_TIMEOUT_S), 0.001)
        answer = await self._servers.transport().call(EXCHANGE_TOKEN, request, timeout_s, _metadata(""), fresh=True)
        token = check_issued(answer.access_token, self.server)
        return Issued(token, lifetime_s(token))

    async def stream(self, method: Method[R], request: Message) -> AsyncGenerator[R]:
        """Yield what `method` streams until it ends. When a server fails, the next call goes on.

        A stream can last for hours. So m8 is held to its log before the stream begins, and again before what comes is
        shown, as often as a client of single calls would do.

        Raises:
            RenewedError: the token has ended, and there is a new one.
            Error: as `call`.
        """
        self._check_open()
        server = self.server
        token = await self._caller.token()
        await self._held()
        began = False
        while True:
            try:
                streamed = self._servers.transport().stream(method, request, _metadata(token))
                async with contextlib.aclosing(streamed) as responses:
                    async for response in responses:
                        began = True
                        await self._held()
                        self.people.take(response)
                        yield response
            except UnavailableError as error:
                self._failed(server)
                self._servers.name_source(error)
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

    async def _held(self) -> None:
        """Hold m8 to its log if a check is due. Raises as `fits`."""
        if self.watch is not None:
            self.watch.begin()
            await self.watch.fits(self.runtime.now() + CALL_TIMEOUT_S)

    async def close(self) -> None:
        """Close it, from any thread; calls under way are cancelled or end as broken."""
        self._closed = True
        if self._process != os.getpid():
            return  # the sockets are those of the parent
        if self.watch is not None:
            await self.watch.close()
        self._caller.forget()
        await self._servers.close()


def _metadata(token: str) -> Metadata:
    """Return what goes with a call: the token, unless there is none, and the trace."""
    traceparent = spans.current()
    authorization: Metadata = (("authorization", f"Bearer {token}"),) if token else ()
    return (*authorization, (spans.KEY, traceparent)) if traceparent else authorization
