"""Values from JSON: `{"key":"text"}`, or `{"key":{"base64":"…"}}` for bytes that are no text."""

from __future__ import annotations

import base64
import binascii
import json

from monoskope.errors import UsageError
from monoskope.monoctl.input.gathered_values import Values

_FIX = 'Write {"key":"text"} or {"key":{"base64":"…"}}.'


def parse_json(content: bytes, *, where: str) -> Values:
    """Return the values of a JSON object by key, in its order.

    Raises:
        UsageError: it is not such an object, or empty, or has a key twice; names the key, never its value.
    """
    try:
        parsed = json.loads(content.decode("utf-8"), object_pairs_hook=lambda pairs: _object(pairs, where))
    except (ValueError, RecursionError) as error:
        at = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "somewhere"
        raise UsageError(f"{where} is not JSON in UTF-8 ({at}).", fix=_FIX) from None
    if not isinstance(parsed, dict):
        raise UsageError(f"{where} is not a JSON object.", fix=_FIX)
    values = Values()
    for key, value in parsed.items():
        values.add(key, _value(key, value, where))
    if not values:
        raise UsageError(f"{where} holds no key.", fix=_FIX)
    return values


def _object(pairs: list[tuple[str, object]], where: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise UsageError(f"{where}: key {key!r} is there twice.", fix="Remove one.")
        found[key] = value
    return found


def _value(key: str, value: object, where: str) -> bytes:
    if isinstance(value, dict) and list(value) == ["base64"] and isinstance(value["base64"], str):
        try:
            return base64.b64decode(value["base64"], validate=True)
        except (ValueError, binascii.Error):
            raise UsageError(f"{where}: the base64 of {key!r} is not valid.", fix="Use standard base64.") from None
    if not isinstance(value, str):
        raise UsageError(f"{where}: the value of {key!r} is neither text nor base64.", fix=_FIX)
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"{where}: the value of {key!r} is not Unicode text.", fix="Use base64.") from None
