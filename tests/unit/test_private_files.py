"""Files that are their owner's alone, and whose files are believed."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner

from monoskope.client.known.config_file import read_config
from monoskope.client.known.stores import KnownStores
from monoskope.errors import RefusedError, UsageError
from monoskope.host_port import HostPort
from monoskope.m8 import bootstrap
from monoskope.m8.cli.main import program
from monoskope.m8.init import lay_out
from monoskope.m8.issuers.discovery import Discovery
from monoskope.ownership import check_folder
from monoskope.reactor.run import run
from monoskope.settings import append_private, find_private, read_private, write_private
from monoskope.stores.age.folder import SecretFolder
from monoskope.stores.driver import StoreRefusedError
from monoskope.stores.password_store.files import SecretFile
from tests.support import warm
from tests.support.exchanging import an_issuer
from tests.support.programs import ENVIRONMENT

IDENTITY = "SHA256:" + "A" * 43


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_new_file_is_the_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_private(tmp_path / "key", b"secret")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert read_private(tmp_path / "key") == b"secret"
    assert names(tmp_path) == {"key"}


@pytest.mark.parametrize("target", ["there", "missing"])
def test_what_is_there_is_kept_even_a_link_that_leads_nowhere(tmp_path: Path, target: str) -> None:
    (tmp_path / "there").write_bytes(b"theirs")
    (tmp_path / "key").symlink_to(tmp_path / target)
    with pytest.raises(UsageError, match="exists already"):
        write_private(tmp_path / "key", b"secret")
    assert names(tmp_path) == {"there", "key"}
    assert (tmp_path / "there").read_bytes() == b"theirs"


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(b"theirs")
    (tmp_path / "key").symlink_to(tmp_path / "theirs")
    write_private(tmp_path / "key", b"secret", replace=True)
    assert not (tmp_path / "key").is_symlink()
    assert (tmp_path / "theirs").read_bytes() == b"theirs"


def test_nobody_can_prepare_the_file_that_is_written_first(tmp_path: Path) -> None:
    """A name made of what others know, such as the process id, could be a link of theirs."""
    trap = tmp_path / f".key.{os.getpid()}.new"
    (tmp_path / "theirs").write_bytes(b"")
    trap.symlink_to(tmp_path / "theirs")
    write_private(tmp_path / "key", b"secret", replace=True)
    assert ((tmp_path / "theirs").read_bytes(), (tmp_path / "key").read_bytes()) == (b"", b"secret")


def test_the_name_is_on_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    original = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        original(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_private(tmp_path / "key", b"secret")
    assert synced == [False, True]


@pytest.mark.parametrize("replace", [True, False])
def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, replace: bool) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UsageError, match="No space"):
            write_private(tmp_path / "key", b"secret", replace=replace)
    assert names(tmp_path) == set()


def test_a_log_is_made_for_its_owner_and_a_looser_one_is_refused(tmp_path: Path) -> None:
    for line in ("one\n", "two\n"):
        with append_private(tmp_path / "log") as file:
            file.write(line)
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600
    (tmp_path / "log").chmod(0o640)
    with pytest.raises(RefusedError, match="0640"):
        append_private(tmp_path / "log")
    with pytest.raises(UsageError):
        append_private(tmp_path / "missing" / "log")


def test_a_log_may_go_to_what_is_no_file() -> None:
    before = Path(os.devnull).stat()
    with append_private(Path(os.devnull)) as file:
        file.write("anything\n")
    after = Path(os.devnull).stat()
    assert (after.st_mode, after.st_ino) == (before.st_mode, before.st_ino)


# --- what Kubernetes mounts ---

ROOT, SOMEBODY = 0, 1_000


def owned_by(uid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every file seem to belong to that user."""
    real = os.fstat

    def fstat(descriptor: int) -> os.stat_result:
        fields = list(real(descriptor))
        fields[stat.ST_UID] = uid
        return os.stat_result(fields)

    monkeypatch.setattr(os, "fstat", fstat)


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o640])
def test_a_client_takes_root_s_file_for_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    """As Kubernetes mounts a Secret with `fsGroup`: a link, to a link, to a file of root's."""
    folder = tmp_path / "..2026_11_25"
    folder.mkdir()
    (folder / "token").write_bytes(b"a.b.c")
    (folder / "token").chmod(mode)
    (tmp_path / "..data").symlink_to(folder.name)
    (tmp_path / "token").symlink_to("..data/token")
    owned_by(ROOT, monkeypatch)

    assert read_private(tmp_path / "token", client=True) == b"a.b.c"
    if mode & 0o077:
        with pytest.raises(RefusedError):
            read_private(tmp_path / "token")


