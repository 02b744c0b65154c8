"""`m8 backup folder`: a copy of a server's folder from which it can be served, made while the server runs."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from monoskope.errors import AlreadyExistsError, RefusedError, UsageError
from monoskope.m8 import renewal, settings
from monoskope.m8.log import sqlite_backup, sqlite_file
from monoskope.m8.settings import ServerSettings
from monoskope.m8.tree import key_file
from monoskope.settings import find_private, write_private

_PRIVATE = ("token-signing.key", "tls.key", key_file.FILE, renewal.CA_KEY_FILE, renewal.NEXT_KEY)
"""Not `log.checkpoint`: it is there to notice that the log was put back, so it must not be put back with it."""
_PUBLIC = ("tls.crt", renewal.CA_FILE, renewal.NEXT_CERTIFICATE)


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup holds.

    Attributes:
        events: The last position of its log.
        outside: Files that the settings name outside of the server's folder, which it does not hold.
    """

    events: int
    outside: tuple[Path, ...]


def back_up(server: ServerSettings, folder: Path) -> BackedUp:
    """Copy everything that a server is into the new folder `folder` (mode 0700). Blocks.

    Raises:
        RefusedError: the log is in PostgreSQL.
        AlreadyExistsError: there is something of that name.
        UsageError: the folder cannot be made or written to.
        RefusedError: others can reach a key.
        LogTamperedError: the log does not hold. The copy is left as evidence.
        UnavailableError: the log cannot be read.
    """
    if server.database is not None:
        raise RefusedError(
            f"the event log of {server.folder} is in the PostgreSQL database {server.database}, and m8 backup copies "
            "only SQLite files.",
            fix="Back the log up with m8 backup create, and copy the keys as files.",
        )
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise AlreadyExistsError(f"{folder} exists already.", fix="Name a new folder.") from None
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be made: {error.strerror}.", fix="Name another one.") from None
    try:
        events = sqlite_backup.back_up(server.event_log, folder / server.event_log.name)
    except sqlite3.Error as error:
        raise sqlite_file.explain(error, server.event_log) from None
    except OSError as error:
        raise UsageError(f"{folder} cannot be written to: {error.strerror}.", fix="Check the disk.") from None
    for name in _PRIVATE:
        if (content := find_private(server.folder / name)) is not None:
            write_private(folder / name, content)
    for name in _PUBLIC:
        if (server.folder / name).exists():
            renewal.write_public(folder / name, (server.folder / name).read_bytes())
    # Last, because a folder with settings in it counts as complete.
    write_private(folder / settings.SETTINGS_FILE, (server.folder / settings.SETTINGS_FILE).read_bytes())
    named = (server.tls_certificate, server.tls_key)
    return BackedUp(events, tuple(path for path in named if path.parent != server.folder))
