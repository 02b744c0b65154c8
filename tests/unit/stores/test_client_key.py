"""A client certificate's key is in no file that others could find, and in none of ours afterwards."""

from __future__ import annotations

import base64
import os
import ssl
import stat
import tempfile
from pathlib import Path

import pytest
import yaml

from monoskope.settings import read_private, write_private
from monoskope.stores.driver import StoreRefusedError
from monoskope.stores.kubernetes.client import access
from monoskope.stores.kubernetes.config import Kubeconfig
from monoskope.stores.shared.trust import show_pair
from monoskope.stores.vault import logins
from monoskope.stores.vault.config import ClientCertificate, VaultConfig
from monoskope.stores.vault.session import VaultHttp
from tests.support.certificates import client_certificate


def open_files() -> set[str]:
    """What this process has open that is a file of memory or below a folder."""
    names = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            names.add(str(entry.readlink()))
        except FileNotFoundError:
            continue
    return {name for name in names if "client-key" in name or name.startswith(tempfile.gettempdir())}


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir(mode=0o700)
    return tmp_path / "state"


@pytest.fixture
def no_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes a file where everybody's temporary files are fails."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not-there"))


class Seen:
    """What there was while the library read the key."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.names: list[str] = []
        self.modes: list[int] = []
        self.files: list[list[str]] = []
        original = ssl.SSLContext.load_cert_chain

        def load(context: ssl.SSLContext, name: str, **rest: str) -> None:
            self.names.append(name)
            self.modes.append(stat.S_IMODE(Path(name).stat().st_mode))
            self.files.append([one.name for one in folder.iterdir()])
            original(context, name, **rest)

        monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load)


def kubeconfig(folder: Path) -> Kubeconfig:
    certificate, key = client_certificate()
    encoded = {
        "client-certificate-data": base64.b64encode(certificate.encode()).decode(),
        "client-key-data": base64.b64encode(key.encode()).decode(),
    }
    authority = base64.b64encode(certificate.encode()).decode()
    table = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://k", "certificate-authority-data": authority}}],
        "users": [{"name": "u", "user": encoded}],
    }
    write_private(folder / "kubeconfig", yaml.safe_dump(table).encode())
    return Kubeconfig(str(folder / "kubeconfig"))


@pytest.mark.usefixtures("no_temporary_folder")
def test_the_key_of_a_kubeconfig_is_in_no_file(
    tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth, before = kubeconfig(tmp_path), open_files()
    seen = Seen(monkeypatch, state_dir)
    access(auth, state_dir)
    assert [Path(name).parent for name in seen.names] == [Path("/proc/self/fd")]
    assert seen.files == [[]]
    assert open_files() == before


@pytest.mark.usefixtures("no_temporary_folder")
def test_where_there_are_no_files_of_memory_the_key_is_in_the_reactor_s_folder_for_a_moment(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    seen = Seen(monkeypatch, state_dir)
    certificate, key = client_certificate()
    show_pair(ssl.create_default_context(), key.encode(), certificate.encode(), state_dir)
    assert [Path(name).parent for name in seen.names] == [state_dir]
    assert seen.modes == [0o600]
    assert list(state_dir.iterdir()) == []


@pytest.mark.parametrize("memory", [True, False])
def test_a_key_that_is_refused_is_gone_too(state_dir: Path, monkeypatch: pytest.MonkeyPatch, *, memory: bool) -> None:
    if not memory:
        monkeypatch.delattr(os, "memfd_create")
    before = open_files()
    certificate, _ = client_certificate()
    _, key = client_certificate()
    with pytest.raises(OSError, match=r"KEY_VALUES_MISMATCH|key values mismatch"):
        show_pair(ssl.create_default_context(), key.encode(), certificate.encode(), state_dir)
    assert list(state_dir.iterdir()) == []
    assert open_files() == before


async def test_the_key_that_a_vault_login_shows_is_the_one_that_was_looked_at(
    tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever changes the file after its mode was looked at changes nothing."""
    certificate, key = client_certificate()
    write_private(tmp_path / "key", key.encode())
    (tmp_path / "certificate").write_text(certificate)

    def swapped(path: Path) -> bytes:
        found = read_private(path)
        path.write_bytes(b"theirs")
        return found

    monkeypatch.setattr(logins, "read_private", swapped)
    method = ClientCertificate(certificate_file=str(tmp_path / "certificate"), key_file=str(tmp_path / "key"))
    http = VaultHttp(VaultConfig(address="https://vault:8200", mount="secret", auth=method))
    try:
        assert await logins._body(http, method, state_dir) == {}
    finally:
        await http.close()
    with pytest.raises(StoreRefusedError, match="do not hold"):
        await logins._body(http, method, state_dir)
