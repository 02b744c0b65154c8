"""The driver `age`: a folder of age files, one file a version, for a machine without an engine.

A file holds the padded plaintext of docs/protocol.md, encrypted to the configured recipients, so its length reveals
only a size class. Layout and locking are in `age.folder`. The thread of a cancelled write runs on, but it stops waiting
for the lock and renames no file any more. The file is long because it has all verbs of a driver.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import pyrage

from monoskope.errors import Error, UsageError
from monoskope.protocol.payload import Payload, decode, encode
from monoskope.stores.age.config import AgeConfig, make_identity, parse_recipient, read_identities
from monoskope.stores.age.folder import CLOSED_TO, AgeEntry, FolderWriter, SecretFolder, names_below
from monoskope.stores.driver import (
    NOTHING,
    CannotReadError,
    Capabilities,
    DeletedVersion,
    Names,
    Snapshot,
    StoreConflictError,
    StoreRefusedError,
    UnsupportedError,
)
from monoskope.stores.shared.checks import OurDriver
from monoskope.stores.shared.files import close, in_thread, looked, opened_root, require_case, translated, try_to_write

T = TypeVar("T")

_READ_TRIES = 5


class AgeStore(OurDriver):
    """See `StoreDriver`, and docs/stores/age.md for configuration and layout."""

    kind = "age"
    Config = AgeConfig

    def __init__(
        self,
        config: AgeConfig,
        recipients: list[pyrage.x25519.Recipient],
        identities: list[pyrage.x25519.Identity],
    ) -> None:
        self._config = config
        self._root = Path(config.folder)
        self._recipients = recipients
        self._identities = identities
        self._capabilities = Capabilities(
            max_plaintext=config.max_plaintext,
            check_and_set=True,
            write_tag=True,
            readable=bool(identities),
            deletable=True,
            soft_delete=True,
            patchable=bool(identities),
            undeletable=config.restorable,
            rollbackable=config.restorable and bool(identities),
            listable=config.listable,
            layout="One age file a version, padded, with the whole secret; its name has number, time and write tag.",
        )

    def __repr__(self) -> str:
        return f"<AgeStore {self._root}>"

    @classmethod
    async def open(cls, config: AgeConfig, *, state_dir: Path) -> Self:
        """Read the keys and check that only we can enter the folder; make it if it is missing.

        Raises:
            StoreRefusedError: a key or the folder is not as it must be; the message says which.
        """
        del state_dir
        recipients = [parse_recipient(text) for text in config.recipients]
        identities = [] if config.identity_file is None else read_identities(config.identity_file, recipients)
        store = cls(config, recipients, identities)
        with translated():
            await asyncio.to_thread(store._prepare_root)
        return store

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """See `StoreDriver.example`: ready to run, with a new key pair whose identity lies in `folder`.

        What is there from a call that ended in an error is used again.
        """
        file = folder / "engine.agekey"
        return {
            "folder": str(folder / "secrets"),
            "recipients": [make_identity(file)],
            "identity_file": str(file),
            "restorable": True,
        }

    def check(self, path: tuple[str, ...], options: object | None) -> None:
        """Refuse any options; every path that is a secret's has its place."""
        del path
        if options is not None:
            raise StoreRefusedError("an age store takes no options.", fix="Leave them out.")

    async def read_version(self, path: tuple[str, ...]) -> str:
        """Return the version at `path`, or `NOTHING`."""
        entries = await asyncio.to_thread(self._entries, path)
        return entries[-1].version if entries else NOTHING

    async def write(
        self,
        path: tuple[str, ...],
        payload: Payload,
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """See `StoreDriver.write`."""
        self.check(path, options)
        return await in_thread(self._write, path, payload, replacing, write_tag)

    async def patch(
        self,
        path: tuple[str, ...],
        changes: Payload | None,
        remove: Sequence[str],
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """See `StoreDriver.patch`: read, merge and write under the secret's lock, so an identity is needed."""
        self.check(path, options)
        if not self._identities:
            raise UnsupportedError("this store is write-only, and could not leave the other keys as they are.")
        if not await asyncio.to_thread(self._entries, path):
            raise _conflict()
        return await in_thread(self._patch, path, changes, remove, replacing, write_tag)

    async def delete(self, path: tuple[str, ...], *, replacing: str | None, destroy: bool) -> None:
        """See `StoreDriver.delete`: soft sets every kept version aside, `destroy` removes them all."""
        if not await asyncio.to_thread(self._entries, path):
            raise _conflict()
        await in_thread(self._delete, path, replacing, destroy=destroy)

    async def deleted_version(self, path: tuple[str, ...]) -> DeletedVersion | None:
        """See `StoreDriver.deleted_version`."""
        self._require_restorable()
        return await asyncio.to_thread(self._deleted, path)

    async def undelete(self, path: tuple[str, ...], deleted: DeletedVersion, *, write_tag: str) -> str:
        """See `StoreDriver.undelete`: the file gets a new name, so the version is a new one; its content stays."""
        self._require_restorable()
        if await asyncio.to_thread(self._deleted, path) != deleted:
            raise _not_deleted()
        return await in_thread(self._undelete, path, deleted, write_tag)

    async def read_at(self, path: tuple[str, ...], version: str) -> Snapshot | None:
        """See `StoreDriver.read_at`: the versions that are kept, `keep_versions` at most."""
        self._require_restorable(by_reading=True)
        content = await asyncio.to_thread(self._kept, path, version)
        return None if content is None else Snapshot(version, self._opened(content))

    async def find(self, path: tuple[str, ...], write_tag: str) -> str | None:
        """Return the newest kept version written with `write_tag`, or None."""
        entries = await asyncio.to_thread(self._entries, path)
        return next((entry.version for entry in reversed(entries) if entry.tag == write_tag), None)

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        """See `StoreDriver.read`. Raises `CannotReadError` without an identity, too."""
        self._require_readable()
        found = await asyncio.to_thread(self._look, path, _newest_in, None)
        return None if found is None else Snapshot(found[0].version, self._opened(found[1]))

    async def health(self) -> bool:
        """Write into the folder."""
        with translated():
            await asyncio.to_thread(try_to_write, self._root)
        return True

    async def list_names(self, path: tuple[str, ...]) -> Names:
        """See `StoreDriver.list_names`. The files themselves are not opened."""
        self._require_listable()
        return await asyncio.to_thread(self._names_below, path)

    async def close(self) -> None:
        """Forget the identities. Safe to call twice."""
        self._identities = []

    def _prepare_root(self) -> None:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        close(opened_root(self._root, closed_to=CLOSED_TO))
        require_case(self._root)

    def _look(self, path: tuple[str, ...], look: Callable[[SecretFolder], T], absent: T) -> T:
        """Return what `look` finds in the secret's folder, `absent` if there is none."""

        def found() -> T:
            with SecretFolder(self._root, path, create=False) as folder:
                return look(folder)

        return looked(self._root, found, absent)

    def _entries(self, path: tuple[str, ...]) -> list[AgeEntry]:
        return self._look(path, SecretFolder.entries, [])

    def _names_below(self, path: tuple[str, ...]) -> Names:
        return looked(self._root, lambda: names_below(self._root, path), Names())

    def _deleted(self, path: tuple[str, ...]) -> DeletedVersion | None:
        return self._look(path, _deleted_in, None)

    def _undelete(
        self, cancelled: threading.Event, path: tuple[str, ...], deleted: DeletedVersion, write_tag: str
    ) -> str:
        with self._writing(path, cancelled) as (folder, writer):
            if _deleted_in(folder) != deleted:
                raise _not_deleted()
            return writer.bring_back(folder.deleted()[-1], write_tag).version

    def _kept(self, path: tuple[str, ...], version: str) -> bytes | None:
        entry = next((one for one in self._entries(path) if one.version == version), None)
        return None if entry is None else self._look(path, lambda folder: folder.read(entry), None)

    def _opened(self, content: bytes) -> Payload:
        try:
            return decode(pyrage.decrypt(content, self._identities))
        except (pyrage.DecryptError, Error):
            pass
        raise CannotReadError("the newest file of this secret is not one that this store could have written.")

    def _write(
        self, cancelled: threading.Event, path: tuple[str, ...], payload: Payload, replacing: str | None, write_tag: str
    ) -> str:
        sealed = pyrage.encrypt(encode(payload), self._recipients)
        with self._writing(path, cancelled, create=True) as (folder, writer):
            entries = folder.entries()
            if replacing is not None and replacing != (entries[-1].version if entries else NOTHING):
                raise _conflict()
            return self._added(writer, sealed, write_tag)

    def _patch(  # noqa: PLR0917 - one call, from one place
        self,
        cancelled: threading.Event,
        path: tuple[str, ...],
        changes: Payload | None,
        remove: Sequence[str],
        replacing: str | None,
        write_tag: str,
    ) -> str:
        with self._writing(path, cancelled) as (folder, writer):
            newest = _expected(folder, replacing)
            merged = self._merged(self._opened(folder.read(newest)), changes, remove)
            return self._added(writer, pyrage.encrypt(merged, self._recipients), write_tag)

    def _delete(
        self, cancelled: threading.Event, path: tuple[str, ...], replacing: str | None, *, destroy: bool
    ) -> None:
        with self._writing(path, cancelled) as (folder, writer):
            _expected(folder, replacing)
            writer.remove_all(destroy=destroy)

    @contextlib.contextmanager
    def _writing(
        self, path: tuple[str, ...], cancelled: threading.Event, *, create: bool = False
    ) -> Iterator[tuple[SecretFolder, FolderWriter]]:
        """Hold the lock of the secret at `path`."""
        with (
            translated(),
            SecretFolder(self._root, path, create=create) as folder,
            folder.locked(self._config.lock_timeout_s, cancelled) as writer,
        ):
            yield folder, writer

    def _added(self, writer: FolderWriter, sealed: bytes, write_tag: str) -> str:
        entry = writer.add(sealed, write_tag)
        # From here on nothing may raise: an error would say that nothing was written.
        writer.remove_old(self._config.keep_versions)
        return entry.version

    def _merged(self, before: Payload, changes: Payload | None, remove: Sequence[str]) -> bytes:
        kept = {key: value for key, value in before.items() if key not in remove}
        merged = b""
        with contextlib.suppress(UsageError):
            merged = encode(Payload(kept | dict(changes or {})))
        if not merged or len(merged) > self._config.max_plaintext:
            raise StoreRefusedError(
                "the secret would have no key, too many keys, or be larger than the store takes.",
                fix="Split it into several secrets.",
            )
        return merged


def _newest_in(folder: SecretFolder) -> tuple[AgeEntry, bytes] | None:
    """Return the newest version and its content; look again if it was removed meanwhile."""
    for _ in range(_READ_TRIES):
        entries = folder.entries()
        if not entries:
            return None
        with contextlib.suppress(FileNotFoundError):
            return entries[-1], folder.read(entries[-1])
    raise CannotReadError("the secret changes faster than it can be read.")


def _expected(folder: SecretFolder, replacing: str | None) -> AgeEntry:
    """Return the newest version if it is the one to replace. Raises `StoreConflictError`."""
    entries = folder.entries()
    if not entries or replacing not in {None, entries[-1].version}:
        raise _conflict()
    return entries[-1]


def _deleted_in(folder: SecretFolder) -> DeletedVersion | None:
    """Return what an undeletion brings back: the newest version of all, if it was deleted."""
    deleted = folder.deleted()
    return DeletedVersion(deleted[-1].version) if deleted and not folder.entries() else None


def _not_deleted() -> StoreConflictError:
    return StoreConflictError("the secret in the folder is not the deleted version that was to come back.")


def _conflict() -> StoreConflictError:
    return StoreConflictError("the secret in the folder is not the version that was to be replaced.")
