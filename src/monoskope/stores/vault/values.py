"""How a secret's bytes are stored in a KV version 2 engine, which holds text, and read back unchanged.

A value that is valid UTF-8 is stored as that text. Other bytes are refused unless the caller chose base64. Base64 looks
like any other text, so before the first base64 value is written at a path, the path is flagged in its custom metadata.
Without the flag every value is text. With it, a value that could be text or base64 is read in both ways (ADR 0007).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from monoskope.api.secrets.v1.options_pb2 import VaultBinary, VaultOptions
from monoskope.errors import UsageError
from monoskope.protocol.payload import Payload
from monoskope.stores.driver import CannotReadError, StoreRefusedError
from monoskope.stores.shared.text_values import could_be_base64, is_text

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
