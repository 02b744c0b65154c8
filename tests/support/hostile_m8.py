"""A hostile m8: a proxy on the real wire between real parts, with m8's own certificate and key.

Clients and reactors dial it under a name that m8 accepts, and it passes everything to the real `m8 serve`, byte for
byte, unless a rule says otherwise. A rule is about one method or one kind of message, of one secret if `of` names it,
and takes as many as `times` says. Everything runs on one event loop; what is held waits for an event, not for a time.

    async with HostileM8("127.0.0.1:12000", upstream="127.0.0.1:12001", folder=Path("m8")) as m8:
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
from monoskope.http.messages import Head
from monoskope.testing.search import Wanted, look
from tests.support.hostile_calls import CallRules
from tests.support.hostile_http import listening
from tests.support.hostile_rules import DEADLINE_S, Rule, Rules, failures
from tests.support.hostile_session import Session
from tests.support.http_calls import hang_up
from tests.support.passing import Call, Passing, Way, Which

Act = Callable[[Passing, Rule[Passing]], Any]


class HostileM8(CallRules):
    """The proxy; a context manager that listens. Leaving it raises what went wrong inside.

    Args:
        listen: The addresses that clients and reactors dial, each one of m8's `names`.
        upstream: Where the real m8 listens.
        folder: The real m8's folder, with its certificate and key.
        tls: How the real m8 is spoken to; None without TLS.

    Attributes:
        calls: The rules for calls. The methods of this class add to both.
        messages: The rules for messages of reactors' streams.
        sessions: Every reactor's stream, in the order in which they began.
        called: Every call, in order.
        seen: The bytes of everything that came by, both ways.
        requests: What is known of each upload, by request id.
        news: Set whenever something comes by.
        granted: When the grant of a request first came by, by the monotonic clock: its key was made before.
    """

    def __init__(self, *listen: str, upstream: str, folder: Path, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.upstream = upstream
        self.tls = tls
        self.messages: Rules[Passing] = Rules()
        self.sessions: list[Session] = []
        self.called: list[Call] = []
        self.seen: list[bytes] = []
        self.requests: dict[bytes, upload_pb2.UploadRequest] = {}
        self.granted: dict[bytes, float] = {}
        self.errors: list[BaseException] = []
        self.news = asyncio.Event()
        self._listen = listen
        self._folder = folder
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        for address in self._listen:
            await self._open.enter_async_context(listening(address, self._folder, self))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.honest()
        await self._open.aclose()
        await hang_up()
        failures(self.errors)

    def honest(self) -> None:
        """Forget every rule, and let go what is held."""
        self.calls.clear()
        self.messages.clear()

    def saw(self, value: bytes) -> int:
        """How often a value came by, in any of the forms of `monoskope.testing.search`."""
        # At once, for there are thousands; no value that is looked for has a NUL, so none lies across two of them.
        return look("the wire", [b"\0".join(self.seen)], [Wanted.of("value", value)]).total("value")

    def of(self, uri: str) -> list[bytes]:
        """The ids of the uploads of a secret, the oldest first."""
        return [request_id for request_id, request in self.requests.items() if request.uri == uri]

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

    # --- reactors ---

    def live(self, store: str) -> list[Session]:
        """The streams of a store's replicas that are open now."""
        return [session for session in self.sessions if session.store == store and not session.ended]

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
        """Keep an event from m8 until the rule is released."""
        return self.on_append(kind, _hold, **more)

    def lose_append(self, kind: str, **more: Any) -> Rule[Passing]:
        """Lose an event on its way to m8."""
        return self.on_append(kind, _lose, **more)

    def lose_answer_to_append(self, kind: str, **more: Any) -> Rule[Passing]:
        """Lose m8's answer to an event that it recorded."""
        return self.on_delivery("Appended", _lose, answers=kind, **more)

    def hold_delivery(self, kind: str, **more: Any) -> Rule[Passing]:
        """Keep what m8 says from a reactor until the rule is released."""
        return self.on_delivery(kind, _hold, **more)

    def lose_delivery(self, kind: str, **more: Any) -> Rule[Passing]:
        """Lose what m8 says to a reactor."""
        return self.on_delivery(kind, _lose, **more)

    def change_delivery(
        self,
        kind: str,
        change: Callable[[reactor_pb2.AttachResponse], Message],
        **more: Any,
    ) -> Rule[Passing]:
        """Say something else to a reactor."""
        return self.on_delivery(kind, lambda one, _: one.go(change(one.to_reactor())), **more)

    # --- how it is passed on ---

    def noted(self, head: Head, content: bytes) -> Call:
        """Note a call, and return it."""
        told = head.header("connect-timeout-ms")
        headers = (("authorization", head.header("authorization")),)
        call = Call(head.path, content, headers, int(told) / 1000 if told else None)
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

    def session(self) -> Session:
        """Return the session of a reactor that dials."""
        session = Session(self)
        self.sessions.append(session)
        return session


async def _hold(one: Passing, rule: Rule[Passing]) -> None:
    await rule.released()
    one.go()


def _lose(_: Passing, __: Rule[Passing]) -> None:
    """It is gone."""
