"""One reactor's stream on its way through a hostile m8, in both directions, message by message."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.host_port import HostPort
from monoskope.http.messages import EndedError
from monoskope.protocol.hello import parse_hello
from tests.support.hostile_rules import within
from tests.support.http_calls import CallError
from tests.support.passing import Passing, Way, read_answer, read_append
from tests.support.websocket_call import WebSocketCall

if TYPE_CHECKING:
    from tests.support.hostile_m8 import HostileM8

CUT = "not now, says m8"
"""What m8 says when a connection is cut."""

_LAST_WORDS_S = 2.0


class Session:
    """A stream from a reactor's first word to its end.

    Attributes:
        store: The store that the reactor says it serves, "" before it said so.
        replica: The process, 16 bytes.
        passed: Every message that came, in order, whatever became of it.
        ended: Whether the stream is over.
    """

    def __init__(self, m8: HostileM8) -> None:
        self.store = ""
        self.replica = b""
        self.passed: list[Passing] = []
        self.ended = False
        self._m8 = m8
        self._queues: dict[Way, asyncio.Queue[bytes]] = {way: asyncio.Queue() for way in Way}
        self._calls: dict[int, tuple[str, bytes]] = {}
        self._acting: set[asyncio.Task[Any]] = set()
        self._cut = asyncio.Event()
        self._code = "unavailable"

    def __repr__(self) -> str:
        return f"<Session {self.store} {self.replica.hex()[:8]}>"

    def send(self, way: Way, message: Message | bytes) -> None:
        """Send a message of whatever origin: one that was held, one that passed before, one that nobody sent."""
        content = message if isinstance(message, bytes) else message.SerializeToString(deterministic=True)
        self._queues[way].put_nowait(content)

    def cut(self, code: str = "unavailable") -> None:
        """Break the connection to the reactor, with that code of Connect's."""
        self._code = code
        self._cut.set()

    async def serve(
        self, incoming: AsyncIterator[bytes], write: Callable[[bytes], Awaitable[None]]
    ) -> CallError | None:
        """Pass messages until one side ends the stream; return the error that the reactor is to hear."""
        call = WebSocketCall(HostPort.parse(self._m8.upstream), parse=bytes, tls=self._m8.tls)
        tasks: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(work)
            for work in (
                self._read_reactor(incoming, call),
                self._read_m8(call),
                self._write(Way.TO_M8, call.write),
                self._write(Way.TO_REACTOR, write),
                self._cut.wait(),
            )
        ]
        try:
            # Once the reactor has said its last word, m8 ends the stream.
            await asyncio.wait(tasks[1:], return_when=asyncio.FIRST_COMPLETED)
            if self._cut.is_set():
                return CallError(self._code, CUT)
            with contextlib.suppress(TimeoutError):
                await within(self._queues[Way.TO_REACTOR].join(), seconds=_LAST_WORDS_S)
            return await call.end()
        finally:
            self.ended = True
            self._m8.news.set()
            call.cancel()
            for task in (*tasks, *self._acting):
                task.cancel()
            ends = await asyncio.gather(*tasks, *self._acting, return_exceptions=True)
            self._m8.errors += [end for end in ends if isinstance(end, Exception) and not isinstance(end, EndedError)]

    async def _read_reactor(self, incoming: AsyncIterator[bytes], call: WebSocketCall) -> None:
        async for content in incoming:
            self._pass(self._appended(content))
        await self._queues[Way.TO_M8].join()
        await call.done_writing()

    async def _read_m8(self, call: WebSocketCall) -> None:
        while isinstance(content := await call.read(), bytes):
            self._pass(self._answered(content))

    async def _write(self, way: Way, write: Callable[[bytes], Any]) -> None:
        queue = self._queues[way]
        while True:
            content = await queue.get()
            self._m8.seen.append(content)
            await write(content)
            queue.task_done()

    def _appended(self, content: bytes) -> Passing:
        kind, request_id, call = read_append(content)
        if kind == "AttachReactor":
            hello = parse_hello(reactor_pb2.AttachRequest.FromString(content).attach.hello.content)
            self.store, self.replica = hello.store, hello.replica
        if call:
            self._calls[call] = kind, request_id
        if kind == "SecretUploadKeyProvided":
            self._m8.granted.setdefault(request_id, time.monotonic())
        return self._passing(Way.TO_M8, content, kind, request_id)

    def _answered(self, content: bytes) -> Passing:
        kind, request_id, call = read_answer(content)
        answers, request_id = self._calls.get(call, ("", request_id))
        return self._passing(Way.TO_REACTOR, content, kind, request_id, answers)

    def _passing(self, way: Way, content: bytes, kind: str, request_id: bytes, answers: str = "") -> Passing:
        return Passing(self, way, content, kind, request_id, self._m8.requests.get(request_id), answers)

    def _pass(self, one: Passing) -> None:
        self.passed.append(one)
        self._m8.news.set()
        rule = self._m8.messages.find(one)
        if rule is None:
            one.go()
            return
        self._m8.seen.append(one.content)
        working = rule.act(one, rule)
        if inspect.isawaitable(working):
            task = asyncio.ensure_future(working)
            self._acting.add(task)
            task.add_done_callback(self._acted)

    def _acted(self, task: asyncio.Task[Any]) -> None:
        self._acting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._m8.errors.append(error)
