"""How often who may ask; and no oracle: few of the ways to let a write fail tell a right guess from a wrong one.

A hostile m8, or a user who finds such a way, learns from STARTED that the content is another one than what was sealed.
The ways are taken from the code: every error that a driver may raise, and every way out of the functions that run
between the announcement and the receipt. Each must be walked here, and counts.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import msgspec
import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Code
from monoskope.protocol.request import Request
from monoskope.reactor.limits import FairPlaces, Rates, Signer
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.settings import ReactorLimits
from monoskope.reactor.upstream.content import TRIES
from monoskope.reactor.work.handle import Handler
from monoskope.reactor.work.write import Writer
from monoskope.stores.driver import DriverError, StoreConflictError, StoreUnavailableError, UnknownOutcomeError
from monoskope.uri import SecretUri
from tests.support.memory_store import URI, MemoryStore
from tests.support.reactor_requests import SECRET, ask
from tests.support.reactor_world import FAST, Clock, World

COMPARE = upload_pb2.PURPOSE_COMPARE


async def test_a_place_that_is_given_back_goes_to_a_subject_that_may_have_one_more() -> None:
    places, got = FairPlaces(2), list[str]()

    async def work(subject: str) -> None:
        async with places.held(subject):
            got.append(subject)
            await done.wait()

    done = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        async with places.held("carol"):
            for subject in ("alice", "alice", "bob"):
                group.create_task(work(subject))
            await asyncio.sleep(0)
            assert got == ["alice"]
        await asyncio.sleep(0)
        assert got == ["alice", "bob"], "alice waited longer, and has one of two already"
        done.set()
    assert got == ["alice", "bob", "alice"]


async def test_a_place_is_not_given_to_what_was_cancelled_a_moment_ago() -> None:
    places = FairPlaces(1)
    async with places.held("alice"):
        waiting = [asyncio.create_task(places._take(subject)) for subject in ("bob", "carol")]
        await asyncio.sleep(0)
        waiting[0].cancel()
    await waiting[1]
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]


def at(name: str) -> SecretUri:
    return SecretUri.parse(f"memory://team-a/{name}")


def taken(rates: Rates, request: Request, subject: str = "alice") -> bool:
    try:
        rates.take(request, subject)
    except FailedError as error:
        return error.reason != upload_pb2.REASON_RATE_LIMITED
    return True


def spent(rates: Rates, uri: SecretUri, subject: str) -> bool:
    """Announce a write that is not made; return whether it could have told right from wrong."""
    with rates.guess(uri, subject) as guess:
        guess.announced = True
    return guess.may_compare


@pytest.mark.parametrize("purpose", [upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_PATCH, upload_pb2.PURPOSE_IMPORT])
def test_puts_are_limited_by_the_hour_over_all_secrets_for_each_subject(purpose: upload_pb2.Purpose) -> None:
    clock, refusals = Clock(), list[bool]()
    rates = Rates(ReactorLimits(), now=clock, refused=lambda: refusals.append(True))
    for number in range(2_000):
        clock.time += 1.0
        assert taken(rates, ask(purpose, uri=at(f"own-{number % 50}")))
    with pytest.raises(FailedError) as refused:
        rates.take(ask(purpose, uri=at("another")), "alice")
    assert (refused.value.reason, refused.value.retry_after_s) == (upload_pb2.REASON_RATE_LIMITED, 1_601)
    assert "puts_per_hour" in refused.value.detail
    assert len(refusals) == 1
    assert taken(rates, ask(purpose), "bob")
    assert taken(rates, ask(upload_pb2.PURPOSE_DELETE, expect=upload_pb2.EXPECT_ANY)), "what is no put goes on"
    clock.time += 1_600
    assert not taken(rates, ask(purpose))
    clock.time += 1
    assert taken(rates, ask(purpose))
    assert not taken(rates, ask(purpose)), "a window of an hour never holds more, wherever it begins"


def test_a_bulk_import_has_a_limit_of_its_own() -> None:
    rates = Rates(ReactorLimits(puts_per_hour=1, puts_per_hour_of={"importer": 3}), now=Clock())
    assert [taken(rates, ask(), who) for who in ("importer", "alice") for _ in range(4)] == [
        *(True, True, True, False),
        *(True, False, False, False),
    ]


def test_invented_subjects_fill_no_memory_and_push_out_no_signer() -> None:
    clock = Clock()
    rates = Rates(ReactorLimits(puts_per_hour=1, uploads_per_second=1_000), now=clock)
    rates.signed(ask(), Signer("anna"))
    for number in range(12_000):
        clock.time += 0.01
        assert taken(rates, ask(), f"nobody-{number}")
    assert len(rates._puts) == 10_000
    with pytest.raises(FailedError):
        rates.signed(ask(), Signer("anna"))


def test_uploads_are_limited_by_the_second_and_half_is_left_to_others() -> None:
    clock = Clock()
    rates = Rates(ReactorLimits(uploads_per_second=6), now=clock)
    assert [taken(rates, ask()) for _ in range(5)] == [True, True, True, False, False]
    assert [taken(rates, ask(), "bob") for _ in range(3)] == [True, True, False]
    assert taken(rates, ask(), "carol")
    assert not taken(rates, ask(), "dave")
    clock.time += 0.9
    assert not taken(rates, ask())
    clock.time += 0.2
    assert taken(rates, ask())


def test_24_parallel_puts_of_one_subject_leave_another_alone() -> None:
    clock = Clock()
    rates = Rates(ReactorLimits(), now=clock)
    refused = 0
    for _ in range(200):
        clock.time += 0.04
        for _ in range(24):
            taken(rates, ask())
        refused += not taken(rates, ask(), "bob")
    assert refused == 0


def test_58_comparisons_of_one_subject_shut_nobody_out() -> None:
    rates = Rates(ReactorLimits(), now=Clock())
    assert sum(taken(rates, ask(COMPARE, uri=at(f"x{number}"))) for number in range(58)) == 30
    assert taken(rates, ask(COMPARE, uri=at("y")), "bob")


@pytest.mark.parametrize("subjects", [1, 2, 5, 100])
def test_in_all_no_more_guesses_than_the_limits_whoever_makes_them(subjects: int) -> None:
    rates = Rates(ReactorLimits(), now=Clock())
    one = sum(spent(rates, URI, f"s{number % subjects}") for number in range(300))
    every = one + sum(spent(rates, at(f"x{number}"), f"s{number % subjects}") for number in range(600))
    assert one <= 10
    assert every <= 60


def test_comparisons_and_writes_that_were_not_made_share_one_limit() -> None:
    rates = Rates(ReactorLimits(), now=Clock())
    distinguished = 0
    for number in range(40):
        distinguished += taken(rates, ask(COMPARE), f"a{number}")
        distinguished += spent(rates, URI, f"b{number}")
    assert distinguished == 10


def test_sixty_failures_of_one_subject_do_not_stop_another() -> None:
    rates = Rates(ReactorLimits(), now=Clock())
    for number in range(60):
        spent(rates, at(f"x{number % 7}"), "alice")
    assert taken(rates, ask(), "bob")
    assert taken(rates, ask(COMPARE), "bob")
    with rates.guess(URI, "bob") as guess:
        assert guess.may_compare


def test_an_hour_later_everything_is_as_before() -> None:
    clock = Clock()
    rates = Rates(ReactorLimits(), now=clock)
    assert sum(spent(rates, URI, "alice") for _ in range(9)) == 5
    clock.time += 3_599
    assert not spent(rates, URI, "alice")
    clock.time += 1
    assert spent(rates, URI, "alice")


def test_what_is_proven_written_or_never_announced_counts_for_nothing() -> None:
    rates = Rates(ReactorLimits(), now=Clock())
    for _ in range(30):
        with rates.guess(URI, "alice") as guess:
            assert guess.may_compare
            guess.announced = guess.written = True
        with pytest.raises(RuntimeError), rates.guess(URI, "alice") as guess:
            raise RuntimeError


def test_a_defect_after_the_announcement_counts() -> None:
    rates = Rates(ReactorLimits(compares_per_hour_per_uri=2), now=Clock())
    guessing = rates.guess(URI, "alice")
    guessing.__enter__().announced = True
    assert not guessing.__exit__(RuntimeError, RuntimeError(), None)
    assert not spent(rates, URI, "alice")


def test_guesses_that_are_under_way_count_so_that_many_at_once_are_no_more() -> None:
    rates = Rates(ReactorLimits(compares_per_hour_per_uri=10), now=Clock())
    held = [rates.guess(URI, f"s{number}") for number in range(16)]
    assert sum(guess.__enter__().may_compare for guess in held) == 10


def test_the_memory_of_rates_is_bounded() -> None:
    clock = Clock()
    rates = Rates(ReactorLimits(), now=clock)
    for number in range(2_000):
        clock.time += 0.001
        taken(rates, ask(COMPARE, uri=at(str(number))), f"s{number}")
        taken(rates, ask(), f"s{number}")
        spent(rates, URI, f"s{number}")
    assert len(rates._guesses) <= 60
    assert len(rates._uploads) <= 100


def retry_after_s(rates: Rates, request: Request, subject: str = "alice") -> int:
    with pytest.raises(FailedError) as refused:
        rates.take(request, subject)
    return refused.value.failure.retry_after_s


def test_a_refusal_says_when_there_is_room_again() -> None:
    clock = Clock()
    rates = Rates(ReactorLimits(uploads_per_second=1, compares_per_hour_per_uri=2, compares_per_hour=3), now=clock)
    rates.take(ask(), "alice")
    clock.time += 0.25
    assert retry_after_s(rates, ask()) == 1

    compare = ask(purpose=COMPARE)
    rates.take(compare, "alice")
    clock.time += 600
    assert retry_after_s(rates, compare) == 3_000
    # Half of the three of the process: bob may have one at this secret, too; then carol waits for the first to be over.
    rates.take(compare, "bob")
    clock.time += 600
    assert retry_after_s(rates, compare, "carol") == 2_400
    clock.time += 2_400
    rates.take(compare, "carol")


@pytest.mark.parametrize("purpose", [upload_pb2.PURPOSE_UPLOAD, COMPARE])
def test_whoever_comes_back_when_told_finds_room_if_nobody_else_came(purpose: upload_pb2.Purpose) -> None:
    clock = Clock()
    rates = Rates(ReactorLimits(uploads_per_second=7, compares_per_hour_per_uri=5, compares_per_hour=8), now=clock)
    for number in range(60):
        clock.time += 0.11
        subject = f"user-{number % 5}"
        request = ask(purpose=purpose)
        try:
            rates.take(request, subject)
        except FailedError as refused:
            clock.time += refused.retry_after_s
            rates.take(request, subject)


UPLOAD, PATCH, OVERWRITE = upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_PATCH, upload_pb2.EXPECT_OVERWRITE
PER_SECRET, PER_PROCESS = 10, 60
ACT = {UPLOAD: "write", PATCH: "patch"}

Way = Callable[[World, str], Awaitable[None] | None]
"""Lets the next announced write of a world fail; the text is the driver's method."""

