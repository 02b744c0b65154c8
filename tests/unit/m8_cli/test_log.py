"""`m8 log`, and what a real m8 does about its checkpoints: when it gets keys, and when it is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from base64 import b64decode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from monoskope.exit_codes import ExitCode
from monoskope.failpoints import VARIABLE
from monoskope.m8.settings import ServerSettings
from monoskope.protocol.tlog.checkpoint import Checkpoint, VerifierKey
from monoskope.protocol.tlog.note import Note
from tests.support.programs import Ended, m8
from tests.unit.m8_cli.served import ENVIRONMENT, PROGRAM, laid_out, served

OFTEN = "\n[log]\ncheckpoint_every_s = 0.05\n"
PATIENCE_S = 60


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return laid_out(tmp_path / "m8", toml=OFTEN, log_origin="example.org/log")


def command(settings: ServerSettings, *words: str, code: int = 0) -> Ended:
    return m8(*words, "--dir", str(settings.folder), home=settings.folder.parent, code=code)


def token(settings: ServerSettings) -> str:
    options = ("--role", "user", "--subject", "anna", "--prefix", "local://", "--right", "put")
    return command(settings, "token", "create", *options).stdout.strip()


def until(settings: ServerSettings, is_so: Callable[[], bool]) -> None:
    """Look again and again. Each look is a command, which takes its time."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end
        command(settings, "log", "status")


def status(settings: ServerSettings) -> dict[str, Any]:
    (shown,) = json.loads(command(settings, "log", "status", "-o", "json").stdout)
    return dict(shown)


def signed(settings: ServerSettings) -> Note:
    return Note.parse((settings.folder / "log.checkpoint").read_bytes())


def test_a_server_of_before_gets_keys_while_it_serves_and_a_lost_log_is_renewed(settings: ServerSettings) -> None:
    file = settings.folder / "log.checkpoint"
    (settings.folder / "log.key").unlink()
    assert "m8 log init" in command(settings, "log", "key", code=ExitCode.USAGE).stderr
    with served(settings):
        token(settings)
        command(settings, "log", "init", "--log-origin", "example.org/log")
        until(settings, file.exists)
        assert "m8 log renew" in command(settings, "log", "init", code=ExitCode.CONFLICT).stderr
        first = command(settings, "log", "key").stdout.splitlines()
        keys = [VerifierKey.parse(line) for line in first]
        assert set(signed(settings).verified(keys)) == set(keys)
        command(settings, "log", "renew", "--reason", "The disk was lost.")
        second = command(settings, "log", "key").stdout.splitlines()
        assert not set(first) & set(second)
        until(settings, lambda: second[0].startswith(signed(settings).text.partition("\n")[0]))
        until(settings, lambda: status(settings)["checkpoint"] == 1)  # it is noted after it was written to the file
        shown = status(settings)
    assert (shown["events"], shown["tree"], shown["checkpoint"], shown["trouble"]) == (1, 1, 1, "none")
    assert shown["renewed"].endswith("The disk was lost.")
    command(settings, "readmodels", "rebuild")
    assert "2 checkpoints with 0 cosignatures" in command(settings, "events", "verify").stdout


def test_records_are_exported_byte_for_byte(settings: ServerSettings) -> None:
    for _ in range(3):
        token(settings)
    rows = [json.loads(line) for line in command(settings, "events", "export", "--after", "1").stdout.splitlines()]
    assert [row["position"] for row in rows] == [2, 3]
    assert [sha256(b64decode(row["outline"])).hexdigest() for row in rows] == [row["hash"] for row in rows]
    listed = json.loads(command(settings, "events", "--after", "1", "-o", "json").stdout)
    assert [row["hash"] for row in listed] == [row["hash"] for row in rows]


@pytest.mark.parametrize("reason", ["", "two\nlines", "x" * 501], ids=["none", "two lines", "long"])
def test_a_reason_that_users_cannot_read_renews_nothing(settings: ServerSettings, reason: str) -> None:
    before = (settings.folder / "log.key").read_bytes()
    assert "one line" in command(settings, "log", "renew", "--reason", reason, code=ExitCode.USAGE).stderr
    assert (settings.folder / "log.key").read_bytes() == before


def test_the_origin_is_one_before_anything_is_made(tmp_path: Path) -> None:
    said = m8(
        "init",
        "folder",
        "--dir",
        str(tmp_path / "new"),
        "--log-origin",
        "two words",
        home=tmp_path,
        code=ExitCode.USAGE,
    )
    assert "origin" in said.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.soak
@pytest.mark.parametrize("step", ["before-claim", "after-claim", "after-sign", "after-file", "after-note"])
def test_a_killed_m8_is_followed_by_one_that_signs_the_same(settings: ServerSettings, step: str) -> None:
    """A real process, a real kill: whatever it had written down, the next one continues."""
    token(settings)
    environment = {**ENVIRONMENT, "HOME": str(settings.folder), VARIABLE: f"m8.checkpoint.{step}=kill"}
    words = [*PROGRAM, "serve", "--dir", str(settings.folder)]
    with subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL) as process:
        assert process.wait(PATIENCE_S) == -signal.SIGKILL
    file = settings.folder / "log.checkpoint"
    before = file.read_bytes() if file.exists() else b""
    assert bool(before) == (step in {"after-file", "after-note"})

    def newest() -> int:
        (shown,) = json.loads(command(settings, "log", "status", "-o", "json").stdout)
        return 0 if shown["checkpoint"] == "none" else int(shown["checkpoint"])

    with served(settings):
        until(settings, lambda: newest() == 1)
    if before:
        assert Checkpoint.parse(signed(settings).text) == Checkpoint.parse(Note.parse(before).text)
    assert "1 checkpoint " in command(settings, "events", "verify").stdout
