"""Which log a folder of m8 serves: each log has an id of its own, and the folder remembers it from the first start on.

A folder whose settings name another log by mistake would issue tokens and take puts there. So it is refused until an
operator names the other log.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from pathlib import Path

from monoskope.errors import ConflictError, UsageError
from monoskope.settings import NotWritableError, write_private

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


def new_id() -> str:
    """Return an id for a new log: 32 hex digits of chance."""
    return secrets.token_hex(16)


def is_id(text: str) -> bool:
    """Whether a text has the form of a log's id."""
    return _ID.fullmatch(text) is not None


class AnotherLogError(ConflictError):
    """The settings name another log than the one that this folder serves. Nothing was changed.

    Attributes:
        remembered: The id of the log that the folder serves.
        found: The id of the log that the settings name, "" if that would be a new one.
    """

    def __init__(self, file: Path, place: str, *, remembered: str, found: str) -> None:
        is_what = f"holds the log {found}" if found else "holds no log"
        fix = "Correct `database` in m8.toml, or restore that log from a backup."
        if found:
            fix += f" If {found} is the right one, as after a restore, run: m8 events adopt {found} --dir {file.parent}"
        super().__init__(f"{file.parent} serves the log {remembered}, but {place} {is_what}.", fix=fix)
        self.remembered = remembered
        self.found = found


def remembered(file: Path) -> str:
    """Return the id in a folder's `log-id`, "" if there is none yet.

    Raises:
        UsageError: the file cannot be read, or holds something else.
    """
    try:
        text = file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError):
        text = ""
    if not is_id(text):
        raise UsageError(
            f"{file} does not hold the id of a log.",
            fix="Restore it from your backup, or say which log the folder serves: m8 events adopt ID",
        )
    return text


def check(file: Path, found: str, place: str) -> None:
    """Check that a log is the one that the folder serves, and remember it if the folder serves none yet.

    Args:
        file: The folder's `log-id`.
        found: The id of the log that the settings name, "" if that would be a new one.
        place: What they name, for the error.

    Raises:
        AnotherLogError: it is another one.
        UsageError: as `remembered`.
    """
    known = remembered(file)
    if known and known != found:
        raise AnotherLogError(file, place, remembered=known, found=found)
    if found and not known:
        # Without it m8 works all the same, as on a full disk: the next start writes it.
        with contextlib.suppress(NotWritableError):
            adopt(file, found)


def adopt(file: Path, found: str) -> None:
    """Let the folder serve the log with the id `found` from now on. Raises `NotWritableError`."""
    write_private(file, f"{found}\n".encode("ascii"), replace=True)
