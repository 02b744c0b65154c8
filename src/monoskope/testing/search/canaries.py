"""Values to plant where they must not stay, that one search finds together, however many there are.

Each value consists of short units. A unit holds a mark, which all values of one `Canaries` share, and the number of its
value. So a few needles find every value, a fragment of 44 bytes is found too, and what was found says whose it is.
The mark consists of letters and digits: JSON, URLs and `repr` leave it as it is, whatever they do to its neighbours.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
import secrets
import string
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from monoskope.testing.search import FORMS, Wanted, write_form
from monoskope.testing.search.memory import Passage, passages_in_memory

Style = Literal["plain", "escaped", "wide", "bytes"]

STYLES: Mapping[Style, bytes] = {
    "plain": b".=%+ ",
    "escaped": b'"\\\n\t/',
    "wide": "é→\U0001f511".encode(),
    "bytes": b"\xff\x00\x80\xfe\x01",
}
"""What ends a unit: ASCII, what JSON escapes, what makes Python's texts two or four bytes a character, no text."""

_MARK = 12
_AROUND = 120
_WIDE = {"utf-16": "utf-16-le", "utf-16-be": "utf-16-be", "utf-32": "utf-32-le"}
_ESCAPED = {"json/lower": r"\u{:04x}", "json/upper": r"\u{:04X}", "url/lower": "%{:02x}", "url/upper": "%{:02X}"}
"""How each character is written by what escapes even letters and digits. Others leave the mark as it is."""
_ESCAPE = {"json": re.compile(rb"\\u00([0-9A-Fa-f]{2})"), "url": re.compile(rb"%([0-9A-Fa-f]{2})")}
_BASE64 = re.compile(rb"[A-Za-z0-9_-]+")
_URL = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a search of one process saw."""

    reason: str
    """Why it was not searched, "" if it was."""
    size: int
    """Bytes looked through."""
    found: Mapping[str, Counter[str]]
    """For each value by name, the number of hits by form."""

    def forms(self, name: str) -> set[str]:
        """The forms in which a value was found."""
        return set(self.found.get(name, ()))


def new_mark(choose: Callable[[str], str] = secrets.choice) -> str:
    """Return a mark for `Canaries`. With another `choose` it can be made again."""
    alphabet = string.ascii_letters + string.digits
    while True:
        mark = "".join(choose(alphabet) for _ in range(_MARK))
        if all(write_form(mark.encode(), form).isalnum() for form in FORMS):
            return mark


@dataclass(slots=True)
class Canaries:
    """Values with one mark.

    Args:
        mark: Of an earlier instance; a new one by default.
    """

    mark: str = field(default_factory=new_mark)
    _names: dict[str, str] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def value(self, name: str, size: int, style: Style = "plain") -> bytes:
        """Return a new value of `size` bytes, or up to 3 fewer where the last character would be cut.

        Args:
            name: What to call it; several values may share a name.
            size: 18 at least, so that the first unit has its number.
            style: Which bytes are in it besides letters and digits.
        """
        number = f"{next(self._numbers):06x}"
        self._names[number] = name
        unit = f"{self.mark}{number}".encode() + STYLES[style]
        value = (unit * (size // len(unit) + 1))[:size]
        return value if style == "bytes" else value.decode(errors="ignore").encode()

    @property
    def wanted(self) -> Wanted:
        """The mark in every form: those of `FORMS`, texts as Python and others hold them, and escaped ones."""
        mark = self.mark.encode()
        needles = {form: needle for form, needle in Wanted.of("mark", mark).needles.items() if "url" not in form}
        needles |= {form: (self.mark.encode(codec),) for form, codec in _WIDE.items()}
        needles |= {form: (_escaped(self.mark, form).encode(),) for form in _ESCAPED}
        return Wanted("mark", needles)

    def look_into(self, pid: int) -> Sighting:
        """Look for all values in the memory of the process `pid`."""
        result, passages = passages_in_memory(pid, [self.wanted], around=_AROUND)
        found: dict[str, Counter[str]] = {}
        for passage in passages:
            found.setdefault(self.name_in(passage), Counter())[passage.form] += 1
        return Sighting(result.reason, result.size, found)

    def name_in(self, passage: Passage) -> str:
        """Return the name of the value in a passage, "" if the number is not in it any more."""
        for text in _readings(passage):
            found = re.search(rf"{self.mark}([0-9a-f]{{6}})".encode(), text)
            if found is not None and (name := self._names.get(found[1].decode())) is not None:
                return name
        return ""

    def planted(self, name: str, form: str) -> bytes:
        """Return a value in a form: what a control is planted as."""
        value = self.value(name, 64)
        if form in _WIDE:
            return value.decode().encode(_WIDE[form])
        if form in _ESCAPED:
            return _escaped(value.decode(), form).encode()
        return value if form == "raw" else write_form(value, form).encode()


def _escaped(text: str, form: str) -> str:
    return "".join(_ESCAPED[form].format(ord(character)) for character in text)


def _readings(passage: Passage) -> list[bytes]:
    text = passage.text
    encoding = passage.form.partition("/")[0]
    if encoding in _WIDE:
        return [text[shift:].decode(_WIDE[encoding], "ignore").encode() for shift in range(4)]
    if encoding in _ESCAPE:
        return [_ESCAPE[encoding].sub(lambda found: bytes([int(found[1], 16)]), text)]
    if encoding == "hex":
        digits = b"".join(re.findall(rb"[0-9a-fA-F]{24,}", text))
        return [binascii.unhexlify(digits[shift : shift + (len(digits) - shift) // 2 * 2]) for shift in range(2)]
    if encoding == "base64":
        runs = [run for run in _BASE64.findall(text.translate(_URL)) if len(run) >= _MARK]
        return [
            base64.urlsafe_b64decode(run[shift : shift + (len(run) - shift) // 4 * 4])
            for run in runs
            for shift in range(4)
        ]
    return [text]
