"""Which of several secrets of one name is current."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from monoskope.stores.barbican.values import mark, page, secret_id
from monoskope.stores.driver import StoreRefusedError

TAG = "ab" * 32


def one(last: int, *, created: str = "2026-01-31T12:00:00", **fields: object) -> dict[str, Any]:
    secret = {
        "name": "app/db",
        "created": created,
        "secret_ref": f"http://elsewhere/v1/secrets/00000000-0000-4000-8000-{last:012}",
        "content_types": {"default": "text/plain"},
    }
    return secret | fields


def ids(*secrets: dict[str, Any]) -> list[int]:
    found = sorted(page({"secrets": list(secrets), "total": len(secrets)}, "app/db").entries)
    return [int(entry.id[-12:]) for entry in found]


def test_the_newest_is_last() -> None:
    later = one(1, created="2026-01-31T12:00:00.000001")
    assert ids(later, one(2), one(3, created="2026-01-30T13:00:00.999999")) == [3, 2, 1]


def test_a_moment_without_a_zone_is_in_utc_and_stands_beside_those_that_have_one() -> None:
    """Barbican says no zone; another version of it may."""
    noon = one(1, created="2026-01-31T12:00:00")
    before = one(2, created="2026-01-31T13:59:59+02:00")
    after = one(3, created="2026-01-31T12:00:01Z")
    assert ids(after, noon, before) == [2, 1, 3]
    [entry] = page({"secrets": [noon], "total": 1}, "app/db").entries
    assert entry.created == dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)


def test_in_the_same_second_the_number_decides_and_then_the_id() -> None:
    marked = [one(3, mode=f"m8.9.{TAG}"), one(2, mode=f"m8.10.{TAG}")]
    assert ids(*marked, one(9), one(8), one(7, mode="m8.11.not-a-tag")) == [7, 8, 9, 3, 2]


def test_other_names_that_the_server_takes_for_like_are_left_out() -> None:
    assert ids(one(1, name="app/dB"), one(2, name="app_db"), one(3), one(4, name=None)) == [3]


def test_a_secret_without_a_payload_is_no_version() -> None:
    assert ids(one(1, content_types={})) == []


def test_a_mark_carries_the_tag_and_the_next_number() -> None:
    entries = page({"secrets": [one(1, mode=f"m8.41.{TAG}"), one(2)], "total": 2}, "app/db").entries
    assert mark(entries, TAG) == f"m8.42.{TAG}"
    assert mark([], TAG) == f"m8.1.{TAG}"
    assert {entry.tag for entry in entries} == {TAG, ""}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"secrets": 1, "total": 1},
        {"secrets": [one(1, secret_ref="https://x/v1/secrets/engine-text")], "total": 1},
        {"secrets": [one(1, created="engine text")], "total": 1},
        {"secrets": [], "total": "many"},
    ],
)
def test_what_barbican_would_not_say_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(StoreRefusedError, match="does not answer as Barbican does") as caught:
        page(body, "app/db")
    assert "engine" not in str(caught.value)


@pytest.mark.parametrize("reference", [None, "", 5, "https://x/v1/secrets/", "../../x", "0" * 36])
def test_only_an_id_is_taken_from_a_reference(reference: object) -> None:
    with pytest.raises(StoreRefusedError):
        secret_id(reference)