NO_TIME = msgspec.structs.replace(FAST, write_window=0.0)
YOUNG = msgspec.structs.replace(FAST, young=1.0)
LITTLE_TIME = msgspec.structs.replace(FAST, write_window=0.02)


def _driver_errors(kind: type[DriverError] = DriverError) -> Iterator[type[DriverError]]:
    yield kind
    for narrower in kind.__subclasses__():
        if narrower.__module__.startswith("monoskope."):
            yield from _driver_errors(narrower)


def _raises(error: BaseException) -> Way:
    return lambda world, method: world.memory.failures[method].extend([error] * TRIES)


def _refused(code: str) -> Way:
    return lambda world, _: world.log.refusals.append(code)


def _overtaken(world: World, method: str) -> None:
    """Somebody else writes whenever this write is tried."""
    world.memory.failures[method].extend([lambda: _put_back(world)] * TRIES)


def _put_back(world: World) -> None:
    world.memory.content[URI.path].append((f"x{len(world.memory.calls)}", world.memory.content[URI.path][-1][1], ""))


def _conflict_then(error: DriverError) -> Way:
    def way(world: World, method: str) -> None:
        world.memory.failures[method].append(StoreConflictError("moved."))
        world.log.before.append(lambda: world.memory.failures["read_version"].append(error))

    return way


