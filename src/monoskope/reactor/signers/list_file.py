"""A list in a file that only its owner can write: read anew when it changes, whole or not at all.

Its last line, and no other, is `# end`. A file that was emptied, or cut where a line ends, would otherwise be a good
list of fewer revocations.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from monoskope import operating_log
from monoskope.errors import Error, UsageError
from monoskope.ownership import check_file, check_way
from monoskope.protocol.sshsig.lists import END, is_whole, lines_of
from monoskope.settings import read_up_to

T = TypeVar("T")

_SHOWN_LINES = 20
"""Of lines that a list has no more, so many are logged one by one."""
_SHOWN_LENGTH = 200
MAX_LIST_BYTES = 1_048_576
REST_S = 1.0
"""For how many seconds a file must not have changed before its new content counts: no program that writes it in its
place, rather than beside it, is then in the middle of it. Either the file's own time says so, or the same content was
seen all the time: a link to the file changes that time, too, and may be made by others."""


class ListFile(Generic[T]):
    """One list, and what is known of its file.

    Args:
        path: The file.
        name: What the list is, for sentences.
        parse: Makes the list of the file's text. Raises `UsageError`.
        clock: Seconds since 1970, as the file's times count them.
        now: Monotonic seconds.

    Raises:
        UsageError: the file is missing, unreadable or bad.
        RefusedError: others than its owner can write it, or put another one in its place.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        parse: Callable[[str], T],
        clock: Callable[[], float] = time.time,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._name = name
        self._parse = parse
        self._clock = clock
        self._now = now
        self._content, _ = _read(path)
        self.value = self._parsed(self._content)
        """The last list that was good."""
        self.sha256 = hashlib.sha256(self._content).hexdigest()
        """Of its content, 64 hex digits."""
        self.trouble = ""
        """A sentence if the file cannot be used as it is now, else ""."""
        self._bad: tuple[bytes, str] | None = None
        """The last content that was bad, and what is wrong with it: it is not parsed at each request."""
        self._seen: tuple[bytes, float] = (self._content, now())
        """The content that was read last, and since when it is the same."""

    def read_again(self) -> None:
        """Take the file's content if it is another one; on trouble `value` stays what it was."""
        try:
            content, changed_at = _read(self._path)
        except Error as error:
            self.trouble = str(error)
            return
        if content != self._seen[0]:
            self._seen = content, self._now()
        if content == self._content:
            self.trouble = ""
        elif self._bad is not None and content == self._bad[0]:
            self.trouble = self._bad[1]
        elif self._clock() - changed_at >= REST_S or self._now() - self._seen[1] >= REST_S:
            self._take(content)

    def _take(self, content: bytes) -> None:
        try:
            self.value = self._parsed(content)
        except UsageError as error:
            self.trouble = str(error)
            self._bad = (content, self.trouble)
        else:
            self._log_what_is_gone(content)
            self._content, self.sha256, self.trouble = content, hashlib.sha256(content).hexdigest(), ""

    def _log_what_is_gone(self, content: bytes) -> None:
        """Log the lines that the list has no more: a person should have wanted that."""
        now = {line for _, line in lines_of(content.decode())}
        gone = [line for _, line in lines_of(self._content.decode()) if line not in now]
        for line in gone[:_SHOWN_LINES]:
            shown = line if len(line) <= _SHOWN_LENGTH else f"{line[:_SHOWN_LENGTH]}…"
            operating_log.get().warning("signers", message=f"{self._name} {self._path} no longer has: {shown}")
        if len(gone) > _SHOWN_LINES:
            more = len(gone) - _SHOWN_LINES
            operating_log.get().warning("signers", message=f"{self._name} {self._path} no longer has {more} more lines")

    def _parsed(self, content: bytes) -> T:
        try:
            text = content.decode("utf-8")
            value = self._parse(text)
        except UnicodeDecodeError:
            raise UsageError(f"{self._name} {self._path} is not UTF-8.", fix="Write it as UTF-8.") from None
        except UsageError as error:
            raise UsageError(f"{self._name} {self._path}, {error.message}", fix=error.fix) from None
        if not is_whole(text):
            raise UsageError(
                f"{self._name} {self._path} does not end with the line `{END}`, or has it further up, too, as if a part"
                " of it were missing.",
                fix=f"Look whether it is whole, and write `{END}` once, as its last line.",
            )
        return value


def _read(path: Path) -> tuple[bytes, float]:
    """Return a file's content and when it changed last. Raises `UsageError` and `RefusedError`."""
    try:
        check_way(path)
        # Opening a pipe would otherwise wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", fix="Create it, or check its owner.") from None
    try:
        found = os.fstat(descriptor)
        check_file(path, found)
        content = read_up_to(descriptor, MAX_LIST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", fix="Check its disk.") from None
    finally:
        os.close(descriptor)
    if len(content) > MAX_LIST_BYTES:
        raise UsageError(f"{path} has more than {MAX_LIST_BYTES:,} bytes.", fix="Keep it to lines that still count.")
    return content, found.st_ctime
