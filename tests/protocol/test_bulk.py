"""Much at once, against a real m8 and a real reactor: nothing breaks, everything is done, no server is hammered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import events_pb2
from monoskope.client import Client, ClientSettings
from monoskope.client.known.stores import KnownStores
from monoskope.client.walk.pace import Tally
from monoskope.errors import Error, NotFoundError, NotTriedError, RateLimitedError, RefusedError
from monoskope.m8.domain.principal import Principal
from monoskope.m8.limits.settings import ServerLimits
from monoskope.reactor.settings import ReactorLimits
from monoskope.testing.scripted.client import token
from monoskope.uri import UriPrefix
from tests.protocol.reactor import IDENTITY, running
from tests.support.m8_world import RIGHTS
from tests.support.memory_store import MemoryStore
from tests.support.real_m8 import RealM8, serving

EVERYTHING = RIGHTS | {events_pb2.RIGHT_DELETE}
PREFIXES = ("memory://team-a", "nowhere://team-a")


@dataclass(frozen=True)
class Crowd:
    """A real m8 and a real reactor, and the means to make fresh clients of alice."""

    m8: RealM8
    store: MemoryStore
    folder: Path

    def client(self, **more: object) -> Client:
        server = self.m8.server
        known = KnownStores(self.folder / "known_stores", system=self.folder / "none")
        known.pin(server, "memory", IDENTITY.shown, replaces=None)
        settings = ClientSettings(
            server=server, ca_file=self.folder / "ca.crt", token=token("alice"), known_stores=known.path
        )
        return Client(settings, system_known_stores=self.folder / "none", **more)  # type: ignore[arg-type]

    def alice(self, *prefixes: str, rights: frozenset[events_pb2.Right]) -> None:
        """Let alice's token be good for this."""
        parsed = tuple(map(UriPrefix.parse, prefixes))
        principal = Principal.of_token(
            "t", "alice", events_pb2.ROLE_USER, prefixes=parsed, rights=rights, expires_at_ms=2_000_000_000_000
        )
        self.m8.world.principals[token("alice")] = principal

    async def asked(self) -> int:
        events = await self.m8.world.app.log.read(after=0, limit=100_000)
        return sum(event.type == "SecretUploadKeyRequested" for event in events)


@asynccontextmanager
async def a_crowd(folder: Path, limits: ReactorLimits, of_m8: ServerLimits | None = None) -> AsyncIterator[Crowd]:
    store = MemoryStore()
    async with serving(folder, limits=of_m8) as m8:
        await m8.create(IDENTITY.shown, kind="memory")
        async with running(m8, folder, store, limits=limits):
            await m8.attached()
            crowd = Crowd(m8, store, folder)
            crowd.alice(*PREFIXES, rights=EVERYTHING)
            yield crowd


@pytest.mark.soak
async def test_500_puts_at_once_of_a_fresh_client_all_succeed_and_can_be_verified(tmp_path: Path) -> None:
    async with a_crowd(tmp_path, ReactorLimits(uploads_per_second=400)) as crowd:
        async with crowd.client() as client:
            puts = [client.put_secret(uri(number), {"password": b"%d" % number}) for number in range(500)]
            results = await asyncio.gather(*puts)
        assert {result.outcome for result in results} == {"UPLOADED"}

        told: list[Tally] = []
        async with crowd.client(progress=told.append) as client:
            checked = await client.verify_secrets(list(map(uri, range(200))))
        assert {one.outcome for one in checked if not isinstance(one, Error)} == {"IN_SYNC"}
        assert not [one for one in checked if isinstance(one, Error)]
        assert [one.ended for one in told] == list(range(201))
        assert told[-1] == Tally(200, done=200)


async def test_a_put_to_150_uris_goes_as_fast_as_the_reactor_takes_it(tmp_path: Path) -> None:
    async with a_crowd(tmp_path, ReactorLimits()) as crowd, crowd.client() as client:
        results = await client.put_secrets(list(map(uri, range(150))), {"password": b"the same"})
        assert [one for one in results if isinstance(one, Error)] == []
        assert len(crowd.store.content) == 150
        # What is refused is recorded for ever: most of it was never asked for.
        assert await crowd.asked() <= 220


async def test_what_is_wrong_with_one_of_several_is_found_before_any_is_asked_for(tmp_path: Path) -> None:
    async with a_crowd(tmp_path, ReactorLimits()) as crowd, crowd.client() as client:
        for wrong, kind in (("memory://elsewhere/db", NotFoundError), ("nowhere://team-a/db", NotFoundError)):
            first, second = await client.put_secrets([uri(1), wrong], {"password": b"x"})
            assert isinstance(first, NotTriedError)
            assert isinstance(second, kind)
            assert (first.uri, second.uri) == (uri(1), wrong)
        crowd.alice(*PREFIXES, rights=RIGHTS)
        results = await client.delete_secrets([uri(1), uri(2)])
        assert [type(one) for one in results] == [RefusedError, RefusedError]
        assert await crowd.asked() == 0


async def test_a_user_who_sees_hashes_tests_only_so_many_guesses_in_an_hour(tmp_path: Path) -> None:
    """Each put of a guess at a path of one's own has its hash, to compare with another secret's; the path may vary."""
    limits = ReactorLimits(puts_per_hour=20)
    async with a_crowd(tmp_path, limits) as crowd, crowd.client() as client:
        guesses = [client.put_secret(uri(number % 7), {"pin": b"%d" % number}) for number in range(30)]
        results = await asyncio.gather(*guesses, return_exceptions=True)
        hashes = [one for one in results if not isinstance(one, BaseException)]
        refusals = [one for one in results if isinstance(one, RateLimitedError)]
        assert (len(hashes), len(refusals)) == (20, 10)
        for refusal in refusals:
            assert 3_000 < refusal.retry_after_s <= 3_600
            assert "as many puts in an hour as the store's reactor takes (puts_per_hour)" in refusal.message
            assert refusal.fix.startswith("Try again in 60 min.")
        await client.delete_secrets([uri(1)])


async def test_a_bulk_import_puts_more_where_its_own_limit_is_raised_in_both_places(tmp_path: Path) -> None:
    more = {"alice": 25}
    limits = ServerLimits(heartbeat_s=1, puts_per_hour_per_user=20, puts_per_hour_of=more)
    of_reactor = ReactorLimits(puts_per_hour=20, puts_per_hour_of=more)
    async with a_crowd(tmp_path, of_reactor, limits) as crowd, crowd.client() as client:
        results = await client.put_secrets(list(map(uri, range(30))), {"password": b"the same"})
    refusals = [one for one in results if isinstance(one, RateLimitedError)]
    assert (len(crowd.store.content), len(refusals)) == (25, 5)
    assert "alice has begun as many puts in this hour as a user may: 25" in refusals[0].message


def uri(number: int) -> str:
    return f"memory://team-a/s{number}"
