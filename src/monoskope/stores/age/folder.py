"""One secret's folder: numbered files, a lock, and atomic writes.

    ROOT/app/db@/lock                                    the last number given, so that none is ever given again
    ROOT/app/db@/0000000007.<created_ns>.<tag>.age       one version; created in nanoseconds since 1970
    ROOT/app/db@/0000000006.<…>.age.deleted              a version that was deleted; renamed, it is there again
    ROOT/app/db@/.new.<random>                           a write that never ended; the next one removes it

`@` is in no segment of a secret URI, so `a` (ROOT/a@) and `a/b` (ROOT/a/b@) never meet. Every folder below the root is
opened relative to its parent without following symbolic links. All calls block: run them in a thread.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from monoskope.settings import read_up_to
from monoskope.stores.driver import Names
from monoskope.stores.shared.files import (
    FILE_FLAGS,
    FOLDER_FLAGS,
    OpenFolder,
    acquire,
    check_not_cancelled,
    close,
    confirm,
    folders_in,
    names,
    put_in_place,
    remove_leftovers,
)

CLOSED_TO = 0o077
"""The bits that the mode of a store's folder must not have: only its owner may enter it."""

_NAME = re.compile(r"(?P<number>[0-9]{10})\.(?P<created>[1-9][0-9]{0,19})\.(?P<tag>[0-9a-f]{64})\.age", re.ASCII)
_DELETED = ".deleted"
_TEMPORARY = ".new."
_LOCK = "lock"
_ITS_FOLDER = "@"
_MAX_FILE = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, order=True)
class AgeEntry:
    """One version, as its file's name describes it."""

    number: int
    created_ns: int
    tag: str

    @property
    def version(self) -> str:
        """The version's text: unique even if a number is used again because the lock file was removed."""
        return f"{self.number}@{self.created_ns}"

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.number:010}.{self.created_ns}.{self.tag}.age"


def _sorted(found: Iterable[str]) -> list[AgeEntry]:
    """Return the versions whose files have these names, the oldest first; other names are ignored."""
    matches = (_NAME.fullmatch(name) for name in found)
    return sorted(AgeEntry(int(m["number"]), int(m["created"]), m["tag"]) for m in matches if m is not None)


class SecretFolder(OpenFolder):
    """The folder of one secret, open: see `OpenFolder`.

    Args:
        root: The store's folder, which must exist.
        path: The secret's segments.
        create: Make missing folders.
    """

    def __init__(self, root: Path, path: tuple[str, ...], *, create: bool) -> None:
        super().__init__(root, (*path[:-1], f"{path[-1]}{_ITS_FOLDER}"), closed_to=CLOSED_TO, create=create)

    def entries(self) -> list[AgeEntry]:
        """Return the versions that are there, the oldest first."""
        return _sorted(names(self.fd))

    def deleted(self) -> list[AgeEntry]:
        """Return the versions that were deleted and are kept, the oldest first."""
        return _sorted(name.removesuffix(_DELETED) for name in names(self.fd) if name.endswith(_DELETED))

    def read(self, entry: AgeEntry) -> bytes:
        """Return the content of a version's file. Raises `FileNotFoundError` if it is gone meanwhile."""
        descriptor = os.open(entry.name, os.O_RDONLY | FILE_FLAGS, dir_fd=self.fd)
        try:
            return read_up_to(descriptor, _MAX_FILE)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def locked(self, timeout_s: float, cancelled: threading.Event) -> Iterator[FolderWriter]:
        """Hold the secret's exclusive lock, and remove what a writer that crashed left.

        Raises:
            StoreUnavailableError: another process held it for `timeout_s`, or `cancelled` was set first.
        """
        descriptor = os.open(_LOCK, os.O_RDWR | os.O_CREAT | FILE_FLAGS, 0o600, dir_fd=self.fd)
        try:
            acquire(descriptor, time.monotonic() + timeout_s, cancelled)
            remove_leftovers(_TEMPORARY, folder_fd=self.fd)
            yield FolderWriter(self.fd, descriptor, cancelled)
        finally:
            close(descriptor)


