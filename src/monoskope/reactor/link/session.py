"""The one connection to m8: dial, answer the challenge, attach, serve; and again, as long as the reactor runs."""

from __future__ import annotations

import asyncio
import contextlib
import random

from monoskope import operating_log
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.errors import Error
from monoskope.protocol.hello import CHALLENGE_BYTES, Hello
from monoskope.protocol.identity import REACTOR_HELLO
from monoskope.reactor.health import Health
from monoskope.reactor.link.appends import Appends
from monoskope.reactor.link.attachment import Attachment, Listener
from monoskope.reactor.link.endpoint import Endpoint
from monoskope.reactor.link.link import Dial, Link, SessionEndedError, StatusError, dial
from monoskope.reactor.link.refusal import explained
from monoskope.reactor.timings import Timings


class ReactorSession:
    """Keeps the reactor attached: to one m8 of the list, and to the next one when that ends the session or is gone.

    Args:
        endpoint: The m8 to dial, and who dials.
        appends: The events to send to m8.
        listener: Acts on what m8 says.
        timings: All spans of time.
        health: What heartbeats say of the engine.
        link: Makes a link to m8; tests replace it.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        appends: Appends,
        listener: Listener,
        timings: Timings,
        *,
        health: Health | None = None,
        link: Dial = dial,
    ) -> None:
        self._endpoint = endpoint
        self._appends = appends
        self._listener = listener
        self._timings = timings
        self._health = health
        self._link = link
        self._stop = asyncio.Event()
        self._attached_once = False
        self._is_attached = False

    @property
    def is_attached(self) -> bool:
        """Whether m8 has let this process in, and the session has not ended."""
        return self._is_attached

    @property
    def server(self) -> str:
        """The server that is dialled now."""
        return self._endpoint.server

    async def run(self) -> None:
        """Attach, and attach again whenever the session ends, until `stop`."""
        failures = 0
        while not self._stop.is_set():
            self._attached_once = False
            reason: dict[str, str] = {}
            try:
                await self._attachment()
            except StatusError as error:
                reason = self._explained(error)
            except Error as error:
                reason = {"error": type(error).__name__, "message": error.message, "fix": error.fix}
            finally:
                self._is_attached = False
                self._appends.disconnected()
            if self._stop.is_set():
                return
            failures = 0 if self._attached_once else failures + 1
            delay = self._delay(failures)
            operating_log.get().warning(
                "session ended", server=self._endpoint.server, seconds=round(delay, 2), **reason
            )
            self._endpoint = self._endpoint.next()
            try:
                async with asyncio.timeout(delay):
                    await self._stop.wait()
            except TimeoutError:
                continue

    def stop(self) -> None:
        """End the session cleanly; `run` returns."""
        self._stop.set()

    def _explained(self, error: StatusError) -> dict[str, str]:
        endpoint = self._endpoint
        return explained(
            error,
            server=endpoint.server,
            identity=endpoint.identity,
            kind=endpoint.type,
            key_id=endpoint.fingerprint_key_id,
        )

    def _delay(self, failures: int) -> float:
        """Return the seconds before the next server is dialled: hardly any until each has failed once, then more."""
        rounds, turn = divmod(failures, len(self._endpoint.servers))
        if len(self._endpoint.servers) == 1 or (turn == 0 and rounds):
            return self._backoff(rounds)
        # All reactors of an m8 that stops go at the same moment.
        return random.uniform(0.0, self._timings.backoff_least)  # noqa: S311 - as below

    def _backoff(self, failures: int) -> float:
        most = min(self._timings.backoff_most, self._timings.backoff_least * 2.0 ** min(failures, 16))
        return most * random.uniform(0.5, 1.0)  # noqa: S311 - spreads reactors over time, keeps no secret

    async def _attachment(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._timings.connect):
                    link = await stack.enter_async_context(self._link(self._endpoint))
                    attached = await self._log_in(link)
            except TimeoutError:
                raise SessionEndedError("m8 did not answer in time.", fix="Check that it runs, and `server`.") from None
            await Attachment(
                link,
                attached,
                self._appends,
                self._listener,
                timings=self._timings,
                stop=self._stop,
                health=self._health,
            ).run()

    async def _log_in(self, link: Link) -> reactor_pb2.Attached:
        challenge = (await link.read()).challenge
        if len(challenge) != CHALLENGE_BYTES:
            raise SessionEndedError("m8 sent no challenge of 32 bytes.", fix="Check `server`.")
        await link.write(reactor_pb2.AttachRequest(attach=self._attach(challenge)))
        answer = await link.read()
        if not answer.HasField("attached"):
            raise SessionEndedError("m8 did not answer the login.", fix="Update the reactor or m8.")
        self._attached_once = self._is_attached = True
        operating_log.get().info("attached", server=self._endpoint.server, store=self._endpoint.identity.store)
        return answer.attached

    def _attach(self, challenge: bytes) -> reactor_pb2.AttachReactor:
        endpoint = self._endpoint
        hello = Hello(
            str(endpoint.address), endpoint.identity.store, endpoint.replica, challenge, endpoint.fingerprint_key_id
        )
        return reactor_pb2.AttachReactor(
            hello=endpoint.identity.sign(REACTOR_HELLO, hello.serialise()),
            type=endpoint.type,
            capabilities=endpoint.announced,
            rotations=endpoint.identity.rotations,
        )
