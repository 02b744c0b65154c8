"""`monoctl` signs requests: where the key comes from, when its passphrase is asked for, and what is shown of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk.task import Progress, Stage
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.progress import Watch
from monoskope.testing.engines.openssh import Agent as RealAgent
from monoskope.testing.parts import program
from monoskope.testing.scripted.m8 import ScriptedM8
from monoskope.uri import SecretUri
from tests.support.ssh import certify, keygen, shown
from tests.unit.monoctl.as_alice import VALUE, Run, ends
from tests.unit.monoctl.on_terminal import converse

URI = "vault://app/db"
PUT = ("put", "secret", URI, "--from-file", "password=-", "-o", "json")
PASSPHRASE = "a passphrase of anna"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keygen(tmp_path_factory.mktemp("keys") / "key")


@pytest.fixture(scope="module")
def agent(key: Path) -> Iterator[RealAgent]:
    with RealAgent() as running:
        running.add(key)
        yield running


@pytest.fixture(autouse=True)
def signed(m8: ScriptedM8) -> None:
    """The store takes signed requests alone."""
    m8.signed = True
    m8.stores["vault"].reactors[0].capabilities.signatures = True


class TestSignedPuts:
    def test_a_put_is_signed_and_the_answer_says_by_whom(self, m8: ScriptedM8, run: Run, key: Path) -> None:
        result = ends(run(*PUT, "--signing-key", str(key), stdin=VALUE), 0)
        m8.attempts[0].check_signature()
        answer = json.loads(result.stdout)
        assert (answer["signer"], answer["signer_key"]) == ("alice", shown(key))

    def test_an_ssh_agent_signs(
        self, m8: ScriptedM8, run: Run, key: Path, agent: RealAgent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent.socket))
        monkeypatch.setenv("MONOCTL_SIGNING_KEY", Path(f"{key}.pub").read_text())
        assert run(*PUT, stdin=VALUE).exit_code == 0
        m8.attempts[0].check_signature()

    def test_without_a_key_it_says_how_to_set_one(self, m8: ScriptedM8, run: Run) -> None:
        ends(run(*PUT, stdin=VALUE), 2, "monoctl config set signing_key", "MONOCTL_SIGNING_KEY")
        assert m8.attempts[0].sealed == []

    def test_a_key_with_a_passphrase_is_not_opened_from_a_pipe(self, m8: ScriptedM8, run: Run, tmp_path: Path) -> None:
        encrypted = keygen(tmp_path / "encrypted", passphrase=PASSPHRASE)
        result = ends(run(*PUT, "--signing-key", str(encrypted), stdin=PASSPHRASE), 2, "ssh-add")
        assert PASSPHRASE not in result.output
        assert m8.attempts == []

    def test_a_key_that_the_reactor_refuses_has_its_own_exit_code(self, m8: ScriptedM8, run: Run, key: Path) -> None:
        reason = upload_pb2.REASON_NOT_AUTHORIZED
        m8.end = lambda attempt: m8.ended(attempt, attempt.failure(reason), reason)
        result = ends(run(*PUT, "--signing-key", str(key), stdin=VALUE), 17)
        error = json.loads(result.stderr)["error"]
        assert error["code"] == "NOT_AUTHORIZED"
        # What its operator needs to find the cause in the reactor's audit log.
        sent = m8.attempts[0].request.request_id.hex()
        assert error["fix"].endswith(f"Name the request {sent} and the key {shown(key)}.")


def test_a_terminal_asks_for_the_passphrase_beside_a_value_on_stdin(m8: ScriptedM8, run: Run, tmp_path: Path) -> None:
    encrypted = keygen(tmp_path / "encrypted", passphrase=PASSPHRASE)
    steps = [("Passphrase of", b"wrong\n"), ("Passphrase of", f"{PASSPHRASE}\n".encode())]
    words = [program("monoctl"), *PUT, "--signing-key", str(encrypted)]
    done = converse(words, steps, os.environ, stdin=VALUE.encode())
    assert (done.code, done.echoes) == (0, True)
    assert PASSPHRASE not in done.shown + done.out
    assert len(m8.attempts) == 1
    m8.attempts[0].check_signature()


def test_the_setting_is_written_shown_and_used(
    m8: ScriptedM8, run: Run, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("config", "set", "signing_key", str(key)).exit_code == 0
    shown_settings = {row["name"]: row["value"] for row in json.loads(run("config", "view", "-o", "json").stdout)}
    assert shown_settings["signing_key"] == str(key)
    assert run(*PUT, stdin=VALUE).exit_code == 0
    m8.attempts[0].check_signature()


def test_a_public_key_itself_is_a_setting_and_what_is_none_is_refused(run: Run, key: Path) -> None:
    line = Path(f"{key}.pub").read_text().strip()
    assert run("config", "set", "signing_key", f"key::{line}").exit_code == 0
    ends(run("config", "set", "signing_key", "key::ssh-ed25519 AAAA"), 2, "cannot sign requests")
    settings = json.loads(run("config", "view", "-o", "json").stdout)
    assert [row["value"] for row in settings if row["name"] == "signing_key"] == [f"key::{line}"]


def test_a_certificate_that_ended_is_told_before_a_key_is_asked_for(m8: ScriptedM8, run: Run, tmp_path: Path) -> None:
    ca, mine = keygen(tmp_path / "ca"), keygen(tmp_path / "mine")
    certify(ca, mine, valid="-2h:-1h")
    ends(run(*PUT, "--signing-key", str(mine), stdin=VALUE), 2, "ended at")
    assert m8.attempts == []


@pytest.mark.parametrize(("touch", "said"), [(True, "touch your security key"), (False, "signing the request")])
def test_the_terminal_says_when_to_touch_the_key(monkeypatch: pytest.MonkeyPatch, touch: bool, said: str) -> None:
    lines: list[str] = []
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(terminal, "err", lambda *texts, **_: lines.extend(texts))
    watch = Watch()
    watch.observe(Progress(SecretUri.parse(URI), b"r" * 16, Stage.SIGNING, touch=touch))
    assert said in lines[-1]