@pytest.mark.parametrize(
    ("owner", "mode"),
    [(ROOT, 0o444), (ROOT, 0o644), (ROOT, 0o460), (ROOT, 0o604), (ROOT, 0o650), (SOMEBODY, 0o440), (SOMEBODY, 0o640)],
)
def test_a_client_refuses_every_other_file_that_others_can_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, mode: int
) -> None:
    (tmp_path / "token").write_bytes(b"a.b.c")
    (tmp_path / "token").chmod(mode)
    owned_by(owner, monkeypatch)

    with pytest.raises(RefusedError, match=f"{mode:04o}") as caught:
        read_private(tmp_path / "token", client=True)
    assert "`defaultMode: 0400`" in caught.value.fix
    assert ("chmod 600" in caught.value.fix) is (owner == os.geteuid()), "who is not the owner cannot change it"


# --- what systemd hands to a service ---


@pytest.mark.parametrize(
    ("owner", "mode", "taken"), [(ROOT, 0o440, True), (ROOT, 0o444, False), (SOMEBODY, 0o440, False)]
)
def test_a_credential_of_systemd_s_is_taken_though_its_list_of_readers_shows_as_a_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, mode: int, *, taken: bool
) -> None:
    credentials, folder = tmp_path / "credentials", tmp_path / "m8"
    (credentials / "m8.service").mkdir(parents=True)
    folder.mkdir()
    key = credentials / "m8.service" / "token-signing.key"
    key.write_bytes(b"seed")
    key.chmod(mode)
    (folder / "token-signing.key").symlink_to(key)
    owned_by(owner, monkeypatch)

    with pytest.raises(RefusedError):
        read_private(folder / "token-signing.key")
    monkeypatch.setattr("monoskope.settings.CREDENTIALS", credentials)
    if taken:
        assert read_private(folder / "token-signing.key") == b"seed"
    else:
        with pytest.raises(RefusedError):
            read_private(folder / "token-signing.key")


# --- what is looked at is what was opened ---


@contextlib.contextmanager
def swapping(path: Path, *, at: int, content: bytes, mode: int) -> Iterator[None]:
    """Put another file in the place of `path` just before it is opened for the `at`th time: what an attacker hopes for.

    An audit hook stays for ever, so it is told when it is over.
    """
    opened, over = 0, False

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal opened
        if over or event != "open" or str(arguments[0]) != str(path):
            return
        opened += 1
        if opened == at:
            other = path.with_name("theirs")
            Path(other).write_bytes(content)
            other.chmod(mode)
            other.replace(path)

    sys.addaudithook(hook)
    try:
        yield
    finally:
        over = True


def test_the_system_s_pins_are_those_of_the_file_that_was_looked_at(tmp_path: Path) -> None:
    system = tmp_path / "system"
    system.write_bytes(b"")
    system.chmod(0o644)
    pins = KnownStores(tmp_path / "own", system=system)
    theirs = f"m8:1 vault {IDENTITY}\n".encode()
    with swapping(system, at=1, content=theirs, mode=0o666), pytest.raises(RefusedError, match="0666"):
        pins.read()


def test_the_client_s_settings_are_those_of_the_file_that_was_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    write_private(file, b'server = "m8.example:1"\n')
    with swapping(file, at=2, content=b'server = "evil.example:1"\n', mode=0o666):
        assert read_config(file).top.server == "m8.example:1"


def test_a_pipe_in_the_place_of_a_private_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key", 0o600)
    code = "import sys, pathlib; from monoskope import settings; settings.read_private(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path / "key")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert "not a regular file" in done.stderr


def test_a_folder_in_the_place_of_a_private_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a regular file"):
        read_private(tmp_path)


@pytest.mark.parametrize("driver", ["age", "pass"])
def test_a_store_s_folder_is_looked_at_each_time_that_it_is_opened(tmp_path: Path, driver: str) -> None:
    root = tmp_path / "store"
    root.mkdir(mode=0o700)
    with pytest.raises(FileNotFoundError):
        _opened(driver, root)
    root.chmod(0o777)
    with pytest.raises(StoreRefusedError, match="0777"):
        _opened(driver, root)


def _opened(driver: str, root: Path) -> None:
    with (SecretFolder if driver == "age" else SecretFile)(root, ("app", "db"), create=False):
        pass


def test_a_file_on_a_disk_that_fails_is_not_taken_for_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "open", broken)
    monkeypatch.setattr(Path, "stat", broken)
    with pytest.raises(UsageError, match="cannot be read"):
        find_private(tmp_path / "known_stores", client=True)


