"""Which of the secrets of one name is current, and how the driver marks the ones that it wrote.

Barbican's payloads never change, so each write makes a new secret of the same name. Ours carry `m8.<number>.<tag>` in
`mode`, a field that Barbican keeps and does not look at, and that is written in the same act: the write tag, and a
number one above the highest that was there. A secret without it was written by others, and is a version, too.

The current one is the newest by the time that Barbican gave it, then by number, then by id. Times may be whole
seconds, depending on the database.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

import msgspec

from monoskope.stores.shared.http import Refusal

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
