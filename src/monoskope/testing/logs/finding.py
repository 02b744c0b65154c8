"""The suite's part on listings: documents found by their columns, against the model in `Where.takes`."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import asdict

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monoskope.m8.log.documents import Change, Columns, Delete, Lookup, Put, Where
from monoskope.m8.log.event_log import EventLog, NewEvent, RecordedEvent
from monoskope.testing.log_writer import LogOpener, some_time
from monoskope.testing.logs.harness import LogHarness

DAYS = ("", "2026-12-31", "2027-01-01", "2027-01-02")
LABELS = ("env=prod", "env=test", "owner=a", "owner=ä")
PREFIXES = ("", "s://a", "s://a/", "s://b/", "s://ä", "t://")
KEYS = ("s://a", "s://a-b", "s://a/b", "s://a/b/c", "s://a0", "s://b/a", "s://b/\U0001f511", "s://ä", "t://a", "t://b")

keys = st.sampled_from(KEYS)
label_sets = st.lists(st.sampled_from(LABELS), unique=True, max_size=3).map(tuple)
columns = st.builds(
    Columns,
    subject=st.sampled_from(("anna", "bob", "")),
    expires_on=st.sampled_from(DAYS),
    deleted=st.booleans(),
    drifted=st.booleans(),
    out_of_sync=st.booleans(),
    labels=label_sets,
)
wheres = st.builds(
    Where,
    deleted=st.booleans(),
    subject=st.sampled_from(("", "", "anna", "bob", "eve")),
    expiring_before=st.sampled_from(("", "", "2026-12-31", "2027-01-02", "2030-01-01")),
    drifted=st.booleans(),
    out_of_sync=st.booleans(),
    labels=label_sets,
)
plain = st.tuples(keys.map("plain-{}".format), st.sampled_from(("plain", "delete")))
changes = st.lists(st.tuples(keys, st.one_of(columns, st.just("delete"))) | plain, min_size=1, max_size=16)
questions = st.lists(st.tuples(wheres, st.sampled_from(PREFIXES), st.integers(1, 4)), min_size=4, max_size=8)

_numbers = itertools.count()

What = Columns | str


def changing(event: RecordedEvent, _lookup: Lookup) -> Iterable[Change]:
    """The projector of these tests: each event says which document it changes, and how."""
    change = json.loads(event.data)
    collection, key, what = change["collection"], change["key"], change["what"]
    if what == "delete":
        return [Delete(collection, key)]
    body = b"at %d" % event.position
    if what == "plain":
        return [Put(collection, key, body)]
    return [Put(collection, key, body, Columns(**{**what, "labels": tuple(what["labels"])}))]


async def change(log: EventLog, collection: str, steps: Sequence[tuple[str, What]]) -> dict[str, tuple[bytes, What]]:
    """Have the projector make these changes in one append, and return what is there then."""
    events = [
        {"collection": collection, "key": key, "what": what if isinstance(what, str) else asdict(what)}
        for key, what in steps
    ]
    new = [NewEvent("Changed", json.dumps(event).encode()) for event in events]
    recorded = await log.append("changes", None, new, actor="ann")
    made = {key: (b"at %d" % event.position, what) for event, (key, what) in zip(recorded, steps, strict=True)}
    return {key: value for key, value in made.items() if value[1] != "delete"}


def expected(there: dict[str, tuple[bytes, What]], where: Where, prefix: str) -> list[tuple[str, bytes]]:
    """What `EventLog.find` promises, by going through everything."""
    found = [
        (key, body)
        for key, (body, what) in there.items()
        if isinstance(what, Columns) and where.takes(what) and key.startswith(prefix)
    ]
    return sorted(found, key=lambda document: document[0].encode())


async def pages(log: EventLog, collection: str, where: Where, prefix: str, limit: int) -> list[tuple[str, bytes]]:
    """Everything that is found, a page at a time."""
    found: list[tuple[str, bytes]] = []
    while page := await log.find(collection, where, prefix=prefix, after=found[-1][0] if found else "", limit=limit):
        assert len(page) <= limit
        found += page
    return found


class Finding(LogHarness):
    """What listings see."""

    @pytest_asyncio.fixture
    async def changed(self, opener: LogOpener) -> AsyncIterator[EventLog]:
        """This test's log, whose events say what they change."""
        log = await opener(clock=some_time, projector=changing)
        yield log
        await log.close()

    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(first=changes, second=changes, asked=questions)
    async def test_exactly_what_meets_every_condition_is_found(
        self,
        changed: EventLog,
        first: list[tuple[str, What]],
        second: list[tuple[str, What]],
        asked: list[tuple[Where, str, int]],
    ) -> None:
        """In the order of keys' bytes, in pages that join; also after changes and deletions."""
        collection = f"things-{os.getpid()}-{next(_numbers)}"
        there = await change(changed, collection, first)
        for steps in ((), second):
            if steps:
                made = await change(changed, collection, steps)
                there = {key: value for key, value in there.items() if key not in dict(steps)} | made
            for where, prefix, limit in asked:
                assert await pages(changed, collection, where, prefix, limit) == expected(there, where, prefix)

    async def test_a_rebuild_makes_the_same_columns(self, changed: EventLog) -> None:
        """What was found before is found after it, and nothing else."""
        steps: list[tuple[str, What]] = [
            (key, Columns(subject="anna", expires_on=day, labels=LABELS[:number]))
            for number, (key, day) in enumerate(zip(KEYS, DAYS, strict=False))
        ]
        there = await change(changed, "things", [*steps, ("plain", "plain"), (KEYS[1], "delete")])
        await changed.rebuild()
        for where in (Where(), Where(subject="anna"), Where(labels=LABELS[:1]), Where(expiring_before="2027-01-02")):
            assert await pages(changed, "things", where, "", 2) == expected(there, where, "")

    async def test_a_page_of_a_listing_has_room(self, log: EventLog) -> None:
        """As every page."""
        with pytest.raises(ValueError, match="limit"):
            await log.find("things", Where(), limit=0)
