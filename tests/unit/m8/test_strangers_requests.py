"""What the two doors read of a request before they know who sent it, and how much of it afterwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from monoskope.m8.methods.table import MAX_SMALL, Kind, Method, methods
from tests.support.http_calls import Asked, ask
from tests.support.m8_world import World, a_world

Metadata = tuple[tuple[str, str], ...]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


def users_methods(world: World) -> list[Method]:
    return [method for method in methods(world.app).values() if method.kind is not Kind.ATTACHING]


async def refused(world: World, method: Method, body: bytes, metadata: Metadata) -> list[str]:
    """How both doors refuse a request in protobuf."""
    wrap: Any = world.channel.unary_stream if method.kind is Kind.STREAMING else world.channel.unary_unary
    call: Any = wrap(method.path)(body, metadata=metadata)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await (call.read() if method.kind is Kind.STREAMING else call)
    return [error.value.code().name, (await _over_http(world, method, body, metadata)).upper()]


async def _over_http(world: World, method: Method, body: bytes, metadata: Metadata) -> str:
    if method.kind is not Kind.STREAMING:
        return str(
            (
                await ask(world.http, "POST", method.path, ("Content-Type", "application/proto"), *metadata, body=body)
            ).json["code"]
        )
    framed = bytes([0]) + len(body).to_bytes(4, "big") + body
    fields = "".join(f"{name}: {value}\r\n" for name, value in metadata)
    head = f"POST {method.path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/connect+proto\r\n"
    asked = await Asked.send(world.http, f"{head}Content-Length: {len(framed)}\r\n{fields}", framed)
    answered = await asked.head()
    if "transfer-encoding" not in answered.headers:
        return str((await asked.rest(answered)).json["code"])
    return str(json.loads(b"".join([piece async for piece in asked.chunks()])[5:])["error"]["code"])


async def test_no_method_is_reached_without_a_token_and_a_stranger_hears_nothing_of_its_request(world: World) -> None:
    token = world.administrator().metadata[0][1].removeprefix("Bearer ")
    instead = [token, f"Basic {token}", f"Bearer {token}, Bearer {token}", f"Bearer {token[:-8]}AAAAAAAA", "Bearer"]
    strangers = [(), *[(("authorization", one),) for one in instead], (("authorization", f"Bearer {token}"),) * 2]
    assert [method.name for method in users_methods(world) if not method.needs_token] == ["ExchangeToken"]
    for method in (method for method in users_methods(world) if method.needs_token):
        asks = [(b"", stranger) for stranger in strangers] + [(b"\xff", ()), (bytes(MAX_SMALL + 1), ())]
        for said in await asyncio.gather(*(refused(world, method, *one) for one in asks)):
            assert said[0] == "UNAUTHENTICATED", method.path
            assert said[1] in {"UNAUTHENTICATED", "RESOURCE_EXHAUSTED"}


async def test_what_is_too_large_for_its_method_or_no_message_is_not_read_at_either_door(world: World) -> None:
    """gRPC's library takes a megabyte for every method: half a million of labels would hold everybody up."""
    administrator = world.administrator().metadata
    for method in users_methods(world):
        assert await refused(world, method, b"\xff", administrator) == ["INVALID_ARGUMENT"] * 2
        if method.most_request == MAX_SMALL:
            said = await refused(world, method, b"\x2a\x00" * (MAX_SMALL // 2 + 1), administrator)
            assert said == ["INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"]
