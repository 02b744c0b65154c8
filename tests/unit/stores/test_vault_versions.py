"""Reading what a KV version 2 engine says about versions."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.stores.driver import NOTHING, DeletedVersion, StoreRefusedError
from monoskope.stores.vault.versions import Current, from_metadata, is_gone, number_in, version_text

CREATED = "2026-01-31T12:00:00.123456789Z"
FLAG = {"m8_binary": "base64"}


def metadata(**entry: Any) -> dict[str, Any]:
    return {"current_version": 7, "versions": {"7": {"created_time": CREATED, "deletion_time": ""} | entry}}


def test_a_version_is_its_number_and_its_time() -> None:
    assert from_metadata(metadata(), FLAG) == Current(7, f"7@{CREATED}", flagged=False)


def test_no_version_yet() -> None:
    assert from_metadata({"current_version": 0, "custom_metadata": FLAG}, FLAG) == Current(0, NOTHING, flagged=True)


@pytest.mark.parametrize(
    "entry",
    [{"destroyed": True}, {"deletion_time": CREATED}, {"deletion_time": "nonsense"}, {"deletion_time": "2026-01-31"}],
)
def test_a_version_that_is_gone_keeps_its_number(entry: dict[str, object]) -> None:
    current = from_metadata(metadata(**entry), FLAG)
    assert (current.number, current.version) == (7, NOTHING)


def test_what_was_deleted_can_come_back_and_what_was_destroyed_cannot() -> None:
    deleted, destroyed = metadata(deletion_time=CREATED), metadata(deletion_time=CREATED, destroyed=True)
    assert from_metadata(deleted, FLAG).deleted == DeletedVersion(f"7@{CREATED}", CREATED)
    for other in (destroyed, metadata(), {"current_version": 0}):
        assert from_metadata(other, FLAG).deleted is None


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
        current = from_metadata(data, FLAG)
    except StoreRefusedError:
        return
    assert current.version == NOTHING or "@" in current.version