def names_below(root: Path, path: tuple[str, ...]) -> Names:
    """Return the names of the secrets and of the folders directly below `path`. Raises as `SecretFolder`."""
    secrets: set[str] = set()
    folders: set[str] = set()
    with OpenFolder(root, path, closed_to=CLOSED_TO) as folder:
        for name in folders_in(folder.fd):
            if not name.endswith(_ITS_FOLDER):
                folders.add(name)
            elif _holds_a_version(name, folder.fd):
                secrets.add(name.removesuffix(_ITS_FOLDER))
    return Names(secrets, folders)


def _holds_a_version(name: str, folder_fd: int) -> bool:
    below = os.open(name, FOLDER_FLAGS, dir_fd=folder_fd)
    try:
        return any(_NAME.fullmatch(file) for file in names(below))
    finally:
        close(below)


class FolderWriter:
    """What may be done to a secret's folder while its lock is held."""

    def __init__(self, folder_fd: int, lock_fd: int, cancelled: threading.Event) -> None:
        self._fd = folder_fd
        self._lock_fd = lock_fd
        self._cancelled = cancelled

    def add(self, content: bytes, tag: str) -> AgeEntry:
        """Make `content` the newest version: all of it, on disk, or nothing.

        Raises:
            OSError: nothing was written.
            StoreUnavailableError: the write was cancelled; nothing was written.
            UnknownOutcomeError: it is there, but the system did not confirm that it will stay.
        """
        entry = AgeEntry(self._next_number(), time.time_ns(), tag)
        put_in_place(entry.name, content, self._cancelled, folder_fd=self._fd, temporary=_TEMPORARY)
        return entry

    def bring_back(self, deleted: AgeEntry, tag: str) -> AgeEntry:
        """Make a deleted version the newest one, by its name alone: all of it, on disk, or nothing.

        It gets a number, a time and a tag of its own, so that it cannot be mistaken for what was there before.

        Raises:
            OSError: nothing was changed.
            StoreUnavailableError: the write was cancelled; nothing was changed.
            UnknownOutcomeError: it is there, but the system did not confirm that it will stay.
        """
        entry = AgeEntry(self._next_number(), time.time_ns(), tag)
        check_not_cancelled(self._cancelled)
        os.rename(deleted.name + _DELETED, entry.name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        confirm("the undeletion", folder_fd=self._fd)
        return entry

    def remove_old(self, keep: int) -> None:
        """Remove all but the newest `keep` versions, deleted ones counted in; what cannot be removed now, later."""
        kept: list[str] = []
        with contextlib.suppress(OSError):
            kept = self._kept()
        for name in kept[:-keep]:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._fd)

    def remove_all(self, *, destroy: bool) -> None:
        """Set every version aside as deleted, or with `destroy` remove it. The newest goes last and stays until then.

        Raises:
            OSError: the newest is there still.
            UnknownOutcomeError: none is there, but the system did not confirm that it will stay so.
        """
        kept = self._kept()
        self._note(max(self._noted(), *(int(name[:10]) for name in kept)))
        for name in kept:
            if destroy:
                os.unlink(name, dir_fd=self._fd)
            elif not name.endswith(_DELETED):
                os.rename(name, name + _DELETED, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        confirm("the deletion", folder_fd=self._fd)

    def _kept(self) -> list[str]:
        """The files of all versions, deleted ones too, the oldest first."""
        return sorted(name for name in names(self._fd) if _NAME.fullmatch(name.removesuffix(_DELETED)))

    def _next_number(self) -> int:
        """Return a number that was never used here, and record it in the lock file."""
        number = max([self._noted(), *(int(name[:10]) for name in self._kept())]) + 1
        self._note(number)
        return number

    def _noted(self) -> int:
        noted = os.pread(self._lock_fd, 20, 0).decode("ascii", "replace").strip()
        return int(noted) if noted.isdecimal() else 0

    def _note(self, number: int) -> None:
        os.pwrite(self._lock_fd, f"{number:010}\n".encode("ascii"), 0)
        os.fsync(self._lock_fd)
