"""Failpoints do nothing unless armed, break once where they are armed, and refuse what they do not know."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monoskope import failpoints
from monoskope.errors import UsageError
from monoskope.failpoints import NAMES, VARIABLE, FailpointError, arm, failpoint, shift_ms
from monoskope.testing.parts import program

SOURCES = Path(__file__).parents[2] / "src" / "monoskope"
BREAKS = """
import os
from monoskope import failpoints
print(bool(failpoints.arm(os.environ)), flush=True)
failpoints.failpoint("monoctl.before-send")
print("still here", flush=True)
"""


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    arm({})


def test_nothing_happens_unless_armed() -> None:
    assert arm({}) == ""
    for name in NAMES:
        failpoint(name)
    assert shift_ms(failpoints.CLOCK) == 0


def test_an_armed_one_breaks_the_nth_time_and_once() -> None:
    said = arm({VARIABLE: "m8.before-commit=error@2,m8.timekeeper=error"})
    assert "break on purpose: m8.before-commit, m8.timekeeper" in said
    failpoint("m8.before-commit")
    with pytest.raises(FailpointError):
        failpoint("m8.before-commit")
    failpoint("m8.before-commit")
    failpoint("reactor.before-write")


def test_a_detail_is_part_of_the_name() -> None:
    arm({VARIABLE: "m8.after-append.SecretUploaded=error"})
    failpoints.failpoints("m8.after-append", ["SecretUploadStarted", "ReactorAttached"])
    with pytest.raises(FailpointError):
        failpoints.failpoints("m8.after-append", ["SecretUploaded"])


def test_the_clock_is_shifted_from_the_nth_look_on() -> None:
    arm({VARIABLE: "m8.clock=shift-600@2"})
    assert [shift_ms(failpoints.CLOCK) for _ in range(3)] == [0, -600_000, -600_000]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("reactor.before-wrte=kill", "Did you mean 'reactor.before-write'"),
        ("reactor.before-write=kil", "Did you mean 'kill'"),
        ("reactor.before-write", "not name=action"),
        ("reactor.before-write=kill@0", "not name=action"),
        ("reactor.before-write=shift+5", "shift+5"),
        ("reactor.before-write=kill+5", "kill+5"),
        ("m8.clock=kill", "kill"),
        ("m8.clock=shift", "shift"),
        ("m8.timekeeper=stop,", "''"),
    ],
)
def test_what_is_not_known_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(UsageError, match=re.escape(named)):
        arm({VARIABLE: text})


@pytest.mark.parametrize(
    "command", [("m8", "serve", "--dir", "."), ("monoctl", "version"), ("m8", "reactor", "run", ".")]
)
def test_every_program_refuses_to_start_with_an_unknown_one(command: tuple[str, ...], tmp_path: Path) -> None:
    ran = subprocess.run(
        [program(command[0]), *command[1:]],
        cwd=tmp_path,
        env=os.environ | {VARIABLE: "nowhere=kill"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "'nowhere'" in ran.stderr


@pytest.mark.parametrize(("action", "code"), [("kill", -signal.SIGKILL), ("exit", failpoints.EXIT_CODE)])
def test_a_process_that_is_to_end_says_nothing_more(action: str, code: int) -> None:
    environment = os.environ | {VARIABLE: f"monoctl.before-send={action}"}
    ran = subprocess.run([sys.executable, "-c", BREAKS], env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (code, "True\n")


def test_every_place_in_the_code_is_listed_and_every_listed_one_is_in_the_code() -> None:
    text = "".join(path.read_text() for path in SOURCES.rglob("*.py") if path.name != "failpoints.py")
    found = set(re.findall(r'failpoints?\(\s*"([a-z0-9.-]+)"', text)) | {failpoints.CLOCK, failpoints.WAIT}
    listed = {re.sub(r"\.[A-Z]\w+$|(?<=m8\.rebuild)\.[a-z]+$", "", name) for name in NAMES}
    assert found == listed
