"""What comes to a hostile m8: calls, reactors' streams, message by message, and sealed secrets that it keeps back."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import commands_pb2, reactor_pb2, views_pb2
from monoskope.errors import Error
from monoskope.http.client.websocket_client import ClientSocket
from monoskope.http.messages import Body, EndedError, Head, Response, Streamed, WebSocket
from monoskope.m8.http import refused
from monoskope.m8.http.requests import only_message
from monoskope.m8.methods import MAX_MESSAGE
from monoskope.protocol.hello import parse_hello
from tests.support.hostile_rules import DEADLINE_S, METHODS, Call, Passing, Rule, Way, read_answer, read_append, within

if TYPE_CHECKING:
    from tests.support.hostile_m8 import HostileM8
    from tests.support.hostile_upstream import Upstream

CUT = "not now, says m8"
"""What m8 says when a connection is cut."""

_LAST_WORDS_S = 2.0


class Session:
    """A stream from a reactor's first word to its end.

    Attributes:
        store: The store that the reactor says it serves, "" before it said so.
        passed: Every message that came, in order, whatever became of it.
    """

    def __init__(self, m8: HostileM8, upstream: Upstream) -> None:
        self.store = ""
        self.replica = b""
        self.passed: list[Passing] = []
        self.ended = False
        self._m8 = m8
        self._upstream = upstream
        self._queues: dict[Way, asyncio.Queue[bytes]] = {way: asyncio.Queue() for way in Way}
        self._calls: dict[int, tuple[str, bytes]] = {}
        self._acting: set[asyncio.Task[Any]] = set()
        self._cut: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        return f"<Session {self.store} {self.replica.hex()[:8]}>"

    def send(self, way: Way, message: Message | bytes) -> None:
        """Send a message of whatever origin: one that was held, one that passed before, one that no part sent."""
        content = message if isinstance(message, bytes) else message.SerializeToString(deterministic=True)
        self._queues[way].put_nowait(content)

    def cut(self, code: str = "unavailable") -> None:
        if not self._cut.done():
            self._cut.set_result(code)

    async def serve(self, near: WebSocket) -> None:
        """Pass messages until one side ends the stream."""
        far = await self._upstream.attach()
        reading = asyncio.ensure_future(self._read_m8(far))
        tasks: list[asyncio.Future[Any]] = [
            reading,
            self._cut,
            asyncio.ensure_future(self._write(Way.TO_M8, far.send)),
            asyncio.ensure_future(self._write(Way.TO_REACTOR, near.send)),
        ]
        # Once the reactor has said its last word, m8 ends the stream.
        hearing = asyncio.ensure_future(self._read_reactor(near, far))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if self._cut.done():
                await _end(near, _error(self._cut.result(), CUT))
                return
            with contextlib.suppress(TimeoutError):
                await within(self._queues[Way.TO_REACTOR].join(), seconds=_LAST_WORDS_S)
            broken = _error("unavailable", "the connection broke")
            await _end(near, reading.result() if reading.done() and reading.exception() is None else broken)
        finally:
            self.ended = True
            self._m8.news.set()
            far.abort()
            working = (*tasks, hearing, *self._acting)
            for task in working:
                task.cancel()
            ends = await asyncio.gather(*working, return_exceptions=True)
            self._m8.errors += [end for end in ends if isinstance(end, Exception) and not isinstance(end, EndedError)]

    async def _read_reactor(self, near: WebSocket, far: ClientSocket) -> None:
        try:
            while isinstance(message := await near.receive(), bytes):
                self._pass(self._appended(message))
        except EndedError:
            return  # the server cancels the session of a reactor that is gone
        await self._queues[Way.TO_M8].join()
        await far.send(message)

    async def _read_m8(self, far: ClientSocket) -> str:
        """Pass what m8 says, and return its last word."""
        while isinstance(message := await far.receive(), bytes):
            self._pass(self._answered(message))
        return message

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
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._m8.errors.append(error)


def _error(code: str, message: str) -> str:
    return json.dumps({"error": {"code": code, "message": message}})


async def _end(near: WebSocket, word: str) -> None:
    """Say a last word, and close as m8 does."""
    with contextlib.suppress(EndedError):
        await near.send(word)
        await near.close(1011 if "error" in json.loads(word) else 1000)


STREAM = ("Content-Type", "application/connect+proto")

Failure = Error | str | dict[str, object]
"""How a call fails: as m8 refuses; with one of Connect's codes alone, as "unavailable" for a connection that broke; or
with any error of Connect's."""


def as_response(failure: Failure) -> Response:
    if isinstance(failure, Error):
        return refused.response(failure)
    said = {"code": failure, "message": "broken"} if isinstance(failure, str) else failure
    return Response(refused.HTTP_STATUS[str(said["code"])], (refused.JSON,), refused.encoded(said))


@dataclass(slots=True)
class OneCall:
    """One call (`http.messages.Accepted`)."""

    m8: HostileM8
    head: Head
    most_body: int = 8 * MAX_MESSAGE

    async def answer(self, body: Body) -> Response | Streamed:
        content = await body()
        if METHODS[self.head.path].streams:
            return Streamed(200, (STREAM,), partial(self.m8.streamed, self.m8.taken(self.head, only_message(content))))
        return await self.m8.answered(self.m8.taken(self.head, content))


@dataclass(slots=True)
class Attach:
    """A reactor's stream (`http.messages.Upgrade`)."""

    session: Session
    most_message: int = MAX_MESSAGE

    async def serve(self, socket: WebSocket) -> None:
        await self.session.serve(socket)


@dataclass(eq=False)
class Ghost:
    """A sealed secret whose client was told that it is lost."""

    m8: HostileM8
    rule: Rule[Call]
    _delivered: asyncio.Task[bytes] | None = None

    def is_about(self, call: Any) -> bool:
        return any(call.request_id == taken.request_id for taken in self.rule.taken)

    @property
    def request_id(self) -> bytes:
        return self.rule.taken[0].request_id

    def deliver_soon(self, call: Call) -> None:
        """Begin to give it to the real m8, in its user's name."""
        token = tuple(pair for pair in call.headers if pair[0] == "authorization")
        self._delivered = asyncio.ensure_future(self.m8.forward(Call(call.path, call.content, token)))

    async def deliver(self) -> views_pb2.SecretUpload:
        """Give it to the real m8 after all, if that was not done, and return how the request ended."""
        call = await self.rule.arrived()
        if self._delivered is None:
            self.deliver_soon(call)
        assert self._delivered is not None, "it was begun"
        async with asyncio.timeout(DEADLINE_S):
            return commands_pb2.RequestUploadSecretResponse.FromString(await self._delivered).upload
