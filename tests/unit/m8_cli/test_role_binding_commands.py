"""On the server's own command line a company names its first administrator, and gets back in after the last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.secrets.v1 import events_pb2
from monoskope.exit_codes import ExitCode
from monoskope.m8.backup.form import Header
from monoskope.m8.cli.backup_report import Aftermath, Lost, tell
from monoskope.m8.cli.main import run
from monoskope.m8.opened import os_actor

ANNA = "user:corp:anna"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("m8") / "server"
    assert run(["init", "folder", "--dir", str(made)]) == ExitCode.OK
    return made


@pytest.fixture(autouse=True)
def _no_output_of_before(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert folder.exists()
    capsys.readouterr()


def m8(folder: Path, *words: str) -> int:
    return run([*words, "--dir", str(folder)])


def bindings(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert m8(folder, "role-binding", "list", "-o", "json") == ExitCode.OK
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_the_first_administrator_gets_a_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = ("role-binding", "create", "roots", "--role", "administrator", "--member", ANNA)
    assert (m8(folder, *made), m8(folder, *made)) == (ExitCode.OK, ExitCode.OK)
    [made_once] = bindings(folder, capsys)
    version = made_once.pop("version")
    assert made_once == {"name": "roots", "role": "administrator", "members": [ANNA], "prefix": "", "rights": []}
    assert m8(folder, "token", "create", "--member", ANNA, "--ttl", "1h") == ExitCode.OK
    said = capsys.readouterr()
    assert said.out.count(".") == 2
    assert f"for {ANNA}, until" in said.err
    assert m8(folder, "token", "list", "-o", "json") == ExitCode.OK
    [listed] = json.loads(capsys.readouterr().out)
    assert (listed["subject"], listed["role"], listed["rights"]) == (ANNA, "", [])
    assert m8(folder, "role-binding", "delete", "roots") == ExitCode.OK
    assert m8(folder, "role-binding", "delete", "never-there") == ExitCode.NOT_FOUND
    assert (bindings(folder, capsys), m8(folder, *made)) == ([], ExitCode.OK)
    [again] = bindings(folder, capsys)
    assert again["version"] > version, "a name that is used again is told from what it was"
    assert m8(folder, *made[:4], "auditor", *made[5:]) == ExitCode.ALREADY_EXISTS
    capsys.readouterr()
    assert m8(folder, "events", "-o", "json") == ExitCode.OK
    records = json.loads(capsys.readouterr().out)
    changed = [(one["type"], one["actor"]) for one in records if one["type"].startswith("RoleBinding")]
    actor = os_actor()
    assert changed == [(f"RoleBinding{what}", actor) for what in ("Created", "Deleted", "Created")]


def test_a_scraper_gets_a_token_or_a_role_binding_without_rights(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert m8(folder, "token", "create", "--role", "metrics", "--subject", "prometheus") == ExitCode.OK
    made = ("role-binding", "create", "scrapers", "--role", "metrics", "--member", "machine:local:prometheus")
    assert m8(folder, *made) == ExitCode.OK
    capsys.readouterr()
    assert [one["role"] for one in bindings(folder, capsys) if one["name"] == "scrapers"] == ["metrics"]


@pytest.mark.parametrize(
    "words",
    [
        ("token", "create", "--role", "metrics", "--subject", "anna", "--prefix", "vault://a", "--right", "put"),
        ("role-binding", "create", "one", "--role", "metrics", "--member", ANNA, "--prefix", "vault://a"),
        ("token", "create", "--member", ANNA, "--role", "user"),
        ("token", "create", "--member", ANNA, "--subject", "anna"),
        ("token", "create", "--member", ANNA, "--prefix", "vault://a"),
        ("token", "create", "--member", ANNA, "--right", "put"),
        ("token", "create", "--member", "anna"),
        ("token", "create", "--member", "group:corp:team"),
        ("token", "create", "--role", "administrator"),
        ("token", "create", "--subject", "anna"),
        ("token", "create", "--role", "auditor", "--subject", "anna"),
        ("role-binding", "create", "Bad", "--role", "auditor", "--member", ANNA),
        ("role-binding", "create", "one", "--role", "auditor", "--member", "anna"),
        ("role-binding", "create", "one", "--role", "user", "--member", ANNA),
        ("role-binding", "create", "one", "--role", "auditor"),
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_refused(folder: Path, words: tuple[str, ...]) -> None:
    assert m8(folder, *words) == ExitCode.USAGE


def test_a_restore_names_the_bindings_that_came_back(capsys: pytest.CaptureFixture[str]) -> None:
    token = events_pb2.TokenIssued(id="1" * 32, subject=ANNA, member=ANNA, role=events_pb2.ROLE_USER)
    header = Header(1, 0, 1, "0" * 64, "", "", "")
    bindings = {"new": (False, True), "short": (False, False), "old": (True, False), "other": (True, True)}
    tell(header, Aftermath([token], Lost(events=4, bindings=bindings)))
    printed = capsys.readouterr().out
    assert "m8 role-binding delete old" in printed
    assert "new was created after the backup: create it again." in printed
    assert "other was changed after the backup: change it again." in printed
    assert "short" not in printed
    assert "by role bindings" in printed
    tell(header, Aftermath([]))
    assert "m8 role-binding list" in capsys.readouterr().out
