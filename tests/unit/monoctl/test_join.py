"""`monoctl join`: one comparison, before which nothing of what came is used."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import structs

from monoskope.client.bundle import key
from monoskope.client.bundle import settings as machine
from monoskope.client.bundle.settings import MachineSettings
from monoskope.client.known import system
from monoskope.client.known.config_file import read_config
from monoskope.client.known.logs import KnownLogs, LogPin
from monoskope.client.login.credential import KeptLogin, login_path, read
from monoskope.client.login.starting import LoginSettings, keep
from monoskope.client.signing.signer import signer_of
from monoskope.m8.http import tls
from monoskope.monoctl.commands import join as joining
from monoskope.monoctl.main import cli
from monoskope.protocol.bundle import WELL_KNOWN, Bundle, Log, Login, certificates_in
from monoskope.protocol.identity import Namespace, grouped
from monoskope.protocol.sshsig.lists import parse_listed
from monoskope.settings import write_private
from tests.support.bundles import IDENTITY, SERVER, a_bundle, vkeys, witness
from tests.support.exchanging import jwt
from tests.support.https_issuer import HttpsIssuer, https_issuer
from tests.unit.monoctl.as_alice import ends

Run = Callable[..., Result]
SETTINGS = f"""\
server = "{SERVER}"
login_issuer = "https://login.example.org"
login_client_id = "monoctl"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the settings and pins of this machine are."""
    return tmp_path / "config" / "monoskope"


@pytest.fixture
def run(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("SERVER", "CA_FILE", "TOKEN_FILE", "KNOWN_STORES", "CONFIG"):
        monkeypatch.delenv(f"MONOCTL_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder.parent))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("monoskope.monoctl.output.terminal.interactive", lambda: False)
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(cli, words)


@pytest.fixture
def m8(tmp_path: Path) -> Iterator[HttpsIssuer]:
    """Whatever answers as m8 and as the issuer, and what it was asked. It publishes a bundle for itself."""
    (tmp_path / "m8").mkdir()
    with https_issuer(tmp_path / "m8") as found:
        publish(found, of(found))
        yield found


def of(m8: HttpsIssuer, **changed: Any) -> Bundle:
    ca = certificates_in(m8.ca_file.read_text())
    login = Login(f"{m8.url}/issuer", "monoctl", scopes="groups", ca=ca)
    return a_bundle(**{"servers": (named(m8),), "ca": ca, "login": login} | changed)


def publish(m8: HttpsIssuer, bundle: Bundle) -> None:
    m8.answers[WELL_KNOWN] = (200, {}, bytes(bundle))


def named(m8: HttpsIssuer) -> str:
    return m8.url.removeprefix("https://")


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> list[LoginSettings]:
    """Where people log in; each login is anna's, and m8 meets her."""
    found: list[LoginSettings] = []

    def log_in(_session: object, settings: LoginSettings, *_: object) -> None:
        found.append(settings)
        path = login_path(settings.server)
        assert path is not None
        token, id_token = jwt(sub="user:corp:anna@example.org"), jwt(sub="7", email="anna@example.org")
        kept = KeptLogin(
            server=settings.server,
            issuer=settings.issuer,
            client_id=settings.client_id,
            audience=settings.audience,
            subject="7",
            id_token=id_token,
            token=token,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        keep(path, kept)

    monkeypatch.setattr(joining, "log_in", log_in)
    monkeypatch.setattr(joining, "met", lambda *_: "user:corp:anna@example.org")
    return found


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_written_and_nobody_asked_before_the_comparison(run: Run, m8: HttpsIssuer, folder: Path) -> None:
    bundle = of(m8)
    wrong = bundle.fingerprint[:-1] + ("A" if bundle.fingerprint[-1] != "A" else "B")
    ca = ("--ca-file", str(m8.ca_file))
    link = f"{m8.url}{WELL_KNOWN}#{bundle.fingerprint}"
    cases: list[tuple[tuple[str, ...], int, str]] = [
        ((m8.url, *ca), 2, "there is no terminal to ask on"),
        ((link, *ca), 2, "the fingerprint in the link does not count"),
        ((m8.url, "--fingerprint", wrong), 5, f"is {bundle.fingerprint}, and you were told {wrong}"),
        ((m8.url, "--fingerprint", wrong, "--dry-run"), 5, f"you were told {wrong}"),
        ((m8.url, "--fingerprint", "yes"), 2, "what you gave is no fingerprint"),
        ((m8.url, *ca, "--dry-run"), 0, "Nothing was changed"),
    ]
    for words, code, said in cases:
        result = ends(run("join", *words), code, said)
        assert (grouped(bundle.fingerprint) in result.stdout) is (code == 0), "who is asked for it would copy it"
        assert bundle.login.issuer in result.stdout
        assert "New pins: the store age, the store vault, the log." in result.stdout
        assert not folder.exists()
    assert m8.asked == [(WELL_KNOWN, "")] * len(cases)  # the issuer answers there, too


def test_a_server_that_the_machine_does_not_trust_is_asked_only_with_a_fingerprint_or_its_ca(
    run: Run, m8: HttpsIssuer, folder: Path
) -> None:
    ends(run("join", m8.url), 5, "is not signed by an authority", "--fingerprint")
    assert m8.asked == []
    assert not folder.exists()


def test_a_bundle_of_another_server_is_refused_though_its_fingerprint_is_right(
    run: Run, m8: HttpsIssuer, folder: Path
) -> None:
    evil = a_bundle(servers=("m8.evil.example:7443",))
    publish(m8, evil)
    result = ends(run("join", m8.url, "--fingerprint", evil.fingerprint), 5, "for another server: m8.evil.example:7443")
    assert result.stdout == ""
    assert not folder.exists()


def test_a_hostile_m8_that_shows_its_own_bundle_is_found_out(run: Run, m8: HttpsIssuer, folder: Path) -> None:
    told = of(m8).fingerprint
    for own in (
        of(m8, login=Login("https://login.evil.example", "monoctl")),
        of(m8, stores={"vault": f"SHA256:{'E' * 43}"}, default_store=""),
        of(m8, log=Log(vkeys("another"))),
        of(m8, contact="Whom one asked last year"),
    ):
        publish(m8, own)
        ends(run("join", m8.url, "--fingerprint", told), 5, "nothing was sent")
    publish(m8, of(m8))
    m8.answers[WELL_KNOWN] = (200, {}, bytes(of(m8)).replace(b"phone", b"Phone"))
    ends(run("join", m8.url, "--fingerprint", told), 5, "nothing was sent")
    assert not folder.exists()
    assert {path for path, _ in m8.asked} == {WELL_KNOWN}


def test_what_was_compared_is_pinned_and_configured_and_said_again(
    run: Run, m8: HttpsIssuer, folder: Path, logins: list[LoginSettings]
) -> None:
    bundle = of(m8, log=Log(vkeys(), (witness(),), 1))
    publish(m8, bundle)
    result = ends(run("join", m8.url, "--fingerprint", grouped(bundle.fingerprint)), 0)

    own = folder / named(m8).replace(":", "_")
    assert f"{named(m8)} vault {IDENTITY}\n" in (folder / "known_stores").read_text()
    assert (folder / "known_logs").read_text() == LogPin(vkeys()).line(named(m8))
    settings = read_config(folder / "config.toml").top.texts
    assert settings == {
        "server": named(m8),
        "ca_file": str(own / "ca.crt"),
        "login_issuer": f"{m8.url}/issuer",
        "login_client_id": "monoctl",
        "login_scopes": "groups",
        "login_ca_file": str(own / "login-ca.crt"),
        "log_witnesses": witness(),
        "log_quorum": "1",
        "signing_key": str(own / "signing_key"),
        "requester": "anna@example.org",
    }
    assert [one.issuer for one in logins] == [f"{m8.url}/issuer"]
    public = (own / "signing_key.pub").read_text().split()[1]
    line = result.stdout.splitlines()[-1]
    assert line == (
        f'anna@example.org namespaces="request@monoskope" ssh-ed25519 {public} user:corp:anna@example.org'
        f" {signer_of(str(own / 'signing_key')).public().shown}"
    )
    assert len(parse_listed(f"{line}\n", Namespace.REQUEST)) == 1  # it can be pasted as it is
    assert m8.asked == [(WELL_KNOWN, "")]

    before = everything_in(folder)
    again = ends(run("join", m8.url, "--fingerprint", bundle.fingerprint), 0)
    assert "New pins: none.\nNew settings in " in again.stdout
    assert again.stdout.splitlines()[-1] == line
    assert everything_in(folder) == before
    assert len(logins) == 1


def test_what_is_new_is_added_after_a_new_comparison_and_a_difference_is_an_error(
    run: Run, m8: HttpsIssuer, folder: Path, logins: list[LoginSettings]
) -> None:
    first = of(m8)
    ends(run("join", m8.url, "--fingerprint", first.fingerprint), 0)
    more = of(m8, servers=("m8b.example.org:7443", named(m8)), stores={**first.stores, "db": f"SHA256:{'D' * 43}"})
    publish(m8, more)
    ends(run("join", m8.url, "--fingerprint", first.fingerprint), 5, "you were told")
    ends(run("join", m8.url, "--fingerprint", more.fingerprint), 0)
    assert read_config(folder / "config.toml").top.server == f"{named(m8)},m8b.example.org:7443"
    assert "db SHA256:" in (folder / "known_stores").read_text()

    before = everything_in(folder)
    publish(m8, first)  # an old one removes nothing
    ends(run("join", m8.url, "--fingerprint", first.fingerprint), 0)
    assert everything_in(folder) == before
    own = Login(first.login.issuer, "monoctl", scopes="other", ca=first.login.ca)
    for other, names in (
        (of(m8, stores={"vault": f"SHA256:{'E' * 43}"}, default_store=""), (IDENTITY, "E" * 43)),
        (of(m8, log=Log(vkeys("another"))), (vkeys()[0], vkeys("another")[0])),
        (of(m8, login=Login("https://login.evil.example", "monoctl")), (f"{m8.url}/issuer", "login.evil.example")),
        (of(m8, login=own), ("'groups'", "'other'")),
    ):
        publish(m8, other)
        result = run("join", m8.url, "--fingerprint", other.fingerprint)
        assert result.exit_code in {5, 18}, result.output
        assert all(name in result.stderr for name in (*names, "Nothing was changed")), result.stderr
        assert everything_in(folder) == before
    assert len(logins) == 1


def test_what_the_administrator_of_the_machine_fixed_counts_before_bundle_and_folder(
    run: Run, m8: HttpsIssuer, folder: Path, logins: list[LoginSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine_file, other = folder.parent.parent / "machine.toml", folder.parent.parent / "other.pem"
    other.write_bytes(tls.make_authority(now=dt.datetime.now(dt.UTC)).certificate.public_bytes(Encoding.PEM))
    monkeypatch.setattr(system, "OWNERS", frozenset({0, os.geteuid()}))
    monkeypatch.setattr(system, "SYSTEM_CONFIG", machine_file)
    fixed = f'server = "{named(m8)}"\nlogin_issuer = "{m8.url}/issuer"\nlogin_client_id = "monoctl"\n'
    own = f'{fixed}ca_file = "{m8.ca_file}"\nlogin_ca_file = "{m8.ca_file}"\n'
    public = of(m8, ca=(), login=structs.replace(of(m8).login, ca=(), scopes=""))
    private = structs.replace(public, ca=of(m8).ca, login=structs.replace(public.login, ca=of(m8).ca))
    cases: list[tuple[str, Bundle, str, dict[str, str], str]] = [
        (own, private, f'server = "evil.example:1,{named(m8)}"\n', {}, f"{folder}/config.toml gives another server"),
        (own, public, f'server = "{named(m8)}"\nca_file = "{other}"\n', {}, "config.toml gives another ca_file"),
        (own.replace(str(m8.ca_file), str(other)), private, "", {}, "the bundle gives another ca_file"),
        (fixed, private, "", {}, "the bundle gives another ca_file"),
        (own, structs.replace(private, login=of(m8).login), "", {}, "the bundle gives another login_scopes"),
        (own, structs.replace(private, servers=(named(m8), "evil.example:1")), "", {}, "gives another server"),
        (fixed, public, "", {"SSL_CERT_FILE": str(other)}, "SSL_CERT_FILE replaces"),
    ]
    folder.mkdir(parents=True)
    for text, bundle, mine, environ, said in cases:
        machine_file.write_text(f'{text}fixed = ["server", "ca_file", "login_issuer"]\n')
        write_private(folder / "config.toml", mine.encode(), replace=True)
        publish(m8, bundle)
        with monkeypatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            ends(run("join", m8.url, "--fingerprint", bundle.fingerprint), 3, said)
        assert logins == []
        assert [path.name for path in folder.iterdir()] == ["config.toml"]

    signs = key.made_in(machine_file.parent)
    own += f'signing_key = "{signs.setting}"\nrequester = "anna-here"\n'
    machine_file.write_text(f'{own}fixed = ["server", "ca_file", "login_issuer", "signing_key", "requester"]\n')
    write_private(folder / "config.toml", b"", replace=True)
    publish(m8, private)
    joined = ends(run("join", m8.url, "--fingerprint", private.fingerprint), 0)
    assert [one.ca_file for one in logins] == [str(m8.ca_file)]
    assert joined.stdout.rstrip().endswith(signs.key.shown)
    assert read_config(folder / "config.toml").top.texts.keys() == {"server", "login_issuer", "login_client_id"}


def test_a_compared_bundle_adds_no_server_to_an_m8_whose_log_nobody_pinned(
    run: Run, m8: HttpsIssuer, folder: Path, logins: list[LoginSettings]
) -> None:
    """Else another company's m8 could name ours beside itself, and get the token that is configured for ours."""
    folder.mkdir(parents=True)
    before = f'server = "{SERVER}"\ntoken_file = "anna.token"\n'
    write_private(folder / "config.toml", before.encode())
    bundle = of(m8, servers=(named(m8), SERVER))
    publish(m8, bundle)
    words = ("join", m8.url, "--fingerprint", bundle.fingerprint)
    ends(run(*words), 3, f"the bundle adds {named(m8)} to", "No log is pinned", "--context NAME")
    assert everything_in(folder) == {"config.toml": before.encode()}
    assert logins == []
    ends(run(*words, "--context", "other"), 0)
    assert "token_file" not in read_config(folder / "config.toml").contexts["other"].texts


def test_an_m8_besides_another_one_is_a_context(
    run: Run, m8: HttpsIssuer, folder: Path, logins: list[LoginSettings]
) -> None:
    folder.mkdir(parents=True)
    write_private(folder / "config.toml", SETTINGS.encode())
    fingerprint = ("--fingerprint", of(m8).fingerprint)
    result = ends(run("join", m8.url, *fingerprint), 0, "monoctl config use 127.0.0.1")
    file = read_config(folder / "config.toml")
    assert (file.top.server, file.context) == (SERVER, "")
    assert file.contexts["127.0.0.1"].server == named(m8)

    ends(run("join", m8.url, *fingerprint), 0)  # where it stands already
    assert list(read_config(folder / "config.toml").contexts) == ["127.0.0.1"]
    ends(run("join", m8.url, *fingerprint, "--context", "lab"), 0, "--context lab")
    (folder.parent / "b.json").write_bytes(bytes(a_bundle(servers=("other.example.org:7443",))))
    other = ("join", str(folder.parent / "b.json"), "--fingerprint")
    said = "the context 'lab' in"
    ends(run(*other, a_bundle(servers=("other.example.org:7443",)).fingerprint, "--context", "lab"), 2, said)
    assert result.stdout.splitlines()[-1].startswith("anna@example.org ")


@pytest.mark.parametrize("at", ["pins", "authorities", "settings", "login", "key", "requester"])
def test_what_was_interrupted_is_completed_by_the_next_run(
    run: Run, m8: HttpsIssuer, folder: Path, logins: list[LoginSettings], *, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    place, name = {
        "pins": (KnownLogs, "remember"),
        "authorities": (MachineSettings, "add"),
        "settings": (machine, "write_settings"),
        "login": (joining, "log_in"),
        "key": (key, "made_in"),
        "requester": (joining, "_tell"),
    }[at]

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    words = ("join", m8.url, "--fingerprint", of(m8).fingerprint)
    with monkeypatch.context() as once:
        once.setattr(place, name, interrupted)
        assert run(*words).exit_code == 130
    if at == "pins":
        assert not (folder / "config.toml").exists()  # no command would find m8 without its pins
    line = ends(run(*words), 0).stdout.splitlines()[-1]
    assert line.startswith("anna@example.org ")
    settings = read_config(folder / "config.toml").top.texts
    assert {"server", "ca_file", "login_issuer", "signing_key", "requester"} <= settings.keys()
    assert named(m8) in (folder / "known_logs").read_text()
    assert len(logins) == 1


def test_a_person_types_the_fingerprint_and_may_sign_with_the_ssh_key_that_they_have(
    run: Run, m8: HttpsIssuer, folder: Path, logins: list[LoginSettings], *, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    typed = ["y", grouped(a_bundle().fingerprint), grouped(of(m8).fingerprint)]

    def prompt(question: str) -> str:
        asked.append(question)
        return typed.pop(0)

    ssh = folder.parent / ".ssh"
    ssh.mkdir(parents=True)
    made = key.made_in(ssh)
    for suffix in ("", ".pub"):
        Path(f"{made.setting}{suffix}").rename(ssh / f"id_ed25519{suffix}")
    monkeypatch.setenv("HOME", str(ssh.parent))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr("monoskope.monoctl.output.terminal.interactive", lambda: True)
    monkeypatch.setattr("monoskope.monoctl.output.terminal.prompt", prompt)
    monkeypatch.setattr("monoskope.monoctl.output.terminal.confirm", lambda question: made.key.shown in question)

    words = ("join", m8.url, "--ca-file", str(m8.ca_file))
    ends(run(*words), 2, "what you gave is no fingerprint")
    ends(run(*words), 5, "you were told")
    result = ends(run(*words), 0)
    assert all(of(m8).contact not in question for question in asked)  # a hostile bundle could name its maker
    assert read_config(folder / "config.toml").top.texts["signing_key"] == str(ssh / "id_ed25519")
    assert result.stdout.splitlines()[-1].endswith(made.key.shown)


def test_a_member_whom_the_issuer_does_not_know_is_told_before_the_line_is_sent(
    run: Run, m8: HttpsIssuer, logins: list[LoginSettings]
) -> None:
    words = ("join", m8.url, "--fingerprint", of(m8).fingerprint)
    assert "warning" not in ends(run(*words), 0).stderr
    path = login_path(named(m8))
    assert path is not None
    kept = read(path)
    assert kept is not None
    keep(path, structs.replace(kept, token=jwt(sub="user:corp:root")))
    ends(run(*words), 0, "m8 calls you user:corp:root, which your issuer does not")
    keep(path, structs.replace(kept, token=jwt(sub="user:corp:anna\nroot")))
    ends(run(*words), 2, "is not a member")
    keep(path, structs.replace(kept, issuer="https://login.other.example"))
    ends(run(*words), 5, "you are logged in at https://login.other.example", f"{m8.url}/issuer")


def test_an_authority_or_a_log_key_that_was_set_by_hand_is_kept_and_compared(
    run: Run, m8: HttpsIssuer, folder: Path, logins: list[LoginSettings]
) -> None:
    words = ("join", m8.url, "--fingerprint", of(m8).fingerprint)
    ends(run("config", "set", "server", named(m8)), 0)
    ends(run("config", "set", "ca_file", str(m8.ca_file)), 0)
    ends(run("config", "set", "log_vkeys", " ".join(reversed(vkeys()))), 0)
    ends(run(*words), 0)
    assert read_config(folder / "config.toml").top.texts["ca_file"] == str(m8.ca_file)

    before = read_config(folder / "config.toml").top.texts
    other = folder.parent / "other.crt"
    other.write_bytes(tls.make_authority(now=dt.datetime.now(dt.UTC)).certificate.public_bytes(Encoding.PEM))
    for name, value in (("ca_file", str(other)), ("log_vkeys", " ".join(vkeys("another")))):
        ends(run("config", "set", name, value), 0)
        ends(run(*words), 5, f"{name} in ", "the certificate SHA256:" if name == "ca_file" else vkeys()[0], value)
        ends(run("config", "set", name, before[name]), 0)
    assert read_config(folder / "config.toml").top.texts == before
