"""A link does to connections what it is told to, and nothing while it is honest."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from tests.faults.tcp_proxy import CUT, DELAY, DUPLICATE, HOLD, RESET, SLICE, Link

SAID = bytes(range(256)) * 40


@dataclass
class Echo:
    """A server that sends back what it gets, and counts."""

    connections: int = 0
    got: list[bytes] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError):
            while piece := await reader.read(65_536):
                self.got.append(piece)
                self.arrived.set()
                writer.write(piece)
                await writer.drain()
        writer.close()


@pytest_asyncio.fixture
async def echo() -> AsyncIterator[tuple[Echo, Link]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    link = Link("test", 0, server.sockets[0].getsockname()[1])
    await link.start()
    yield echo, link
    await link.close()
    server.close()


async def ask(link: Link, said: bytes = SAID) -> bytes:
    """Say something on a new connection, and return what comes back before it ends or is complete."""
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    try:
        writer.write(said)
        return await reader.readexactly(len(said))
    except asyncio.IncompleteReadError as error:
        return error.partial
    except OSError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.mark.parametrize("fault", ["", DELAY, SLICE, DUPLICATE])
async def test_all_that_was_said_arrives(echo: tuple[Echo, Link], fault: str) -> None:
    server, link = echo
    if fault:
        link.fault(fault, random.Random(1))
    assert await ask(link) == SAID
    assert server.connections == (2 if fault == DUPLICATE else 1)


async def test_a_slice_is_small(echo: tuple[Echo, Link]) -> None:
    server, link = echo
    link.fault(SLICE, random.Random(1))
    await ask(link)
    assert len(server.got) > 1


@pytest.mark.parametrize("fault", [CUT, RESET])
async def test_a_broken_connection_carries_less_until_it_is_mended(echo: tuple[Echo, Link], fault: str) -> None:
    _, link = echo
    link.fault(fault, random.Random(1))
    assert len(await ask(link)) < len(SAID)
    assert link.counts[fault] == 1
    link.mend()
    assert await ask(link) == SAID


async def test_what_is_held_comes_once_it_is_mended(echo: tuple[Echo, Link]) -> None:
    server, link = echo
    link.fault(HOLD, random.Random(1))
    asked = asyncio.create_task(ask(link))
    while not link.counts["connections"]:
        await asyncio.sleep(0)
    assert not server.got
    link.mend()
    assert await asked == SAID


async def test_a_cut_ends_connections_that_are_open(echo: tuple[Echo, Link]) -> None:
    server, link = echo
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    writer.write(b"before")
    await server.arrived.wait()
    assert await reader.readexactly(6) == b"before"
    link.fault(CUT, random.Random(1))
    assert await reader.read() == b""
    writer.close()
