"""The operating log: fields from one list alone, nothing lost in silence, and no failure where the disk is full."""

from __future__ import annotations

import ast
import asyncio
import errno
import io
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from monoskope import operating_log
from monoskope.errors import RefusedError, UsageError

PACKAGE = Path(operating_log.__file__).parent
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


class Full(io.StringIO):
    """A file on a disk that is full."""

    asked = 0

    def write(self, text: str) -> int:
        self.asked += 1
        raise OSError(errno.ENOSPC, "full")


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in production."""
    monkeypatch.setattr(operating_log, "STRICT", False)


@pytest.mark.usefixtures("lenient")
def test_fields_that_are_not_on_the_list_are_dropped_and_named(tmp_path: Path) -> None:
    file = tmp_path / "m8.log"
    with operating_log.written_to(file):
        operating_log.get().info("hello", store="memory", value="hunter2", payload={"a": "hunter2"}, token="hunter2")
    (line,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert set(line) == {"event", "level", "timestamp", "store", "dropped"}
    assert line["dropped"] == ["payload", "token", "value"]
    assert "hunter2" not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_field_that_is_not_on_the_list_fails_in_tests(tmp_path: Path) -> None:
    with operating_log.written_to(tmp_path / "m8.log"), pytest.raises(operating_log.UnlistedFieldError) as raised:
        operating_log.get().info("hello", colour="hunter2")
    assert "colour" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_every_field_that_the_source_names_is_on_the_list_and_no_other() -> None:
    logged = set(_logged_fields())
    assert not {(where, field) for where, field in logged if field not in operating_log.FIELDS}
    found = {field for _, field in logged}
    added_to_each, of_described = (
        {"event", "level", "timestamp", "dropped", "trace_id"},
        {"error", "place", "message", "fix"},
    )
    assert operating_log.FIELDS - added_to_each - of_described <= found


def _logged_fields() -> Iterator[tuple[str, str]]:
    """Every file with every keyword of a call that logs or that binds a field to what is logged later."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "operating_log" not in text:
            continue  # nobody could log without it
        for node in ast.walk(ast.parse(text)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            on = ast.unparse(node.func.value) if node.func.attr in LEVELS else ""
            if on == "log" or on.startswith("operating_log") or node.func.attr == "bind_contextvars":
                yield from ((path.name, keyword.arg) for keyword in node.keywords if keyword.arg)


def test_a_full_disk_breaks_nothing_but_the_line() -> None:
    full, before = Full(), operating_log.Unbroken.failures
    operating_log.set_up(full)
    operating_log.get().info("call")
    operating_log.get().info("another call")
    assert full.asked >= 2
    assert operating_log.Unbroken.failures > before, "it is counted, for an alert"


def test_an_exception_is_named_and_not_quoted() -> None:
    with pytest.raises(ValueError, match="hunter2") as raised:
        int("hunter2")
    described = operating_log.described(raised.value)
    assert described["error"] == "ValueError"
    assert described["place"].startswith("test_operating_log.py:")
    assert "hunter2" not in str(described)
    assert operating_log.described(UsageError("our own sentence.", fix="Do that."))["message"] == "our own sentence."


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_log_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "m8.log"
    file.touch()
    file.chmod(mode)
    with pytest.raises(RefusedError, match=r"m8\.log has mode") as refused, operating_log.written_to(file):
        raise AssertionError
    assert "chmod 600" in refused.value.fix


def test_a_log_that_is_copied_and_cut_goes_on_at_its_beginning(tmp_path: Path) -> None:
    """As `logrotate` does with `copytruncate` (docs/operate/disk-and-log-growth.md)."""
    file = tmp_path / "m8.log"
    with operating_log.written_to(file):
        operating_log.get().info("before")
        os.truncate(file, 0)
        operating_log.get().info("after")
    [line] = file.read_bytes().splitlines()
    assert json.loads(line)["event"] == "after"


async def test_what_a_task_binds_is_in_its_lines_and_in_those_of_tasks_that_it_begins_alone(tmp_path: Path) -> None:
    async def inner() -> None:
        operating_log.bind_contextvars(store="inner")
        operating_log.get().info("inside")

    with operating_log.written_to(tmp_path / "m8.log"):
        operating_log.clear_contextvars()
        operating_log.bind_contextvars(method="Attach", store="outer")
        await asyncio.create_task(inner())
        operating_log.get().warning("outside", method="own")
        operating_log.clear_contextvars()
        operating_log.get().error("after")
    lines = [json.loads(line) for line in (tmp_path / "m8.log").read_text().splitlines()]
    assert [(line["event"], line["level"], line.get("store"), line.get("method")) for line in lines] == [
        ("inside", "info", "inner", "Attach"),
        ("outside", "warning", "outer", "own"),
        ("after", "error", None, None),
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", line["timestamp"]) for line in lines)
