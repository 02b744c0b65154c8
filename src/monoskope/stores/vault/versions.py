"""Secrets in a KV version 2 engine: how their bytes are stored as text, and the text that names a version uniquely.

A value that is valid UTF-8 is stored as that text. Other bytes are refused unless the caller chose base64. Base64 looks
like any other text, so before the first base64 value is written at a path, the path is flagged in its custom metadata.
Without the flag every value is text. With it, a value that could be text or base64 is read in both ways (ADR 0007).

Numbers restart when a path's metadata is deleted, so a version is named by its number and the time it was made:
`7@2026-01-31T12:00:00.123456789Z`.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monoskope.api.secrets.v1.options_pb2 import VaultBinary, VaultOptions
from monoskope.errors import UsageError
from monoskope.protocol.payload import Payload
from monoskope.stores.driver import NOTHING, CannotReadError, DeletedVersion, StoreRefusedError
from monoskope.stores.shared.checks import could_be_base64, is_text

FLAG = {"m8_binary": "base64"}
"""Custom metadata of a path at which a value may lie as base64."""


def wants_base64(options: object | None) -> bool:
    """Return whether values that are not text are to be stored as base64. Raises `StoreRefusedError`."""
    if options is None:
        return False
    if not isinstance(options, VaultOptions):
        raise StoreRefusedError("these options are not for a vault store.", fix="Leave them out.")
    if options.binary not in {VaultBinary.VAULT_BINARY_UNSPECIFIED, VaultBinary.VAULT_BINARY_BASE64}:
        raise StoreRefusedError("this way of storing bytes is not known.", fix="Use base64, or update the reactor.")
    return options.binary == VaultBinary.VAULT_BINARY_BASE64


def needs_flag(payload: Payload) -> bool:
    """Whether a value of `payload` can be stored as base64 only."""
    return not all(is_text(value) for value in payload.values())


def to_engine(payload: Payload, *, binary: bool) -> dict[str, str]:
    """Return what to write.

    Raises:
        StoreRefusedError: a value is not text and `binary` is false; the message names its key.
    """
    values = {}
    for key, value in payload.items():
        if is_text(value):
            values[key] = value.decode("utf-8")
        elif binary:
            values[key] = base64.b64encode(value).decode("ascii")
        else:
            raise StoreRefusedError(
                f"the value of {key} is not UTF-8 text, and this engine holds only text.",
                fix="Choose to store such values as base64: --binary base64.",
            )
    return values


def merge_patch(changes: Payload | None, remove: Sequence[str], *, binary: bool) -> dict[str, str | None]:
    """Return the JSON merge patch (RFC 7396) that sets `changes` and drops `remove`. Raises as `to_engine`."""
    values: dict[str, str | None] = dict.fromkeys(remove)
    if changes is not None:
        values.update(to_engine(changes, binary=binary))
    return values


def from_engine(data: Mapping[str, object]) -> Payload:
    """Return the texts that lie there, as bytes.

    Raises:
        CannotReadError: a value is not text, or the whole is no secret by our rules.
    """
    try:
        return Payload({key: _from_text(value) for key, value in data.items()})
    except (UsageError, UnicodeEncodeError):
        pass
    raise CannotReadError("what lies in the engine is not a secret that this store could have written.")


def either_way(payload: Payload, *, flagged: bool) -> frozenset[str]:
    """Return the keys whose value, read from a path that is `flagged` or not, could be text or base64."""
    return frozenset(key for key, value in payload.items() if flagged and could_be_base64(value.decode("utf-8")))


def _from_text(value: object) -> bytes:
    if not isinstance(value, str):
        raise CannotReadError("a value in the engine is not text.")
    return value.encode("utf-8")


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


def from_metadata(data: dict[str, Any]) -> Current:
    """Read the `data` of a metadata answer. Raises `StoreRefusedError` if it is not that of KV version 2."""
    number, versions = data.get("current_version"), data.get("versions")
    flagged = is_flagged(data)
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


def is_flagged(metadata: dict[str, Any]) -> bool:
    """Whether the custom metadata in `metadata` has `FLAG`."""
    custom = metadata.get("custom_metadata")
    return isinstance(custom, dict) and FLAG.items() <= custom.items()
