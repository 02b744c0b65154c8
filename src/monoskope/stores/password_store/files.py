"""The files of a password store: one encrypted file a secret, `.gpg-id` beside or above it.

    ROOT/.gpg-id             who can read what lies below, unless a folder below has its own
    ROOT/app/db.gpg          the secret app/db
    ROOT/app/.m8-new.<…>     a write that never ended; the next one in that folder removes it

While a secret is replaced, ROOT itself is locked (`flock`) for our replicas. People and their programs do not know that
lock, and a file for it would end up in their commits. Every folder below the root is opened relative to its parent
without following symbolic links. All calls block: run them in a thread.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from monoskope.settings import read_up_to
from monoskope.stores.driver import NOTHING, Names, StoreRefusedError
from monoskope.stores.shared.files import (
    FILE_FLAGS,
    OpenFolder,
    acquire,
    close,
    confirm,
    descended,
    files_in,
    folders_in,
    opened_root,
    put_in_place,
    remove_leftovers,
)

CLOSED_TO = 0o022
"""The bits that the mode of a password store must not have: only its owner may change it."""
SUFFIX = ".gpg"
IDS = ".gpg-id"

_TEMPORARY = ".m8-new."
_MAX_FILE = 8 * 1024 * 1024
_RECIPIENT = re.compile(r"[^\x00-\x1f\x7f]{1,512}")


def version_of(content: bytes | None) -> str:
    """Return the version of a file's content: no two encryptions are alike, so the digest is never that of another."""
    return NOTHING if content is None else hashlib.sha256(content).hexdigest()


def recipients(root: Path, path: tuple[str, ...]) -> list[str]:
    """Return who is to read the secret at `path`: the lines of the nearest `.gpg-id`, at or above its folder.

    Raises:
        StoreRefusedError: there is none, or it has no recipient.
        OSError: as the system says.
    """
    folder_fd = opened_root(root, closed_to=CLOSED_TO)
    try:
        nearest = _content(IDS, folder_fd)
        with contextlib.suppress(FileNotFoundError):
            for name in path[:-1]:
                folder_fd = descended(folder_fd, name, create=False)
                found = _content(IDS, folder_fd)
                nearest = nearest if found is None else found
    finally:
        close(folder_fd)
    lines = [line.partition("#")[0].strip() for line in (nearest or b"").decode("utf-8", "replace").splitlines()]
    named = [line for line in lines if _RECIPIENT.fullmatch(line)]
    if not named:
        raise StoreRefusedError(
            "no .gpg-id names a key that is to read this secret.",
            fix="Restore the file .gpg-id. In a store without secrets make it: pass init KEY-ID",
        )
    return named


@contextlib.contextmanager
def locked(root: Path, timeout_s: float, cancelled: threading.Event) -> Iterator[None]:
    """Hold the store's lock. Raises `StoreUnavailableError` as `acquire` does, `OSError` as the system says."""
    descriptor = opened_root(root, closed_to=CLOSED_TO)
    try:
        acquire(descriptor, time.monotonic() + timeout_s, cancelled)
        yield
    finally:
        close(descriptor)


def names_below(root: Path, path: tuple[str, ...]) -> Names:
    """Return the names of the secrets and of the folders directly below `path`. Raises as `SecretFile`."""
    with OpenFolder(root, path, closed_to=CLOSED_TO) as folder:
        secrets = {name.removesuffix(SUFFIX) for name in files_in(folder.fd) if name.endswith(SUFFIX)}
        folders = set(folders_in(folder.fd))
    return Names({name for name in secrets if name[:1] != "."}, {name for name in folders if name[:1] != "."})


class SecretFile(OpenFolder):
    """The place of one secret, its folder open: see `OpenFolder`.

    Args:
        root: The password store, which must exist.
        path: The secret's segments.
        create: Make missing folders.
    """

    def __init__(self, root: Path, path: tuple[str, ...], *, create: bool) -> None:
        super().__init__(root, path[:-1], closed_to=CLOSED_TO, create=create)
        self._root = root
        self._path = path
        self._name = f"{path[-1]}{SUFFIX}"

    def read(self) -> bytes | None:
        """Return the encrypted content, None where nothing is. Raises `StoreRefusedError` if it is too large."""
        return _content(self._name, self.fd)

    def replace(self, content: bytes, cancelled: threading.Event) -> None:
        """Make `content` what lies here. Hold the lock. Raises as `put_in_place`."""
        remove_leftovers(_TEMPORARY, folder_fd=self.fd)
        put_in_place(self._name, content, cancelled, folder_fd=self.fd, temporary=_TEMPORARY)

    def remove(self) -> None:
        """Remove what lies here, and folders above that are empty then. Hold the lock.

        Raises:
            OSError: it is there still.
            UnknownOutcomeError: it is gone, but the system did not confirm that it will stay so.
        """
        os.unlink(self._name, dir_fd=self.fd)
        confirm("the deletion", folder_fd=self.fd)
        with contextlib.suppress(OSError):
            for depth in range(len(self._path) - 1, 0, -1):
                self._root.joinpath(*self._path[:depth]).rmdir()


def _content(name: str, folder_fd: int) -> bytes | None:
    try:
        descriptor = os.open(name, os.O_RDONLY | FILE_FLAGS, dir_fd=folder_fd)
    except FileNotFoundError:
        return None
    try:
        content = read_up_to(descriptor, _MAX_FILE + 1)
    finally:
        os.close(descriptor)
    if len(content) > _MAX_FILE:
        raise StoreRefusedError("the file of this secret is larger than any of this store.", fix="Look at it.")
    return content
