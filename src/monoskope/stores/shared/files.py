"""What stores that are folders share: the meaning of the system's errors, locks, and atomic writes.

All calls but `in_thread` block: run them by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import secrets
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Concatenate, ParamSpec, Self, TypeVar

from monoskope.stores.driver import DriverError, StoreRefusedError, StoreUnavailableError, UnknownOutcomeError
from monoskope.stores.shared.checks import MAX_LISTED, too_many_names

P = ParamSpec("P")
T = TypeVar("T")

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
    """Turn an `OSError` into the store's error, with a sentence that names no path below the root."""
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
    """Open a store's folder and check its mode; the descriptor is that of the folder that was checked.

    Args:
        root: The folder; a symbolic link is not followed.
        closed_to: The bits of its mode that must not be set.

    Raises:
        StoreRefusedError: one of them is.
        OSError: it cannot be opened.
    """
    descriptor = os.open(root, FOLDER_FLAGS)
    try:
        require_mode(root, os.fstat(descriptor).st_mode, closed_to=closed_to)
    except StoreRefusedError:
        close(descriptor)
        raise
    return descriptor


def require_mode(folder: Path, mode: int, *, closed_to: int) -> None:
    """Raise `StoreRefusedError` if the `mode` of a folder has one of the bits `closed_to`."""
    if mode & closed_to:
        raise StoreRefusedError(
            f"{folder} has mode {stat.S_IMODE(mode):04o}: others than its owner can change or reach it.",
            fix=f"Run: chmod 700 {folder}",
        )


def require_case(root: Path) -> None:
    """Raise `StoreRefusedError` if the disk below `root` takes `a` and `A` for one name. Raises `OSError`."""
    name = f".new.case-{secrets.token_hex(8)}"
    os.close(os.open(root / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | FILE_FLAGS, 0o600))
    try:
        if os.path.lexists(root / name.upper()):
            raise StoreRefusedError(
                f"the disk below {root} does not tell small letters from capitals: two secrets could meet there.",
                fix="Put the folder on a disk that does.",
            )
    finally:
        (root / name).unlink()


def try_to_write(root: Path) -> None:
    """Write a temporary file below `root` and remove it. Raises `OSError`."""
    with tempfile.TemporaryFile(dir=root, prefix=".new.health-", buffering=0) as file:
        file.write(bytes(_BLOCK))


def acquire(descriptor: int, deadline: float, cancelled: threading.Event) -> None:
    """Lock an open file, exclusively.

    Args:
        descriptor: The lock file.
        deadline: Monotonic seconds.
        cancelled: Set when the write was cancelled.

    Raises:
        StoreUnavailableError: another process held it until `deadline`, or `cancelled` was set first.
    """
    while True:
        check_not_cancelled(cancelled)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                break
            time.sleep(_LOCK_POLL_S)
        else:
            return
    raise StoreUnavailableError("another process has this secret locked.", fix="Find out what holds the lock.")


def check_not_cancelled(cancelled: threading.Event) -> None:
    """Raise `StoreUnavailableError` if `cancelled` is set: nothing was written, and nothing will be."""
    if cancelled.is_set():
        raise StoreUnavailableError("the write was cancelled before it happened.", fix="Begin again.")


def close(descriptor: int) -> None:
    """Close a folder or a lock. Errors are ignored: they say nothing about a write, and the descriptor is closed."""
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


class OpenFolder:
    """A folder of a store, open. Use as a context manager.

    Args:
        root: The store's folder, which must exist.
        names: The folders that lead from there to this one, each in the one before.
        closed_to: The bits of the root's mode that must not be set.
        create: Make missing folders.

    Raises:
        FileNotFoundError: a folder is missing and `create` is false, or the root is missing.
        StoreRefusedError: others than its owner can change or reach the root.
        OSError: as the system says; a symbolic link is ENOTDIR or ELOOP.
    """

    def __init__(self, root: Path, names: Sequence[str], *, closed_to: int, create: bool = False) -> None:
        self.fd = opened_root(root, closed_to=closed_to)
        """Its descriptor."""
        try:
            for name in names:
                self.fd = descended(self.fd, name, create=create)
        except BaseException:
            close(self.fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        close(self.fd)


def looked(root: Path, look: Callable[[], T], absent: T) -> T:
    """Return what `look` returns, `absent` if what it opens is missing. Raises as `translated`.

    The root itself being away is an engine that is down, not a secret that is absent.
    """
    with translated():
        try:
            return look()
        except FileNotFoundError:
            root.stat()
            return absent


def folders_in(folder_fd: int) -> list[str]:
    """Return the names of the folders in a folder; a symbolic link is none.

    Raises:
        StoreRefusedError: there are more than `MAX_LISTED` names.
        OSError: as the system says.
    """
    return _listed(folder_fd, stat.S_ISDIR)


def files_in(folder_fd: int) -> list[str]:
    """Return the names of the files in a folder; a symbolic link is none. Raises as `folders_in`."""
    return _listed(folder_fd, stat.S_ISREG)


def _listed(folder_fd: int, is_kind: Callable[[int], bool]) -> list[str]:
    found = names(folder_fd)
    if len(found) > MAX_LISTED:
        raise too_many_names()
    kept = []
    for name in found:
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            if is_kind(os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_mode):
                kept.append(name)
    return kept


def write_new(name: str, content: bytes, *, folder_fd: int) -> None:
    """Write a new file of mode 0600 and force it to disk. Raises `OSError`; what was written by then stays."""
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | FILE_FLAGS, 0o600, dir_fd=folder_fd)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]
        os.fsync(descriptor)


def put_in_place(name: str, content: bytes, cancelled: threading.Event, *, folder_fd: int, temporary: str) -> None:
    """Make `content` the file `name`: all of it, on disk, or nothing.

    Args:
        name: The file; what is there is replaced.
        content: What it holds then.
        cancelled: Set when the write was cancelled.
        folder_fd: Where it lies.
        temporary: What the names of files that are not whole yet begin with.

    Raises:
        OSError: nothing was written.
        StoreUnavailableError: the write was cancelled; nothing was written.
        UnknownOutcomeError: it is there, but the system did not confirm that it will stay.
    """
    new = f"{temporary}{secrets.token_hex(8)}"
    try:
        write_new(new, content, folder_fd=folder_fd)
        check_not_cancelled(cancelled)
        os.rename(new, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new, dir_fd=folder_fd)
        raise
    confirm("the write", folder_fd=folder_fd)


def confirm(what: str, *, folder_fd: int) -> None:
    """Force the names in a folder to disk. Raises `UnknownOutcomeError` if the system does not confirm that."""
    try:
        os.fsync(folder_fd)
    except OSError:
        raise UnknownOutcomeError(f"the disk did not confirm {what}.", fix="Check the disk.") from None


def names(folder_fd: int) -> list[str]:
    """Return the names in a folder. Raises `OSError`."""
    return os.listdir(folder_fd)


def remove_leftovers(temporary: str, *, folder_fd: int) -> None:
    """Remove what writes left that never ended. Raises `OSError`."""
    for name in names(folder_fd):
        if name.startswith(temporary):
            os.unlink(name, dir_fd=folder_fd)


async def in_thread(work: Callable[Concatenate[threading.Event, P], T], *words: P.args, **more: P.kwargs) -> T:
    """Run `work` in a thread and return its result; its first argument is set when the caller no longer waits.

    The thread of a cancelled call runs on, so it must check that event before it changes anything for good.
    """
    cancelled = threading.Event()
    try:
        return await asyncio.to_thread(work, cancelled, *words, **more)
    finally:
        cancelled.set()
