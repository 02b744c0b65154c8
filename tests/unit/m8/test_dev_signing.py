"""What `m8 dev --signed` leaves in its folders."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from monoskope.m8.dev import setup as signing
from monoskope.settings import write_private

SETTINGS = '# by hand\nstore = "local"\n\n[engine]\ntype = "age"\n'


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    reactor, client = tmp_path / "reactor-local", tmp_path / "client"
    for folder in (reactor, client):
        folder.mkdir(mode=0o700)
    write_private(reactor / "reactor.toml", SETTINGS.encode())
    return reactor, client


def test_the_key_is_the_developers_and_the_reactors_list_has_its_public_half(folders: tuple[Path, Path]) -> None:
    reactor, client = folders
    assert not signing.is_wanted(reactor)
    signing.turn_on(reactor=reactor, client=client)
    assert signing.is_wanted(reactor)
    public = (client / "signing-key.pub").read_text().split()[1]
    assert (reactor / "allowed_signers").read_text().split()[:4] == [
        "dev",
        'namespaces="request@monoskope"',
        "ssh-ed25519",
        public,
    ]
    assert (reactor / "revoked_keys").read_bytes() == b"# end\n"
    assert all(path.stat().st_mode & 0o077 == 0 for folder in folders for path in folder.iterdir())


def test_what_stood_in_the_settings_stays(folders: tuple[Path, Path]) -> None:
    reactor, client = folders
    signing.turn_on(reactor=reactor, client=client)
    written = (reactor / "reactor.toml").read_text()
    assert written.startswith(SETTINGS)
    assert tomllib.loads(written)["signers"]["unsigned"] == ["verify"]


def test_a_second_time_changes_nothing(folders: tuple[Path, Path]) -> None:
    reactor, client = folders
    signing.turn_on(reactor=reactor, client=client)
    before = {path: path.read_bytes() for folder in folders for path in folder.iterdir()}
    signing.turn_on(reactor=reactor, client=client)
    assert before == {path: path.read_bytes() for folder in folders for path in folder.iterdir()}


def test_what_was_interrupted_is_completed_with_the_key_that_is_there(folders: tuple[Path, Path]) -> None:
    reactor, client = folders
    signing.turn_on(reactor=reactor, client=client)
    key = (client / "signing-key").read_bytes()
    write_private(reactor / "reactor.toml", SETTINGS.encode(), replace=True)
    (reactor / "allowed_signers").unlink()
    signing.turn_on(reactor=reactor, client=client)
    assert (client / "signing-key").read_bytes() == key
    assert signing.is_wanted(reactor)
    assert (reactor / "allowed_signers").exists()
