"""Archives in files, on standard output and on standard input. All of it blocks, and is called on a thread."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

from monoskope.archive.errors import exists, of_files
from monoskope.errors import UsageError
from monoskope.settings import sync_folder


class FileTarget:
    """A new file of mode 0600, which gets its name only when it is whole and on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = ""
        self._file: BinaryIO | None = None

    def begin(self) -> None:
        """Make the file under a name of its own. Raises `Error`."""
        if self._path.exists() or self._path.is_symlink():
            raise exists(str(self._path))
        try:
            descriptor, self._name = tempfile.mkstemp(
                prefix=f".{self._path.name[:64]}.", suffix=".new", dir=self._path.parent
            )
        except OSError as error:
            raise of_files(error, str(self._path)) from None
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    def write(self, piece: bytes, /) -> int:
        """Write all of `piece`. Raises `Error`."""
        assert self._file is not None, "it has begun"
        left = memoryview(piece)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise of_files(error, str(self._path)) from None
        return len(piece)

    def flush(self) -> None:
        """Nothing waits to be written."""

    def finish(self) -> None:
        """Force the file to the disk and give it its name. Raises `Error`."""
        assert self._file is not None, "it has begun"
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            os.link(self._name, self._path)
            os.unlink(self._name)  # noqa: PTH108  a name, as mkstemp gives it
            sync_folder(self._path.parent)
        except FileExistsError:
            raise exists(str(self._path)) from None
        except OSError as error:
            raise of_files(error, str(self._path)) from None

    def discard(self) -> None:
        """Remove what was written."""
        if self._file is not None:
            self._file.close()
            with contextlib.suppress(OSError):
                os.unlink(self._name)  # noqa: PTH108


class StandardOutput:
    """Standard output, which must not be a terminal."""

    def begin(self) -> None:
        """Check it. Raises `UsageError`."""
        if sys.stdout.isatty():
            raise UsageError(
                "standard output is a terminal, and a backup is not text.", fix="Redirect it: m8 backup create - > FILE"
            )

    def write(self, piece: bytes, /) -> int:
        """Write all of `piece`. Raises `Error`."""
        try:
            sys.stdout.buffer.write(piece)
        except OSError as error:
            raise of_files(error, "standard output") from None
        return len(piece)

    def flush(self) -> None:
        """Nothing that must be waited for."""

    def finish(self) -> None:
        """Hand on what is buffered. Raises `Error`."""
        try:
            sys.stdout.buffer.flush()
        except OSError as error:
            raise of_files(error, "standard output") from None

    def discard(self) -> None:
        """What is out is out; whoever reads it sees that its end is missing."""


class FileSource:
    """A file, or standard input, to read from."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: Any = None

    def begin(self) -> None:
        """Open it. Raises `Error`."""
        if self._path is None:
            self._file = sys.stdin.buffer
            return
        try:
            self._file = self._path.open("rb")
        except OSError as error:
            raise of_files(error, str(self._path)) from None

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, none at the end. Raises `Error`."""
        try:
            return bytes(self._file.read(size))
        except OSError as error:
            raise of_files(error, str(self._path or "standard input")) from None

    def close(self) -> None:
        """Close the file."""
        if self._path is not None and self._file is not None:
            self._file.close()
