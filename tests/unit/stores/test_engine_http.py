"""How drivers talk HTTP to engines, and where the key of a client certificate is."""

from __future__ import annotations

import base64
import os
import ssl
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

from monoskope.http.client.destination import (
    BrokenError,
    ExchangeError,
    LateError,
    MalformedError,
    NotSentError,
    TooLargeError,
    UntrustedError,
)
from monoskope.settings import read_private, write_private
from monoskope.stores.driver import DriverError, StoreRefusedError, StoreUnavailableError, UnknownOutcomeError
from monoskope.stores.kubernetes.client import access
from monoskope.stores.kubernetes.config import Kubeconfig
from monoskope.stores.shared import trust
from monoskope.stores.shared.checks import HttpConfig
from monoskope.stores.shared.http import EngineHttp
from monoskope.stores.shared.trust import show_pair
from monoskope.stores.vault import logins
from monoskope.stores.vault.config import ClientCertificate, VaultConfig
from monoskope.stores.vault.session import VaultHttp
from tests.support.certificates import client_certificate


class FailingPool:
    def __init__(self, failure: ExchangeError) -> None:
        self._failure = failure

    async def request(self, *_arguments: Any, **_settings: Any) -> NoReturn:
        raise self._failure


class Engine(EngineHttp):
    redirect_fix = "Set address to the engine itself."


@pytest.mark.parametrize(
    ("failure", "of_a_write"),
    [
        (NotSentError("x"), StoreUnavailableError),
        (UntrustedError("x", certificate=True), StoreRefusedError),
        (UntrustedError("x", certificate=False), StoreRefusedError),
        (LateError("x", sent=False), StoreUnavailableError),
        (LateError("x", sent=True), UnknownOutcomeError),
        (BrokenError("x"), UnknownOutcomeError),
        (MalformedError("x"), UnknownOutcomeError),
        (TooLargeError("x"), UnknownOutcomeError),
    ],
    ids=lambda given: f"{given.__class__.__name__}-{getattr(given, 'sent', '')}",
)
async def test_only_a_write_that_was_not_sent_is_certain_not_to_have_happened(
    failure: ExchangeError, of_a_write: type[DriverError]
) -> None:
    http = Engine(ssl.create_default_context(), HttpConfig())
    http._pools["engine:1"] = FailingPool(failure)  # type: ignore[assignment]
    for writes in (True, False):
        with pytest.raises(DriverError) as caught:
            await http.exchange("POST", "https://engine:1/v1/x", {}, b"secret", writes=writes)
        refused = isinstance(failure, UntrustedError)
        assert type(caught.value) is (of_a_write if writes or refused else StoreUnavailableError)
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)


async def test_an_address_with_an_impossible_port_reaches_nobody() -> None:
    http = Engine(ssl.create_default_context(), HttpConfig())
    with pytest.raises(StoreUnavailableError):
        await http.exchange("POST", "https://engine:99999/v1/x", {}, b"x", writes=True)


@pytest.mark.parametrize("driver", ["vault.kv2", "vault.kv1", "barbican.secrets", "kubernetes.secrets"])
def test_these_drivers_need_no_http_library_of_others(driver: str) -> None:
    code = f"import sys, monoskope.stores.{driver}; print('aiohttp' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


async def test_a_token_that_would_be_a_header_of_its_own_is_refused_and_nothing_is_sent() -> None:
    """An engine may give any text as a token at a login."""
    http = Engine(ssl.create_default_context(), HttpConfig())
    headers = {"X-Vault-Token": "a\r\nX-Vault-Namespace: other"}
    with pytest.raises(StoreRefusedError) as caught:
        await http.exchange("POST", "https://127.0.0.1:1/v1/x", headers, b"x", writes=True)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


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
def test_a_kubeconfig_s_key_is_in_no_file(tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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

    monkeypatch.setattr(trust, "read_private", swapped)
    method = ClientCertificate(certificate_file=str(tmp_path / "certificate"), key_file=str(tmp_path / "key"))
    http = VaultHttp(VaultConfig(address="https://vault:8200", mount="secret", auth=method))
    try:
        assert await logins._body(http, method, state_dir) == {}
    finally:
        await http.close()
    with pytest.raises(StoreRefusedError, match="do not hold"):
        await logins._body(http, method, state_dir)
