"""A connection over HTTP that is cut at any byte: secrets are sealed once, and no failure hides what was sent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from monoskope.client import Client
from monoskope.client.runtime import blocking
from monoskope.errors import Error, NotReachedError, OutcomeUnknownError, UnavailableError
from monoskope.testing.scripted.client import pinned, settings_for
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8
from tests.support.clocks import Clock, Kind, blocking_client, clocked

SAMPLES = 6
UP, DOWN = "up", "down"
IDENTITY = f"SHA256:{'A' * 43}"

Cut = tuple[str, int]
"""A direction, and after how many of its bytes a connection is cut."""

Work = Callable[[Client, str], Coroutine[Any, Any, object]]
"""What a client does to something of that name."""


class Cutter:
    """Carries connections to m8, and cuts them after so many bytes of one direction."""

    def __init__(self, to: int) -> None:
        self._to = to
        self.cut: Cut | None = None
        """Where to cut connections; None to let them pass."""
        self.left = 0
        """How many of those that come so far are cut, the first ones."""
        self.carried: list[dict[str, int]] = []
        """How many bytes of each direction each connection carried."""
        self._over = asyncio.Event()
        self._connections: set[asyncio.Event] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        carried = {UP: 0, DOWN: 0}
        self.carried.append(carried)
        ending = asyncio.Event()
        self._connections.add(ending)
        with ExitStack() as closing:  # also where the test ends first
            closing.callback(writer.close)
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
            closing.callback(back.close)
            carrying = [
                self._carry(reader, back, UP, carried),
                self._carry(there, writer, DOWN, carried),
                self._over.wait(),
            ]
            tasks = [asyncio.ensure_future(one) for one in carrying]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for end in (writer, back):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()
        ending.set()

    async def _carry(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, way: str, carried: dict[str, int]
    ) -> None:
        is_cut = False
        with suppress(OSError):
            while not is_cut and (piece := await source.read(65_536)):
                cut_way, place = self.cut or ("", 0)
                if self.left and cut_way == way and carried[way] + len(piece) >= place:
                    is_cut = True
                    self.left -= 1
                    piece = piece[: place - carried[way]]
                carried[way] += len(piece)
                target.write(piece)
                await target.drain()

    async def stop(self) -> None:
        """End what is carried."""
        self._over.set()
        for ending in self._connections:
            await ending.wait()


class World:
    """An m8 behind a cutter, and clients of it."""

    def __init__(self, m8: ScriptedM8, cutter: Cutter, kind: Kind, folder: Path) -> None:
        self.m8, self.cutter, self._kind, self._folder = m8, cutter, kind, folder
        self._number = 0

    @property
    def name(self) -> str:
        """What is done is done to this name: what was sent before and comes late is not taken for it."""
        return f"n{self._number}x"

    @property
    def attempts(self) -> list[Attempt]:
        """What m8 was asked for, of this name."""
        return [attempt for attempt in self.m8.attempts if attempt.request.uri.path == (self.name,)]

    @property
    def has_arrived(self) -> bool:
        """Whether a sealed secret has, of this name."""
        return any(attempt.sealed for attempt in self.attempts)

    async def do(self, work: Work, cut: Cut | None = None, *, most: int = 1) -> Error | None:
        """Return how `work` fails with a new client and a new name, None if it does not.

        At most so many connections are cut: one may be that of the client's look at the log, which begins beside it.
        """
        self._number += 1
        self.cutter.cut, self.cutter.left, self.cutter.carried = cut, most, []
        name = self.name

        async def once() -> Error | None:
            settings = settings_for(self.m8, self._folder)
            # Its time is over by its pauses alone, however slow the machine is.
            kind = clocked(self._kind, Clock())
            async with kind(settings, system_known_stores=self._folder / "none", pause_s=0.5) as client:
                try:
                    await work(client, name)
                except Error as error:
                    return error
            return None

        return await (asyncio.to_thread(blocking.run, once()) if self._kind is blocking_client else once())

    async def places(self, work: Work, *, last: int = 2**30) -> list[Cut]:
        """Where to cut: in what each connection of `work` carries each way, among so many bytes at its end."""
        await self.do(work)
        chosen = random.Random(7)
        return [
            (way, place)
            for carried in self.cutter.carried
            for way, most in carried.items()
            for places in [range(max(1, most - last), most)]
            for place in chosen.sample(places, min(SAMPLES, len(places)))
        ]


@pytest.fixture(params=[Client, blocking_client])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with ScriptedM8().serving(tmp_path) as m8:
        cutter = Cutter(int(m8.server.rpartition(":")[2]))
        server = await asyncio.start_server(cutter.serve, "127.0.0.1", 0)
        m8.server = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        pinned(m8, tmp_path)
        yield World(m8, cutter, request.param, tmp_path)
        server.close()
        await cutter.stop()


async def put(client: Client, name: str) -> None:
    await client.put_secret(f"vault://{name}", {"password": b"correct horse"}, timeout=20)


async def put_and_give_up_soon(client: Client, name: str) -> None:
    await client.put_secret(f"vault://{name}", {"password": b"correct horse"}, timeout=5)


async def create(client: Client, name: str) -> None:
    await client.queries.store("vault")  # so that its connection is a kept one
    await client.stores.create(name, kind="vault", identity=IDENTITY)


async def test_a_put_survives_one_cut_anywhere_and_seals_once(world: World) -> None:
    places = await world.places(put)
    assert world.has_arrived  # nothing was cut
    for cut in places:
        failure = await world.do(put, cut)
        # Before the first step of a request a broken connection is an error at once.
        assert failure is None or (isinstance(failure, UnavailableError) and not world.has_arrived), cut
        assert all(len(set(attempt.sealed)) <= 1 for attempt in world.attempts)
        assert len(world.attempts) <= 1


async def test_a_put_whose_connections_are_all_cut_fails_only_if_nothing_arrived(world: World) -> None:
    ends = set()
    for cut in await world.places(put):
        failure = await world.do(put_and_give_up_soon, cut, most=10_000)
        assert not world.has_arrived or failure is None or isinstance(failure, OutcomeUnknownError), (cut, failure)
        assert all(len(set(attempt.sealed)) <= 1 for attempt in world.attempts)
        ends.add(type(failure))
    assert OutcomeUnknownError in ends


async def test_a_command_that_must_not_be_made_twice_is_made_once(world: World) -> None:
    ends = set()
    for cut in await world.places(create, last=500):
        # The look at the log may come to that place first.
        failure = await world.do(create, cut, most=2)
        asked = [one for one in world.m8.received if world.name.encode() in one]
        assert len(asked) <= 1, cut
        ends.add((len(asked), None if failure is None else type(failure)))
    assert any(
        asked == 1 and kind is not None and issubclass(kind, NotReachedError) for asked, kind in ends
    )  # the command arrived, and its answer was cut off
