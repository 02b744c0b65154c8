"""`monoctl config`: settings are written, removed and chosen as a user sees it, with and without contexts."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monoskope.client.known import system as system_module
from monoskope.client.settings.writing import write_settings
from monoskope.errors import UsageError
from monoskope.monoctl.main import cli
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.support.completing import completed
from tests.unit.monoctl.as_alice import ends


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file of a user whose environment is empty."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "config" / "monoskope" / "config.toml"


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def content(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text())


def lab_and_company() -> None:
    for name in ("lab", "company"):
        ends(run("config", "set", "--context", name, "server", f"{name}.example:1"), 0)


def test_a_context_is_made_used_changed_and_left(file: Path) -> None:
    ends(run("config", "contexts"), 0, f"note: {file} has no contexts")
    ends(run("config", "set", "server", "first.example:1"), 0)
    assert run("config", "contexts").stdout.split()[3:] == ["(no", "context)", "first.example:1", "yes"]
    ends(run("config", "unset", "server"), 0)
    ends(run("config", "set", "requester", "top"), 0)
    lab_and_company()
    ends(run("config", "use", "lab"), 0)
    ends(run("config", "set", "requester", "anna"), 0)

    assert content(file) == {
        "context": "lab",
        "requester": "top",
        "contexts": {
            "lab": {"server": "lab.example:1", "requester": "anna"},
            "company": {"server": "company.example:1"},
        },
    }
    listed = json.loads(run("config", "contexts", "-o", "json").stdout)
    assert [(one["name"], one["counts"]) for one in listed] == [("company", ""), ("lab", "yes")]
    shown = {one["name"]: one for one in json.loads(run("config", "view", "-o", "json").stdout)}
    assert shown["context"] == {"name": "context", "value": "lab", "source": f"`context` in {file}"}
    assert (shown["requester"]["value"], shown["requester"]["source"]) == ("anna", f"{file} [contexts.lab]")

    ends(run("config", "unset", "requester"), 0)
    ends(run("config", "unset", "server"), 0)
    assert content(file) == {"requester": "top", "contexts": {"company": {"server": "company.example:1"}}}
    ends(run("config", "use", "company"), 0)
    assert "No context counts now" in ends(run("config", "use", "--none"), 0).stdout
    ends(run("config", "unset", "requester"), 0)
    assert content(file) == {"contexts": {"company": {"server": "company.example:1"}}}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("use", "labb"), "has no context 'labb'.\n"),
        (("use",), "name a context, or say --none"),
        (("use", "lab", "--none"), "name a context, or say --none"),
        (("set", "--context", "labb", "requester", "anna"), "has no context 'labb'"),
        (("set", "--context", "a b", "server", "m8:1"), "is no name of a context"),
        (("unset", "requester"), "requester is not set in"),
        (("unset", "--context", "company", "server"), "would have no server"),
        (("unset", "--context", "labb", "server"), "It has these: company, lab."),
        (("view", "--context", "labb"), "It has these: company, lab."),
        (("set", "--context", "lab", "login_issuer", "http://plain.example"), "is not an https:// URL"),
        (("set", "retry_for", "soon"), "not a number of seconds"),
    ],
)
def test_what_cannot_be_done_changes_nothing(words: tuple[str, ...], said: str, file: Path) -> None:
    lab_and_company()
    ends(run("config", "set", "--context", "company", "requester", "anna"), 0)
    before = file.read_bytes()
    ends(run("config", *words), 2, said)
    assert file.read_bytes() == before


def test_a_variable_that_names_another_context_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    lab_and_company()
    monkeypatch.setenv("MONOCTL_CONTEXT", "company")
    ends(run("config", "use", "lab"), 0, "warning: MONOCTL_CONTEXT names 'company', and counts before it")


def test_an_error_of_a_configured_server_names_what_chose_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOCTL_TOKEN", "a.b.c")
    ends(run("config", "set", "retry_for", "0"), 0)
    ends(run("config", "set", "--context", "lab", "server", "127.0.0.1:1"), 0)
    ends(run("config", "use", "lab"), 0)
    ends(run("whoami"), 7, f"The server comes from `server` in {file} [contexts.lab].")
    ends(run("config", "use", "--none"), 0)
    monkeypatch.setenv("MONOCTL_SERVER", "127.0.0.1:1")
    ends(run("whoami"), 7, "The server comes from MONOCTL_SERVER.")
    assert "comes from" not in ends(run("whoami", "--server", "127.0.0.1:1"), 7).stderr


def test_so_does_an_error_of_a_certificate_that_nobody_known_signed(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONOCTL_TOKEN", "a.b.c")
    with ScriptedM8().serving_in_thread(tmp_path) as m8:
        ends(run("config", "set", "server", m8.server), 0)
        ends(run("whoami"), 5, "is not signed by an authority", f"The server comes from `server` in {file}.")


def test_names_of_contexts_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    lab_and_company()
    assert completed("monoctl config use l", monkeypatch) == ["lab"]
    assert completed("monoctl whoami --context ", monkeypatch) == ["company", "lab"]
    assert completed("monoctl config use --config /nowhere/at/all ", monkeypatch) == []


def test_several_settings_are_written_at_once_or_not_at_all(file: Path) -> None:
    given = {"server": ["m8.example:1", "https://m8.example:2"], "login_scopes": ["groups", "email"]}
    write_settings(given, context="company")
    assert content(file)["contexts"]["company"] == {
        "server": "m8.example:1,m8.example:2",
        "login_scopes": "groups email",
    }
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    for wrong in ({"server": "m8:1", "ca_file": "/nowhere"}, {"server": "m8:1", "token": "a"}, {"requester": "a\nb"}):
        with pytest.raises(UsageError):
            write_settings(wrong, context="company")
    assert file.read_bytes() == before


def test_no_command_replaces_what_is_fixed(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = tmp_path / "machine.toml"
    set_ = 'server = "m8.example:1"\nlog_vkeys = "a b"\nrequester = "anna"\n'
    machine.write_text(f'{set_}fixed = ["server", "log_vkeys", "requester"]\n')
    machine.chmod(0o644)
    monkeypatch.setattr(system_module, "OWNERS", frozenset({0, os.geteuid()}))
    monkeypatch.setattr(system_module, "SYSTEM_CONFIG", machine)

    ends(run("config", "set", "server", "evil.example:1"), 3, str(machine), "server is fixed")
    assert not file.exists()
    ends(run("whoami", "--server", "evil.example:1"), 3, str(machine), "server is fixed")
    for given, name in (("--log-vkey=c", "log_vkeys"), ("--witness=d", "log_witnesses"), ("--quorum=0", "log_quorum")):
        ends(run("verify", "proof", str(machine), given), 3, f"gives another {name} than {machine}")
    put = ("put", "secret", "vault://app/db", "--from-file", f"key={machine}", "--propose", "--requester", "eve")
    ends(run(*put), 3, f"gives another requester than {machine}")
    ends(run("verify", "proof", str(machine), "--log-vkey=b", "--log-vkey=a"), 2, "a proof must begin with")
    assert f"{machine} (fixed)" in run("config", "view").stdout
