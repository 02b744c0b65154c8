"""What a KV version 2 engine, or whatever answers in its place, says about versions and values."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import NOTHING, CannotReadError, DeletedVersion, StoreRefusedError
from monoskope.stores.shared.http import HttpAnswer
from monoskope.stores.vault.config import TokenFile, VaultConfig
from monoskope.stores.vault.kv2 import VaultStore
from monoskope.stores.vault.versions import (
    Current,
    either_way,
    from_engine,
    from_metadata,
    is_gone,
    needs_flag,
    number_in,
    to_engine,
    version_text,
)

CREATED = "2026-01-31T12:00:00.123456789Z"
FLAG = {"m8_binary": "base64"}


def metadata(**entry: Any) -> dict[str, Any]:
    return {"current_version": 7, "versions": {"7": {"created_time": CREATED, "deletion_time": ""} | entry}}


def test_a_version_is_its_number_and_its_time() -> None:
    assert from_metadata(metadata()) == Current(7, f"7@{CREATED}", flagged=False)


def test_no_version_yet() -> None:
    assert from_metadata({"current_version": 0, "custom_metadata": FLAG}) == Current(0, NOTHING, flagged=True)


@pytest.mark.parametrize(
    "entry",
    [{"destroyed": True}, {"deletion_time": CREATED}, {"deletion_time": "nonsense"}, {"deletion_time": "2026-01-31"}],
)
def test_a_version_that_is_gone_keeps_its_number(entry: dict[str, object]) -> None:
    current = from_metadata(metadata(**entry))
    assert (current.number, current.version) == (7, NOTHING)


def test_what_was_deleted_can_come_back_and_what_was_destroyed_cannot() -> None:
    deleted, destroyed = metadata(deletion_time=CREATED), metadata(deletion_time=CREATED, destroyed=True)
    assert from_metadata(deleted).deleted == DeletedVersion(f"7@{CREATED}", CREATED)
    for other in (destroyed, metadata(), {"current_version": 0}):
        assert from_metadata(other).deleted is None


@pytest.mark.parametrize("text", ["", "7", "7@", f"0@{CREATED}", f"9999999999@{CREATED}", f"7&x@{CREATED}", "7@%2e"])
def test_a_text_that_is_no_version_has_no_number(text: str) -> None:
    assert number_in(f"7@{CREATED}") == 7
    assert number_in(text) is None


def test_a_deletion_in_the_future_has_not_happened() -> None:
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    assert not is_gone({"deletion_time": later.isoformat()})


@pytest.mark.parametrize("created", [None, "", "<script>", "x" * 20, "2026\n", 5.5j])
def test_a_time_that_is_none_is_refused(created: object) -> None:
    with pytest.raises(StoreRefusedError):
        version_text(1, created)


@given(
    st.dictionaries(
        st.sampled_from(["current_version", "versions", "custom_metadata"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        ),
    )
)
def test_any_answer_is_read_or_refused(data: dict[str, Any]) -> None:
    try:
        current = from_metadata(data)
    except StoreRefusedError:
        return
    assert current.version == NOTHING or "@" in current.version


WHEN = "2026-11-25T04:00:00.0Z"
PRESENT = {"version": 3, "created_time": WHEN, "deletion_time": "", "destroyed": False}


class Session:
    """Gives one answer."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._answer = HttpAnswer(200, json.dumps(body).encode())

    async def request(self, *_: object, **__: object) -> HttpAnswer:
        return self._answer


def store(body: dict[str, Any]) -> VaultStore:
    config = VaultConfig("https://127.0.0.1:1", TokenFile("token"), readable=True)
    return VaultStore(config, None, Session(body))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body", [{}, {"data": {}}, {"data": {"data": {"k": "v"}}}, {"data": {"metadata": {"version": 3}}}]
)
async def test_an_answer_that_is_none_of_the_engines_is_not_taken_for_nothing(body: dict[str, Any]) -> None:
    with pytest.raises(StoreRefusedError, match="not that of a KV version 2 engine"):
        await store(body).read(("db",))


async def test_a_version_without_values_cannot_be_read() -> None:
    with pytest.raises(CannotReadError):
        await store({"data": {"data": None, "metadata": PRESENT}}).read(("db",))


async def test_a_deleted_version_is_nothing() -> None:
    gone = {**PRESENT, "deletion_time": WHEN}
    assert await store({"data": {"data": None, "metadata": gone}}).read(("db",)) is None


async def test_a_secret_is_read() -> None:
    snapshot = await store({"data": {"data": {"k": "v"}, "metadata": PRESENT}}).read(("db",))
    assert snapshot is not None
    assert (snapshot.version, dict(snapshot.payload)) == (f"3@{WHEN}", {"k": b"v"})


KEYS = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)
VALUES = st.binary(max_size=60) | st.text(max_size=30).map(str.encode) | st.sampled_from([b"gIEA/w==", b"", b"\x80"])
SECRETS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=5)


@given(SECRETS)
def test_what_is_read_is_what_was_written_or_nothing(values: dict[str, bytes]) -> None:
    payload = Payload(values)
    flagged = needs_flag(payload)
    in_engine = json.loads(json.dumps(to_engine(payload, binary=True)))
    read = from_engine(in_engine)
    for key in either_way(read, flagged=flagged):
        assert flagged
        assert values[key] in {read[key], base64.b64decode(read[key])}
    certain = read.keys() - either_way(read, flagged=flagged)
    assert {key: read[key] for key in certain} == {key: values[key] for key in certain}


@given(SECRETS)
def test_text_is_always_read_back_without_the_flag(values: dict[str, bytes]) -> None:
    payload = Payload(values)
    if not needs_flag(payload):
        read = from_engine(to_engine(payload, binary=False))
        assert (dict(read), either_way(read, flagged=False)) == (values, frozenset())


@given(SECRETS)
def test_a_flag_left_by_another_version_never_gives_other_bytes(values: dict[str, bytes]) -> None:
    read = from_engine(to_engine(Payload(values), binary=True))
    certain = read.keys() - either_way(read, flagged=True)
    assert {key: read[key] for key in certain} == {key: values[key] for key in certain}


def test_bytes_are_refused_by_the_name_of_their_key_alone() -> None:
    with pytest.raises(StoreRefusedError, match="raw") as caught:
        to_engine(Payload({"raw": b"secret\xff"}), binary=False)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("value", [1, 1.5, True, None, [], {}, "\ud800"])
def test_what_is_not_text_is_not_read(value: object) -> None:
    with pytest.raises(CannotReadError):
        from_engine({"k": value})
