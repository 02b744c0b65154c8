"""A search must see a value wherever and however it lies, and must never call blindness an absence."""

from __future__ import annotations

import base64
import os
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.testing.search import FORMS, Result, Wanted, look, look_below, look_in_file, look_in_rows, write_form
from monoskope.testing.search.memory import look_in_memory
from tests.support.absent import need_memory

VALUE = b"correct horse battery staple?>~\xff"


def chunks_of(text: bytes, size: int) -> Iterator[bytes]:
    return (text[at : at + size] for at in range(0, len(text), size))


@given(
    value=st.binary(min_size=12, max_size=64),
    before=st.binary(max_size=200),
    after=st.binary(max_size=200),
    size=st.integers(1, 50),
    form=st.sampled_from(("raw", "base64", "base64url", "hex/lower", "hex/upper")),
)
def test_a_value_is_found_at_any_place_in_any_form_whatever_the_chunks(
    value: bytes, before: bytes, after: bytes, size: int, form: str
) -> None:
    value = b"\x00\x7f\xff" + value
    whole = before + value + after
    text = {
        "raw": whole,
        "base64": base64.b64encode(whole),
        "base64url": base64.urlsafe_b64encode(whole),
        "hex/lower": whole.hex().encode(),
        "hex/upper": whole.hex().upper().encode(),
    }[form]
    result = look("here", chunks_of(text, size), [Wanted.of("it", value)])
    assert result.total("it", form.partition("/")[0]) >= 1
    assert result.size == len(text)


def test_every_form_is_counted_once_and_under_its_own_name() -> None:
    wanted = Wanted.of("it", VALUE)
    for form in FORMS:
        text = VALUE if form == "raw" else write_form(VALUE, form).encode()
        hits = look("here", chunks_of(b"..." + text + b"...", 7), [wanted]).hits["it"]
        assert hits[form] == 1
        assert sum(hits.values()) == 1


def test_a_value_of_letters_alone_counts_in_both_base64_alphabets() -> None:
    value = b"kontrollwert"
    hits = look("here", [base64.b64encode(value)], [Wanted.of("it", value)]).hits["it"]
    assert hits["base64/0"] == hits["base64url/0"] == 1


def test_a_value_that_is_not_there_is_not_found() -> None:
    assert look("here", [secrets.token_bytes(100_000)], [Wanted.of("it", VALUE)]).total("it") == 0


def test_what_an_empty_chunk_parts_is_not_one_value() -> None:
    wanted = Wanted.of("it", VALUE)
    assert look("here", [VALUE[:9], VALUE[9:]], [wanted]).total("it", "raw") == 1
    assert look("here", [VALUE[:9], b"", VALUE[9:]], [wanted]).total("it", "raw") == 0


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_fragment_of_a_long_value_is_a_find(quarter: int) -> None:
    value = secrets.token_bytes(3000)
    middle = len(value) * quarter // 4
    fragment = value[middle - 30 : middle + 30]
    assert look("here", [fragment], [Wanted.of("it", value)]).total("it", "raw") == 1


@pytest.mark.parametrize("value", [b"", b"short", b"aaaaaaaaaaaa", bytes(5000)])
def test_a_value_that_occurs_by_chance_is_not_searched_for(value: bytes) -> None:
    with pytest.raises(ValueError, match="chance"):
        Wanted.of("it", value)


def test_repr_does_not_show_the_value() -> None:
    assert "horse" not in repr(Wanted.of("it", VALUE))


def test_a_missing_file_is_not_searched(tmp_path: Path) -> None:
    result = look_in_file(tmp_path / "none", [Wanted.of("it", VALUE)])
    assert not result.searched
    with pytest.raises(ValueError, match="not searched"):
        result.total("it")


def test_files_below_a_folder_are_searched_with_their_names(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "log").write_bytes(b"x" * 3_000_000 + VALUE)
    (tmp_path / "b").write_bytes(b"nothing")
    found = {result.place: result.total("it") for result in look_below(tmp_path, [Wanted.of("it", VALUE)])}
    assert found == {"a/log": 1, "b": 0}


def test_a_cell_that_crosses_pages_is_found_in_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (a TEXT, b BLOB, n INTEGER)")
        for shift in range(0, 4200, 10):
            connection.execute("INSERT INTO t VALUES ('x', ?, 1)", ((b"." * shift + VALUE).ljust(9000, b"."),))
    connection.close()
    wanted = [Wanted.of("it", VALUE)]
    assert look_in_rows(path, wanted).total("it", "raw") == 420
    assert look_in_file(path, wanted).total("it", "raw") < 420


def test_what_is_no_database_is_not_searched_for_rows(tmp_path: Path) -> None:
    (tmp_path / "some.db").write_bytes(b"this is text, not a database, whatever its name")
    assert not look_in_rows(tmp_path / "some.db", [Wanted.of("it", VALUE)]).searched


HOLDER = """
import base64, sys
value = bytes.fromhex(sys.stdin.readline())
held = [base64.b64encode(value), b"x" + value + b"y", value.hex().encode()] if len(value) > 1 else []
print("ready", flush=True)
sys.stdin.readline()
"""


MAPPER = """
import mmap, sys
value = bytes.fromhex(sys.stdin.readline())
held = mmap.mmap(-1, 4 << 20)
middle = len(held) // 2 - len(value) // 2
held[middle : middle + len(value)] = value
del value
print("ready", flush=True)
sys.stdin.readline()
"""
"""Holds it in the middle of memory that was never written."""


def memory_of_a_process_given(value: bytes, holder: str = HOLDER) -> Result:
    with subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(value.hex().encode() + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        result = look_in_memory(process.pid, [Wanted.of("it", VALUE)], place="memory")
        process.stdin.close()
        process.wait(30)
    return result


def test_a_process_that_holds_the_value_shows_it_and_one_that_does_not_does_not() -> None:
    need_memory()
    holds = memory_of_a_process_given(VALUE)
    assert holds.searched
    assert all(holds.total("it", encoding) > 0 for encoding in ("raw", "base64", "hex"))
    without = memory_of_a_process_given(b"x")
    assert without.searched
    assert without.size > 1_000_000
    assert without.total("it") == 0


def test_a_value_in_the_middle_of_memory_that_was_never_written_is_found() -> None:
    need_memory()
    holds = memory_of_a_process_given(VALUE, MAPPER)
    assert holds.searched
    assert holds.total("it", "raw") > 0


def test_memory_that_cannot_be_read_is_not_searched() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(30)
    result = look_in_memory(process.pid, [Wanted.of("it", VALUE)])
    assert not result.searched
    assert result.reason


def test_a_process_does_not_search_itself() -> None:
    with pytest.raises(ValueError, match="itself"):
        look_in_memory(os.getpid(), [Wanted.of("it", VALUE)])
