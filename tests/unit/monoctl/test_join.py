"""`monoctl config bundle` and `monoctl join`: one comparison, before which nothing of what came is used."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monoskope.client.known.logs import LogPin
from monoskope.monoctl.main import cli
from monoskope.protocol.bundle import WELL_KNOWN, Bundle, certificates_in
from monoskope.protocol.identity import grouped
from monoskope.settings import write_private
from tests.support.bundles import IDENTITY, SERVER, a_bundle, vkeys
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
    """Whatever answers as m8, and what it was asked. It publishes a bundle for itself."""
    (tmp_path / "m8").mkdir()
    with https_issuer(tmp_path / "m8") as found:
        own = a_bundle(servers=(named(found),), ca=certificates_in(found.ca_file.read_text()))
        found.answers[WELL_KNOWN] = (200, {}, bytes(own))
        yield found


def named(m8: HttpsIssuer) -> str:
    return m8.url.removeprefix("https://")


def published(m8: HttpsIssuer) -> Bundle:
    return Bundle.parse(m8.answers[WELL_KNOWN][2])


# --- config bundle ---


def test_what_a_colleague_needs_is_one_file_that_is_replaced_by_its_like_alone(run: Run, folder: Path) -> None:
    folder.mkdir(parents=True)
    write_private(folder / "config.toml", SETTINGS.encode())
    write_private(folder / "known_stores", f"{SERVER} vault {IDENTITY}\n".encode())
    write_private(folder / "known_logs", LogPin(vkeys()).line(SERVER).encode())
    ends(run("config", "bundle"), 2, "--contact")

    made = ends(run("config", "bundle", "--contact", "Anna, phone 1"), 0)
    file = Path("monoskope-bundle.json")
    bundle = Bundle.parse(file.read_bytes())
    assert (bundle.contact, bundle.stores) == ("Anna, phone 1", {"vault": IDENTITY})
    assert grouped(bundle.fingerprint) in made.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o644

    write_private(folder / "known_stores", f"{SERVER} db {IDENTITY}\n".encode(), replace=True)
    ends(run("config", "bundle"), 0)
    assert Bundle.parse(file.read_bytes()).contact == "Anna, phone 1"  # it is asked once
    assert "says all that already" in ends(run("config", "bundle"), 0).stdout

    for other in (b"# my notes\n", bytes(a_bundle(servers=("other.example.org:7443",)))):
        file.write_bytes(other)
        ends(run("config", "bundle", "--contact", "Anna"), 2, "was not changed", "Name another file.")
        assert file.read_bytes() == other


# --- join ---


def test_nothing_is_pinned_and_nothing_asked_before_the_comparison(run: Run, m8: HttpsIssuer, folder: Path) -> None:
    bundle = published(m8)
    wrong = bundle.fingerprint[:-1] + ("A" if bundle.fingerprint[-1] != "A" else "B")
    ca = ("--ca-file", str(m8.ca_file))
    link = f"{m8.url}{WELL_KNOWN}#{bundle.fingerprint}"
    for words, code, said in (
        ((m8.url, *ca), 2, "there is no terminal to ask on"),
        ((link, *ca), 2, "the fingerprint in the link does not count"),
        ((m8.url, "--fingerprint", wrong), 5, f"is {bundle.fingerprint}, and you were told {wrong}"),
        ((m8.url, "--fingerprint", "yes"), 2, "identity 'yes' is not valid"),
        ((m8.url, *ca, "--dry-run"), 0, "Nothing was changed"),
    ):
        result = ends(run("join", *words), code, said)
        assert grouped(bundle.fingerprint) in result.stdout
        assert bundle.login.issuer in result.stdout
        assert not folder.exists()
    assert set(m8.asked) == {(WELL_KNOWN, "")}


def test_a_server_that_the_machine_does_not_trust_is_asked_only_with_a_fingerprint_or_its_ca(
    run: Run, m8: HttpsIssuer, folder: Path
) -> None:
    ends(run("join", m8.url), 5, "is not signed by an authority", "--fingerprint")
    assert m8.asked == []
    ends(run("join", m8.url, "--fingerprint", grouped(published(m8).fingerprint)), 0)
    assert m8.asked == [(WELL_KNOWN, "")]
    assert f"{named(m8)} vault {IDENTITY}\n" in (folder / "known_stores").read_text()
    assert (folder / "known_logs").read_text() == LogPin(vkeys()).line(named(m8))


def test_a_bundle_of_another_server_is_refused_though_its_fingerprint_is_right(
    run: Run, m8: HttpsIssuer, folder: Path
) -> None:
    evil = a_bundle(servers=("m8.evil.example:7443",))
    m8.answers[WELL_KNOWN] = (200, {}, bytes(evil))
    result = ends(run("join", m8.url, "--fingerprint", evil.fingerprint), 5, "for another server: m8.evil.example:7443")
    assert result.stdout == ""
    assert not folder.exists()


def test_a_file_is_compared_as_well(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_bytes(bytes(a_bundle()))
    ends(run("join", "b.json"), 2, "there is no terminal to ask on")
    ends(run("join", "none.json"), 2, "none.json cannot be read", "https://HOST")
    assert not folder.exists()
    ends(run("join", "b.json", "--fingerprint", a_bundle().fingerprint), 0)
    assert IDENTITY in (folder / "known_stores").read_text()
