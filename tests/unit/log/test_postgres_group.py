"""PostgreSQL: commits in groups, followers, and names."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monoskope.m8.log import record
from monoskope.m8.log.documents import Change, Delete, Lookup, Put, Which
from monoskope.m8.log.event_log import GENESIS_HASH, ExpectedVersionError, NewEvent, RecordedEvent
from monoskope.m8.log.group import Group, Head, Known
from monoskope.m8.log.postgres import records as names
from monoskope.m8.log.postgres.connections import Pool
from monoskope.m8.log.postgres.notifications import Follower
from monoskope.m8.log.record import Append
from monoskope.m8.log.sql import Tail

NAMES = st.sampled_from("abc")
STEPS = st.lists(st.tuples(st.sampled_from(["read", "write", "drop", "break if there"]), NAMES), max_size=4)
EVENTS = st.builds(lambda steps: NewEvent("Steps", repr(steps).encode()), STEPS)
APPENDS = st.builds(
    lambda stream, expected, events, given: Append(
        stream, expected, events, "ann", None, {other: at for other, at in given.items() if other != stream}
    ),
    NAMES,
    st.one_of(st.none(), st.integers(0, 4)),
    st.lists(EVENTS, min_size=1, max_size=3),
    st.dictionaries(NAMES, st.integers(0, 2), max_size=1),
)


class BrokenError(Exception):
    pass


def script(event: RecordedEvent, lookup: Lookup) -> Iterable[Change]:
    """Do what the event says: what is written depends on what was read before."""
    seen = b""
    for step, key in eval(event.data):
        if step == "read":
            seen += lookup("c", key) or b"-"
        elif step == "write":
            yield Put("c", key, b"%d:%b" % (event.position, seen[-8:]))
        elif step == "drop":
            yield Delete("c", key)
        elif lookup("c", key) is not None:
            raise BrokenError


def looked_up(documents: dict[Which, bytes | None], collection: str, key: str) -> bytes | None:
    return documents.get((collection, key))


Outcome = list[bytes] | type[Exception]


def one_by_one(appends: list[Append], documents: dict[Which, bytes | None]) -> tuple[list[Outcome], dict[Which, bytes]]:
    """What the appends come to when each is done before the next begins."""
    outcomes: list[Outcome] = []
    position, previous = 0, GENESIS_HASH
    versions: dict[str, int] = {}
    for append in appends:
        version = versions.get(append.stream, 0)
        expected = [(append.stream, append.expected_version), *append.given.items()]
        if any(wanted not in (None, versions.get(stream, 0)) for stream, wanted in expected):
            outcomes.append(ExpectedVersionError)
            continue
        after, last, events = dict(documents), previous, []
        try:
            for step, new in enumerate(append.events, start=1):
                made = record.make(
                    new,
                    position=position + step,
                    stream=append.stream,
                    version=version + step,
                    recorded_at_ms=7,
                    actor="ann",
                    previous_hash=last,
                )
                for change in script(made, partial(looked_up, after)):
                    after[change.collection, change.key] = change.body if isinstance(change, Put) else None
                last = made.hash
                events.append(made)
        except BrokenError:
            outcomes.append(BrokenError)
            continue
        documents, position, previous = after, position + len(events), last
        versions[append.stream] = version + len(events)
        outcomes.append([event.record for event in events])
    return outcomes, {which: body for which, body in documents.items() if body is not None}


@given(
    st.lists(APPENDS, min_size=1, max_size=8), st.dictionaries(st.tuples(st.just("c"), NAMES), st.binary(max_size=3))
)
def test_a_group_is_what_its_appends_are_one_by_one(appends: list[Append], stored: dict[Which, bytes]) -> None:
    """Records, refusals and documents, in whatever order the documents that were missed come in."""
    known = Known(Head(0, GENESIS_HASH, 0), versions=dict.fromkeys("abc", 0))
    group = Group(appends, known, script, lambda: 7)
    rounds = 0
    while missed := group.plan():
        assert not missed & known.documents.keys(), "nothing is read twice"
        known.documents.update({which: stored.get(which) for which in missed})
        rounds += 1
        assert rounds <= 3, "each round brings a document that was missed"
    outcomes: list[Outcome] = [
        type(piece.error) if piece.error else [event.record for event in piece.recorded] for piece in group.pieces
    ]
    documents: dict[Which, bytes | None] = dict(stored)
    for change in group.changes:
        documents[change.collection, change.key] = change.body if isinstance(change, Put) else None
    expected = one_by_one(appends, dict(stored))
    assert (outcomes, {which: body for which, body in documents.items() if body is not None}) == expected


def test_what_is_shown_the_same_is_not_projected_again() -> None:
    """A document that is not there costs a read, and no second projection of what looked it up."""
    projected: list[bytes] = []

    def counting(event: RecordedEvent, lookup: Lookup) -> Iterable[Change]:
        projected.append(event.data)
        yield Put("c", event.stream, lookup("c", event.data.decode()) or b"none")

    asks = {"a": b"x", "b": b"y", "c": b"a", "d": b"z"}
    appends = [Append(stream, 0, [NewEvent("Read", data)], "ann", None) for stream, data in asks.items()]
    group = Group(appends, Known(Head(0, GENESIS_HASH, 0)), counting, lambda: 7)
    assert group.plan() == {("c", "x"), ("c", "y"), ("c", "z")}
    group.known.documents.update({("c", "x"): None, ("c", "y"): b"there", ("c", "z"): None})
    assert not group.plan()
    assert projected == [b"x", b"y", b"a", b"z", b"y"]
    assert [getattr(change, "body", None) for change in group.changes] == [b"none", b"there", b"none", b"none"]


@pytest.mark.parametrize("payload", ["1", "9" * 8_000, "", "-1", "\u0663", "\u00b2", "x\n", None])
async def test_a_notification_with_any_text_leads_to_a_look_and_no_more(payload: object) -> None:
    follower = Follower(cast("Any", None), Tail(), cast("Pool", None), lambda: None, lambda pid: pid == 7)
    follower._notified(None, 0, "m8_events", payload)
    assert follower._changed.is_set()


async def test_what_this_processs_own_writer_notifies_is_known_without_a_look() -> None:
    follower = Follower(cast("Any", None), Tail(), cast("Pool", None), lambda: None, lambda pid: pid == 7)
    follower._notified(None, 7, "m8_events", "1")
    assert not follower._changed.is_set()


class Silent:
    """A connection, and a pool of such, to a log that is empty and stays so."""

    def __init__(self) -> None:
        self.notify: Callable[..., None] | None = None
        self.reads = 0

    def add_termination_listener(self, _told: object) -> None:
        """Nothing ends it."""

    async def add_listener(self, _channel: str, notify: Callable[..., None]) -> None:
        self.notify = notify

    def is_closed(self) -> bool:
        return False

    def terminate(self) -> None:
        """Nothing is open."""

    async def connect(self) -> Silent:
        return self

    async def run(self, _use: Callable[[Any], Awaitable[Any]]) -> int:
        self.reads += 1
        return 0


@pytest.mark.parametrize("turns", range(5))
async def test_it_ends_though_a_notification_comes_at_the_moment_when_it_is_closed(turns: int) -> None:
    silent = Silent()
    follower = Follower(cast("Any", silent.connect), Tail(), cast("Pool", silent), lambda: None, lambda _pid: False)
    follower.start()
    while silent.reads == 0:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert silent.notify is not None
    silent.notify(None, 0, "m8_events", "1")
    for _ in range(turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await follower.close()


REQUEST = "upload/" + "0123456789abcdef" * 2


@given(st.one_of(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)))
@example(REQUEST)
@example(REQUEST.upper())
@example(f"upload/{REQUEST}")
@example(REQUEST[:-1])
@example("upload/" + "٣" * 32)
def test_a_name_is_read_as_it_was_stored(name: str) -> None:
    assert names.read_name(names.stored(name)) == name


def test_the_name_of_a_request_takes_17_bytes() -> None:
    assert len(names.stored(REQUEST)) == 17


@given(st.binary())
@example(REQUEST.encode())
@example(b"\0" + bytes(15))
@example(b"\xff")
def test_a_name_has_one_form(body: bytes) -> None:
    """So a stream that was written in another form beside ours is noticed."""
    name = names.read_name(body)
    assert name is None or names.stored(name) == body
