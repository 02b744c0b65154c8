"""A real m8 in this process, and the wire in front of it, which breaks and lies as a test says.

A reactor dials the wire; its user, and the test, ask m8 itself. What only a broken m8 would say is put on the wire.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from google.protobuf.message import Message

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.m8.domain.aggregates import attachments_of
from monoskope.m8.http import tls
from monoskope.m8.limits.settings import ServerLimits
from monoskope.protocol.events import upload_stream
from monoskope.protocol.grant import Grant, parse_grant
from monoskope.protocol.request import Request
from monoskope.testing.parts import free_port
from tests.support.fake_reactor import FakeReactor, Signs
from tests.support.hostile_m8 import HostileM8
from tests.support.hostile_rules import Passing, Rule
from tests.support.hostile_session import Session
from tests.support.m8_user import PATIENCE_S, Sealed
from tests.support.m8_world import World, an_m8

_ENCAPSULATED_KEY = 1_120


class RealM8:
    """m8, its one user alice, and the wire.

    Attributes:
        wire: What reactors dial.
        server: The wire, as a reactor dials it.
        servers: Both names of the wire.
        alice: May put, compare and see hashes in the store.
    """

    def __init__(self, world: World, wire: HostileM8, store: str, names: Sequence[str]) -> None:
        self.world = world
        self.wire = wire
        self.servers = [*names]
        self.server = self.servers[0]
        self.store = store
        self.alice = world.user("alice", f"{store}://")
        self._sending: dict[bytes, asyncio.Task[views_pb2.SecretUpload]] = {}

    async def create(self, identity: str, *, kind: str) -> None:
        await self.world.administrator().create(self.store, identity, kind=kind)

    async def ask(self, request: Request) -> None:
        await self.alice.ask(request)

    async def granted(self, request_id: bytes) -> Grant:
        key = await self.alice.key(request_id)
        assert key.HasField("grant"), upload_pb2.Reason.Name(key.reason)
        return parse_grant(key.grant.content)

    def send(self, request_id: bytes, sealed: bytes) -> None:
        """Send sealed bytes as alice; `ended` waits for what becomes of them."""
        parts = Sealed(sealed[:_ENCAPSULATED_KEY], sealed[_ENCAPSULATED_KEY:])
        self._sending[request_id] = asyncio.create_task(self.alice.send(request_id, parts))

    async def ended(self, request_id: bytes) -> views_pb2.SecretUpload:
        if request_id in self._sending:
            await self._sending.pop(request_id)

        async def end() -> views_pb2.SecretUpload | None:
            upload = await self.world.app.documents.upload(request_id)
            return upload if upload is not None and upload.state == views_pb2.UPLOAD_STATE_ENDED else None

        with self.world.app.feed.waiting(upload_stream(request_id)) as waker:
            upload = await waker.until(end, wait_s=PATIENCE_S)
        if upload is None:
            raise TimeoutError(await self.kinds(request_id))
        return upload

    async def kinds(self, request_id: bytes) -> list[str]:
        return [event.type for event in await self.world.app.log.read_stream(upload_stream(request_id))]

    async def attached(self, times: int = 1) -> Session:
        """Wait until a reactor was let in so often, and return its stream."""
        await self.wire.until(lambda: self.count("Attached") >= times)
        return self.wire.sessions[-1]

    async def detached(self) -> None:
        """Wait until m8 knows of no reactor any more: the last one said goodbye."""
        async with asyncio.timeout(PATIENCE_S):
            while (await self.world.app.aggregates.get(attachments_of(self.store))).attached:
                await asyncio.sleep(0.01)

    async def began(self, request_id: bytes) -> None:
        """Wait until a reactor told m8 that it begins to write."""
        await self.wire.until(
            lambda: any(
                one.kind == "SecretUploadStarted" and one.request_id == request_id
                for session in self.wire.sessions
                for one in session.passed
            )
        )

    def count(self, kind: str) -> int:
        """How many messages of a kind came by, in whichever direction."""
        return sum(one.kind == kind for session in self.wire.sessions for one in session.passed)

    def refused(self, kind: str) -> list[str]:
        """The codes with which appends of a kind were refused."""
        answers = [one for session in self.wire.sessions for one in session.passed if one.answers == kind]
        return [code for one in answers if (code := one.to_reactor().appended.error)]

    def hang_up(self) -> None:
        for session in self.wire.live(self.store):
            session.cut()

    def break_at(self, kind: str, *, recorded: bool) -> None:
        """Break the connection at the next append of a kind: before m8 hears of it, or once it is `recorded`."""
        if recorded:
            self.wire.on_delivery("Appended", lambda one, _: one.session.cut(), answers=kind)
        else:
            self.wire.on_append(kind, lambda one, _: one.session.cut())

    def refuse_logins(self, code: str, *, times: int = 1) -> None:
        """Refuse the next logins in m8's place."""
        self.wire.on_append("AttachReactor", lambda one, _: one.session.cut(code), times=times)

    def tell_otherwise(self, fields: Message) -> Rule[Passing]:
        """Deliver the next event of the type of `fields` with what is set there, and the rest as it is."""

        def lie(answer: reactor_pb2.AttachResponse) -> reactor_pb2.AttachResponse:
            event = event_pb2.Event.FromString(answer.delivery.record)
            message = type(fields).FromString(event.data)
            for field, _ in fields.ListFields():
                message.ClearField(field.name)
            message.MergeFrom(fields)
            event.data = message.SerializeToString(deterministic=True)
            answer.delivery.record = event.SerializeToString()
            return answer

        return self.wire.change_delivery(fields.DESCRIPTOR.name, lie)

    async def peer(self, signer: Signs) -> FakeReactor:
        """Attach another replica of the store, which says what the test wants it to say."""
        peer = self.world.reactor(signer, store=self.store)
        await peer.open()
        await peer.attach(peer.login(kind=self.store))
        return peer


@asynccontextmanager
async def serving(folder: Path, *, store: str = "memory", limits: ServerLimits | None = None) -> AsyncIterator[RealM8]:
    """Serve an m8 without stores over TLS; its certificate is `folder`/ca.crt, its address `server`."""
    made = tls.make(["127.0.0.1"], now=dt.datetime.now(dt.UTC))
    for name, content in (("ca.crt", made.ca), ("tls.crt", made.certificate), ("tls.key", made.key)):
        (folder / name).write_bytes(content)
    port = free_port()
    names = [f"{host}:{port}" for host in ("localhost", "127.0.0.1")]
    async with (
        an_m8(folder, limits=limits or ServerLimits(heartbeat_s=1), server=names[0]) as world,
        HostileM8(listen=names[0], upstream=world.address, folder=folder, tls=False) as wire,
    ):
        world.app.names = {*names}
        yield RealM8(world, wire, store, names)
