"""How a secret is stored in Barbican: its bytes in a payload, and which of the secrets of one name is current.

A payload is either text or bytes, as its content type says.

Layout `json`: text that is one JSON object of strings, where every value is UTF-8 and the text fits; otherwise bytes
that are the JSON object with standard base64 values of docs/protocol.md (The walk, step 4), without padding. Layout
`raw`: the one value, as text where Barbican keeps it exactly, otherwise as bytes. The content type is stored with the
payload, so reading is never ambiguous.

Barbican's payloads never change, so each write makes a new secret of the same name. Ours carry `m8.<number>.<tag>` in
`mode`, a field that Barbican keeps and does not look at, and that is written in the same act: the write tag, and a
number one above the highest that was there. A secret without it was written by others, and is a version, too.

The current one is the newest by the time that Barbican gave it, then by number, then by id. Times may be whole
seconds, depending on the database.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from monoskope.errors import Error, UsageError
from monoskope.protocol.notes import strict_json
from monoskope.protocol.payload import Payload, decode, encode, padded_size
from monoskope.stores.driver import CannotReadError, StoreRefusedError
from monoskope.stores.shared.http import Refusal
from monoskope.value import Unshared

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
    found = strict_json(content.decode("utf-8"))
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise UsageError("not a JSON object of strings.")
    return Payload({key: value.encode("utf-8") for key, value in found.items()})


_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_MARK = re.compile(r"m8\.(?P<number>[0-9]{1,18})\.(?P<tag>[0-9a-f]{64})", re.ASCII)

FOREIGN = Refusal("what is at address does not answer as Barbican does.", "Check address.")
"""Of an answer that Barbican would not give."""


@dataclass(frozen=True, slots=True, order=True)
class BarbicanEntry:
    """One secret of Barbican's; they sort from the oldest to the newest."""

    created: dt.datetime
    number: int
    """0 for what others wrote."""
    id: str
    tag: str
    """"" for what others wrote."""
    content_type: str


class _Secret(msgspec.Struct):
    created: str
    secret_ref: str
    name: str | None = None
    mode: str | None = None
    content_types: dict[str, str] = msgspec.field(default_factory=dict)


class _Page(msgspec.Struct):
    secrets: list[_Secret]
    total: int


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list."""

    entries: list[BarbicanEntry]
    """Those of the name that was asked for."""
    size: int
    """How many secrets the part has in all."""
    total: int
    """How many the whole list has."""


def page(body: dict[str, object], name: str) -> Page:
    """Read a part of a list; what has another name or no payload is left out.

    Barbican compares names as SQL's LIKE does, in which `_` stands for any character and case may not matter.

    Raises:
        StoreRefusedError: the answer is not Barbican's.
    """
    try:
        parsed = msgspec.convert(body, _Page)
        found = [_entry(one) for one in parsed.secrets if one.name == name and "default" in one.content_types]
    except (msgspec.ValidationError, ValueError):
        raise FOREIGN.error() from None
    return Page(found, len(parsed.secrets), parsed.total)


def _entry(secret: _Secret) -> BarbicanEntry:
    mark = _MARK.fullmatch(secret.mode or "")
    created = dt.datetime.fromisoformat(secret.created)
    return BarbicanEntry(
        created=created if created.tzinfo else created.replace(tzinfo=dt.UTC),
        number=0 if mark is None else int(mark["number"]),
        id=secret_id(secret.secret_ref),
        tag="" if mark is None else mark["tag"],
        content_type=secret.content_types["default"],
    )


def secret_id(reference: object) -> str:
    """Return the id at the end of a reference; the rest of it is not used. Raises `StoreRefusedError`."""
    found = str(reference).rpartition("/")[2]
    if _ID.fullmatch(found) is None:
        raise FOREIGN.error()
    return found


def mark(entries: list[BarbicanEntry], tag: str) -> str:
    """Return what a new secret carries in `mode`, given those that are there."""
    return f"m8.{max((entry.number for entry in entries), default=0) + 1}.{tag}"
