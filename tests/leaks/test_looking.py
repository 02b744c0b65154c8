"""Where the rig cannot look it fails, and what it looks with sees: without a cluster, in every run."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from monoskope.testing.parts import wait_until
from monoskope.testing.search import look_in_file
from tests.leaks import watching
from tests.leaks.looking import Found, frozen, is_stopped, must_be_able_to_look, open_files
from tests.leaks.marks import CANARIES, NAMES, Marks
from tests.support.absent import not_skipped


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """One that has a control in a file without a name, and waits."""
    with tempfile.TemporaryFile() as file:
        file.write(b"\n".join(Marks.of(0).planted()))
        file.flush()
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=file) as process:
            yield process
            process.communicate()


def test_what_was_skipped_is_a_failure_that_says_why() -> None:
    report = pytest.TestReport("it", ("it", 1, "it"), {}, "skipped", ("it.py", 1, "Skipped: no chromium"), "setup")
    assert not_skipped(report).failed
    assert "no chromium" in str(report.longrepr)
    passed = pytest.TestReport("it", ("it", 1, "it"), {}, "passed", None, "call")
    assert not_skipped(passed).passed


def test_a_process_that_is_gone_cannot_be_looked_into(process: subprocess.Popen[bytes]) -> None:
    process.communicate()
    with pytest.raises(pytest.fail.Exception, match="ended before its memory was searched"):
        must_be_able_to_look(process.pid)


def test_a_file_without_a_name_is_searched_as_long_as_it_is_open(process: subprocess.Popen[bytes]) -> None:
    marks, found = Marks.of(0), Found()
    for file in open_files(process.pid):
        found.add("it", look_in_file(file, marks.wanted))
    assert found.controls["it"] == set(marks.forms)


def test_processes_stand_still_while_they_are_searched(process: subprocess.Popen[bytes]) -> None:
    with frozen([process.pid]):
        assert is_stopped(process.pid)
    assert not is_stopped(process.pid)


def test_what_was_not_searched_is_noted_and_a_value_in_a_place_is_a_leak(tmp_path: Path) -> None:
    marks, found = Marks.of(0), Found()
    found.add("missing", look_in_file(tmp_path / "missing", marks.wanted))
    assert found.unsearched == ["missing: No such file or directory"]
    (tmp_path / "it").write_bytes(marks.canaries.value("it", 64) + marks.name.encode())
    found.add("it", look_in_file(tmp_path / "it", marks.wanted))
    assert found.leaks == ["it, it: {'raw': 3}"]
    assert found.names == {"it"}


def test_a_watcher_that_stumbles_is_not_taken_for_one_that_saw_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nowhere:
        def __init__(self, _: str) -> None:
            raise ValueError("no such place")

    monkeypatch.setattr(watching, "Path", Nowhere)
    watcher = watching.Processes(Marks.of(0))
    with pytest.raises(ValueError, match="no such place"), watcher.watched():
        wait_until(lambda: watcher.looks > 0, what="it begins")


def test_the_marks_of_a_seed_are_made_again() -> None:
    assert [one.needles for one in Marks.of(7).wanted] == [one.needles for one in Marks.of(7).wanted]
    assert {one.name for one in Marks.of(7).wanted} >= {CANARIES, NAMES}
