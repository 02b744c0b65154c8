r"""Text for people: numbers of things, and foreign text made safe to print.

It escapes each character that Python does not call printable (`str.isprintable`): control characters (C0, DEL, C1),
line and paragraph separators, bidirectional controls, characters without width, spaces other than U+0020, lone
surrogates, unassigned ones. It also escapes characters that are printable and show nothing, as fillers and variation
selectors do: two names that differ by one look the same. Each becomes `\u009b`, or `\U000e0001` beyond U+FFFF.
"""

from __future__ import annotations

from collections.abc import Sequence

from monoskope.lazy import pattern


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: `1 event`, `3 events`.

    Args:
        number: How many there are.
        noun: What one of them is called.
        plural: What several are called, if that is not the noun and an s.
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def some(names: Sequence[str], most: int) -> str:
    """Return the first `most` of several names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


_BLANK = pattern(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)
"""What Unicode calls a default ignorable code point, where it is a letter or a mark; and what is drawn as nothing: the
Braille blank, blanks of hieroglyphs, the Khitan filler, the musical null notehead."""


def is_shown(text: str) -> bool:
    """Return whether every character of `text` shows, and controls nothing."""
    return text.isprintable() and (text.isascii() or _BLANK.search(text) is None)


def says_something(text: str) -> bool:
    """Return whether a character of `text` shows that is no space."""
    return any(character != " " and is_shown(character) for character in text)


def escape(text: str) -> str:
    """Return `text` with whatever is not shown escaped; line feeds, too."""
    if is_shown(text):
        return text
    return "".join(character if is_shown(character) else _escaped(ord(character)) for character in text)


def json_text(document: object, *, indent: int | None = None) -> str:
    """Return `document` as JSON that holds no character that is not shown but the line feeds of `indent`.

    It parses to what `document` was; characters that are shown stand for themselves.
    """
    import json  # noqa: PLC0415 - most output is no JSON, and `monoctl --help` starts faster without

    text = json.dumps(document, ensure_ascii=False, indent=indent)
    # JSON escapes line feeds in strings by itself: those that are left were made by `indent`.
    return "\n".join(line if is_shown(line) else _json_line(line) for line in text.split("\n"))


def _json_line(line: str) -> str:
    import json  # noqa: PLC0415 - as above

    return "".join(character if is_shown(character) else json.dumps(character)[1:-1] for character in line)


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
