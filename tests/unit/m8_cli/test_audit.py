"""A server that exports: from its settings on, over a kill at the worst moment, to lines of events and of calls."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from monoskope.errors import UsageError
from monoskope.failpoints import VARIABLE
from monoskope.m8.settings import ServerSettings, load
from monoskope.testing.parts import wait_until
from tests.support.http_calls import CallError
from tests.support.programs import m8
from tests.unit.m8_cli.served import ENVIRONMENT, PROGRAM, administrator, laid_out, served

FILE = '[[audit]]\nname = "file"\nkind = "file"\npath = "audit.jsonl"\n'
CALLS = '[[audit]]\nname = "calls"\nkind = "file"\npath = "calls.jsonl"\nlines = ["access"]\n'
SYSLOG = '[[audit]]\nname = "siem"\nkind = "syslog"\naddress = "logs.example.org:6514"\n'
WEBHOOK = '[[audit]]\nname = "hook"\nkind = "webhook"\nurl = "https://a.example/m8"\nsecret_file = "secret"\n'


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return laid_out(tmp_path / "m8", toml=f"{FILE}{CALLS}[timings]\ntick = 0.05\n")


def lines(settings: ServerSettings, kind: str) -> list[dict[str, Any]]:
    """Return the lines of a kind; each call once, also where m8 stopped while it wrote one and wrote it again."""
    path = settings.folder / ("audit.jsonl" if kind == "event" else "calls.jsonl")
    whole, _, _ = path.read_text().rpartition("\n") if path.exists() else ("", "", "")  # the last may not be whole yet
    written = whole.splitlines() if kind == "event" else dict.fromkeys(whole.splitlines())
    return [line for line in map(json.loads, written) if line["kind"] == kind]


def cursor(settings: ServerSettings) -> int:
    """How far m8 has noted that it has come."""
    with closing(sqlite3.connect(settings.event_log)) as connection:
        found = connection.execute("SELECT max(position) FROM cursors").fetchone()
    return int(found[0] or 0)


def test_a_kill_between_delivery_and_cursor_costs_doubles_and_leaves_no_gap(settings: ServerSettings) -> None:
    tokens = [administrator(settings, name) for name in ("anna", "bob")]
    environment = {**ENVIRONMENT, "HOME": str(settings.folder), VARIABLE: "m8.audit.after-delivery=kill"}
    killed = subprocess.run(
        [*PROGRAM, "serve", "--dir", str(settings.folder)],
        env=environment,
        stderr=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert [line["position"] for line in lines(settings, "event")] == [1, 2]
    with served(settings) as server:
        server.get_server(tokens[0])
        wait_until(lambda: bool(lines(settings, "access")), what="the call has a line")
        tokens.append(administrator(settings, "carol"))
        wait_until(lambda: len(lines(settings, "event")) == 5, what="the third event has a line")
        wait_until(lambda: cursor(settings) == 3, what="that is noted")  # else who comes next sends it once more
        said = server.stop()
    events = lines(settings, "event")
    assert [line["position"] for line in events] == [1, 2, 1, 2, 3]
    assert {line["type"] for line in events} == {"TokenIssued"}
    assert {line["log"] for line in events} == {settings.log_id.read_text().strip()}
    (call,) = lines(settings, "access")
    assert (call["method"], call["subject"], call["code"]) == ("GetServer", "anna", "OK")
    everything = "".join((settings.folder / name).read_text() for name in ("audit.jsonl", "calls.jsonl")) + said
    assert not any(one in everything for one in tokens)
    with served(settings):
        pass
    assert len(lines(settings, "event")) == 5


def test_calls_of_strangers_have_a_line_a_minute_in_each_log_and_none_among_events(settings: ServerSettings) -> None:
    valid = administrator(settings, "anna")
    with served(settings) as server:
        with closing(server.https()) as connection:
            for _ in range(50):
                with pytest.raises(CallError):
                    server.get_server("nobody", over=connection)
        server.get_server(valid)
        said = server.stop()
    assert [line["type"] for line in lines(settings, "event")] == ["TokenIssued"]
    assert [line["subject"] for line in lines(settings, "access")] == ["anna"]
    strangers = lines(settings, "access-strangers")
    assert sum(line["calls"] for line in strangers) == 50
    assert len(strangers) == said.count('"event": "calls of strangers"') < 10
    assert {line["address"] for line in strangers} == {"127.0.0.1"}


def test_the_tables_of_each_kind_are_read(tmp_path: Path) -> None:
    (tmp_path / "m8.toml").write_text(FILE + SYSLOG + WEBHOOK + 'lines = ["events"]\n')
    file, syslog, webhook = load(tmp_path).audit
    assert [one.name for one in (file, syslog, webhook)] == ["file", "siem", "hook"]
    assert [sorted(one.lines) for one in (file, syslog, webhook)] == [["events"], ["access", "events"], ["events"]]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (FILE.replace('"file"\nkind', '"File"\nkind'), "name of the table"),
        (FILE + FILE, "is used twice"),
        (FILE + 'lines = ["events", "access"]', "lines .* names two kinds for one file"),
        (FILE + CALLS.replace("calls.jsonl", "./audit.jsonl"), "path .* is another table's"),
        (FILE + "lines = []", "lines of the table"),
        (FILE + 'lines = ["values"]', "lines"),
        (FILE + "max_bytes = 5", "max_bytes"),
        (FILE + "keep = 0", "keep"),
        (FILE + 'secret_file = "x"', "secret_file"),
        (FILE.replace("audit.jsonl", ""), "path"),
        (FILE.replace('kind = "file"', 'kind = "udp"'), "kind|udp"),
        (FILE.replace('kind = "file"\n', ""), "kind"),
        (SYSLOG.replace(":6514", ""), "address"),
        (SYSLOG.replace(":6514", ":0"), "address"),
        (SYSLOG + 'key_file = "k"', "go together"),
        (WEBHOOK.replace("https", "http"), "HTTPS"),
        (WEBHOOK.replace("https://a", "https://u:hunter2@a"), "HTTPS"),
        (WEBHOOK.replace("/m8", "/m8#hunter2"), "HTTPS"),
        (WEBHOOK.replace("/m8", "/m 8"), "HTTPS"),
        (WEBHOOK.replace("/m8", "/m8\\r\\nX: y"), "HTTPS"),
        (WEBHOOK.replace("a.example", "a.example:99999"), "HTTPS"),
        (WEBHOOK.replace('"secret"', '""'), "secret_file"),
        ("".join(FILE.replace('"file"\nkind', f'"f{number}"\nkind') for number in range(9)), "more than 8"),
    ],
)
def test_a_table_that_is_wrong_is_named(tmp_path: Path, table: str, said: str) -> None:
    (tmp_path / "m8.toml").write_text(table)
    with pytest.raises(UsageError, match=said) as raised:
        load(tmp_path)
    assert "hunter2" not in str(raised.value)


def test_a_sink_whose_secret_is_missing_stops_the_start(settings: ServerSettings) -> None:
    with (settings.folder / "m8.toml").open("r+", encoding="utf-8") as file:
        text = file.read()
        file.seek(0)
        file.write(text.replace(FILE, WEBHOOK))
        file.truncate()
    said = m8("serve", "--dir", str(settings.folder), home=settings.folder, code=2).stderr
    assert "secret does not exist" in said