def _late(world: World, _: str) -> None:
    world.log.before.append(lambda: setattr(world.now, "time", world.now.time + 301.0))


def _overtaken_under_an_old_key(world: World, method: str) -> None:
    world.log.before.append(lambda: setattr(world.now, "time", world.now.time + 2.0))
    world.memory.failures[method].append(StoreConflictError("moved."))


def _hangs(world: World, method: str) -> None:
    async def never(*_: object, **__: object) -> str:
        return await asyncio.Future()

    setattr(world.memory, method, never)


def _breaks_off(world: World, _: str) -> None:
    """A defect between STARTED and the engine."""

    def once() -> float:
        object.__setattr__(world.writer, "now", world.now)
        raise MemoryError

    world.log.before.append(lambda: object.__setattr__(world.writer, "now", once))


def _unnameable(world: World, method: str) -> None:
    async def written(*_: object, **__: object) -> str:
        return "no version"

    setattr(world.memory, method, written)


def _deleted_meanwhile(world: World, method: str) -> None:
    def delete() -> None:
        world.memory.content.clear()
        raise StoreConflictError("moved.")

    world.memory.failures[method].extend([delete] * TRIES)


def _never_taken(world: World, _: str) -> None:
    world.log.away = asyncio.Event()


WAYS: dict[str, tuple[Way, Any]] = {
    **{f"driver: {kind.__name__}": (_raises(kind("no.")), FAST) for kind in _driver_errors()},
    **{f"m8: {code.value}": (_refused(code.value), FAST) for code in Code},
    "m8: STARTED is never taken": (_never_taken, NO_TIME),
    "m8: STARTED is taken after the key's lifetime": (_late, FAST),
    "engine: does not answer in the window": (_hangs, LITTLE_TIME),
    "engine: somebody else always comes first": (_overtaken, FAST),
    "engine: somebody else comes first, under an old key": (_overtaken_under_an_old_key, YOUNG),
    "engine: goes away after a conflict": (_conflict_then(StoreUnavailableError("away.")), FAST),
    "engine: what was there is deleted meanwhile": (_deleted_meanwhile, FAST),
    "driver: a version that no receipt can name": (_unnameable, FAST),
    "reactor: a defect before the engine is asked": (_breaks_off, FAST),
    "driver: a defect": (_raises(ZeroDivisionError()), FAST),
    "driver: an unknown end that stays unknown": (_raises(UnknownOutcomeError("broke.")), FAST),
}


