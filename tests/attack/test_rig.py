"""The hostile m8 does what it is told, and nothing else: what it shows elsewhere would prove nothing otherwise."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from monoskope.api.gateway.v1 import queries_pb2, reactor_pb2
from monoskope.client import PutResult
from monoskope.errors import NotFoundError, UnavailableError
from tests.attack.conftest import Scene
from tests.support.hostile_rules import Call, Passing, Way, within

pytestmark = pytest.mark.asyncio(loop_scope="session")

VALUE = b"correct horse battery staple"


async def put(scene: Scene, name: str = "db", value: bytes = VALUE) -> PutResult:
    return await scene.client.put_secret(scene.uri("vault", name), {"password": value}, timeout=60.0)


@pytest.fixture
def uri(scene: Scene) -> str:
    return scene.uri("vault")


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def vault(scene: Scene) -> None:
    await scene.hostile.serve("vault")


async def test_an_honest_one_is_not_noticed_and_sees_everything_but_values(scene: Scene, uri: str) -> None:
    done = await put(scene)
    assert (await scene.client.compare_secret(uri, {"password": VALUE})).equal
    assert (await scene.client.verify_secret(uri)).in_sync
    ran = await scene.hostile.monoctl(scene.user, "get", "secret", uri, "-o", "json")
    assert ran.json()["upstream_version"] == done.upstream_version
    assert scene.m8.saw(VALUE) == 0
    assert scene.m8.saw(uri.encode()) > 0
    assert len(scene.m8.of(uri)) == 3


async def test_calls_are_answered_refused_changed_held_and_lost(scene: Scene, uri: str) -> None:
    await put(scene)

    def changed(_: Call, content: bytes) -> queries_pb2.GetSecretResponse:
        answer = queries_pb2.GetSecretResponse.FromString(content)
        answer.secret.subject = "somebody else"
        return answer

    queries = scene.client.queries
    scene.m8.change("GetSecret", changed)
    assert (await queries.secret(uri)).subject == "somebody else"
    scene.m8.answer("GetSecret", queries_pb2.GetSecretResponse())
    assert not (await queries.secret(uri)).uri
    scene.m8.refuse("GetSecret", NotFoundError("not there."))
    with pytest.raises(NotFoundError, match="not there"):
        await queries.secret(uri)
    scene.m8.refuse("GetSecret", "unavailable")
    with pytest.raises(UnavailableError):
        await queries.secret(uri)
    held = scene.m8.hold("GetSecret")
    asked = asyncio.ensure_future(queries.secret(uri))
    await held.arrived()
    assert not asked.done()
    held.release()
    assert (await within(asked)).subject == "anna"
    scene.m8.lose_answer("RequestUploadSecret")
    assert (await put(scene, "other")).outcome == "UPLOADED"
    assert len(scene.m8.of(scene.uri("vault", "other"))) == 1


async def test_what_is_watched_can_be_left_out(scene: Scene, uri: str) -> None:
    def some(_: Call, content: bytes) -> bytes | None:
        kind = queries_pb2.WatchEventsResponse.FromString(content).event.type
        return None if kind == "SecretUploadStarted" else content

    await put(scene)
    scene.m8.change("WatchEvents", some)
    seen: list[str] = []
    async with asyncio.timeout(60):
        async for event in scene.client.queries.watch(prefix=uri):
            seen.append(event.type)
            if event.type == "SecretUploaded":
                break
    assert seen == ["SecretUploadKeyRequested", "SecretUploadKeyProvided", "SecretUploadRequested", "SecretUploaded"]


async def test_what_a_reactor_is_told_is_held_doubled_replayed_and_cut(scene: Scene, uri: str) -> None:
    held = scene.m8.hold_delivery("SecretUploadKeyRequested", of=uri)
    first = asyncio.ensure_future(put(scene))
    await held.arrived()
    assert not first.done()
    held.release()
    await within(first)

    def twice(one: Passing, _: object) -> None:
        one.go()
        one.go()

    doubled = scene.m8.on_delivery("SecretUploadRequested", twice, of=uri)
    await put(scene, value=b"another one altogether")
    (passed,) = doubled.taken
    passed.session.send(Way.TO_REACTOR, passed.content)
    (session,) = scene.m8.live("vault")
    session.send(Way.TO_REACTOR, reactor_pb2.AttachResponse(caught_up=reactor_pb2.CaughtUp()))
    lost = scene.m8.lose_answer_to_append("SecretUploaded", of=uri)
    last = asyncio.ensure_future(put(scene, value=b"the last of three"))
    await lost.arrived()
    session.cut()
    await within(last)
    await scene.m8.until(lambda: session.ended and bool(scene.m8.live("vault")))
    assert [version.content for version in scene.hostile.history(uri)] == [
        {"password": value} for value in (VALUE.decode(), "another one altogether", "the last of three")
    ]


async def test_what_a_reactor_appends_is_refused_held_and_lost(scene: Scene, uri: str) -> None:
    await put(scene)
    refused = scene.m8.refuse_append("SecretUploadStarted", of=uri)
    waiting = asyncio.ensure_future(put(scene, value=b"never written"))
    await refused.arrived()
    waiting.cancel()
    held = scene.m8.hold_append("SecretUploadStarted", of=uri)
    second = asyncio.ensure_future(put(scene, value=b"written in the end"))
    await held.arrived()
    assert await scene.hostile.holds(uri) == {"password": VALUE.decode()}
    held.release()
    await within(second)
    assert await scene.hostile.holds(uri) == {"password": "written in the end"}
