"""Where a backup goes to or comes from: a file, or `-` for standard output or input.

What the context managers yield blocks, and is used on a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO

from monoskope.errors import UsageError
from monoskope.m8.backup.form import exists, of_files
from monoskope.settings import sync_folder


class Writer:
    """A file that is written to.

    Args:
        file: Open; it may take less than it is given.
        name: As errors call it.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name

    def write(self, piece: bytes, /) -> int:
        """Write all of `piece`, and return its length. Raises `Error`."""
        left = memoryview(piece)
        with _explained(self._name):
            while left:
                left = left[self._file.write(left) :]
        return len(piece)

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""


class Reader:
    """A file that is read from.

    Args:
        file: Open.
        name: As errors call it.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, none at the end. Raises `Error`."""
        with _explained(self._name):
            return self._file.read(size)


@contextlib.asynccontextmanager
async def written(place: str) -> AsyncIterator[Writer]:
    """Let the block write to a new place. After it the whole is there; if it raises, no file is.

    What went to standard output is out; its reader sees that the end is missing.

    Raises:
        AlreadyExistsError: there is something of that name.
        Error: the place cannot be written to; the message says why.
    """
    stack = contextlib.ExitStack()
    writer = await asyncio.to_thread(
        stack.enter_context, _standard_output() if place == "-" else _new_file(Path(place))
    )
    try:
        yield writer
    except BaseException as error:
        await asyncio.shield(asyncio.to_thread(stack.__exit__, type(error), error, error.__traceback__))
        raise
    await asyncio.to_thread(stack.close)


@contextlib.asynccontextmanager
async def read(place: str) -> AsyncIterator[Reader]:
    """Let the block read from a place, as `written` takes it. Raises `Error`."""
    if place == "-":
        yield Reader(sys.stdin.buffer, "standard input")
        return
    with _explained(place):
        file = await asyncio.to_thread(Path(place).open, "rb")
    with file:
        yield Reader(file, place)


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[Writer]:
    """Yield a new file of mode 0600, which gets its name only when it is whole and on the disk."""
    if path.exists() or path.is_symlink():
        raise exists(str(path))
    with _explained(str(path)):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:64]}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            yield Writer(file, str(path))
            with _explained(str(path)):
                os.fsync(file.fileno())
        with _explained(str(path)):
            os.link(name, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108  a name, as mkstemp gives it
    with _explained(str(path)):
        sync_folder(path.parent)


@contextlib.contextmanager
def _standard_output() -> Iterator[Writer]:
    """Yield standard output, which must not be a terminal."""
    if sys.stdout.isatty():
        raise UsageError(
            "standard output is a terminal, and a backup is not text.", fix="Redirect it: m8 backup create - > FILE"
        )
    # Without a buffer: Python would try to write what is left in it once more when it ends.
    with open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as file:
        yield Writer(file, "standard output")


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise exists(name) from None
    except OSError as error:
        raise of_files(error, name) from None
