"""The driver `pass` with real GnuPG and git on a real file system: keys, recipients, people, crashes, links."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from monoskope import event_loop
from monoskope.protocol.payload import Payload
from monoskope.stores.driver import (
    NOTHING,
    CannotReadError,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)
from monoskope.stores.password_store.programs import Gpg
from monoskope.stores.password_store.store import PassStore
from monoskope.testing.drivers.harness import NOT_TEXT, tag
from monoskope.testing.engines.gnupg import ANNA, BERT, Keys
from tests.conformance.cancelling import cancel_while_it_waits
from tests.conformance.pass_harness import PassHarness
from tests.support.failures import failure

PATH = ("app", "db")
VALUE = Payload({"password": b"a value that must not show", "login": b"anna"})


@pytest.fixture
def harness(gnupg: Keys, tmp_path: Path) -> PassHarness:
    return PassHarness(gnupg, tmp_path, readable=True)


async def opened(harness: PassHarness, **changes: Any) -> PassStore:
    return await PassStore.open(harness.config(**changes), state_dir=harness.root)


def fake_gpg(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (folder / "bin").mkdir()
    fake = folder / "bin" / "gpg"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")


async def write(store: PassStore, replacing: str | None = None, path: tuple[str, ...] = PATH) -> str:
    return await store.write(path, VALUE, replacing=replacing, write_tag=tag())


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock as another replica would."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


async def test_people_read_it_as_they_read_theirs(harness: PassHarness) -> None:
    await write(await opened(harness))
    assert harness.decrypted(PATH) == b"a value that must not show\nlogin: anna\n"


@pytest.mark.parametrize("value", [b"", b"-----BEGIN-----\nabc\r\n\r\n", NOT_TEXT, bytes(range(256)) * 1000])
async def test_under_the_layout_raw_a_file_is_the_value(harness: PassHarness, value: bytes) -> None:
    store = await opened(harness, layout="raw", raw_key="tls.key")
    rule = store.capabilities.key_rule
    assert rule is not None
    assert rule.fullmatch("tls.key")
    assert not rule.fullmatch("tlsxkey")
    await store.write(PATH, Payload({"tls.key": value}), replacing=NOTHING, write_tag=tag())
    assert harness.decrypted(PATH) == value
    snapshot = await store.read(PATH)
    assert snapshot is not None
    assert dict(snapshot.payload) == {"tls.key": value}


async def test_others_can_reach_nothing_and_nothing_lies_in_the_clear(harness: PassHarness) -> None:
    await write(await opened(harness))
    below = [place for place in harness.root.rglob("*") if place.name != ".gpg-id"]
    assert {stat.S_IMODE(place.stat().st_mode) for place in below} == {0o700, 0o600}
    assert not any(b"must not show" in place.read_bytes() for place in below if place.is_file())


async def test_equal_secrets_have_different_files_and_versions(harness: PassHarness) -> None:
    store = await opened(harness)
    assert await write(store, path=("a",)) != await write(store, path=("b",))


async def test_the_value_is_no_argument_and_no_variable_of_gpg(
    harness: PassHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen_by_spy, real = tmp_path / "seen", shutil.which("gpg")
    fake_gpg(tmp_path, monkeypatch, f'echo "$@" >> {seen_by_spy}\nenv >> {seen_by_spy}\nexec {real} "$@"')
    store = await opened(harness)
    await write(store)
    await store.read(PATH)
    seen = seen_by_spy.read_text()
    assert "--encrypt" in seen
    assert "--decrypt" in seen
    assert "must not show" not in seen


async def test_the_nearest_gpg_id_says_who_can_read(harness: PassHarness, gnupg: Keys) -> None:
    folder = harness.file(PATH).parent
    folder.mkdir(parents=True)
    (folder / ".gpg-id").write_text(f"# only us\n{BERT} # Bert\n{ANNA}\n")
    store = await opened(harness)
    await write(store)
    await write(store, path=("other",))

    def readers(file: Path) -> int:
        return gnupg.gpg("--list-packets", "--list-only", str(file), home=gnupg.public).count(b":pubkey enc packet:")

    assert readers(harness.file(PATH)) == 2
    assert readers(harness.file(("other",))) == 1


@pytest.mark.parametrize("content", ["", "# nobody\n", "\x07\n"])
async def test_a_store_that_names_nobody_is_refused(harness: PassHarness, content: str) -> None:
    (harness.root / ".gpg-id").write_text(content)
    await failure(StoreRefusedError, opened(harness), r"no \.gpg-id names a key.*pass init")


@pytest.mark.parametrize("recipient", ["carl@example.org", "--output=/tmp/x", "--no-encrypt"])
async def test_a_recipient_without_a_key_is_refused_and_nothing_written(harness: PassHarness, recipient: str) -> None:
    store = await opened(harness)
    (harness.root / ".gpg-id").write_text(f"{ANNA}\n{recipient}\n")
    await failure(StoreRefusedError, write(store), "no usable public key")
    assert await store.read_version(PATH) == NOTHING


async def test_without_a_secret_key_it_writes_and_starts_no_agent(gnupg: Keys, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    gnupg.gpg("--no-autostart", "--import", data=gnupg.gpg("--export"), home=home)
    store = await opened(PassHarness(gnupg, tmp_path, readable=False), gpg_home=str(home))
    await write(store)
    await failure(CannotReadError, store.read(PATH))
    assert not list(home.glob("S.gpg-agent*"))


async def test_a_store_that_is_to_be_readable_needs_a_secret_key(gnupg: Keys, tmp_path: Path) -> None:
    harness = PassHarness(gnupg, tmp_path, readable=False)
    await failure(StoreRefusedError, opened(harness, readable=True), "no secret key")


async def test_what_people_wrote_otherwise_is_there_but_not_read(harness: PassHarness) -> None:
    store = await opened(harness)
    harness.edited(PATH, b"s3cret\nfree text that must not show\n")
    assert await store.read_version(PATH) != NOTHING
    assert "must not show" not in str(await failure(CannotReadError, store.read(PATH)))


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x85\x01" + bytes(300)])
async def test_a_damaged_file_is_not_read(harness: PassHarness, content: bytes) -> None:
    store = await opened(harness)
    await write(store)
    harness.file(PATH).write_bytes(content)
    await failure(CannotReadError, store.read(PATH))


async def test_a_file_that_opens_to_far_too_much_is_not_read(harness: PassHarness, gnupg: Keys) -> None:
    store = await opened(harness)
    await write(store)
    bomb = gnupg.gpg("--encrypt", "--recipient", ANNA, "--compress-algo=zlib", data=bytes(64 * 1024 * 1024))
    harness.file(PATH).write_bytes(bomb)
    await failure(CannotReadError, store.read(PATH))


async def test_a_path_that_could_be_anothers_file_is_refused(harness: PassHarness) -> None:
    store = await opened(harness)
    store.check(("app", "db.gpg"), None)
    with pytest.raises(StoreRefusedError, match=r"ends in \.gpg"):
        store.check(("app.gpg", "db"), None)


async def test_a_deletion_removes_the_file_and_empty_folders_alone(harness: PassHarness) -> None:
    store = await opened(harness)
    await write(store, path=("a", "b", "c"))
    await write(store, path=("a", "d"))
    await failure(UnsupportedError, store.delete(("a", "b", "c"), replacing=None, destroy=False))
    await store.delete(("a", "b", "c"), replacing=None, destroy=True)
    assert sorted(place.name for place in harness.file(("a", "d")).parent.iterdir()) == ["d.gpg"]


async def test_in_a_repository_each_change_is_one_commit_of_one_file(gnupg: Keys, tmp_path: Path) -> None:
    harness = PassHarness(gnupg, tmp_path, readable=True, git=True)
    hook = harness.root / ".git" / "hooks" / "post-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    (harness.root / "unrelated.gpg").write_bytes(b"of somebody else's work")
    store = await opened(harness)
    await write(store)
    kept = harness.file(PATH).read_bytes()
    await write(store)
    harness.edited(PATH, b"by hand\n")
    await failure(UnsupportedError, store.delete(PATH, replacing=None, destroy=True))
    await store.delete(PATH, replacing=None, destroy=False)

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(harness.root), *arguments], capture_output=True, check=True)
        return done.stdout.decode("utf-8", "surrogateescape")

    assert git("log", "--reverse", "--format=%an %s").splitlines() == [
        f"Monoskope {what} team/m8/app/db through Monoskope." for what in ("Put", "Put", "Keep", "Delete")
    ]
    assert git("log", "--name-only", "--format=").split() == ["team/m8/app/db.gpg"] * 4
    assert not (tmp_path / "ran").exists()
    git("checkout", "HEAD~3", "--", "team/m8/app/db.gpg")
    assert harness.file(PATH).read_bytes() == kept


async def test_what_git_does_not_take_is_not_deleted(gnupg: Keys, tmp_path: Path) -> None:
    harness = PassHarness(gnupg, tmp_path, readable=True, git=True)
    store = await opened(harness)
    (harness.root / ".git" / "index.lock").touch()
    version = await write(store)
    await failure(StoreUnavailableError, store.delete(PATH, replacing=version, destroy=False), "git does not take")
    assert await store.read_version(PATH) == version


async def test_git_needs_a_repository(harness: PassHarness) -> None:
    await failure(StoreRefusedError, opened(harness, git=True), "no git repository")


@pytest.mark.parametrize("call", ["write_new", "rename"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
async def test_a_failing_disk_leaves_what_was_there(
    harness: PassHarness, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    store = await opened(harness)
    version = await write(store)
    before = sorted(harness.root.rglob("*"))

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("monoskope.stores.shared.files.write_new" if call == "write_new" else "os.rename", fail)
        await failure(StoreUnavailableError, write(store, version))
    assert sorted(harness.root.rglob("*")) == before
    assert await store.read_version(PATH) == version


async def test_a_write_that_the_disk_does_not_confirm_is_of_unknown_outcome(
    harness: PassHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(harness)
    version = await write(store)
    real, renamed = os.rename, False

    def rename(old: str, new: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        nonlocal renamed
        real(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        renamed = True

    def fsync(_descriptor: int) -> None:
        if renamed:
            raise OSError(errno.EIO, "failed")

    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(os, "fsync", fsync)
    await failure(UnknownOutcomeError, write(store, version))


async def test_what_a_crashed_writer_left_is_cleaned(harness: PassHarness) -> None:
    store = await opened(harness)
    version = await write(store)
    left = harness.file(PATH).parent / ".m8-new.0011223344556677"
    left.write_bytes(b"half")
    assert await store.read_version(PATH) == version
    await write(store, version)
    assert not left.exists()


async def test_another_reactor_holds_the_lock_too_long(harness: PassHarness) -> None:
    store = await opened(harness, lock_timeout_s=0.2)
    version = await write(store)
    with locked(harness.root):
        await failure(StoreUnavailableError, write(store, version), "locked")
        assert await store.read_version(PATH) == version
    assert await write(store, version)


@pytest.mark.parametrize("where", ["folder", "file", ".gpg-id"])
async def test_no_symbolic_link_is_followed(harness: PassHarness, tmp_path: Path, where: str) -> None:
    store = await opened(harness)
    await write(store)
    victim = {"folder": harness.file(PATH).parent, "file": harness.file(PATH), ".gpg-id": harness.root / ".gpg-id"}[
        where
    ]
    victim.rename(tmp_path / "elsewhere")
    victim.symlink_to(tmp_path / "elsewhere")
    await failure(StoreRefusedError, write(store, "nonsense"), "symbolic link")


async def test_a_cancelled_write_gives_nothing_its_name(harness: PassHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await opened(harness, lock_timeout_s=25.0)
    version = await write(store)
    with locked(harness.root):
        await cancel_while_it_waits(write(store, version), PassStore, monkeypatch)
    assert await store.read_version(PATH) == version


async def test_gpg_that_is_missing_is_named(harness: PassHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(harness.root))
    await failure(StoreRefusedError, opened(harness), r"gpg cannot be started.*package gnupg")


@pytest.mark.parametrize("run", [asyncio.run, event_loop.run])
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("kill -KILL $$", (StoreUnavailableError, "ended by signal 9")),
        ("echo '[GNUPG:] INV_RECP 10 x' >&2; exit 2", (StoreRefusedError, "no usable public key")),
    ],
)
def test_gpg_that_ends_before_it_is_given_anything_is_heard(
    run: Callable[[Coroutine[object, object, None]], None],
    script: str,
    expected: tuple[type[Exception], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_gpg(tmp_path, monkeypatch, script)
    gpg = Gpg(tmp_path, timeout_s=60)
    error, words = expected

    async def one() -> None:
        await failure(error, gpg.encrypt(b"value", [ANNA]), words)

    async def many() -> None:
        # Whether it has ended before or after it is written to is chance.
        for _ in range(3):
            await asyncio.gather(*(one() for _ in range(16)))

    run(many())


async def test_gpg_that_hangs_is_ended(harness: PassHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpg(tmp_path, monkeypatch, "exec sleep 1000")
    await failure(StoreUnavailableError, opened(harness, timeout_s=0.2), "does not come to an end")


@pytest.mark.parametrize(("folder", "mode"), [("root", 0o777), ("home", 0o750)])
async def test_folders_open_to_others_are_refused(harness: PassHarness, tmp_path: Path, folder: str, mode: int) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    place = harness.root if folder == "root" else home
    place.chmod(mode)
    await failure(StoreRefusedError, opened(harness, gpg_home=str(home)), "chmod 700")


async def test_a_missing_folder_is_refused(harness: PassHarness, tmp_path: Path) -> None:
    await failure(StoreRefusedError, opened(harness, folder=str(tmp_path / "missing")), r"no folder.*pass init")
