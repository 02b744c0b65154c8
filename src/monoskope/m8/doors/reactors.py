"""The reactors' door: `ReactorService.Attach` without a transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.errors import UnauthenticatedError
from monoskope.m8.doors.app import App
from monoskope.m8.doors.login import log_in
from monoskope.m8.doors.session import Send, Session, detach
from monoskope.m8.doors.validate import validate
from monoskope.protocol.hello import claimed_store


class Reactors:
    """Lets reactors in and keeps track of those that this process serves."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._sessions: dict[str, Session] = {}

    async def attach(self, incoming: AsyncIterator[reactor_pb2.AttachRequest], send: Send) -> None:
        """Challenge a reactor, let it log in, serve it until it half-closes; its peers are then told that it is gone.

        A connection that breaks is not the end of a process: the timekeeper declares it gone if it stays away.

        Raises:
            UnauthenticatedError: it does not log in in time, or says something else first.
            Error: as `login.log_in` and `session.Session.serve`.
        """
        challenge = self._app.challenge()
        await send(reactor_pb2.AttachResponse(challenge=challenge))
        attach = await self._first(incoming)
        if asked_for := claimed_store(attach.hello.content):
            # Not proven yet: it is for the line that says why somebody was not let in.
            structlog.contextvars.bind_contextvars(store=asked_for)
        login = await log_in(self._app, attach, challenge)
        structlog.contextvars.bind_contextvars(store=login.store, replica=login.replica.hex()[:8])
        structlog.get_logger().info("reactor attached")
        session = Session(self._app, login, incoming, send, marks=attach.knows_caught_up, own=not attach.without_own)
        before = self._sessions.get(login.key)
        if before is not None:
            before.replaced.set()
        self._sessions[login.key] = session
        try:
            await session.serve()
            if self._sessions.get(login.key) is session:
                await detach(self._app, login)
        finally:
            if self._sessions.get(login.key) is session:
                del self._sessions[login.key]

    async def _first(self, incoming: AsyncIterator[reactor_pb2.AttachRequest]) -> reactor_pb2.AttachReactor:
        try:
            message = await asyncio.wait_for(anext(incoming), self._app.limits.hello_s)
        except (StopAsyncIteration, TimeoutError):
            raise UnauthenticatedError("no login came.", fix="Answer the challenge with AttachReactor.") from None
        validate(message)
        if message.WhichOneof("message") != "attach":
            raise UnauthenticatedError("something else came before the login.", fix="Send AttachReactor first.")
        return message.attach
