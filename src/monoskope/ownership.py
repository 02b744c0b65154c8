"""Whether root and this user alone can change a file, or put another one in its place.

For lists of signers every folder on the way is looked at, too. Who can write one of them can rename an earlier list of
its owner into the place, or a link to an empty file of root's: the file itself is then none that they can write, and
says that no key is revoked. OpenSSH looks at the folders of its own lists in the same way.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Set as AbstractSet
from pathlib import Path

from monoskope.errors import RefusedError, UsageError

_MOST_LINKS = 40
"""As many as Linux follows."""


def check_way(path: Path, owners: AbstractSet[int] | None = None) -> None:
    """Return if root and this user alone decide which file `path` is.

    A folder that others can write will do if it is sticky, as /tmp is; if it lies on a file system that no user
    here can write, as the volumes do into which Kubernetes puts files; or if only its owner is in that group.

    Args:
        path: The file.
        owners: The users who may decide it, in the place of root and this user.

    Raises:
        RefusedError: others can write a folder on the way, or own one, or own a link.
        OSError: a part of the way is missing, or cannot be looked at.
    """
    at, links = Path(os.sep), 0
    steps = _steps(path.absolute())
    _check(path, at, os.lstat(at), owners)
    while steps:
        step = steps.pop()
        here = at.parent if step == os.pardir else at / step
        found = os.lstat(here)
        if not stat.S_ISLNK(found.st_mode):
            at = here
            if steps:
                _check(path, at, found, owners)
            continue
        _check_owner(path, here, found, owners)
        links += 1
        if links > _MOST_LINKS:
            raise UsageError(f"{path} cannot be read: too many links lead to it.", fix="Name the file itself.")
        target = here.readlink()
        at = Path(os.sep) if target.is_absolute() else at
        steps += _steps(target)


def check_file(path: Path, found: os.stat_result, owners: AbstractSet[int] | None = None) -> None:
    """Return if `path`, of which `found` is known, is a file that root and this user, or `owners`, alone can write.

    Raises:
        UsageError: it is no regular file.
        RefusedError: others can write it, or own it.
    """
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{path} is not a regular file.", fix="Name a regular file.")
    check_owner(path, found, owners)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise RefusedError(
            f"{path} has mode {stat.S_IMODE(found.st_mode):04o}: others than its owner can write it.",
            fix=f"Run: chmod go-w {path}",
        )


def check_owner(path: Path, found: os.stat_result, owners: AbstractSet[int] | None = None) -> None:
    """Raise `RefusedError` if what is at `path`, of which `found` is known, belongs to others than root and this user.

    Args:
        path: The file or folder.
        found: What is known of it.
        owners: The users to whom it may belong, in the place of root and this user.
    """
    if owners is not None and found.st_uid not in owners:
        raise RefusedError(
            f"{path} does not belong to root, so another user can change it.", fix=f"As root, run: chown root {path}"
        )
    if owners is None and found.st_uid not in {0, os.geteuid()}:
        raise RefusedError(
            f"{path} belongs to another user than root or the one who runs this, and can be changed by that user.",
            fix="Run this as that user, or change its owner (chown).",
        )


def check_folder(folder: Path, *files: Path) -> None:
    """Return if root and this user alone can write a folder of a server, and those of `files` that exist.

    A file on a read-only file system will do: who mounted it answers for it, as for a file in a container.

    Raises:
        UsageError: one cannot be looked at, or is none of its kind.
        RefusedError: others can write it, or own it.
    """
    try:
        found = folder.stat()
        check_owner(folder, found)
        if _others_write(found):
            raise RefusedError(
                f"{folder} has mode {stat.S_IMODE(found.st_mode):04o}: others than its owner can write there.",
                fix=f"Run: chmod go-w {folder}",
            )
        for file in files:
            if file.exists() and not _is_read_only(file):
                check_file(file, file.stat())
    except OSError as error:
        raise UsageError(
            f"{error.filename} cannot be read: {error.strerror}.", fix="Check its owner and mode."
        ) from None


def check_settings(path: Path) -> None:
    """Return if root and this user alone can change the settings with `[signers]` in `path`: they say who may do what.

    Raises:
        UsageError: it is no regular file, or cannot be looked at.
        RefusedError: others can write it, or put another one in its place.
    """
    try:
        check_way(path)
        check_file(path, path.stat())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", fix="Check its owner and mode.") from None


def _steps(path: Path) -> list[str]:
    """Return the parts of a path without its root, the first one last."""
    return [part for part in reversed(path.parts) if part != path.anchor]


def _check(path: Path, folder: Path, found: os.stat_result, owners: AbstractSet[int] | None) -> None:
    _check_owner(path, folder, found, owners)
    if _others_write(found) and not found.st_mode & stat.S_ISVTX and not _is_read_only(folder):
        raise RefusedError(
            f"{path} is not safe: the folder {folder} has mode {stat.S_IMODE(found.st_mode):04o}, so others than its"
            " owner can put another file in its place.",
            fix=f"Take the right to write there from others than the owner (chmod go-w {folder}), or move it.",
        )


def _check_owner(path: Path, here: Path, found: os.stat_result, owners: AbstractSet[int] | None) -> None:
    if owners is not None:
        check_owner(here, found, owners)
    elif found.st_uid not in {0, os.geteuid()}:
        raise RefusedError(
            f"{path} is not safe: {here} belongs to another user than root or the one who runs this, who can put"
            " another file in its place.",
            fix="Run this as the reactor's user. If you do, move it into a folder of that user's or of root's.",
        )


def _others_write(found: os.stat_result) -> bool:
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and not _is_private(found.st_gid, found.st_uid)


def _is_private(group: int, owner: int) -> bool:
    """Whether a group is the one that many systems make for each user: of the user's name, and without other members.

    They let users make folders that this group can write, and OpenSSH as they ship it takes those, too.
    """
    try:
        members, user = grp.getgrgid(group), pwd.getpwuid(owner)
    except KeyError:
        return False
    return owner != 0 and members.gr_name == user.pw_name and set(members.gr_mem) <= {user.pw_name}


def _is_read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
