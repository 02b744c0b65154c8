"""One session with m8, from its `attached` to its end: it reads, writes and sends heartbeats at the same time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Protocol

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.errors import UnavailableError
from monoskope.failpoints import failpoint
from monoskope.protocol.login_refusal import LoginRefusal
from monoskope.reactor.health import Health
from monoskope.reactor.link.appends import ENDS, Appends
from monoskope.reactor.link.refusal import refusal_in
from monoskope.reactor.timings import Timings

_FAREWELL_S = 2.0

Call = grpc.aio.StreamStreamCall[reactor_pb2.AttachRequest, reactor_pb2.AttachResponse]


class Listener(Protocol):
    """Acts on what m8 says in a session. No method may take long: heartbeats wait for it."""

    def attached(self, replicas: list[bytes]) -> None:
        """The session begins; `replicas` are those that have one."""

    def event(self, event: event_pb2.Event, sealed: bytes) -> None:
        """m8 delivers an event."""

    def caught_up(self) -> None:
        """m8 has delivered all unfinished requests."""


class SessionEndedError(UnavailableError):
    """m8 ended the stream, did not answer, or did not speak the protocol."""


class StatusError(SessionEndedError):
    """m8 ended the stream with a status that is an error. The text that m8 sent with it is left out.

    Attributes:
        status: The status.
        refusal: Why m8 refuses the login, if it said so in words that are known here.
    """

    def __init__(self, status: grpc.StatusCode, refusal: LoginRefusal | None = None) -> None:
        super().__init__(f"m8 ended the session with {status.name}.", fix="See m8's log.")
        self.status = status
        self.refusal = refusal


class Attachment:
    """One session from `attached` to its end."""

    def __init__(
        self,
        call: Call,
        attached: reactor_pb2.Attached,
        appends: Appends,
        listener: Listener,
        *,
        timings: Timings,
        stop: asyncio.Event,
        health: Health | None = None,
    ) -> None:
        self._call = call
        self._attached = attached
        self._appends = appends
        self._listener = listener
        self._timings = timings
        self._stop = stop
        self._health = health
        self._outbox: asyncio.Queue[reactor_pb2.AttachRequest] = asyncio.Queue()
        self._quiet: asyncio.TimerHandle | None = None
        self._caught_up = False

    async def run(self) -> None:
        """Serve the session until the stream ends or `stop` is set. Raises the error that ended it, if any."""
        self._listener.attached(list(self._attached.replicas))
        self._restart_quiet()
        tasks = [asyncio.ensure_future(work()) for work in (self._reading, self._writing, self._beating)]
        tasks.append(asyncio.ensure_future(self._stopping()))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            if self._quiet is not None:
                self._quiet.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _stopping(self) -> None:
        await self._stop.wait()
        await self._outbox.join()
        with _until_it_ends():
            await self._call.done_writing()
        # m8 ends its side now, and the reader then ends this session. This is the limit for that.
        await asyncio.sleep(_FAREWELL_S)

    async def _reading(self) -> None:
        while True:
            answer = await read(self._call)
            match answer.WhichOneof("message"):
                case "delivery":
                    self._deliver(answer.delivery)
                case "appended":
                    self._appends.answered(answer.appended)
                case "copy_authorized":
                    self._appends.tokens.answered(answer.copy_authorized)
                case "caught_up":
                    self._catch_up()
                case _:
                    raise SessionEndedError(
                        "m8 sent a message that is not expected in this state.", fix="Update the reactor or m8."
                    )

    def _deliver(self, delivery: reactor_pb2.Delivery) -> None:
        try:
            event = event_pb2.Event.FromString(delivery.record)
        except DecodeError:
            raise SessionEndedError("m8 delivered a record that does not parse.", fix="Update the reactor.") from None
        if not self._caught_up:
            # This event came after our login: all unfinished requests came before it.
            if event.position > self._attached.position:
                self._catch_up()
            else:
                self._restart_quiet()
        self._listener.event(event, delivery.sealed)

    def _restart_quiet(self) -> None:
        """Wait for a pause, where an older m8 does not say when it has delivered all unfinished requests."""
        if self._attached.caught_up_follows:
            return
        if self._quiet is not None:
            self._quiet.cancel()
        self._quiet = asyncio.get_running_loop().call_later(self._timings.quiet, self._catch_up)

    def _catch_up(self) -> None:
        if not self._caught_up:
            self._caught_up = True
            self._listener.caught_up()
            # Not before: the deliveries have settled the appends whose answers were lost.
            self._appends.connected(self._outbox.put_nowait)

    async def _writing(self) -> None:
        while True:
            message = await self._outbox.get()
            await write(self._call, message)
            if message.append.WhichOneof("event") in ENDS:
                failpoint("reactor.receipt-offered")
            self._outbox.task_done()

    async def _beating(self) -> None:
        span = self._attached.heartbeat_s / 3 if self._attached.heartbeat_s else self._timings.heartbeat
        if self._health is None:
            while True:
                await asyncio.sleep(span)
                self._outbox.put_nowait(reactor_pb2.AttachRequest(heartbeat=reactor_pb2.Heartbeat()))
        while True:
            # The first at once: m8 knows nothing of our engine yet. The others early, if there is news.
            self._outbox.put_nowait(reactor_pb2.AttachRequest(heartbeat=self._health.heartbeat()))
            await self._health.news(within=span)


@contextlib.contextmanager
def _until_it_ends() -> Iterator[None]:
    """Translate the exception by which grpc.aio reports that m8 ended the stream that we are about to use."""
    try:
        yield
    except asyncio.InvalidStateError:
        raise SessionEndedError("m8 ended the session.") from None


async def write(call: Call, message: reactor_pb2.AttachRequest) -> None:
    """Send a message. Raises `SessionEndedError` or `AioRpcError` if the stream has ended."""
    with _until_it_ends():
        await call.write(message)


async def read(call: Call) -> reactor_pb2.AttachResponse:
    """Return the next message.

    Raises:
        SessionEndedError: at the stream's end, or what m8 sent does not parse.
        StatusError: m8 refuses; or `AioRpcError`, as gRPC sees fit.
    """
    answer = await call.read()
    if isinstance(answer, reactor_pb2.AttachResponse):
        return answer
    if answer is not grpc.aio.EOF:
        # grpc.aio reports it in its own log, and gives nothing.
        raise SessionEndedError("m8 sent what does not parse.", fix="Update the reactor or m8.")
    code = await call.code()
    if code is not grpc.StatusCode.OK:
        raise StatusError(code, refusal_in(await call.trailing_metadata()))
    raise SessionEndedError("m8 ended the session.")
