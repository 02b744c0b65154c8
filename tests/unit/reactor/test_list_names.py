"""LIST: the names below a URI, and nothing else of what is there."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.listing import MAX_NAMES
from monoskope.reactor.admission import NOT_LISTABLE, OUTSIDE_PREFIXES
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.settings import ReactorLimits
from monoskope.reactor.work.without_writing import list_names
from monoskope.stores.driver import StoreRefusedError, StoreUnavailableError
from monoskope.uri import SecretUri
from tests.support.memory_store import MemoryStore
from tests.support.reactor_requests import SECRET, ask
from tests.support.reactor_world import PATIENCE_S, World, admission, refusal, settings

LIST = upload_pb2.PURPOSE_LIST
TEAM = SecretUri.parse("memory://team-a")


def filled() -> World:
    world = World()
    for path in (("team-a", "db"), ("team-a", "web", "tls"), ("team-a", "web"), ("team-b", "theirs")):
        world.memory.put(SECRET, path)
    return world


async def test_secrets_and_folders_directly_below_are_listed_and_no_value_is_read() -> None:
    world = filled()
    receipt = await world.walk(ask(LIST, uri=TEAM))
    assert receipt.outcome == upload_pb2.OUTCOME_LISTED
    assert receipt.listed is not None
    assert (receipt.listed.names, receipt.listed.unaddressable, receipt.more) == (("db", "web", "web/"), 0, False)
    assert isinstance(world.log.events[-1], events_pb2.SecretsListed)
    assert set(world.memory.calls) == {"list_names", "check"}
    assert (receipt.fingerprint, receipt.values, receipt.upstream_version, len(world.keys)) == ("", (), "", 0)


async def test_below_nothing_is_nothing() -> None:
    receipt = await filled().walk(ask(LIST, uri=SecretUri.parse("memory://team-a/nowhere")))
    assert receipt.listed is not None
    assert (receipt.listed.names, receipt.more) == ((), False)


async def test_names_that_no_uri_can_have_are_counted_and_not_shown() -> None:
    world = filled()
    world.memory.foreign = {"a b", "\x1b[31mred", "..", ".hidden", "", "x" * 129, "caf\u00e9", "\u202egpj", "good"}
    receipt = await world.walk(ask(LIST, uri=TEAM))
    assert receipt.listed is not None
    assert receipt.listed.names == ("db", "good", "web", "web/")
    assert receipt.listed.unaddressable == 8
    assert b"red" not in receipt.content


async def test_where_a_uri_has_no_room_left_nothing_is_shown() -> None:
    deep = SecretUri.parse("memory://team-a/" + "/".join("abcdefghijklmno"))
    world = World()
    world.memory.foreign = {"db"}
    receipt = await world.walk(ask(LIST, uri=deep))
    assert receipt.listed is not None
    assert (receipt.listed.names, receipt.listed.unaddressable) == ((), 1)


async def test_a_name_that_the_driver_refuses_is_none_of_its_secrets() -> None:
    world = filled()
    world.memory.failures["check"].extend([StoreRefusedError("no.")] * 2)
    receipt = await world.walk(ask(LIST, uri=TEAM))
    assert receipt.listed is not None
    assert (receipt.listed.names, receipt.listed.unaddressable) == (("web/",), 2)


async def test_more_names_than_a_page_holds_come_page_by_page(world: World) -> None:
    world.memory.foreign = {f"n{number:04}" for number in range(MAX_NAMES + 3)}
    first = await world.walk(ask(LIST, uri=TEAM))
    assert first.listed is not None
    assert (len(first.listed.names), first.more) == (MAX_NAMES, True)
    second = await world.walk(ask(LIST, uri=TEAM, list_after=first.listed.names[-1]))
    assert second.listed is not None
    assert (second.listed.names, second.more) == (("n0500", "n0501", "n0502"), False)


async def test_others_go_on_while_many_names_are_looked_at() -> None:
    """Else whoever may list a large folder could stop a reactor, again and again."""
    world, others_go_on = World(), threading.Event()
    world.memory.foreign = {f"secret-{number:05}" for number in range(MAX_NAMES + 1)}
    went_on: list[bool] = []
    # The first name that is looked at waits for the others, which the loop has to let go on meanwhile.
    world.memory.failures["check"].append(lambda: went_on.append(others_go_on.wait(PATIENCE_S / 4)))

    async def another() -> None:
        while not world.memory.calls.count("check"):
            await asyncio.sleep(0)
        others_go_on.set()

    async with asyncio.timeout(PATIENCE_S):
        _, receipt = await asyncio.gather(another(), list_names(world.memory, world.sealed(ask(LIST, uri=TEAM))))
    assert receipt.more
    assert went_on == [True]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (StoreRefusedError("no."), "FAILED UPSTREAM_REFUSED"),
        (StoreUnavailableError("x"), "FAILED UPSTREAM_UNAVAILABLE"),
    ],
)
async def test_an_engine_that_does_not_list_ends_the_request(error: Exception, outcome: str) -> None:
    world = filled()
    world.memory.failures["list_names"].append(error)
    await world.walk(ask(LIST, uri=TEAM))
    assert world.outcomes() == [outcome]


def refused(uri: str, store: MemoryStore) -> tuple[upload_pb2.Reason, str]:
    with pytest.raises(FailedError) as error:
        admission(store).admit(ask(LIST, uri=SecretUri.parse(uri)), "alice")
    return error.value.reason, error.value.detail


@pytest.mark.parametrize("uri", ["memory://team", "memory://team-ab", "memory://team-b/team-a", "other://team-a"])
def test_outside_its_prefixes_a_reactor_lists_nothing_whoever_asks(uri: str) -> None:
    """m8 could ask for anything: what counts are the reactor's own settings, as for every other purpose."""
    store = MemoryStore()
    assert refused(uri, store) == (upload_pb2.REASON_UPSTREAM_REFUSED, OUTSIDE_PREFIXES)
    assert "list_names" not in store.calls


def test_a_store_lists_only_where_its_operator_said_so() -> None:
    store = MemoryStore(listable=False)
    assert refused("memory://team-a", store) == (upload_pb2.REASON_UNSUPPORTED, NOT_LISTABLE)


def test_pages_are_counted_against_the_rate_of_requests(tmp_path: Path) -> None:
    limits = ReactorLimits(uploads_per_second=4)
    by = admission(of=settings(tmp_path, limits=limits))
    assert [refusal(by, ask(LIST, uri=TEAM)) for _ in range(3)] == ["", "", "RATE_LIMITED"]
    by.admit(ask(LIST, uri=TEAM), "bob")
