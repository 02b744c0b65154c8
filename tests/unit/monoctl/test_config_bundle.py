"""`monoctl config bundle`: what a colleague needs, in one file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monoskope.client.known.logs import LogPin
from monoskope.monoctl.main import cli
from monoskope.protocol.bundle import Bundle
from monoskope.protocol.identity import grouped
from monoskope.settings import write_private
from tests.support.bundles import IDENTITY, SERVER, a_bundle, vkeys
from tests.unit.monoctl.as_alice import ends

SETTINGS = f"""\
server = "{SERVER}"
login_issuer = "https://login.example.org"
login_client_id = "monoctl"
"""


def test_what_a_colleague_needs_is_one_file_that_is_replaced_by_its_like_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "config" / "monoskope"
    for name in ("SERVER", "CA_FILE", "TOKEN_FILE", "KNOWN_STORES", "CONFIG", "CONTEXT"):
        monkeypatch.delenv(f"MONOCTL_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder.parent))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("monoskope.monoctl.output.terminal.interactive", lambda: False)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        return CliRunner().invoke(cli, words)

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
    again = ends(run("config", "bundle"), 0)
    assert "asks Anna, phone 1," in again.stdout  # the file may be another's
    assert Bundle.parse(file.read_bytes()).contact == "Anna, phone 1"  # it is asked once
    assert "says all that already" in ends(run("config", "bundle"), 0).stdout

    for other in (b"# my notes\n", bytes(a_bundle(servers=("other.example.org:7443",)))):
        file.write_bytes(other)
        ends(run("config", "bundle", "--contact", "Anna"), 2, "was not changed", "Name another file.")
        assert file.read_bytes() == other
