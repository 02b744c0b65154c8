"""The driver `age` on a real file system: crashes, full disks, links, modes, other processes."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import stat
import threading
from pathlib import Path
from typing import Any

import msgspec
import pyrage
import pytest

from monoskope.protocol.payload import Payload, encode
from monoskope.settings import write_private
from monoskope.stores.age.config import AgeConfig
from monoskope.stores.age.files import AgeStore
from monoskope.stores.driver import (
    NOTHING,
    CannotReadError,
    StoreConflictError,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
)
from monoskope.stores.shared import files
from monoskope.testing.drivers.harness import tag
from tests.conformance.cancelling import cancel_while_it_waits
from tests.support.failures import failure

IDENTITY = pyrage.x25519.Identity.generate()
PATH = ("app", "db")
VALUE = Payload({"k": b"a value that must not show"})


@pytest.fixture
def config(tmp_path: Path) -> AgeConfig:
    write_private(tmp_path / "identity", str(IDENTITY).encode())
    return AgeConfig(
        folder=str(tmp_path / "store"),
        recipients=[str(IDENTITY.to_public())],
        identity_file=str(tmp_path / "identity"),
        keep_versions=3,
        lock_timeout_s=0.2,
    )


@pytest.fixture
async def store(config: AgeConfig) -> AgeStore:
    return await AgeStore.open(config, state_dir=Path(config.folder))


@pytest.fixture
def folder(config: AgeConfig) -> Path:
    """Where the secret `app/db` lies."""
    return Path(config.folder, "app", "db@")


async def write(store: AgeStore, replacing: str | None = None, path: tuple[str, ...] = PATH) -> str:
    return await store.write(path, VALUE, replacing=replacing, write_tag=tag())


async def patch(store: AgeStore, changes: dict[str, bytes], *remove: str, replacing: str | None = None) -> str:
    changed = Payload(changes) if changes else None
    return await store.patch(PATH, changed, remove, replacing=replacing, write_tag=tag())


async def kept(store: AgeStore) -> dict[str, bytes]:
    snapshot = await store.read(PATH)
    assert snapshot is not None
    return dict(snapshot.payload)


async def test_a_file_holds_the_padded_plaintext_for_every_recipient(config: AgeConfig, folder: Path) -> None:
    other = pyrage.x25519.Identity.generate()
    both = AgeConfig(folder=config.folder, recipients=[str(IDENTITY.to_public()), str(other.to_public())])
    store = await AgeStore.open(both, state_dir=Path(config.folder))
    write_tag = tag()
    version = await store.write(PATH, VALUE, replacing=NOTHING, write_tag=write_tag)
    number, _, created = version.partition("@")
    file = folder / f"{int(number):010}.{created}.{write_tag}.age"
    for identity in (IDENTITY, other):
        assert pyrage.decrypt(file.read_bytes(), [identity]) == encode(VALUE)


async def test_others_can_reach_nothing(store: AgeStore, config: AgeConfig) -> None:
    await write(store)
    root = Path(config.folder)
    assert {stat.S_IMODE(place.stat().st_mode) for place in [root, *root.rglob("*")]} == {0o700, 0o600}


async def test_no_value_lies_in_the_clear(store: AgeStore, config: AgeConfig) -> None:
    await write(store)
    for place in Path(config.folder).rglob("*"):
        assert not place.is_file() or b"must not show" not in place.read_bytes()


async def test_old_versions_go_and_numbers_never_come_back(store: AgeStore, folder: Path) -> None:
    versions = [await write(store) for _ in range(5)]
    kept = sorted(file.name for file in folder.glob("*.age"))
    assert [int(name.split(".")[0]) for name in kept] == [3, 4, 5]
    for file in folder.glob("*.age"):
        file.unlink()
    assert await store.read_version(PATH) == NOTHING
    assert (await write(store, NOTHING)).startswith("6@")
    assert versions[0].startswith("1@")


async def test_what_a_crashed_writer_left_is_no_version_and_is_cleaned(store: AgeStore, folder: Path) -> None:
    version = await write(store)
    (folder / ".new.0011223344556677").write_bytes(b"half")
    assert await store.read_version(PATH) == version
    assert await store.read(PATH) is not None
    await write(store, version)
    assert not list(folder.glob(".new.*"))


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "pwrite"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("change", ["write", "patch"])
async def test_a_failing_disk_leaves_what_was_there(  # noqa: PLR0917 - fixtures and one case
    store: AgeStore, folder: Path, monkeypatch: pytest.MonkeyPatch, change: str, call: str, number: int
) -> None:
    version = await write(store)
    before = sorted(file.name for file in folder.iterdir())

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        if call == "write":
            broken.setattr("monoskope.stores.shared.files.write_new", fail)
        else:
            broken.setattr(os, call, fail)
        with pytest.raises(StoreUnavailableError) as caught:
            await (write(store, version) if change == "write" else patch(store, {"b": b"2"}))
    assert ("full" in str(caught.value)) == (number != errno.EIO)
    assert sorted(file.name for file in folder.iterdir()) == before
    assert (await store.read_version(PATH), await kept(store)) == (version, dict(VALUE))


async def test_a_write_that_the_disk_does_not_confirm_is_of_unknown_outcome(
    store: AgeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = await write(store)
    real, renamed = os.rename, False

    def rename(old: str, new: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        nonlocal renamed
        real(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        renamed = True

    def fsync(descriptor: int) -> None:
        if renamed:
            raise OSError(errno.EIO, "failed")

    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(os, "fsync", fsync)
    await failure(UnknownOutcomeError, write(store, version))


@pytest.mark.parametrize("call", ["listdir", "unlink", "close"])
async def test_an_error_after_the_write_does_not_say_that_nothing_was_written(
    store: AgeStore, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    version = NOTHING
    for _ in range(3):
        version = await write(store, version)
    with monkeypatch.context() as patch:
        real_rename, real = os.rename, getattr(os, call)
        renamed: list[bool] = []

        def rename(*words: Any, **options: Any) -> None:
            real_rename(*words, **options)
            renamed.append(True)

        def fail(*words: object, **options: object) -> object:
            if not renamed:
                return real(*words, **options)
            if call == "close":
                real(*words)
            raise OSError(errno.EIO, "failed")

        patch.setattr(os, "rename", rename)
        patch.setattr(os, call, fail)
        version = await write(store, version)
    assert await store.read_version(PATH) == version


async def test_a_cancelled_write_that_waits_for_the_lock_never_happens(
    config: AgeConfig, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await AgeStore.open(msgspec.structs.replace(config, lock_timeout_s=25.0), state_dir=Path(config.folder))
    version = await write(store)
    with (folder / "lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        await cancel_while_it_waits(write(store, version), AgeStore, monkeypatch)
    assert await store.read_version(PATH) == version


async def test_a_cancelled_write_gives_nothing_its_name(
    store: AgeStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = await write(store)
    before = sorted(file.name for file in folder.iterdir())
    written, go_on, over = threading.Event(), threading.Event(), threading.Event()
    real, real_file = AgeStore._write, files.write_new

    def spied(*words: Any) -> str:
        try:
            return real(*words)
        finally:
            over.set()

    def slow(name: str, content: bytes, *, folder_fd: int) -> None:
        real_file(name, content, folder_fd=folder_fd)
        written.set()
        go_on.wait(60)

    monkeypatch.setattr(AgeStore, "_write", spied)
    monkeypatch.setattr(files, "write_new", slow)
    writing = asyncio.create_task(write(store, version))
    assert await asyncio.to_thread(written.wait, 60)
    writing.cancel()
    await failure(asyncio.CancelledError, writing)
    go_on.set()
    assert await asyncio.to_thread(over.wait, 60)
    assert await store.read_version(PATH) == version
    assert sorted(file.name for file in folder.iterdir()) == before


@pytest.mark.parametrize("where", ["folder above", "folder of the secret", "lock", "version"])
async def test_no_symbolic_link_is_followed(
    store: AgeStore, config: AgeConfig, folder: Path, tmp_path: Path, where: str
) -> None:
    version = await write(store)
    elsewhere = tmp_path / "elsewhere"
    victim = {
        "folder above": folder.parent,
        "folder of the secret": folder,
        "lock": folder / "lock",
        "version": next(folder.glob("*.age")),
    }[where]
    victim.rename(elsewhere)
    victim.symlink_to(elsewhere)
    with pytest.raises(StoreRefusedError, match="symbolic link"):
        await (store.read(PATH) if where == "version" else write(store, version))
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    Path(config.folder, "new").symlink_to(fresh)
    await failure(StoreRefusedError, write(store, NOTHING, ("new", "secret")))
    assert not list(fresh.iterdir())


async def test_another_process_holds_the_lock_too_long(store: AgeStore, folder: Path) -> None:
    version = await write(store)
    with (folder / "lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        await failure(StoreUnavailableError, write(store, version), "locked")
        assert await store.read_version(PATH) == version
    assert await write(store, version)


@pytest.mark.parametrize("content", ["garbage", "for somebody else", "not a payload", "padded differently"])
async def test_a_file_that_we_did_not_write_is_not_read(store: AgeStore, folder: Path, content: str) -> None:
    await write(store)
    mine, other = IDENTITY.to_public(), pyrage.x25519.Identity.generate().to_public()
    forged = {
        "garbage": b"garbage",
        "for somebody else": pyrage.encrypt(encode(VALUE), [other]),
        "not a payload": pyrage.encrypt(b"a value that must not show", [mine]),
        "padded differently": pyrage.encrypt(encode(VALUE) + b" ", [mine]),
    }[content]
    (folder / f"{2:010}.1.{tag()}.age").write_bytes(forged)
    assert "must not show" not in str(await failure(CannotReadError, store.read(PATH)))


async def test_foreign_files_are_no_versions(store: AgeStore, folder: Path) -> None:
    version = await write(store)
    for name in (
        "README",
        "x.age",
        f"99.1.{'0' * 64}.age",
        f"{99:010}.1.{'G' * 64}.age",
        f"{99:010}.1.{'0' * 64}.age~",
    ):
        (folder / name).write_bytes(b"")
    assert await store.read_version(PATH) == version


async def test_a_number_that_came_again_is_another_version(store: AgeStore, folder: Path) -> None:
    old = await write(store)
    for file in folder.iterdir():
        file.unlink()
    new = await write(store, NOTHING)
    assert new.split("@")[0] == old.split("@")[0]
    await failure(StoreConflictError, write(store, old))


async def test_a_folder_that_others_can_enter_is_refused(config: AgeConfig, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir(mode=0o755)
    await failure(StoreRefusedError, AgeStore.open(config, state_dir=tmp_path), "chmod 700")


async def test_a_disk_that_takes_capitals_for_small_letters_is_refused(
    config: AgeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def folding(path: Path) -> bool:
        return path.name.lower() in {other.name.lower() for other in path.parent.iterdir()}

    monkeypatch.setattr(os.path, "lexists", folding)
    await failure(StoreRefusedError, AgeStore.open(config, state_dir=tmp_path), "capitals")
    assert list(Path(config.folder).iterdir()) == []


async def test_an_identity_that_others_can_read_is_refused(config: AgeConfig, tmp_path: Path) -> None:
    (tmp_path / "identity").chmod(0o644)
    await failure(StoreRefusedError, AgeStore.open(config, state_dir=tmp_path), "chmod 600")


@pytest.mark.parametrize("content", ["", "# only a comment", "nonsense", "ÿ", "somebody else's"])
async def test_an_identity_that_opens_nothing_is_refused(config: AgeConfig, tmp_path: Path, content: str) -> None:
    if content == "somebody else's":
        content = str(pyrage.x25519.Identity.generate())
    write_private(tmp_path / "identity", content.encode(), replace=True)
    caught = await failure(StoreRefusedError, AgeStore.open(config, state_dir=tmp_path), "holds no identity")
    assert not content or content not in str(caught)


async def test_a_recipient_that_is_none_is_named(config: AgeConfig, tmp_path: Path) -> None:
    wrong = AgeConfig(folder=config.folder, recipients=["age1nonsense"])
    await failure(StoreRefusedError, AgeStore.open(wrong, state_dir=tmp_path), "age1nonsense")


async def test_a_patch_makes_no_secret_without_keys_or_larger_than_the_store_takes(config: AgeConfig) -> None:
    store = await AgeStore.open(msgspec.structs.replace(config, max_plaintext=1024), state_dir=Path(config.folder))
    version = await write(store)
    for changes, remove in (
        ({}, ("k",)),
        ({f"k{number:02}": b"" for number in range(64)}, ()),
        ({"large": bytes(1024)}, ()),
    ):
        await failure(StoreRefusedError, patch(store, changes, *remove), "no key, too many keys, or be larger")
    assert (await store.read_version(PATH), await kept(store)) == (version, dict(VALUE))


async def test_what_cannot_be_opened_cannot_be_patched(store: AgeStore, folder: Path) -> None:
    version = await write(store)
    (file,) = folder.glob("*.age")
    file.write_bytes(b"not age")
    await failure(CannotReadError, patch(store, {"b": b"2"}))
    assert await store.read_version(PATH) == version


async def test_patches_of_several_processes_all_count(config: AgeConfig) -> None:
    """Each merges what is there when the lock is its own."""
    stores = [
        await AgeStore.open(msgspec.structs.replace(config, lock_timeout_s=25.0), state_dir=Path(config.folder))
        for _ in range(4)
    ]
    await write(stores[0])
    await asyncio.gather(
        *(patch(store, {f"k{one}-{number}": b"x"}) for one, store in enumerate(stores) for number in range(5))
    )
    assert len(await kept(stores[0])) == 21
