"""How a secret's bytes are stored in a Barbican payload, which is either text or bytes, as its content type says.

Layout `json`: text that is one JSON object of strings, where every value is UTF-8 and the text fits; otherwise bytes
that are the JSON object with standard base64 values of docs/protocol.md (The walk, step 4), without padding. Layout
`raw`: the one value, as text where Barbican keeps it exactly, otherwise as bytes. The content type is stored with the
payload, so reading is never ambiguous.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Literal

from monoskope.errors import Error, UsageError
from monoskope.protocol.payload import Payload, decode, encode, padded_size
from monoskope.stores.driver import CannotReadError, StoreRefusedError
from monoskope.unshared import Unshared

TEXT = "text/plain"
BYTES = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Stored(Unshared):
    """A payload as Barbican is given it: text, or bytes in base64."""

    content_type: str
    content: str = field(repr=False)

    def fields(self) -> dict[str, str]:
        """Return what to add to the request that makes the secret."""
        made = {"payload": self.content, "payload_content_type": self.content_type}
        return made if self.content_type == TEXT else made | {"payload_content_encoding": "base64"}


@dataclass(frozen=True, slots=True)
class BarbicanLayout:
    """How secrets lie, as the administrator chose."""

    kind: Literal["json", "raw"]
    raw_key: str
    max_bytes: int
    """Most bytes of a payload as it is sent; the request around it may have a quarter more."""

    @property
    def sentence(self) -> str:
        """What users read before they put."""
        if self.kind == "raw":
            return f"Only the value of {self.raw_key} is the payload of the Barbican secret that the path names."
        return "One JSON object with all keys is the payload of the Barbican secret that the path names."

    def stored(self, payload: Payload) -> Stored:
        """Return what to write.

        Raises:
            StoreRefusedError: the layout has no place for it; the message names the rule.
        """
        text, raw = self._raw(payload) if self.kind == "raw" else _json(payload)
        if text is not None and self._fits(text):
            return Stored(TEXT, text)
        made = Stored(BYTES, base64.b64encode(raw).decode("ascii"))
        if not self._fits(made.content):
            raise StoreRefusedError("the secret is larger than the engine takes.", fix="Store a smaller secret.")
        return made

    def payload(self, content_type: str, content: bytes) -> Payload:
        """Return the values that lie in a payload of Barbican's.

        Raises:
            CannotReadError: this store could not have written it.
        """
        try:
            if self.kind == "raw":
                return Payload({self.raw_key: content})
            return _from_text(content) if content_type == TEXT else decode(content.ljust(padded_size(len(content))))
        except (Error, ValueError, TypeError, RecursionError):
            pass
        raise CannotReadError("what lies in the engine is not a secret that this store could have written.")

    def _fits(self, content: str) -> bool:
        # The server judges the payload itself, and the request in which every quote and control character is escaped.
        in_request = len(json.dumps(content, ensure_ascii=False).encode())
        return len(content.encode()) <= self.max_bytes and in_request <= self.max_bytes + self.max_bytes // 5

    def _raw(self, payload: Payload) -> tuple[str | None, bytes]:
        if set(payload) != {self.raw_key}:
            raise StoreRefusedError(
                f"this store takes exactly one key, {self.raw_key}.", fix=f"Put one value, named {self.raw_key}."
            )
        value = payload[self.raw_key]
        if not value:
            raise StoreRefusedError("the engine takes no empty value.", fix="Put a value.")
        text = _text(value)
        # Barbican strips white space from both ends of a text.
        return (text if text is not None and text == text.strip() else None), value


def _json(payload: Payload) -> tuple[str | None, bytes]:
    values = {key: _text(value) for key, value in payload.items()}
    text = None if None in values.values() else json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return text, encode(payload).rstrip(b" ")


def _text(value: bytes) -> str | None:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _from_text(content: bytes) -> Payload:
    found = json.loads(content.decode("utf-8"), object_pairs_hook=_once)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise UsageError("not a JSON object of strings.")
    return Payload({key: value.encode("utf-8") for key, value in found.items()})


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a JSON object that has a key twice: readers differ in which they take."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UsageError("a key appears twice.")
    return found