ONE_OF_A_KIND = (f"m8: {Code.CONFLICT.value}", f"driver: {UnknownOutcomeError.__name__}")
"""The one code of m8 and the one error of drivers with which sixty guesses are made, and ten by a patch.

With each of the others ten are made, by an upload alone: they all count alike.
"""
KINDS = {*(f"m8: {code.value}" for code in Code), *(f"driver: {kind.__name__}" for kind in _driver_errors())}


def _unless_it_is_like_another(*values: object, way: str) -> Any:
    """A parameter that `make test` leaves out if another way shows the same."""
    return pytest.param(*values, marks=pytest.mark.soak if way in KINDS and way not in ONE_OF_A_KIND else ())


SIXTY = [_unless_it_is_like_another(way, way=way) for way in WAYS]
TEN = [(way, UPLOAD) for way in WAYS] + [_unless_it_is_like_another(way, PATCH, way=way) for way in WAYS]


@pytest.fixture
def way(request: pytest.FixtureRequest) -> tuple[Way, Any]:
    return WAYS[request.param]


async def guess(  # noqa: PLR0917 - the parts of one guess
    world: World, way: Way, value: bytes, purpose: upload_pb2.Purpose, subject: str, uri: SecretUri
) -> str:
    """Guess once; return what the log says then: UNCHANGED, or that a write was announced."""
    world.log.events.clear()
    began = world.now.time
    if not world.memory.content[uri.path]:
        world.memory.put(SECRET, uri.path)
    sealed = world.sealed(ask(purpose, uri=uri, expect=OVERWRITE), {"password": value, "user": b"app"}, subject=subject)
    way(world, ACT[purpose])
    task = asyncio.create_task(world.handler.handle(sealed))
    for _ in range(60):
        await asyncio.sleep(0)
    if world.log.away is not None:
        shown = "announced" if world.log.expected[-1:] == [3] and not task.done() else "?"
        world.log.away.set()
        world.log.away = None
    else:
        shown = "announced"
    await asyncio.gather(task, return_exceptions=True)
    for queue in world.memory.failures.values():
        queue.clear()
    world.log.refusals.clear()
    world.log.before.clear()
    world.now.time = began + 1.0
    outcomes = world.outcomes()
    return "UNCHANGED" if outcomes[-1:] == ["UNCHANGED"] else shown


def right_is_distinguished(world: World, uri: SecretUri = URI) -> bool:
    """Whether a right guess at `uri`, by a subject that never made one, would be told from a wrong one now."""
    with world.rates.guess(uri, "a new subject") as one:
        return one.may_compare


