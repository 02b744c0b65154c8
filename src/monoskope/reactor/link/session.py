"""The one connection to m8: dial, answer the challenge, attach, serve; and again, as long as the reactor runs."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio

from monoskope import operating_log
from monoskope.api.gateway.v1 import reactor_pb2, reactor_pb2_grpc
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import Error, UsageError
from monoskope.protocol.hello import CHALLENGE_BYTES, Hello
from monoskope.protocol.labels import REACTOR_HELLO
from monoskope.protocol.login_refusal import LoginRefusal
from monoskope.reactor.health import Health
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.link.appends import Appends
from monoskope.reactor.link.attachment import Attachment, Call, Listener, SessionEndedError, StatusError, read, write
from monoskope.reactor.link.refusal import explained, refusal_in
from monoskope.reactor.timings import Timings

_MAX_MESSAGE = 8 * 1024 * 1024
_OPTIONS = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_receive_message_length", _MAX_MESSAGE),
    ("grpc.enable_http_proxy", 0),
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The m8 that this process dials, and what it says of itself there."""

    servers: tuple[str, ...]
    """Those of one log, each `host:port`; the first is dialled, and its name signed."""
    ca_file: Path
    identity: Identity
    replica: bytes
    fingerprint_key_id: str
    type: str
    announced: events_pb2.StoreCapabilities
    """The capabilities of the engine, as m8 learns them."""

    @property
    def server(self) -> str:
        """The server to dial now."""
        return self.servers[0]

    def next(self) -> Endpoint:
        """Return the same with the next server in the first place."""
        return dataclasses.replace(self, servers=(*self.servers[1:], self.servers[0]))


def dial(endpoint: Endpoint) -> grpc.aio.Channel:
    """Return a channel to m8, over TLS under the configured certificates alone. Raises `UsageError`."""
    credentials = grpc.ssl_channel_credentials(roots(endpoint.ca_file))
    return grpc.aio.secure_channel(endpoint.server, credentials, options=_OPTIONS)


def roots(ca_file: Path) -> bytes:
    """Return the certificates under which m8 is trusted. Raises `UsageError` if they cannot be read."""
    try:
        return ca_file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the certificate file {ca_file} cannot be read: {error.strerror}.", fix="Correct `ca_file`."
        ) from None


class ReactorSession:
    """Keeps the reactor attached: to one m8 of the list, and to the next one when that ends the session or is gone.

    Args:
        endpoint: The m8 to dial, and who dials.
        appends: The events to send to m8.
        listener: Acts on what m8 says.
        timings: All spans of time.
        health: What heartbeats say of the engine.
        channel: Makes a channel; tests replace it.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        appends: Appends,
        listener: Listener,
        timings: Timings,
        *,
        health: Health | None = None,
        channel: Callable[[Endpoint], grpc.aio.Channel] = dial,
    ) -> None:
        self._endpoint = endpoint
        self._appends = appends
        self._listener = listener
        self._timings = timings
        self._health = health
        self._channel = channel
        self._stop = asyncio.Event()
        self._attached_once = False
        self._is_attached = False

    @property
    def is_attached(self) -> bool:
        """Whether m8 has let this process in, and the session has not ended."""
        return self._is_attached

    @property
    def server(self) -> str:
        """The `host:port` that is dialled now."""
        return self._endpoint.server

    async def run(self) -> None:
        """Attach, and attach again whenever the session ends, until `stop`."""
        failures = 0
        while not self._stop.is_set():
            self._attached_once = False
            reason: dict[str, str] = {}
            try:
                async with self._channel(self._endpoint) as channel:
                    await self._attachment(channel)
            except StatusError as error:
                reason = self._explained(error.status, error.refusal)
            except Error as error:
                reason = {"error": type(error).__name__, "message": error.message, "fix": error.fix}
            except grpc.aio.AioRpcError as error:
                reason = self._explained(error.code(), refusal_in(error.trailing_metadata()))
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

    def _explained(self, code: grpc.StatusCode, refusal: LoginRefusal | None) -> dict[str, str]:
        endpoint = self._endpoint
        return explained(
            code,
            refusal,
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

    async def _attachment(self, channel: grpc.aio.Channel) -> None:
        call: Call = reactor_pb2_grpc.ReactorServiceStub(channel).Attach()
        try:
            attached = await self._log_in(call)
            await Attachment(
                call,
                attached,
                self._appends,
                self._listener,
                timings=self._timings,
                stop=self._stop,
                health=self._health,
            ).run()
        finally:
            call.cancel()

    async def _log_in(self, call: Call) -> reactor_pb2.Attached:
        try:
            async with asyncio.timeout(self._timings.connect):
                challenge = (await read(call)).challenge
                if len(challenge) != CHALLENGE_BYTES:
                    raise SessionEndedError("m8 sent no challenge of 32 bytes.", fix="Check `server`.")
                await write(call, reactor_pb2.AttachRequest(attach=self._attach(challenge)))
                answer = await read(call)
        except TimeoutError:
            raise SessionEndedError("m8 did not answer in time.", fix="Check that it runs, and `server`.") from None
        if not answer.HasField("attached"):
            raise SessionEndedError("m8 did not answer the login.", fix="Update the reactor or m8.")
        self._attached_once = self._is_attached = True
        operating_log.get().info("attached", server=self._endpoint.server, store=self._endpoint.identity.store)
        return answer.attached

    def _attach(self, challenge: bytes) -> reactor_pb2.AttachReactor:
        endpoint = self._endpoint
        hello = Hello(
            endpoint.server, endpoint.identity.store, endpoint.replica, challenge, endpoint.fingerprint_key_id
        )
        return reactor_pb2.AttachReactor(
            hello=endpoint.identity.sign(REACTOR_HELLO, hello.serialise()),
            type=endpoint.type,
            capabilities=endpoint.announced,
            rotations=endpoint.identity.rotations,
            knows_caught_up=True,
            without_own=True,
        )
