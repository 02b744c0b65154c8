"""Who one is to m8, whom one trusts, and what administrators are told before m8's certificate expires."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import access_pb2, queries_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.client.known.stores import SYSTEM_FILE
from monoskope.errors import RefusedError
from monoskope.monoctl.output import terminal
from monoskope.protocol.identity import grouped
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.m8 import ScriptedM8
from monoskope.times import now_ms
from tests.unit.monoctl.as_alice import VALUE, Run, ends


@pytest.fixture
def scripted() -> ScriptedM8:
    """It says who calls."""
    m8, subject = ScriptedM8(), "al\x1b[2Jice"
    m8.answers[access_pb2.WhoAmIRequest] = access_pb2.WhoAmIResponse(subject=subject, token_id="0" * 32)
    m8.answers[queries_pb2.GetServerRequest] = queries_pb2.GetServerResponse(
        version="0.1.0",
        fingerprint_key_id="63e8eb50bcac50aa",
        subject=subject,
        role=events_pb2.ROLE_USER,
        prefixes=["vault://app", "local://"],
        rights=[events_pb2.RIGHT_PUT, events_pb2.RIGHT_SEE_HASH],
        expires_at_ms=1_800_000_000_000,
        certificate_expires_at_ms=1_800_000_000_000,
    )
    return m8


def test_whoami_says_what_m8_knows_and_whose_word_it_is(m8: ScriptedM8, run: Run) -> None:
    shown = ends(run("whoami"), 0)
    for text in ("al\\u001b[2Jice", "user", "vault://app, local://", "put, see-hash", "2027-01-15T08:00", m8.server):
        assert text in shown.stdout
    assert shown.stderr == "This is m8's word.\n"
    assert "Signing key:      ~/.ssh/key.pub" in run("whoami", "--signing-key", "~/.ssh/key.pub").stdout


def test_whoami_for_programs(m8: ScriptedM8, run: Run, tmp_path: Path) -> None:
    assert json.loads(run("whoami", "-o", "json").stdout) == {
        "subject": "al\x1b[2Jice",
        "role": "user",
        "prefixes": ["vault://app", "local://"],
        "rights": ["put", "see-hash"],
        "expires": "2027-01-15T08:00:00.000Z",
        "credential": f"{tmp_path / 'token'} (MONOCTL_TOKEN_FILE)",
        "signing_key": "",
        "server": m8.server,
        "m8_version": "0.1.0",
        "certificate_expires": "2027-01-15T08:00:00.000Z",
        "fingerprint_key_id": "63e8eb50bcac50aa",
        "member": "",
        "issuer": "",
        "issuer_subject": "",
        "groups": [],
        "roles": [],
        "may": [],
        "token_id": "0" * 32,
    }


def put(run: Run) -> tuple[int, str]:
    result = run("put", "secret", "vault://app/db", "--from-file", "password=-", stdin=VALUE)
    return result.exit_code, result.stderr


def test_the_first_contact_says_whom_to_ask_and_what_to_compare(
    m8: ScriptedM8, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "known_stores").unlink()
    asked: list[str] = []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    monkeypatch.setattr(terminal, "confirm", no)
    monkeypatch.setattr("monoskope.monoctl.output.terminal.interactive", lambda: True)

    assert put(run)[0] == 20
    [question] = asked
    words = ("store's operator", "another way than m8", "`m8 reactor identity`", "every character")
    for text in (grouped(m8.identity.shown), *words):
        assert text in question
    assert question.endswith("Do you trust this identity?")


def test_a_changed_identity_names_the_command_that_forgets_it(m8: ScriptedM8, run: Run, tmp_path: Path) -> None:
    before = (tmp_path / "known_stores").read_text()
    former, new = m8.identity.shown, Identity()
    m8.stores["vault"].identity, m8.signers["vault"] = new.shown, new
    code, said = put(run)
    assert code == 5
    for text in ("monoctl forget-store vault", "another way than m8", "Put nothing until you know"):
        assert text in said

    forgotten = ends(run("forget-store", "vault"), 0)
    assert former in forgotten.stdout
    assert "asks" in forgotten.stdout
    copy = tmp_path / "known_stores.old"
    assert str(copy) in forgotten.stdout
    assert (copy.read_text(), stat.S_IMODE(copy.stat().st_mode)) == (before, 0o600)
    assert (tmp_path / "known_stores").read_text() == f"{m8.server} @default vault\n"
    code, said = put(run)
    assert code == 20
    assert "first contact" in said
    assert not m8.attempts


@pytest.mark.parametrize("words", [("local",), ("vault", "--server", "elsewhere:7443")])
def test_a_store_that_is_not_pinned_is_not_forgotten(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    before = (tmp_path / "known_stores").read_text()

    ends(run("forget-store", *words), 4)
    assert (tmp_path / "known_stores").read_text() == before
    assert not (tmp_path / "known_stores.old").exists()


def test_forgetting_needs_no_token_or_m8(
    m8: ScriptedM8, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").unlink()
    monkeypatch.delenv("MONOCTL_CA_FILE")

    assert run("forget-store", "vault").exit_code == 0
    assert m8.calls == []
    assert not SYSTEM_FILE.exists(), "the test above would see the pins of this machine"


def test_no_store_is_forgotten_by_mistake(run: Run) -> None:
    assert run("forget-store", "Vault").exit_code == 2
    assert run("forget-store").exit_code == 2


DAY_MS = 86_400_000


def said(m8: ScriptedM8, run: Run, server: Callable[[], queries_pb2.GetServerResponse]) -> str:
    """What `monoctl get secret-stores` prints on stderr."""
    m8.answers[queries_pb2.GetServerRequest] = lambda _: server()
    result = ends(run("get", "secret-stores"), 0)
    assert "vault" in result.stdout
    return str(result.stderr)


def expiring(left_ms: int, role: events_pb2.Role = events_pb2.ROLE_ADMINISTRATOR) -> queries_pb2.GetServerResponse:
    at_ms = now_ms() + left_ms if left_ms else 0
    return queries_pb2.GetServerResponse(role=role, certificate_expires_at_ms=at_ms)


def test_an_administrator_is_told_and_how_to_renew_it(m8: ScriptedM8, run: Run) -> None:
    note = said(m8, run, lambda: expiring(29 * DAY_MS + DAY_MS // 2))
    for text in ("m8 says that its certificate expires at", "in 29 days", "m8 tls renew"):
        assert text in note


@pytest.mark.parametrize(
    "answer",
    [expiring(31 * DAY_MS), expiring(DAY_MS, events_pb2.ROLE_USER), expiring(0)],
    ids=["later", "a user", "an older m8"],
)
def test_nobody_else_is_told(m8: ScriptedM8, run: Run, answer: queries_pb2.GetServerResponse) -> None:
    assert said(m8, run, lambda: answer) == ""


def test_an_m8_that_does_not_answer_this_fails_nothing(m8: ScriptedM8, run: Run) -> None:
    def refused() -> queries_pb2.GetServerResponse:
        raise RefusedError("no.")

    assert said(m8, run, refused) == ""
