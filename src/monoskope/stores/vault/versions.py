"""What a KV version 2 engine says about a path's versions, and the text that names a version uniquely.

Numbers restart when a path's metadata is deleted, so a version is named by its number and the time it was made:
`7@2026-01-31T12:00:00.123456789Z`.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from monoskope.stores.driver import NOTHING, DeletedVersion, StoreRefusedError

_DIGITS = 9
_VERSION = re.compile(r"[1-9][0-9]{0,18}@[0-9TZ:.+-]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Current:
    """The state of a path now."""

    number: int
    """What a check-and-set must name: the last number given, deleted or not; 0 if none."""
    version: str
    """The version's text, or `NOTHING` where none is or the last is deleted or destroyed."""
    flagged: bool
    """Whether the path is flagged as holding base64."""
    deleted: DeletedVersion | None = None
    """The last version, if it was deleted and not destroyed."""


def version_text(number: object, created: object) -> str:
    """Return the text of a version. Raises `StoreRefusedError` if the engine's word makes none."""
    text = f"{number}@{created}"
    if _VERSION.fullmatch(text) is None:
        raise StoreRefusedError("the engine's answer is not that of a KV version 2 engine.", fix="Check mount.")
    return text


def from_metadata(data: dict[str, Any], flag: dict[str, str]) -> Current:
    """Read the `data` of a metadata answer. Raises `StoreRefusedError` if it is not that of KV version 2."""
    number, versions = data.get("current_version"), data.get("versions")
    flagged = is_flagged(data, flag)
    if number == 0:
        return Current(0, NOTHING, flagged)
    entry = versions.get(str(number)) if isinstance(versions, dict) else None
    if not isinstance(number, int) or not isinstance(entry, dict):
        raise StoreRefusedError("the engine's answer is not that of a KV version 2 engine.", fix="Check mount.")
    text = version_text(number, entry.get("created_time"))
    if not is_gone(entry):
        return Current(number, text, flagged)
    # The time of the deletion tells it from a later one, after the version was undeleted.
    deleted = None if entry.get("destroyed") is True else DeletedVersion(text, str(entry.get("deletion_time")))
    return Current(number, NOTHING, flagged, deleted)


def number_in(version: str) -> int | None:
    """Return the number in a version's text, None if it can be no version of this engine's."""
    number, _, _ = version.partition("@")
    return int(number) if _VERSION.fullmatch(version) and len(number) <= _DIGITS else None


def is_gone(entry: dict[str, Any]) -> bool:
    """Whether a version is deleted or destroyed; a deletion time that is still to come is not a deletion."""
    if entry.get("destroyed") is True:
        return True
    deleted = str(entry.get("deletion_time") or "")
    if not deleted:
        return False
    try:
        return dt.datetime.fromisoformat(deleted) <= dt.datetime.now(dt.UTC)
    except (ValueError, TypeError):
        return True


def is_flagged(metadata: dict[str, Any], flag: dict[str, str]) -> bool:
    """Whether the custom metadata in `metadata` has all of `flag`."""
    custom = metadata.get("custom_metadata")
    return isinstance(custom, dict) and flag.items() <= custom.items()
