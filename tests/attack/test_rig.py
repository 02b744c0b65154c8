"""The hostile m8 does what it is told, and nothing else: what it shows elsewhere would prove nothing otherwise."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.client import PutResult
from tests.attack.conftest import Scene
from tests.support.hostile_rules import Call

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
