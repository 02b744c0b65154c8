"""`monoctl get events` against the log that is pinned: what was changed or left out ends it, over the real wire."""

from __future__ import annotations

import hashlib
import json
from functools import partial

import pytest
from google.protobuf.message import Message

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.exit_codes import ExitCode
from monoskope.protocol.tlog.merkle import outline
from monoskope.testing.scripted.log import ScriptedLog
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.unit.monoctl.as_alice import Run, ends

COUNT = 150
"""Two pages."""
NEWER = 2
URI = "vault://app/db"


class Recorded(ScriptedM8):
    """Has a log of 150 events under an honest checkpoint, and two that are newer."""

    def __init__(self) -> None:
        super().__init__()
        self.log: ScriptedLog = ScriptedLog(0)
        self.rows: list[views_pb2.EventSummary] = []
        for position in range(1, COUNT + NEWER + 1):
            self.rows.append(row(position, uri="" if position == 7 else URI))
        self.log.entries = [one.hash for one in self.rows[:COUNT]]

    def more(self, method: str, message: Message) -> Message:
        if not isinstance(message, queries_pb2.ListEventsRequest):
            return super().more(method, message)
        rows = [one for one in self.rows if message.actor in ("", one.actor)]
        rows = rows[::-1] if message.newest_first else rows
        start = int(message.page_token or 0)
        page = rows[start : start + message.page_size]
        end = start + len(page)
        return queries_pb2.ListEventsResponse(
            events=page,
            next_page_token=str(end) if end < len(rows) else "",
            head=COUNT + NEWER,
            inclusion=self.log.inclusion((one.position for one in page), message.tree_size),
        )


def row(position: int, *, uri: str = URI, actor: str = "anna") -> views_pb2.EventSummary:
    """Return an event as m8 shows it, with its outline."""
    record = event_pb2.Event(
        position=position,
        stream=f"upload/{'ab' * 16}",
        version=position,
        type="SecretUploaded",
        recorded_at_ms=1_798_000_000_000 + position,
        actor=actor if position % 2 else "bob",
        data=b"hashes that not every caller may see",
        previous_hash=bytes(32),
        uri=uri,
        detail="UPLOADED",
    )
    outlined = outline(record)
    return views_pb2.EventSummary(
        position=position, actor=record.actor, uri=uri, hash=hashlib.sha256(outlined).digest(), outline=outlined
    )


@pytest.fixture
def scripted() -> Recorded:
    return Recorded()


@pytest.fixture
def run(run: Run) -> Run:
    return partial(run, "get", "events")


@pytest.mark.parametrize("words", [("--all",), ("--tail", str(COUNT + NEWER))])
def test_every_event_is_shown_as_the_log_has_it_and_none_is_missing(run: Run, words: tuple[str, ...]) -> None:
    result = ends(run(*words), 0)
    told = f"Each event is in the log as it is pinned, with {COUNT} entries, but the last {NEWER}: they are m8's word"
    assert told in result.stderr
    assert "None that is in it is missing between them." in result.stderr
    rows = json.loads(run(*words, "-o", "json").stdout)
    assert [one["proven"] for one in rows] == [True] * COUNT + [False] * NEWER
    assert {one["actor"] for one in rows} == {"anna", "bob"}


@pytest.mark.parametrize("words", [("--all",), (), ("--tail", "150"), ("--by", "mallory", "--all")])
def test_a_changed_event_ends_the_command_under_an_honest_note(m8: Recorded, run: Run, words: tuple[str, ...]) -> None:
    m8.rows[140] = row(141, actor="mallory")
    result = run(*words)
    assert (result.exit_code, result.stdout) == (ExitCode.LOG_MISMATCH, "")
    assert "m8 shows events that are not those of its log" in result.stderr


@pytest.mark.parametrize("words", [("--all",), ("--tail", "150"), ("--limit", "120")])
@pytest.mark.parametrize("position", [3, 100, 101])
def test_left_out_events_end_it_for_who_sees_all(m8: Recorded, run: Run, position: int, words: tuple[str, ...]) -> None:
    del m8.rows[position - 1]
    result = run(*words)
    assert (result.exit_code, result.stdout) == (ExitCode.LOG_MISMATCH, "")
    assert "m8 leaves out events of its log" in result.stderr


@pytest.mark.parametrize("words", [("--all",), ("--tail", "150")])
def test_a_list_that_ends_too_early_leaves_out(m8: Recorded, run: Run, words: tuple[str, ...]) -> None:
    del m8.rows[COUNT - 1 :]
    assert run(*words).exit_code == ExitCode.LOG_MISMATCH


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("--request-id", "00" * 16), 0),
        (("--request-id", "ab" * 16), COUNT + NEWER),
        (("--prefix", "vault://ap"), 0),
        (("--prefix", "vault://app/other"), 0),
        (("--prefix", "vault://app"), COUNT + NEWER - 1),
        (("--prefix", "vault://app/"), COUNT + NEWER - 1),
        (("--prefix", "vault://"), COUNT + NEWER - 1),
        (("--prefix", URI), COUNT + NEWER - 1),
    ],
)
@pytest.mark.parametrize("every", [("--all",), ("--tail", "200")])
def test_what_m8_shows_of_other_requests_and_secrets_is_left_out(
    run: Run, words: tuple[str, ...], every: tuple[str, ...], shown: int
) -> None:
    """It stands in the log, and says nothing of what was asked for. This m8 shows everything."""
    result = ends(run(*words, *every, "-o", "json"), 0)
    assert len(json.loads(result.stdout)) == shown


def test_of_a_part_nothing_shows_whether_some_is_missing_and_that_is_said(m8: Recorded, run: Run) -> None:
    ends(run("--by", "bob", "--all"), 0, "Whether m8 left some out of a part cannot be shown.")
    m8.rows = [one for one in m8.rows if one.uri][::2]
    ends(run("--all"), 0, f"m8 left out {COUNT // 2}: that you may not see them is its word.")


def test_without_a_log_the_events_are_m8s_word_and_that_is_said(m8: Recorded, run: Run) -> None:
    m8.log = None  # type: ignore[assignment]
    m8.rows = [row(1)]
    m8.more = lambda method, message: queries_pb2.ListEventsResponse(events=m8.rows)  # type: ignore[method-assign]
    ends(run("--all"), 0, "these events are its word")


def test_events_that_are_all_newer_than_the_checkpoint_are_m8s_word(m8: Recorded, run: Run) -> None:
    ends(run("--tail", str(NEWER)), 0, "Each event is newer than the log as it is pinned")
