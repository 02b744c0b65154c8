"""The one connection to m8: dial, answer the challenge, attach, serve; and again, as long as the reactor runs.

An attached session reads, writes and sends heartbeats at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import Protocol

from google.protobuf.message import DecodeError

from monoskope import operating_log
from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.errors import Error
from monoskope.event_loop import first_of
from monoskope.failpoints import failpoint
from monoskope.protocol.grant import REPLICA_BYTES
from monoskope.protocol.hello import CHALLENGE_BYTES, Hello
from monoskope.protocol.identity import REACTOR_HELLO
from monoskope.reactor.health import Health
from monoskope.reactor.link.appends import ENDS, Appends
from monoskope.reactor.link.endpoint import Endpoint
from monoskope.reactor.link.link import Dial, Link, SessionEndedError, StatusError, dial
from monoskope.reactor.link.refusal import explained
from monoskope.reactor.timings import Timings

_FAREWELL_S = 2.0

LEAST_S = 0.25
"""Seconds between two heartbeats at least: m8 reads no more of a reactor that says too much in a second."""

MOST_UNSENT = 16_384
"""Messages that wait to be sent to an m8 that does not read, at most; then the session ends."""


class Listener(Protocol):
    """Acts on what m8 says in a session. No method may take long: heartbeats wait for it."""

    def attached(self, replicas: list[bytes], *, approvals: bool) -> None:
        """The session begins; `replicas` are those that have one. `approvals` says whether m8 delivers approvals."""

    def event(self, event: event_pb2.Event, sealed: bytes) -> None:
        """m8 delivers an event."""

    def caught_up(self) -> None:
        """m8 has delivered all unfinished requests."""


@dataclass(slots=True)
class Attachment:
    """One session from `attached` to its end."""

    link: Link
    attached: reactor_pb2.Attached
    appends: Appends
    listener: Listener
    timings: Timings
    stop: asyncio.Event
    health: Health | None = None
    _outbox: asyncio.Queue[reactor_pb2.AttachRequest] = field(default_factory=asyncio.Queue)
    _is_stuck: asyncio.Event = field(default_factory=asyncio.Event)
    _caught_up: bool = False

    async def run(self) -> None:
        """Serve the session until the stream ends or `stop` is set. Raises the error that ended it, if any."""
        if any(len(replica) != REPLICA_BYTES for replica in self.attached.replicas):
            raise SessionEndedError("m8 named a process that is none.", fix="Update the reactor or m8.")
        self.listener.attached(list(self.attached.replicas), approvals=self.attached.approvals)
        await first_of(self._reading(), self._writing(), self._beating(), self._stuck(), self._stopping())

    async def _stopping(self) -> None:
        await self.stop.wait()
        await self._outbox.join()
        await self.link.end()
        # m8 ends its side now, and the reader then ends this session. This is the limit for that.
        await asyncio.sleep(_FAREWELL_S)

    async def _reading(self) -> None:
        while True:
            answer = await self.link.read()
            match answer.WhichOneof("message"):
                case "delivery":
                    self._deliver(answer.delivery)
                case "appended":
                    self.appends.answered(answer.appended)
                case "copy_authorized":
                    self.appends.tokens.answered(answer.copy_authorized)
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
        self.listener.event(event, delivery.sealed)

    def _catch_up(self) -> None:
        if not self._caught_up:
            self._caught_up = True
            self.listener.caught_up()
            # Not before: the deliveries have settled the appends whose answers were lost.
            self.appends.connected(self._say)

    def _say(self, message: reactor_pb2.AttachRequest) -> None:
        if self._outbox.qsize() < MOST_UNSENT:
            self._outbox.put_nowait(message)
        else:
            self._is_stuck.set()

    async def _stuck(self) -> None:
        await self._is_stuck.wait()
        raise SessionEndedError("m8 does not read what it is sent.", fix="Check that it runs.")

    async def _writing(self) -> None:
        while True:
            message = await self._outbox.get()
            await self.link.write(message)
            if message.append.WhichOneof("event") in ENDS:
                failpoint("reactor.receipt-offered")
            self._outbox.task_done()

    async def _beating(self) -> None:
        span = self.attached.heartbeat_s / 3 if self.attached.heartbeat_s else self.timings.heartbeat
        if self.health is None:
            while True:
                await asyncio.sleep(span)
                self._say(reactor_pb2.AttachRequest(heartbeat=reactor_pb2.Heartbeat()))
        least = min(LEAST_S, span)
        while True:
            # The first at once: m8 knows nothing of our engine yet. The others early, if there is news.
            self._say(reactor_pb2.AttachRequest(heartbeat=self.health.heartbeat()))
            await asyncio.sleep(least)
            await self.health.news(within=span - least)


@dataclass(slots=True)
class ReactorSession:
    """Keeps the reactor attached: to one m8 of the list, and to the next one when that ends the session or is gone."""

    endpoint: Endpoint
    """The m8 to dial, and who dials."""
    appends: Appends
    listener: Listener
    timings: Timings
    health: Health | None = None
    """What heartbeats say of the engine."""
    link: Dial = dial
    """Makes a link to m8; tests replace it."""
    is_attached: bool = field(default=False, init=False)
    """Whether m8 has let this process in, and the session has not ended."""
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)
    _attached_once: bool = False

    @property
    def server(self) -> str:
        """The server that is dialled now."""
        return self.endpoint.server

    async def run(self) -> None:
        """Attach, and attach again whenever the session ends, until `stop`."""
        failures = 0
        while not self._stopped.is_set():
            self._attached_once = False
            reason: dict[str, str] = {}
            try:
                await self._attachment()
            except StatusError as error:
                reason = explained(error, self.endpoint)
            except Error as error:
                reason = {"error": type(error).__name__, "message": error.message, "fix": error.fix}
            finally:
                self.is_attached = False
                self.appends.disconnected()
            if self._stopped.is_set():
                return
            failures = 0 if self._attached_once else failures + 1
            delay = self._delay(failures)
            operating_log.get().warning("session ended", server=self.endpoint.server, seconds=round(delay, 2), **reason)
            self.endpoint = self.endpoint.next()
            try:
                async with asyncio.timeout(delay):
                    await self._stopped.wait()
            except TimeoutError:
                continue

    def stop(self) -> None:
        """End the session cleanly; `run` returns."""
        self._stopped.set()

    def _delay(self, failures: int) -> float:
        """Return the seconds before the next server is dialled: hardly any until each has failed once, then more."""
        rounds, turn = divmod(failures, len(self.endpoint.servers))
        if len(self.endpoint.servers) == 1 or (turn == 0 and rounds):
            return self._backoff(rounds)
        # All reactors of an m8 that stops go at the same moment.
        return random.uniform(0.0, self.timings.backoff_least)  # noqa: S311 - as below

    def _backoff(self, failures: int) -> float:
        most = min(self.timings.backoff_most, self.timings.backoff_least * 2.0 ** min(failures, 16))
        return most * random.uniform(0.5, 1.0)  # noqa: S311 - spreads reactors over time, keeps no secret

    async def _attachment(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self.timings.connect):
                    link = await stack.enter_async_context(self.link(self.endpoint))
                    attached = await self._log_in(link)
            except TimeoutError:
                raise SessionEndedError("m8 did not answer in time.", fix="Check that it runs, and `server`.") from None
            stop, health = self._stopped, self.health
            await Attachment(link, attached, self.appends, self.listener, self.timings, stop, health).run()

    async def _log_in(self, link: Link) -> reactor_pb2.Attached:
        challenge = (await link.read()).challenge
        if len(challenge) != CHALLENGE_BYTES:
            raise SessionEndedError("m8 sent no challenge of 32 bytes.", fix="Check `server`.")
        await link.write(reactor_pb2.AttachRequest(attach=self._attach(challenge)))
        answer = await link.read()
        if not answer.HasField("attached"):
            raise SessionEndedError("m8 did not answer the login.", fix="Update the reactor or m8.")
        self._attached_once = self.is_attached = True
        operating_log.get().info("attached", server=self.endpoint.server, store=self.endpoint.identity.store)
        return answer.attached

    def _attach(self, challenge: bytes) -> reactor_pb2.AttachReactor:
        endpoint = self.endpoint
        hello = Hello(
            str(endpoint.address), endpoint.identity.store, endpoint.replica, challenge, endpoint.fingerprint_key_id
        )
        return reactor_pb2.AttachReactor(
            hello=endpoint.identity.sign(REACTOR_HELLO, hello.serialise()),
            type=endpoint.type,
            capabilities=endpoint.announced(),
            rotations=endpoint.identity.rotations,
        )
