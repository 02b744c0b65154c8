"""What stores that are folders share: what the system's errors mean, locks, and files that are written whole.

All calls block: run them in a thread.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from monoskope.stores.driver import DriverError, StoreRefusedError, StoreUnavailableError

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""With which a folder is opened: symbolic links are never followed."""
FILE_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC
"""What is added to the flags of every file."""

_LOCK_POLL_S = 0.005
_BLOCK = 4096
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EISDIR}


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn an `OSError` into what it means for the store; the sentence is ours, without a path below the root."""
    failure: DriverError
    try:
        yield
    except OSError as error:
        failure = _meaning(error)
    else:
        return
    raise failure


def _meaning(error: OSError) -> DriverError:
    if error.errno in _FULL:
        return StoreUnavailableError("the disk is full.", fix="Make room.")
    if error.errno in _FORBIDDEN:
        return StoreRefusedError(
            "the files of this secret cannot be used: a right is missing, or a symbolic link is in the way.",
            fix="Check owner, modes and links below the store's folder.",
        )
    return StoreUnavailableError("the store's folder cannot be used now.", fix="Check the disk and its mount.")


def opened_root(root: Path, *, closed_to: int) -> int:
    """Open a store's folder and look at its mode: the folder that is used is the one that was looked at.

    Args:
        root: The folder; a symbolic link is not followed.
        closed_to: The bits of its mode that must not be set.

    Raises:
        StoreRefusedError: one of them is.
        OSError: it cannot be opened.
    """
    descriptor = os.open(root, FOLDER_FLAGS)
    mode = os.fstat(descriptor).st_mode
    if mode & closed_to:
        close(descriptor)
        raise StoreRefusedError(
            f"{root} has mode {stat.S_IMODE(mode):04o}: others than its owner can change or reach it.",
            fix=f"Run: chmod 700 {root}",
        )
    return descriptor


def folds_case(root: Path) -> bool:
    """Return whether the disk below `root` takes `a` and `A` for one name. Raises `OSError`."""
    name = f".new.case-{secrets.token_hex(8)}"
    os.close(os.open(root / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | FILE_FLAGS, 0o600))
    try:
        return os.path.lexists(root / name.upper())
    finally:
        (root / name).unlink()


def try_to_write(root: Path) -> None:
    """Write a file below `root` that has no name where the system can do that, and is gone. Raises `OSError`."""
    with tempfile.TemporaryFile(dir=root, prefix=".new.health-", buffering=0) as file:
        file.write(bytes(_BLOCK))


def acquire(descriptor: int, deadline: float, cancelled: threading.Event) -> None:
    """Lock an open file for this process alone.

    Args:
        descriptor: The lock file.
        deadline: Monotonic seconds.
        cancelled: Set when the write was called off.

    Raises:
        StoreUnavailableError: another process held it until `deadline`, or `cancelled` was set before it was ours.
    """
    while True:
        check_called_off(cancelled)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                break
            time.sleep(_LOCK_POLL_S)
        else:
            return
    raise StoreUnavailableError("another process has this secret locked.", fix="Find out what holds the lock.")


def check_called_off(cancelled: threading.Event) -> None:
    """Raise `StoreUnavailableError` if `cancelled` is set: nothing was written, and nothing is to be."""
    if cancelled.is_set():
        raise StoreUnavailableError("the write was called off before it happened.", fix="Begin again.")


def close(descriptor: int) -> None:
    """Close a folder or a lock. An error of that says nothing about a write, and the descriptor is gone anyway."""
    with contextlib.suppress(OSError):
        os.close(descriptor)


def descended(folder_fd: int, name: str, *, create: bool) -> int:
    """Open the folder `name` in another one, which is closed then; make it first if `create`. Raises `OSError`."""
    if create:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=folder_fd)
            os.fsync(folder_fd)
    below = os.open(name, FOLDER_FLAGS, dir_fd=folder_fd)
    os.close(folder_fd)
    return below


def write_new(name: str, content: bytes, *, folder_fd: int) -> None:
    """Write a new file of mode 0600 and force it to disk. Raises `OSError`; what was written by then stays."""
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | FILE_FLAGS, 0o600, dir_fd=folder_fd)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]
        os.fsync(descriptor)
