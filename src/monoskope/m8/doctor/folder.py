"""The folder of m8: who can reach its files, the bundle, the room on its disk, and when its log was backed up last."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from monoskope.checks.check import Check
from monoskope.errors import Error, UsageError, docs_page
from monoskope.host_port import HostPort
from monoskope.m8.credentials.tokens import read_signing_key
from monoskope.m8.http.pages import Published
from monoskope.m8.init import check_owners
from monoskope.m8.log.folder import last_backup_ms
from monoskope.m8.log.sqlite.disk import ROOM, Reserve
from monoskope.m8.renewal import CA_KEY_FILE, NEXT_KEY
from monoskope.m8.settings import ServerSettings
from monoskope.m8.tree import key_file
from monoskope.protocol.bundle import Bundle
from monoskope.settings import CREDENTIALS, check_closed, find_private
from monoskope.text import counted
from monoskope.times import ago

FILES, BUNDLE, DISK, RESERVE, BACKUP = "files", "bundle", "disk", "reserve", "backup"
"""Names of checks."""

LITTLE = 1_073_741_824
"""Bytes below which the room on the disk is little."""

BACKUP_MS = 86_400_000
"""How old the newest backup may be."""


def keys_are_away(loaded: ServerSettings) -> bool:
    """Whether the key of tokens is a link to a credential of systemd's, which is there only while m8 runs, and away."""
    key = loaded.signing_key
    return key.is_symlink() and not key.exists() and key.readlink().is_relative_to(CREDENTIALS)


def file_checks(loaded: ServerSettings) -> list[Check]:
    """Return the checks of the files that others must not reach or change; one row if all is well."""
    private = [*_private(loaded)]
    found = [Check.failed(FILES, error) for error in (_trouble_of(path) for path in private) if error is not None]
    try:
        check_owners(loaded)
        read_signing_key(loaded.signing_key)
        if loaded.database is not None:
            loaded.database.password()
    except Error as error:
        if error.message not in {check.said for check in found}:
            found.append(Check.failed(FILES, error))
    said = f"Root and this user alone can reach {counted(len(private), 'private file')} in {loaded.folder}."
    return found or [Check.ok(FILES, said)]


def _private(loaded: ServerSettings) -> Iterator[Path]:
    folder = loaded.folder
    names = (key_file.FILE, CA_KEY_FILE, NEXT_KEY)
    files = (loaded.signing_key, loaded.tls_key, *(folder / name for name in names))
    log = () if loaded.database is not None else (loaded.event_log,)
    return (path for path in (*files, *log) if path.exists())


def _trouble_of(path: Path) -> Error | None:
    try:
        if path.suffix == ".db":
            check_closed(path)  # not opened: closing it would drop the locks that SQLite holds on it
        else:
            find_private(path)
    except Error as error:
        return error
    return None


def bundle_checks(loaded: ServerSettings) -> list[Check]:
    """Return the check of the bundle that m8 shows to newcomers, none if it shows none."""
    if not loaded.file.bundle:
        return []
    path = loaded.folder / loaded.file.bundle
    try:
        Published(path).check(loaded.names_at(loaded.listen.port or _bound_port(loaded)))
        found = Bundle.parse(path.read_bytes())
    except Error as error:
        return [Check.failed(BUNDLE, error)]
    return [
        Check.ok(BUNDLE, f"It names this m8. Its fingerprint, to compare with what you published: {found.fingerprint}")
    ]


def _bound_port(loaded: ServerSettings) -> int:
    """Return the port that m8 took last where the settings let it take any, 0 if that is not known."""
    try:
        return HostPort.parse(loaded.address_file.read_text(encoding="utf-8").strip()).port
    except (OSError, UnicodeDecodeError, UsageError):
        return 0


def disk_checks(loaded: ServerSettings) -> list[Check]:
    """Return the checks of the room on the disk; the disk of a database is its administrator's."""
    found = os.statvfs(loaded.folder)
    checks = [room_check(found.f_bavail * found.f_frsize)]
    if loaded.database is None and loaded.event_log.exists() and not Reserve(loaded.event_log).is_made:
        said = "The reserve for erasing on a full disk is not there."
        checks.append(Check.warn(RESERVE, said, "m8 makes it while it runs and has room: give the disk room."))
    return checks


def room_check(free: int) -> Check:
    """Return the check of a disk with so many free bytes."""
    fix = f"Give it room: {docs_page('operate/disk-and-log-growth.md')}"
    said = f"{free / 2**30:.1f} GiB are free on the disk of m8's folder."
    if free < ROOM:
        return Check.fail(DISK, f"{said} m8 will take no more writes.", fix)
    return Check.warn(DISK, said, fix) if free < LITTLE else Check.ok(DISK, said)


def backup_check(folder: Path, now_ms: int) -> Check:
    """Return the check of the newest backup that `m8 backup create` made with this folder."""
    fix = f"Make one each day: m8 backup create ({docs_page('operate/back-up-and-restore.md')})"
    at_ms = last_backup_ms(folder)
    if not at_ms:
        return Check.warn(BACKUP, "m8 backup create has made none with this folder.", fix)
    said = f"The newest was made {ago(at_ms, now_ms / 1000)}."
    return Check.warn(BACKUP, said, fix) if now_ms - at_ms > BACKUP_MS else Check.ok(BACKUP, said)
