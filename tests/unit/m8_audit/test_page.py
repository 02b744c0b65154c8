"""The programs on the page about audit lines do what the page says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monoskope.m8.audit import lines
from monoskope.m8.audit.sinks import mac
from monoskope.m8.log import record
from monoskope.m8.log.event_log import GENESIS_HASH, NewEvent, RecordedEvent
from monoskope.m8.service import call_notes as about
from monoskope.m8.service.call_notes import CallNote
from monoskope.m8.service.feed import LocatedEvent

PAGE = Path(__file__).parents[3] / "docs" / "operate" / "audit.md"
VERIFIES, PROVES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
SECRET = b"s" * 32
OF_ENDS = ("purpose", "destination", "outcome", "signer", "signer_key")
"""What an access line says of a request besides what it names."""
ABOUT = (*about.NAMED.values(), *about.BOUND, *OF_ENDS)


IsNew = Callable[[bytes, dict[str, str], bytes], bool]


def is_new() -> IsNew:
    found: dict[str, Any] = {}
    exec(VERIFIES, found)
    function: IsNew = found["is_new"]
    return function


def sent(age_s: int, body: bytes = b"{}\n") -> dict[str, str]:
    """The head of a request that m8 sent so long ago."""
    at = str(int(time.time()) - age_s)
    return {
        "Monoskope-Audit-Time": at,
        "Monoskope-Audit-Positions": "1-2",
        "Monoskope-Audit-Mac": mac(SECRET, time=at, positions="1-2", body=body),
    }


@pytest.mark.parametrize(
    ("changed", "body", "age_s"),
    [
        ({"Monoskope-Audit-Positions": "1-3"}, b"{}\n", 0),
        ({"Monoskope-Audit-Mac": "0" * 64}, b"{}\n", 0),
        ({"Monoskope-Audit-Mac": "\u00e9"}, b"{}\n", 0),
        ({"Monoskope-Audit-Time": "now"}, b"{}\n", 0),
        ({}, b"{ }\n", 0),
        ({}, b"{}\n", 301),
        ({}, b"{}\n", -301),
    ],
    ids=["positions", "MAC", "no MAC", "no time", "body", "old", "of the future"],
)
def test_the_lines_take_what_m8_sends_and_nothing_else(changed: dict[str, str], body: bytes, age_s: int) -> None:
    check = is_new()
    assert check(SECRET, sent(0), b"{}\n")
    with pytest.raises(ValueError, match="not from m8"):
        check(SECRET, sent(age_s) | changed, body)


@pytest.mark.parametrize("ahead_s", [0, 240], ids=["clocks that agree", "m8's clock ahead"])
def test_a_request_that_is_sent_again_is_new_once(ahead_s: int, monkeypatch: pytest.MonkeyPatch) -> None:
    check, copied = is_new(), sent(-ahead_s)
    assert check(SECRET, copied, b"{}\n")
    begun = time.time()
    for later in range(0, 300 + ahead_s, 20):
        monkeypatch.setattr(time, "time", lambda later=later: begun + later)
        assert check(SECRET, sent(0, b"%d\n" % later), b"%d\n" % later), "others are taken meanwhile"
        try:
            assert not check(SECRET, copied, b"{}\n")
        except ValueError:
            assert later >= 299 + ahead_s
    monkeypatch.setattr(time, "time", lambda: begun + 1_000)
    assert check(SECRET, sent(0), b"{}\n")
    assert len(check.__globals__["taken"]) == 1, "nothing is kept for ever"


def test_the_page_names_every_field_of_a_line() -> None:
    call = CallNote("Put", "peer", principal=None, about=dict.fromkeys(ABOUT, "x" * 8_000))
    (event,) = recorded(1)
    made = [
        lines.of_event(LocatedEvent(event, None), log_id="ab" * 16),
        lines.of_call(call, at_ms=0, replica="m8", number=1),
        lines.of_dropped(1, at_ms=0, replica="m8"),
    ]
    fields = {name for line in made for name in json.loads(line.text)} | {"detail_is_cut"}
    named = set(re.findall(r"`(\w+)`", PAGE.read_text(encoding="utf-8").partition("## What stands in a line")[2]))
    assert fields - named == set()
    assert "names_are_cut" in fields


def recorded(count: int) -> list[RecordedEvent]:
    made: list[RecordedEvent] = []
    for position in range(1, count + 1):
        made.append(
            record.make(
                NewEvent("Happened", b"x"),
                position=position,
                stream="s",
                version=position,
                recorded_at_ms=position,
                actor="anna",
                previous_hash=made[-1].hash if made else GENESIS_HASH,
            )
        )
    return made


def proved(texts: list[bytes]) -> tuple[int, str]:
    ended = subprocess.run([sys.executable, "-c", PROVES], input=b"\n".join(texts), capture_output=True, check=False)
    return ended.returncode, (ended.stdout + ended.stderr).decode().strip()


def test_the_program_proves_that_nothing_is_missing_or_says_what_is() -> None:
    events = recorded(4)
    sent = [lines.of_event(LocatedEvent(event, None), log_id="ab" * 16).text for event in events]
    call = json.dumps({"kind": "access"}).encode()
    assert proved([sent[1], *sent, call, sent[3]]) == (0, f"4:{events[-1].hash.hex()}")
    assert proved([sent[0], sent[2], sent[3]]) == (1, "the chain breaks at position 2")
    other = json.dumps({**json.loads(sent[2]), "actor": "bob"}).encode()
    assert proved([*sent, other]) == (1, "there are two events at position 3")
    changed = json.dumps({**json.loads(sent[2]), "previous_hash": "0" * 64}).encode()
    assert proved([*sent[:2], changed, sent[3]]) == (1, "the chain breaks at position 3")
