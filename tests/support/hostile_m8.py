"""A hostile m8: a proxy on the real wire between real parts, with m8's own certificate and key.

Clients and reactors dial it under a name that m8 accepts, and it passes everything to the real m8, byte for byte,
unless a rule says otherwise. A rule is about one method or one kind of message, of one secret if `of` names it, and
takes as many as `times` says. Everything runs on one event loop; what is held waits for an event, not for a time.

    async with HostileM8(listen="127.0.0.1:12000", upstream="127.0.0.1:12001", folder=Path("m8")) as m8:
        ghost = m8.withhold(of=uri)                       # keeps a sealed secret, and says KEY_LOST without a receipt
        await client.put_secret(uri, values)
        await ghost.deliver()                             # now the real m8 gets it
        m8.refuse_append("SecretUploadStarted", of=uri)   # the reactor hears CONFLICT, m8 hears nothing
        held = m8.hold_append("SecretUploadStarted"); await held.arrived(); held.release()
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import commands_pb2, reactor_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Code
from monoskope.host_port import HostPort
from monoskope.http.messages import Decision, Head, Response, Send
from monoskope.http.server.server import serving
from monoskope.m8.http.requests import end_of_stream, enveloped
from monoskope.testing.search import Wanted, look
from tests.support.hostile_rules import (
    ATTACH,
    DEADLINE_S,
    METHODS,
    Answer,
    Call,
    Passing,
    Rule,
    Rules,
    Way,
    Which,
    as_bytes,
    unsigned_end,
)
from tests.support.hostile_session import Attach, Failure, Ghost, OneCall, Session, as_response
from tests.support.hostile_upstream import NotAnsweredError, Upstream

PROTO = ("Content-Type", "application/proto")
PASSED_ON = {"authorization", "connect-timeout-ms"}

Change = Callable[[Call, bytes], Message | bytes]
Act = Callable[[Passing, Rule[Passing]], Any]


class HostileM8:
    """The proxy; a context manager that listens. Leaving it raises what went wrong inside.

    Args:
        listen: The `host:port` that clients and reactors dial; one of m8's `names`.
        upstream: Where the real m8 listens.

    Attributes:
        calls: The rules for calls. The methods of this class add to both.
        messages: The rules for messages of reactors' streams.
        sessions: Every reactor's stream, in the order in which they began.
        seen: The bytes of everything that came by, both ways.
        news: Set whenever something comes by.
        granted: When the grant of a request first came by, by the monotonic clock: its key was made before.
    """

    def __init__(self, *, listen: str, upstream: str, folder: Path, tls: bool = True) -> None:
        self.calls: Rules[Call] = Rules()
        self.messages: Rules[Passing] = Rules()
        self.sessions: list[Session] = []
        self.called: list[Call] = []
        self.seen: list[bytes] = []
        self.requests: dict[bytes, upload_pb2.UploadRequest] = {}
        self.granted: dict[bytes, float] = {}
        self.errors: list[Exception] = []
        self.news = asyncio.Event()
        self._listen = listen
        self._folder = folder
        self._upstream = Upstream(upstream, folder / "ca.crt" if tls else None)
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self._folder / "tls.crt", self._folder / "tls.key")
        await self._open.enter_async_context(serving(HostPort.parse(self._listen), self, tls=tls, drain_s=0.5))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.honest()
        await self._open.aclose()
        self._upstream.close()
        if self.errors:
            raise ExceptionGroup("the hostile m8 itself failed", self.errors)

    def honest(self) -> None:
        """Forget every rule, and let go what is held."""
        self.calls.clear()
        self.messages.clear()

    @property
    def is_untold(self) -> bool:
        """Whether it has rules, and none of those for calls, or for messages, has taken anything."""
        return self.calls.untaken or self.messages.untaken

    # --- what came by ---

    def saw(self, value: bytes) -> int:
        """How often a value came by, in any of the forms of `monoskope.testing.search`."""
        # At once, for there are thousands; no value that is looked for has a NUL, so none lies across two of them.
        return look("the wire", [b"\0".join(self.seen)], [Wanted.of("value", value)]).total("value")

    def of(self, uri: str) -> list[bytes]:
        """The ids of the uploads of a secret, the oldest first."""
        return [request_id for request_id, request in self.requests.items() if request.uri == uri]

    def live(self, store: str) -> list[Session]:
        return [session for session in self.sessions if session.store == store and not session.ended]

    async def aged(self, request_id: bytes, seconds: float) -> None:
        """Return once the key of a request, whose grant came by, is older than `seconds`."""
        while (left := self.granted[request_id] + seconds - time.monotonic()) > 0:
            await asyncio.sleep(left)

    async def until(self, done: Callable[[], bool]) -> None:
        """Return once `done` says yes; asked again whenever something came by. Raises `TimeoutError`."""
        async with asyncio.timeout(DEADLINE_S):
            while not done():
                self.news.clear()
                await self.news.wait()

    # --- what it does with calls ---

    def on_call(
        self, name: str, act: Callable[[Call, Rule[Call]], Any], *, times: int | None = 1, **which: Any
    ) -> Rule[Call]:
        """Answer a call with the bytes that `act` returns when it is awaited; `forward` asks the real m8."""
        return self.calls.add(Which(name, **which), act, times=times)

    def answer(self, name: str, answer: Answer, **more: Any) -> Rule[Call]:
        """Answer in m8's place; m8 never hears of the call."""

        async def act(call: Call, _: Rule[Call]) -> bytes:
            return as_bytes(answer, call)

        return self.on_call(name, act, **more)

    def refuse(self, name: str, failure: Failure, **more: Any) -> Rule[Call]:
        async def act(_: Call, __: Rule[Call]) -> bytes:
            raise NotAnsweredError(as_response(failure))

        return self.on_call(name, act, **more)

    def change(self, name: str, change: Change, **more: Any) -> Rule[Call]:
        async def act(call: Call, _: Rule[Call]) -> bytes:
            changed = change(call, await self.forward(call))
            return changed if isinstance(changed, bytes) else changed.SerializeToString(deterministic=True)

        return self.on_call(name, act, **more)

    def lose_answer(self, name: str, **more: Any) -> Rule[Call]:
        """Let m8 act, and break the connection in place of its answer."""

        async def act(call: Call, _: Rule[Call]) -> bytes:
            await self.forward(call)
            raise NotAnsweredError(as_response("unavailable"))

        return self.on_call(name, act, **more)

    def withhold(self, **which: Any) -> Ghost:
        """Keep the next sealed secret, and say from then on that its request has lost its key, unsigned."""
        return self._lie(which, at_once=False)

    def belie(self, **which: Any) -> Ghost:
        """Give the next sealed secret to the real m8, but say at once, and from then on, that its request has ended."""
        return self._lie(which, at_once=True)

    def _lie(self, which: dict[str, Any], *, at_once: bool) -> Ghost:
        lie = unsigned_end(upload_pb2.REASON_KEY_LOST)

        async def act(call: Call, _: Rule[Call]) -> bytes:
            if at_once:
                ghost.deliver_soon(call)
            return as_bytes(lie, call)

        ghost = Ghost(self, self.on_call("RequestUploadSecret", act, **which))
        for name in ("RequestUploadSecret", "GetSecretUpload"):
            self.answer(name, lie, times=None, when=ghost.is_about)
        return ghost

    async def forward(self, call: Call) -> bytes:
        return await self._upstream.call(call.path, call.headers, call.content)

    # --- what it does with reactors ---

    def on_append(self, kind: str, act: Act, *, times: int | None = 1, **which: Any) -> Rule[Passing]:
        """Do something with an event that a reactor appends; it goes on only by `Passing.go`."""
        return self.messages.add(Which(kind, way=Way.TO_M8, **which), act, times=times)

    def on_delivery(self, kind: str, act: Act, *, times: int | None = 1, **which: Any) -> Rule[Passing]:
        """Do something with what m8 says to a reactor: an event, "Appended", "CopyAuthorized", "CaughtUp"."""
        return self.messages.add(Which(kind, way=Way.TO_REACTOR, **which), act, times=times)

    def refuse_append(self, kind: str, code: Code = Code.CONFLICT, **more: Any) -> Rule[Passing]:
        """Refuse an event in m8's place; m8 never hears of it."""

        def refuse(one: Passing, _: Rule[Passing]) -> None:
            appended = reactor_pb2.Appended(call=one.to_m8().append.call, error=code.value, message="no")
            one.session.send(Way.TO_REACTOR, reactor_pb2.AttachResponse(appended=appended))

        return self.on_append(kind, refuse, **more)

    def hold_append(self, kind: str, **more: Any) -> Rule[Passing]:
        return self.on_append(kind, _hold, **more)

    def lose_append(self, kind: str, **more: Any) -> Rule[Passing]:
        return self.on_append(kind, _lose, **more)

    def lose_delivery(self, kind: str, **more: Any) -> Rule[Passing]:
        return self.on_delivery(kind, _lose, **more)

    def change_delivery(
        self, kind: str, change: Callable[[reactor_pb2.AttachResponse], Message], **more: Any
    ) -> Rule[Passing]:
        """Say something else to a reactor."""
        return self.on_delivery(kind, lambda one, _: one.go(change(one.to_reactor())), **more)

    # --- the door (`http.messages.Application`) ---

    async def accept(self, head: Head) -> Decision:
        if head.path == ATTACH:
            session = Session(self, self._upstream)
            self.sessions.append(session)
            return Attach(session)
        return OneCall(self, head) if head.path in METHODS else Response(404)

    def taken(self, head: Head, content: bytes) -> Call:
        call = Call(head.path, content, tuple(pair for pair in head.headers if pair[0] in PASSED_ON))
        message = call.message
        if isinstance(message, commands_pb2.RequestSecretUploadKeyRequest):
            call.request = upload_pb2.UploadRequest.FromString(message.request)
            call.request_id = call.request.request_id
            self.requests.setdefault(call.request_id, call.request)
        else:
            call.request_id = getattr(message, "request_id", b"")
            call.request = self.requests.get(call.request_id)
        self.called.append(call)
        self.news.set()
        self.seen.append(content)
        return call

    async def answered(self, call: Call) -> Response:
        rule = self.calls.find(call)
        try:
            answer: bytes = await self.forward(call) if rule is None else await rule.act(call, rule)
        except NotAnsweredError as error:
            return error.response
        self.seen.append(answer)
        return Response(200, (PROTO,), answer)

    async def streamed(self, call: Call, send: Send) -> None:
        async for answer in self._upstream.stream(call.path, call.headers, call.content):
            self.seen.append(answer)
            await send(enveloped(answer))
        await send(end_of_stream(None))


async def _hold(one: Passing, rule: Rule[Passing]) -> None:
    await rule.released()
    one.go()


def _lose(_: Passing, __: Rule[Passing]) -> None:
    """It is gone."""
