"""`monoctl get events`: which events, in which order, also from an m8 that ignores the question."""

from __future__ import annotations

import json
from functools import partial

import pytest
from click.testing import Result

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.exit_codes import ExitCode
from monoskope.testing.scripted.m8 import ScriptedM8
from monoskope.times import instant, now_ms
from tests.unit.monoctl.as_alice import Run

COUNT = 120
MINUTE_MS = 60_000


class WithEvents(ScriptedM8):
    """Has an event of each of the last 120 minutes, by anna and bob in turn, and two that come while it is watched.

    One that ignores filters ignores the time and the actor.
    """

    def __init__(self, *, ignores: bool) -> None:
        super().__init__()
        self.ignores = ignores
        self.now_ms = now_ms()
        self.events = [
            event(number, self.now_ms - (COUNT - number) * MINUTE_MS - 1_000) for number in range(1, COUNT + 1)
        ]
        self.streamed = [*self.events, *(event(COUNT + number, self.now_ms) for number in (1, 2))]
        self.answers[queries_pb2.ListEventsRequest] = self.listed

    def listed(self, message: queries_pb2.ListEventsRequest) -> queries_pb2.ListEventsResponse:
        events = self.events[::-1] if message.newest_first else self.events
        if not self.ignores:
            events = [
                one
                for one in events
                if one.recorded_at_ms >= message.since_ms
                and (not message.until_ms or one.recorded_at_ms < message.until_ms)
                and message.actor in ("", one.actor)
            ]
        start = int(message.page_token or 0)
        end = start + message.page_size
        return queries_pb2.ListEventsResponse(
            events=events[start:end], next_page_token=str(end) if end < len(events) else "", head=COUNT
        )


def event(position: int, at_ms: int) -> views_pb2.EventSummary:
    return views_pb2.EventSummary(
        position=position, recorded_at_ms=at_ms, actor="anna" if position % 2 else "bob", type="SecretUploaded"
    )


@pytest.fixture(params=[False, True], ids=["m8", "m8 that ignores filters"])
def scripted(request: pytest.FixtureRequest) -> WithEvents:
    return WithEvents(ignores=request.param)


@pytest.fixture
def run(run: Run) -> Run:
    return partial(run, "get", "events")


def positions(result: Result) -> list[int]:
    """Of a listing, or of the lines of a watch, in JSON."""
    assert result.exit_code == 0, result.output
    if result.stdout.startswith("["):
        return [one["position"] for one in json.loads(result.stdout)]
    return [json.loads(line)["position"] for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), range(71, 121)),
        (("--tail", "3"), [118, 119, 120]),
        (("--last", "3"), [118, 119, 120]),
        (("--all",), range(1, 121)),
        (("--limit", "3"), [1, 2, 3]),
        (("--since", "10m"), range(111, 121)),
        (("--since", "10m", "--tail", "2"), [119, 120]),
        (("--since", "10m", "--limit", "2"), [111, 112]),
        (("--until", "100m", "--all"), range(1, 21)),
        (("--until", "100m", "--tail", "2"), [19, 20]),
        (("--since", "10m", "--by", "anna"), range(111, 121, 2)),
        (("--by", "bob", "--tail", "2"), [118, 120]),
        (("--by", "carla", "--all"), []),
    ],
)
def test_which_events_are_listed_the_newest_last(run: Run, words: tuple[str, ...], expected: list[int]) -> None:
    assert positions(run(*words, "-o", "json")) == list(expected)


def test_that_there_are_more_is_said(run: Run) -> None:
    assert "the latest 50 events" in run().stderr
    for words in (("--tail", "50"), ("--since", "10m"), ("--limit", "3")):
        assert "the latest" not in run(*words).stderr


def test_a_few_of_the_latest_take_one_page(m8: WithEvents, run: Run) -> None:
    run("--tail", "3")
    assert len(m8.asked) == 1
    assert m8.asked[0].newest_first


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), [121, 122]),
        (("--limit", "1"), [121]),
        (("--by", "anna"), [121]),
        (("--tail", "2"), range(119, 123)),
        (("--since", "5m"), range(116, 123)),
        (("--after", "118"), range(119, 123)),
        (("--after", "0"), range(1, 123)),
        (("--all",), range(1, 123)),
    ],
)
def test_a_watch_begins_now_unless_asked_for_earlier(run: Run, words: tuple[str, ...], expected: list[int]) -> None:
    assert positions(run("--watch", *words, "-o", "json")) == list(expected)


def test_a_watch_shows_the_time_of_the_clock(m8: WithEvents, run: Run) -> None:
    [first, _] = run("--watch").stdout.splitlines()
    assert first.split()[:2] == ["121", instant(m8.now_ms)]


@pytest.mark.parametrize(
    "words",
    [
        ("--tail", "2", "--limit", "2"),
        ("--tail", "2", "--all"),
        ("--watch", "--tail", "2", "--since", "2h"),
        ("--watch", "--after", "2", "--since", "2h"),
        ("--watch", "--until", "2h"),
        ("--watch", "-o", "yaml"),
        ("--watch", "--request-id", "00" * 16),
        ("--after", "2"),
        ("--since", "yesterday"),
    ],
)
def test_contradictions_are_refused_before_m8_is_asked(m8: WithEvents, run: Run, words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == ExitCode.USAGE
    assert "fix: " in result.stderr
    assert m8.asked == []
