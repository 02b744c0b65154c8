"""A passphrase from a file or an open descriptor, for where nobody can be asked."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

from monoskope.errors import UsageError
from monoskope.settings import check_closed, read_private

_DESCRIPTOR = re.compile(r"/dev/fd/(?P<number>[0-9]{1,9})", re.ASCII)
_MOST = 4_096


def read(name: str) -> str:
    """Return the one line in `name`: a file of mode 0600 or tighter, `/dev/fd/N`, or `-` for standard input.

    Raises:
        UsageError: it cannot be read, or does not hold one line of text.
        RefusedError: others than its owner can reach the file.
    """
    content = _content(name)
    try:
        line = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        line = ""
    if not line or len(content) > _MOST or not line.isprintable():
        raise UsageError(
            f"{_called(name)} does not hold one line of text, the passphrase.",
            fix="Write the passphrase alone into it, on one line.",
        )
    return line


def _content(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(_MOST + 1)
    match = _DESCRIPTOR.fullmatch(name)
    if match is None:
        return read_private(Path(name))
    try:
        descriptor = os.dup(int(match["number"]))
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}.", fix="Open it, as with 3<FILE.") from None
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode):
            check_closed(Path(name), mode)
        return file.read(_MOST + 1)


def _called(name: str) -> str:
    return "standard input" if name == "-" else name
