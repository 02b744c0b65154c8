"""A group that is worked out in memory is what the same appends give one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from monoskope.m8.log import record
from monoskope.m8.log.documents import Change, Delete, Lookup, Put
from monoskope.m8.log.event_log import GENESIS_HASH, ExpectedVersionError, NewEvent, RecordedEvent
from monoskope.m8.log.postgres.group import Append, Group, Head, Known, Which

NAMES = st.sampled_from("abc")
STEPS = st.lists(st.tuples(st.sampled_from(["read", "write", "drop", "break if there"]), NAMES), max_size=4)
EVENTS = st.builds(lambda steps: NewEvent("Steps", repr(steps).encode()), STEPS)
APPENDS = st.builds(
    lambda stream, expected, events: Append(stream, expected, events, "ann", None),
    NAMES,
    st.one_of(st.none(), st.integers(0, 4)),
    st.lists(EVENTS, min_size=1, max_size=3),
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
        if append.expected_version not in (None, version):
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