@pytest.mark.parametrize(("way", "purpose"), TEN, indirect=["way"])
async def test_ten_guesses_of_one_secret_tell_and_no_more(way: tuple[Way, Any], purpose: upload_pb2.Purpose) -> None:
    fail, timings = way
    world = World(timings=timings)
    distinguished = 0
    for number in range(PER_SECRET + 6):
        distinguished += right_is_distinguished(world)
        await guess(world, fail, b"wrong %d" % number, purpose, f"s{number}", URI)
    assert distinguished == PER_SECRET
    # Not even the right one differs now: it is announced like the others.
    assert await guess(world, fail, SECRET["password"], purpose, "mallory", URI) == "announced"


@pytest.mark.parametrize("way", SIXTY, indirect=True)
async def test_sixty_guesses_of_one_process_tell_and_no_more(way: tuple[Way, Any]) -> None:
    fail, timings = way
    world = World(timings=timings)
    distinguished = 0
    for number in range(PER_PROCESS + 6):
        uri = SecretUri.parse(f"memory://team-a/db{number}")
        distinguished += right_is_distinguished(world, uri)
        await guess(world, fail, b"wrong", UPLOAD, f"s{number}", uri)
    assert distinguished == PER_PROCESS


async def test_a_right_guess_is_unchanged_while_there_is_room(world: World) -> None:
    assert await guess(world, lambda *_: None, SECRET["password"], UPLOAD, "alice", URI) == "UNCHANGED"


async def test_without_room_an_honest_put_of_the_same_value_is_written_and_ends_well(world: World) -> None:
    for number in range(PER_SECRET + 1):
        await guess(world, _refused("CONFLICT"), b"wrong", UPLOAD, f"s{number}", URI)
    world.log.events.clear()
    await world.walk(ask(expect=OVERWRITE))
    assert world.outcomes() == ["STARTED", "UPLOADED"]


BETWEEN: tuple[Callable[..., Any], ...] = (
    Handler._steps,
    Handler._announced,
    Writer.write,
    Writer._in_time,
    Writer._tried,
    Writer._act,
    Writer._decided_anew,
    Writer.receipt,
    Writer._looked_up,
)
"""What runs between the announcement and the receipt."""


def _ways_out(function: Callable[..., Any]) -> set[tuple[str, int]]:
    """Every `return` and `raise` of a function, by the line in its file."""
    lines, first = inspect.getsourcelines(function)
    tree = ast.parse(textwrap.dedent("".join(lines)))
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Return | ast.Raise))
    return {(function.__qualname__, first + node.lineno - 1) for node in found}


@contextmanager
def _lines_of(codes: set[CodeType]) -> Iterator[set[tuple[str, int]]]:
    seen: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code not in codes:
            return None
        if event == "line":
            seen.add((frame.f_code.co_qualname, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield seen
    finally:
        sys.settrace(before)


async def test_every_way_out_between_announcement_and_receipt_is_walked_here() -> None:
    with _lines_of({function.__code__ for function in BETWEEN}) as seen:
        for fail, timings in WAYS.values():
            for readable in (True, False):
                world = World(MemoryStore(readable=readable, write_tag=readable), timings=timings)
                for purpose in (UPLOAD, PATCH):
                    await guess(world, fail, b"wrong", purpose, "alice", URI)
        world = World()
        assert await guess(world, lambda *_: None, SECRET["password"], UPLOAD, "alice", URI) == "UNCHANGED"
        await world.walk(ask(expect=OVERWRITE), {"password": b"new"})
        await world.walk(ask(upload_pb2.PURPOSE_DELETE, expect=OVERWRITE), {})
        await world.walk(ask(upload_pb2.PURPOSE_UNDELETE, expect=OVERWRITE), {})
        await world.walk(ask(upload_pb2.PURPOSE_COMPARE))
        await world.walk(ask(upload_pb2.PURPOSE_COPY, destination=SecretUri.parse("other://team-a/db")), {})
        world.memory.failures["written"].append(UnknownOutcomeError("broke."))
        await world.walk(ask(expect=OVERWRITE), {"password": b"newer"})
    missing = {way_out for function in BETWEEN for way_out in _ways_out(function)} - seen
    assert not missing, "a way out that no way of WAYS takes: add one, and see that it counts"


def test_every_announcement_is_marked_as_one() -> None:
    """STARTED of what a user seals is appended in one place, after the guess is marked."""
    source = inspect.getsource(Handler)
    assert source.count("_reporter.start(") == 1
    assert source.index("guess.announced = True") < source.index("_reporter.start(")
