"""How an archive fails: it is damaged, or not one of ours, or its place does not do what it should."""

from __future__ import annotations

import errno

from monoskope.errors import AlreadyExistsError, Code, Error, NotFoundError, RefusedError, UnavailableError


class DamagedError(Error):
    """An archive does not hold: it is cut off, changed, or something else altogether. Nothing in it counts."""

    code = Code.IDENTITY_CHANGED


def damaged(what: str) -> DamagedError:
    """Return the error of an archive that does not hold; `what` says why, without a full stop."""
    return DamagedError(f"the backup does not hold: {what}.", fix="Take another backup; keep this one as evidence.")


def not_a_backup() -> DamagedError:
    """Return the error of something that no `m8 backup create` made."""
    return DamagedError(
        "this is no backup that m8 backup create made, or its beginning is damaged.",
        fix="Name the right one. A folder that m8 backup folder made is not restored, but served.",
    )


def exists(place: str) -> AlreadyExistsError:
    """Return the error of a target that is taken."""
    return AlreadyExistsError(f"{place} exists already; it was not changed.", fix="Name a new one.")


def of_files(error: OSError, place: str) -> Error:
    """Return the error that explains what the operating system refused at `place`."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return UnavailableError(
                f"{place} cannot be written: there is no space left. Nothing of the backup is kept.",
                fix="Free some space there, or name another place.",
            )
        case errno.ENOENT | errno.ENOTDIR:
            return NotFoundError(f"{place} or its folder does not exist.", fix="Check both names.")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return RefusedError(
                f"{place} cannot be reached: {error.strerror}.", fix="Check the owner and mode of it and its folder."
            )
        case _:
            return UnavailableError(f"{place} fails: {error.strerror}.", fix="Check the disk, or name another place.")
