"""Audit lines in a file. It is opened for each batch, so that a program that rotates it needs to tell nobody."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from monoskope.errors import Error, UsageError
from monoskope.m8.audit.sink import Batch, DeliveryError
from monoskope.m8.sink_settings import FileTarget
from monoskope.settings import locked, open_to_append, sync_folder

_FIX = "Check its folder, its owner and the room on its disk. m8 tries again, and loses no event."


class FileSink:
    """Appends to a file of mode 0600, and has it on the disk before it says so.

    Several processes may share a file, also while one of them rotates it: a lock beside it lets one write at a time.

    Args:
        target: Where it is, and when it is rotated.
    """

    def __init__(self, target: FileTarget) -> None:
        self._target = target
        # A thread of its own: a disk that hangs must not take the threads of others.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="m8-audit")

    async def deliver(self, batch: Batch) -> None:
        """See `Sink`."""
        text = batch.text
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write, text)

    async def close(self) -> None:
        """See `Sink`."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def check(self) -> None:
        """Open the file, which makes it. Blocks.

        Raises:
            UsageError: it cannot be opened, or is not a regular file.
            RefusedError: group or others can reach it.
        """
        os.close(open_to_append(self._target.path))
        if not self._target.path.is_file():
            raise UsageError(f"{self._target.path} is not a regular file.", fix="Name a regular file.")

    def _write(self, text: bytes) -> None:
        try:
            with locked(self._target.path, fix=_FIX):
                with self._opened() as descriptor:
                    _append(descriptor, text if self._ends_whole() else b"\n" + text)
                    size = os.fstat(descriptor).st_size
                if self._target.max_bytes and size >= self._target.max_bytes:
                    self._rotate()
        except OSError as error:
            raise DeliveryError(f"{self._target.path} cannot be written: {error.strerror}.", fix=_FIX) from None
        except Error as error:
            raise DeliveryError(error.message, fix=error.fix) from None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        is_new = not self._target.path.exists()
        descriptor = open_to_append(self._target.path)
        try:
            if is_new:
                sync_folder(self._target.path.parent)
            yield descriptor
        finally:
            os.close(descriptor)

    def _ends_whole(self) -> bool:
        """Return whether the file ends with a line: not if m8 was killed within one, which follows again, whole."""
        with self._target.path.open("rb") as file:
            if not file.seek(0, os.SEEK_END):
                return True
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def _rotate(self) -> None:
        """Move `path` to `path.1`, that one to `path.2`, and so on; the last one that is kept is replaced."""
        for number in range(self._target.keep, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        sync_folder(self._target.path.parent)

    def _numbered(self, number: int) -> Path:
        path = self._target.path
        return path.with_name(f"{path.name}.{number}") if number else path


def _append(descriptor: int, text: bytes) -> None:
    """Append lines, whole or not at all as far as the disk allows, and force them to disk. Raises `OSError`."""
    before = os.fstat(descriptor).st_size
    try:
        left = memoryview(text)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except OSError:
        # As on a full disk: what is there of these lines comes again.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, before)
        raise
