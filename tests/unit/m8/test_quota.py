"""No user fills the disk of all: so many sealed bytes a day, by what the log holds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import grpc.aio
import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.doors import running
from monoskope.m8.grpc.server import build_server
from monoskope.m8.limits.quota import LARGEST
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.methods import calls
from monoskope.m8.readmodels.chain import project
from monoskope.m8.readmodels.sealed_bytes import SEALED_BYTES
from monoskope.m8.service.app import App
from monoskope.m8.service.server_limits import ServerLimits
from tests.support.m8_world import RIGHTS, SERVER, FakeReactor, Sealed, User, World, a_world, refused
from tests.support.vectors import a_request

AT_ONCE_S = 60.0
"""A deadline of which nothing is left to wait, since m8 keeps all of it for the way back (`margin`)."""
SIZE = 1120 + 65_536 + 16
TIMES = 4
LIMITS = ServerLimits(sealed_bytes_per_user_per_day=LARGEST + SIZE * TIMES - 1, tick_s=3_600)
"""The fourth upload leaves less than the largest secret needs."""


def large() -> Sealed:
    return Sealed(ciphertext=os.urandom(65_536 + 16))


pytestmark = pytest.mark.usefixtures("door")


@pytest.fixture(autouse=True)
def margin(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, the answer comes before the deadline."""
    monkeypatch.setattr(calls, "MARGIN_S", AT_ONCE_S)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, limits=LIMITS) as world:
        yield world


async def granted(user: User, reactor: FakeReactor, **fields: object) -> bytes:
    request_id = await user.ask(a_request(**fields))  # type: ignore[arg-type]
    await reactor.give_key()
    return request_id


async def put(user: User, reactor: FakeReactor) -> views_pb2.SecretUpload:
    request_id = await user.ask(a_request())
    _, grant = await reactor.give_key()
    upload, _ = await asyncio.gather(
        user.send(request_id, large(), timeout_s=2 * AT_ONCE_S), reactor.write(grant, os.urandom(4).hex())
    )
    return upload


async def use_up(user: User, reactor: FakeReactor) -> None:
    for _ in range(TIMES):
        await put(user, reactor)


async def test_a_user_whose_day_is_used_up_is_refused_before_anything_is_sealed(world: World) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    await use_up(anna, reactor)
    head = await world.app.log.head()
    for purpose in (upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_COMPARE, upload_pb2.PURPOSE_PATCH):
        with refused("RATE_LIMITED") as refusal:
            await anna.ask(a_request(purpose=purpose))
        assert f"anna has {TIMES * SIZE} of the {LIMITS.sealed_bytes_per_user_per_day} sealed bytes" in refusal.message
        assert "the next day begins at 2023-11-15T00:00:00Z" in refusal.message
        assert refusal.retry_after_s == 6_400
    assert await world.app.log.head() == head


async def test_others_and_what_seals_nothing_are_not_held_up(world: World) -> None:
    rights = RIGHTS | {events_pb2.RIGHT_DELETE}
    reactor, anna = await world.attached(), world.user("anna", "vault://app", rights=rights)
    await use_up(anna, reactor)
    await put(world.user("boris", "vault://app"), reactor)
    for purpose in (upload_pb2.PURPOSE_DELETE, upload_pb2.PURPOSE_VERIFY):
        request_id = await granted(anna, reactor, purpose=purpose)
        upload = await anna.send(request_id, Sealed(b"", b""), timeout_s=AT_ONCE_S)
        assert upload.state == views_pb2.UPLOAD_STATE_UPLOADING


async def test_the_next_day_begins_with_nothing_used(world: World) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    await use_up(anna, reactor)
    world.clock.pass_s(86_400)
    await reactor.beat()
    assert (await put(anna, reactor)).outcome == upload_pb2.OUTCOME_UPLOADED


async def test_sealed_bytes_beyond_the_day_are_not_recorded_and_the_same_again_is_no_second_use(world: World) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    first, *others = [await granted(anna, reactor) for _ in range(40)]
    sealed = large()
    fit = LIMITS.sealed_bytes_per_user_per_day // SIZE
    await anna.send(first, sealed, timeout_s=AT_ONCE_S)
    for request_id in others[: fit - 1]:
        await anna.send(request_id, large(), timeout_s=AT_ONCE_S)
    for request_id in others[fit - 1 :]:
        with refused("RATE_LIMITED"):
            await anna.send(request_id, large(), timeout_s=AT_ONCE_S)

    upload = await anna.send(first, sealed, timeout_s=AT_ONCE_S)
    assert upload.state == views_pb2.UPLOAD_STATE_UPLOADING


async def test_what_is_sent_at_once_is_counted_together(world: World) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    request_ids = [await granted(anna, reactor) for _ in range(40)]

    async def send(request_id: bytes) -> None:
        await anna.send(request_id, large(), timeout_s=AT_ONCE_S)

    await asyncio.gather(*(send(request_id) for request_id in request_ids), return_exceptions=True)
    counted = int((await world.app.log.get(SEALED_BYTES, "anna") or b"0 0").split()[1])
    assert 0 < counted <= LIMITS.sealed_bytes_per_user_per_day


async def test_every_process_of_a_log_and_a_rebuilt_one_agree(world: World, tmp_path: Path) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    await use_up(anna, reactor)
    before = await world.app.log.get(SEALED_BYTES, "anna")
    await world.app.log.rebuild()
    assert await world.app.log.get(SEALED_BYTES, "anna") == before
    with refused("RATE_LIMITED"):
        await anna.ask(a_request())

    log = await SqliteLog.open(tmp_path / "log.db", clock=world.clock, projector=project)
    app = App(log, world.app.authenticate, {SERVER}, world.clock, "m8", "0.1.0", LIMITS, ticks=world.clock)
    bound = build_server(app, None)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{bound.port}") as channel, running(app, [bound]):
        twin = User(channel, anna.metadata[0][1].removeprefix("Bearer "))
        with refused("RATE_LIMITED"):
            await twin.ask(a_request())
    await log.close()
