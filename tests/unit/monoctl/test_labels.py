"""Days and labels as people write them."""

from __future__ import annotations

import datetime as dt

import pytest

from monoskope.errors import UsageError
from monoskope.monoctl.input.request_options import parse_day, parse_labels


def test_a_day_is_itself() -> None:
    assert parse_day("2027-01-31") == "2027-01-31"
    assert parse_day("2027-01-31", more=1) == "2027-02-01"


def test_a_number_of_days_counts_from_today() -> None:
    before = dt.datetime.now(dt.UTC).date()
    found = dt.date.fromisoformat(parse_day("30d"))
    after = dt.datetime.now(dt.UTC).date()
    assert before <= found - dt.timedelta(days=30) <= after


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "30w", "2027-02-30", "20270131", "9999-12-32", "999999d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_day(text)


def test_the_end_of_the_calendar_is_refused() -> None:
    with pytest.raises(UsageError):
        parse_day("9999-12-31", more=1)


def test_labels_are_names_and_values() -> None:
    assert parse_labels(("owner=team-a", "url=a=b", "empty=")) == {"owner": "team-a", "url": "a=b", "empty": ""}


@pytest.mark.parametrize("texts", [("owner",), ("owner=a", "owner=b")])
def test_labels_that_are_not_names_and_values_are_refused(texts: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        parse_labels(texts)
