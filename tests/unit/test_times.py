"""Moments and lengths of time are read and shown in one place."""

from __future__ import annotations

import pytest

from monoskope.errors import UsageError
from monoskope.times import ago, instant, parse_days, parse_length, parse_moment, rfc3339

NOW_MS = 1_700_000_000_000


def test_times_for_programs() -> None:
    assert rfc3339(1_700_000_000_123) == "2023-11-14T22:13:20.123Z"
    assert rfc3339(0) == ""


def test_times_in_sentences_are_to_the_second() -> None:
    assert instant(1_700_000_000_999) == "2023-11-14T22:13:20Z"


def test_a_time_beyond_the_calendar_is_called_so() -> None:
    for shown in (rfc3339, instant):
        assert shown(2**62) == "beyond the calendar (4611686018427387904 ms)"
    assert instant(0) == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "now"),
        (0.9, "now"),
        (1, "1s ago"),
        (119, "119s ago"),
        (120, "2m ago"),
        (7_199, "119m ago"),
        (7_200, "2h ago"),
        (86_399, "23h ago"),
        (86_400, "1d ago"),
        (10 * 86_400, "10d ago"),
    ],
)
def test_how_long_ago_is_a_number_of_one_unit_that_says_enough(seconds: float, said: str) -> None:
    assert ago(NOW_MS, NOW_MS / 1000 + seconds) == said
    assert ago(0, NOW_MS / 1000) == "-"


def test_days_are_a_number_and_a_d() -> None:
    assert [parse_days(text) for text in ("1d", "30d", "99999d")] == [1, 30, 99_999]
    assert {parse_days(text) for text in ("", "0d", "01d", "100000d", "30", "30h", "-1d", "3d ", "\u0663d")} == {None}


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("30m", 1_800), ("12h", 43_200), ("30d", 2_592_000)])
def test_a_length_of_time_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_length(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "30w", "1.5h", "1234567s", "\u0663d", "30d "])
def test_another_text_is_no_length_of_time(text: str) -> None:
    with pytest.raises(UsageError, match="is not a length of time") as caught:
        parse_length(text)
    assert caught.value.fix == "Write for example 30m, 12h or 30d."


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2h", NOW_MS - 7_200_000),
        ("7d", NOW_MS - 604_800_000),
        ("2023-11-14T22:13:20Z", NOW_MS),
        ("2023-11-14T23:13:20+01:00", NOW_MS),
        ("2023-11-14 22:13:20", NOW_MS),
        ("2023-11-14T22:13:20.123Z", NOW_MS + 123),
        ("2023-11-14", 1_699_920_000_000),
        ("1960-01-01", 0),
        ("99999d", 0),
    ],
)
def test_a_moment_is_so_long_ago_or_a_time_in_utc(text: str, at_ms: int) -> None:
    assert parse_moment(text, now_ms=NOW_MS) == at_ms


@pytest.mark.parametrize("text", ["", "yesterday", "2h ago", "2023-13-01", "-2h", "22:13", "\u0662h"])
def test_another_text_is_no_moment(text: str) -> None:
    with pytest.raises(UsageError, match="neither a length of time nor a moment") as caught:
        parse_moment(text, now_ms=NOW_MS)
    assert caught.value.fix == "Write for example 2h, 7d, 2026-01-31 or 2026-01-31T18:00:00Z."
