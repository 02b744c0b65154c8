"""The log format is final: these bytes never change."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.m8.log import record
from monoskope.m8.log.event_log import GENESIS_HASH, LogTamperedError, NewEvent, RecordedEvent

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


def made(event: NewEvent, position: int = 1, previous: bytes = GENESIS_HASH) -> RecordedEvent:
    return record.make(
        event,
        position=position,
        stream="upload/00",
        version=position,
        recorded_at_ms=1_700_000_000_000,
        actor="ann",
        previous_hash=previous,
    )


def test_the_first_record_of_a_log_byte_by_byte() -> None:
    event = made(NewEvent("SecretUploadRequested", b"\x01\x02"))
    assert event.record == b"".join(
        [
            b"\x08\x01",  # position 1
            b"\x12\x09upload/00",  # stream
            b"\x18\x01",  # version 1
            b"\x22\x15SecretUploadRequested",  # type
            b"\x28\x80\xd0\x95\xff\xbc\x31",  # recorded_at_ms
            b"\x32\x03ann",  # actor
            b"\x3a\x02\x01\x02",  # data
            b"\x42\x20" + bytes(32),  # previous_hash
        ]
    )
    assert event.outline == b"".join(
        [
            event.record[: -2 - 4 - 32],
            b"\x42\x20" + bytes(32),  # previous_hash
            b"\x4a\x20" + hashlib.sha256(b"\x01\x02").digest(),  # data_sha256
        ]
    )
    assert event.hash == hashlib.sha256(event.outline).digest()


def test_an_outline_is_no_record() -> None:
    """It would stand in the place of a record whose data nobody has."""
    event = made(NewEvent("SecretUploadRequested", b"\x01\x02"))
    with pytest.raises(LogTamperedError):
        record.parse_strictly(1, event.outline)


def test_empty_data_is_not_written() -> None:
    assert b"\x3a" not in made(NewEvent("A", b"")).record


@given(
    kind=NAMES,
    data=st.binary(max_size=200),
    position=st.integers(1, 2**63 - 1),
    previous=st.binary(min_size=32, max_size=32),
)
def test_a_record_parses_to_what_it_was_made_of(kind: str, data: bytes, position: int, previous: bytes) -> None:
    event = made(NewEvent(kind, data), position, previous)
    assert record.parse(position, event.record) == event


@given(st.binary(max_size=100))
def test_bytes_that_are_no_record_are_named_not_served(noise: bytes) -> None:
    with pytest.raises(LogTamperedError) as caught:
        record.parse(2**40, noise)
    assert caught.value.position == 2**40


def test_a_chain_whose_versions_have_a_gap_does_not_hold() -> None:
    first = made(NewEvent("A", b""))
    second = record.make(
        NewEvent("A", b""),
        position=2,
        stream=first.stream,
        version=3,
        recorded_at_ms=0,
        actor="ann",
        previous_hash=first.hash,
    )
    chain = record.Chain()
    chain.follow((1, first.stream, 1, first.hash), first.record)
    with pytest.raises(LogTamperedError, match="misses a version"):
        chain.follow((2, second.stream, 3, second.hash), second.record)


@pytest.mark.parametrize("columns", [(1, "other", 1), (1, "upload/00", 2)])
def test_columns_that_contradict_the_record_do_not_hold(columns: tuple[int, str, int]) -> None:
    event = made(NewEvent("A", b""))
    with pytest.raises(LogTamperedError, match="not the one that belongs here"):
        record.Chain().follow((*columns, event.hash), event.record)


def test_a_head_that_lags_behind_the_records_does_not_hold() -> None:
    event = made(NewEvent("A", b""))
    chain = record.Chain()
    chain.follow((1, event.stream, 1, event.hash), event.record)
    chain.finish(1, event.hash)
    with pytest.raises(LogTamperedError):
        chain.finish(0, GENESIS_HASH)


def test_a_chain_that_begins_late_does_not_hold() -> None:
    event = made(NewEvent("A", b""), position=2)
    with pytest.raises(LogTamperedError, match="is missing") as caught:
        record.Chain().follow((2, event.stream, 2, event.hash), event.record)
    assert caught.value.position == 1


@pytest.mark.parametrize(
    "appended",
    [b"\x98\x06\x01", b"\x32\x03ann", b"\x3a\x00"],
    ids=["unknown field", "field given twice", "field at its default"],
)
def test_a_record_in_another_form_does_not_hold(appended: bytes) -> None:
    event = made(NewEvent("A", b""))
    forged = event.record + appended
    with pytest.raises(LogTamperedError, match="the one accepted form"):
        record.Chain().follow((1, event.stream, 1, hashlib.sha256(forged).digest()), forged)
