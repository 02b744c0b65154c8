"""A packed message costs m8 what its bytes cost, and never what they would become: m8 unpacks none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from monoskope.m8.methods.table import MAX_MESSAGE
from tests.support.m8_world import World, a_world

EXCHANGE = "/monoskope.api.gateway.v1.AccessService/ExchangeToken"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


async def _sent(world: World, size: int) -> tuple[grpc.StatusCode, str]:
    """Send so many zero bytes, compressed, to a method that needs no token; return what m8 says."""
    call = world.channel.unary_unary(EXCHANGE, request_serializer=bytes, response_deserializer=bytes)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call(bytes(size), compression=grpc.Compression.Gzip, timeout=20)
    return failed.value.code(), failed.value.details() or ""


@pytest.mark.parametrize("size", [1, MAX_MESSAGE - 1, 2 * MAX_MESSAGE], ids=["little", "the most", "more than that"])
async def test_a_packed_message_is_refused_before_it_is_unpacked(world: World, size: int) -> None:
    code, said = await _sent(world, size)
    assert (code, said) == (grpc.StatusCode.UNIMPLEMENTED, "Compression algorithm 'gzip' is disabled.")
