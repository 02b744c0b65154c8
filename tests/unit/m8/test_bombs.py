"""A compressed message costs m8 what its bytes cost, and never what they would become."""

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


async def test_a_message_that_would_become_larger_than_any_is_refused_before_it_does(world: World) -> None:
    code, said = await _sent(world, 2 * MAX_MESSAGE)
    assert (code, said) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "Decompressed message larger than max")


async def test_what_becomes_no_larger_is_refused_by_the_rule_of_its_method(world: World) -> None:
    code, said = await _sent(world, MAX_MESSAGE - 1)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "20,480 bytes" in said
