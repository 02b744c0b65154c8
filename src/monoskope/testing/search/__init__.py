"""Look for a value in files, database rows and a process's memory, in every form in which it could hide.

A search that finds nothing proves nothing unless it can see. So look for a control value, planted in the same places,
in the same pass. A place that cannot be read is "not searched", with the reason, and never counts as 0 hits.

Forms: raw; base64 and base64url, each at the three alignments a value can have inside a longer text; hex in lower and
upper case. Of a value longer than 64 bytes three windows of 48 bytes are looked for, at its quarters: a fragment is a
find too, and the ends are often the same for all values of a kind (PEM).
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import quote

FORMS = (
    "raw",
    "base64/0",
    "base64/1",
    "base64/2",
    "base64url/0",
    "base64url/1",
    "base64url/2",
    "hex/lower",
    "hex/upper",
)
"""The name of every form, encoding first."""

SHORTEST = 6
"""Bytes below which a form occurs by chance and is not looked for."""

CHUNK = 1 << 20

_WHOLE = 64
_WINDOW = 48
_LEAD = (0, 2, 3)
"""Base64 characters that hold bits of what stands before the value, by alignment."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A value to look for. Its `repr` does not show it.

    Attributes:
        name: What to call it.
        needles: For each form of `FORMS` the byte strings that give it away.
    """

    name: str
    needles: Mapping[str, tuple[bytes, ...]] = field(repr=False)

    @classmethod
    def of(cls, name: str, value: bytes) -> Self:
        """Prepare to look for `value`.

        Raises:
            ValueError: it is shorter than `SHORTEST` or so uniform that it occurs by chance.
        """
        parts = [part for part in _parts(value) if _is_telling(part)]
        if not parts:
            raise ValueError(f"{name} is too short or too uniform to be told from chance")
        return cls(name, {form: tuple(_write(part, form) for part in parts) for form in FORMS})


@dataclass(frozen=True, slots=True)
class Result:
    """What a search of one place saw.

    Attributes:
        place: Its name, for people.
        size: Bytes looked through.
        hits: For each wanted value by name, the number of hits by form.
        reason: Why the place was not searched, "" if it was.
        unread: Bytes of the place that could not be read.
    """

    place: str
    size: int = 0
    hits: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    reason: str = ""
    unread: int = 0

    @property
    def searched(self) -> bool:
        """Whether the numbers mean anything."""
        return not self.reason

    def total(self, name: str, encoding: str = "") -> int:
        """Hits of the wanted value `name`, in all forms or those of one encoding ("raw", "base64", "base64url", "hex").

        Raises:
            ValueError: the place was not searched, so there is no number.
        """
        if not self.searched:
            raise ValueError(f"{self.place} was not searched: {self.reason}")
        return sum(count for form, count in self.hits[name].items() if encoding in {"", form.partition("/")[0]})


def write_form(value: bytes, form: str) -> str:
    """Return `value` as text in one of `FORMS` as it would stand in a longer text: what a control is planted as.

    Raises:
        UnicodeDecodeError: the form is raw and the value is not ASCII.
    """
    encoding, _, variant = form.partition("/")
    if encoding == "raw":
        return value.decode("ascii")
    if encoding == "hex":
        return value.hex().upper() if variant == "upper" else value.hex()
    encode = base64.b64encode if encoding == "base64" else base64.urlsafe_b64encode
    return encode(b"x" * int(variant) + value).decode("ascii").rstrip("=")


def look(place: str, chunks: Iterable[bytes], wanted: Sequence[Wanted]) -> Result:
    """Look through a stream of bytes; a value that lies across two chunks is found.

    An empty chunk says that what follows does not touch what went before.
    """
    counter = _Counter(wanted)
    for chunk in chunks:
        counter.add(chunk)
    return Result(place, counter.size, {one.name: counter.hits(one) for one in wanted})


def look_in_file(path: Path, wanted: Sequence[Wanted], *, place: str = "") -> Result:
    """Look through a file as it lies on the disk. A missing or unreadable one is "not searched"."""
    name = place or path.name
    try:
        with path.open("rb") as file:
            return look(name, iter(lambda: file.read(CHUNK), b""), wanted)
    except OSError as error:
        return Result(name, reason=str(error.strerror))


def look_in_rows(path: Path, wanted: Sequence[Wanted], *, place: str = "") -> Result:
    """Look through every cell of every table of a SQLite database.

    A long cell lies in pieces on the disk, so `look_in_file` alone could miss a value that crosses two pages. Reads
    only; meant for a database that its owner has open.
    """
    name = place or f"{path.name} (rows)"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as connection:
            return look(name, _cells(connection), wanted)
    except sqlite3.Error as error:
        return Result(name, reason=f"SQLite: {type(error).__name__}")


def look_below(folder: Path, wanted: Sequence[Wanted]) -> list[Result]:
    """Look through every regular file below `folder`, each a place named by its path in it, in order of names."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [look_in_file(path, wanted, place=str(path.relative_to(folder))) for path in files]


class _Counter:
    """Counts needles in a stream, with as much of the last chunk kept as a needle could begin in."""

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self.size = 0
        every = (needle for one in wanted for needles in one.needles.values() for needle in needles)
        self._counts = dict.fromkeys(every, 0)
        self._keep = max(map(len, self._counts), default=1) - 1
        self._tail = b""

    def add(self, chunk: bytes) -> None:
        """Count what ends in `chunk`; an empty one breaks the stream."""
        self.size += len(chunk)
        text = self._tail + chunk
        for needle in self._counts:
            self._counts[needle] += _count(text, needle, len(self._tail))
        self._tail = text[-self._keep :] if chunk and self._keep else b""

    def hits(self, one: Wanted) -> dict[str, int]:
        """Hits of one wanted value by form."""
        return {form: sum(self._counts[needle] for needle in needles) for form, needles in one.needles.items()}


def _count(text: bytes, needle: bytes, seen: int) -> int:
    """How often `needle` is in `text`, overlaps too, except inside the first `seen` bytes alone."""
    found, at = 0, text.find(needle, max(0, seen - len(needle) + 1))
    while at >= 0:
        found += 1
        at = text.find(needle, at + 1)
    return found


def _parts(value: bytes) -> list[bytes]:
    if len(value) <= _WHOLE:
        return [value]
    starts = (len(value) * quarter // 4 - _WINDOW // 2 for quarter in (1, 2, 3))
    return [value[max(0, start) : max(0, start) + _WINDOW] for start in starts]


def _is_telling(part: bytes) -> bool:
    return len(part) >= SHORTEST and len(set(part)) >= SHORTEST // 2


def _write(value: bytes, form: str) -> bytes:
    """A needle: `value` in a form, without the characters that depend on its neighbours."""
    encoding, _, variant = form.partition("/")
    if encoding == "raw":
        return value
    text = write_form(value, form)
    if encoding == "hex":
        return text.encode("ascii")
    shift = int(variant)
    return text[_LEAD[shift] : (shift + len(value)) * 8 // 6].encode("ascii")


def _cells(connection: sqlite3.Connection) -> Iterator[bytes]:
    connection.text_factory = bytes
    tables = [bytes(row[0]).decode() for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    for table in tables:
        for row in connection.execute(f'SELECT * FROM "{table}"'):
            for cell in row:
                if isinstance(cell, bytes):
                    yield cell
                    yield b""
