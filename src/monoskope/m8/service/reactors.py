"""`ReactorService.Attach` without a transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from monoskope import operating_log
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.errors import IdentityChangedError, RefusedError, UnauthenticatedError, UsageError
from monoskope.m8.domain.refused_login import LoginRefusedError
from monoskope.m8.limits.connections import origin
from monoskope.m8.service import refused_logins
from monoskope.m8.service.app import App
from monoskope.m8.service.login import Login, log_in
from monoskope.m8.service.session import Send, ServerSession, detach
from monoskope.m8.service.validate import validate
from monoskope.protocol.hello import claimed_store


class Reactors:
    """Lets reactors in and keeps track of those that this process serves."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def attach(self, incoming: AsyncIterator[reactor_pb2.AttachRequest], send: Send, peer: str) -> None:
        """Challenge a reactor, log it in and serve it until it half-closes; then record for its peers that it is gone.

        A broken connection does not mean that the process ended: the timekeeper declares it gone if it stays away.

        Args:
            incoming: What it says.
            send: How to answer.
            peer: Where it is, as gRPC calls it.

        Raises:
            UnauthenticatedError: it does not log in in time, or says something else first.
            UnavailableError: too many logins of its address failed just now.
            Error: as `login.log_in` and `session.ServerSession.serve`.
        """
        login, attach = await self._let_in(incoming, send, peer)
        operating_log.bind_contextvars(store=login.store, replica=login.replica.hex()[:8])
        operating_log.get().info("reactor attached")
        session = ServerSession(
            self._app, login, incoming, send, marks=attach.knows_caught_up, own=not attach.without_own
        )
        sessions = self._app.sessions
        before = sessions.get(login.key)
        if before is not None:
            before.set()
        sessions[login.key] = session.replaced
        try:
            await session.serve()
            if sessions.get(login.key) is session.replaced:
                await detach(self._app, login)
        except LoginRefusedError as error:
            # It stays away until it has another key: no user shall wait for it meanwhile.
            await refused_logins.remember(
                self._app, login.store, login.replica, login.fingerprint_key_id, error.refusal
            )
            await detach(self._app, login)
            raise
        finally:
            if sessions.get(login.key) is session.replaced:
                del sessions[login.key]

    async def _let_in(
        self, incoming: AsyncIterator[reactor_pb2.AttachRequest], send: Send, peer: str
    ) -> tuple[Login, reactor_pb2.AttachReactor]:
        address, logins = origin(peer), self._app.logins
        challenge = self._app.challenge()
        message = await self._first(incoming, send, challenge, address)
        logins.admit(address)
        try:
            attach = self._formed(message)
            if asked_for := claimed_store(attach.hello.content):
                # Not proven yet: it is for the log line that says why the login was refused.
                operating_log.bind_contextvars(store=asked_for)
            login = await log_in(self._app, attach, challenge)
        except (IdentityChangedError, RefusedError, UsageError, UnauthenticatedError):
            logins.failed(address)
            self._app.connections.disturbed()
            raise
        logins.succeeded(address)
        self._app.prove(peer)
        return login, attach

    async def _first(
        self, incoming: AsyncIterator[reactor_pb2.AttachRequest], send: Send, challenge: bytes, address: str
    ) -> reactor_pb2.AttachRequest:
        try:
            async with asyncio.timeout(self._app.limits.hello_s) as deadline:
                with self._app.logins.under_way(address, deadline):
                    await send(reactor_pb2.AttachResponse(challenge=challenge))
                    return await anext(incoming)
        except (StopAsyncIteration, TimeoutError):
            raise UnauthenticatedError("no login came.", fix="Answer the challenge with AttachReactor.") from None

    def _formed(self, message: reactor_pb2.AttachRequest) -> reactor_pb2.AttachReactor:
        validate(message)
        if message.WhichOneof("message") != "attach":
            raise UnauthenticatedError("another message came before the login.", fix="Send AttachReactor first.")
        return message.attach