Give = Callable[[Path], None]
ANOTHER = 4_242


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Let a file or a folder be another user's."""
    given: set[tuple[int, int]] = set()

    def seen(real: Callable[..., os.stat_result]) -> Callable[..., os.stat_result]:
        def stat(*words: object, **more: object) -> os.stat_result:
            found = real(*words, **more)
            fields = list(found)
            fields[4] = ANOTHER if (found.st_dev, found.st_ino) in given else found.st_uid
            return os.stat_result(fields)

        return stat

    def hand_over(path: Path) -> None:
        found = path.stat()
        given.add((found.st_dev, found.st_ino))

    for name in ("stat", "fstat", "lstat"):
        monkeypatch.setattr(os, name, seen(getattr(os, name)))
    return hand_over


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lay_out(folder=tmp_path / "m8", listen=HostPort("127.0.0.1", 0)).folder


async def nothing(*_: object, **__: object) -> None:
    """Serve nobody."""


def serve(folder: Path) -> Exception | None:
    found = CliRunner().invoke(program, ["serve", "--dir", str(folder)], standalone_mode=False).exception
    return found if isinstance(found, Exception) else None


@pytest.mark.parametrize("name", ["", "m8.toml", "token-signing.key", "log.key", "tls.key", "ca.key"])
def test_m8_does_not_serve_from_what_another_user_owns(
    folder: Path, give: Give, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(bootstrap, "serve", nothing)
    assert serve(folder) is None
    give(folder / name)
    assert isinstance(refused := serve(folder), RefusedError)
    assert refused.message.startswith(f"{folder / name} belongs to another user")


@pytest.mark.parametrize(("name", "mode"), [("", 0o720), ("", 0o702), ("m8.toml", 0o620), ("m8.toml", 0o602)])
def test_m8_does_not_serve_from_what_others_can_write(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, mode: int
) -> None:
    monkeypatch.setattr(bootstrap, "serve", nothing)
    monkeypatch.setattr("monoskope.ownership._is_private", lambda *_: False)
    (folder / name).chmod(mode)
    if name:
        folder.chmod(0o755)
    assert isinstance(refused := serve(folder), RefusedError)
    assert f"{folder / name} has mode {mode:04o}: others than its owner can write" in refused.message


def test_a_server_s_files_may_be_missing_but_not_something_else(tmp_path: Path) -> None:
    """Whether it needs them, it says itself."""
    missing, pipe = tmp_path / "ca.key", tmp_path / "m8.toml"
    check_folder(tmp_path, missing)
    os.mkfifo(pipe, 0o600)
    with pytest.raises(UsageError, match=r"m8\.toml is not a regular file"):
        check_folder(tmp_path, missing, pipe)


def test_m8_takes_settings_mounted_read_only(folder: Path, give: Give, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "serve", nothing)
    monkeypatch.setattr("monoskope.ownership._is_read_only", lambda path: path.name == "m8.toml")
    give(folder / "m8.toml")
    assert serve(folder) is None


@pytest.mark.parametrize("field", ["jwks_file", "ca_file"])
async def test_m8_believes_no_issuer_by_a_file_that_another_user_owns(tmp_path: Path, give: Give, field: str) -> None:
    """Who writes keys of their own into it could be every member of the issuer."""
    file = tmp_path / "file"
    file.write_bytes(b"{}")
    files: dict[str, Any] = {field: file}
    found = Discovery(replace(an_issuer(), **files))
    give(file)
    with pytest.raises(RefusedError, match="belongs to another user"):
        found.check()
    with pytest.raises(RefusedError, match="belongs to another user"):
        await found.read()


def test_m8_init_makes_nothing_in_another_users_folder(tmp_path: Path, give: Give) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o777)
    before = folder.stat().st_mode
    give(folder)
    with pytest.raises(RefusedError, match="belongs to another user"):
        lay_out(folder=folder, listen=HostPort("127.0.0.1", 0))
    assert (list(folder.iterdir()), folder.stat().st_mode) == ([], before)


@pytest.mark.parametrize("name", ["", "reactor.toml", "identity.key", "fingerprint.key"])
async def test_a_reactor_does_not_run_from_what_another_user_owns(tmp_path: Path, give: Give, name: str) -> None:
    folder = tmp_path / "reactor"
    (tmp_path / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    server = ("--server", "localhost:1", "--ca-file", "ca.crt")
    words = ("--store", "local", "--type", "age", *server, "--prefix", "team-a")
    for arguments in (("init", str(folder), *words), ("fingerprint-key", "new", str(folder))):
        done = warm.typed("m8", "reactor", *arguments, environment=ENVIRONMENT, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    give(folder / name)
    with pytest.raises(RefusedError, match="belongs to another user") as caught:
        async with asyncio.timeout(60):
            await run(folder)
    assert caught.value.message.startswith(str(folder / name) if name else f"{folder} ")
