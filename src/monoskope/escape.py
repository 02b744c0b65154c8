r"""Makes foreign text safe to print: escapes characters that could control a terminal or hide other text.

It escapes each character that Python does not call printable (`str.isprintable`): control characters (C0, DEL, C1),
line and paragraph separators, bidirectional controls, characters without width, spaces other than U+0020, lone
surrogates, unassigned ones. Each becomes `\u009b`, or `\U000e0001` beyond U+FFFF.
"""

from __future__ import annotations


def escape(text: str) -> str:
    """Return `text` with whatever is not printable escaped; line feeds, too."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(ord(character)) for character in text)


def json_text(document: object, *, indent: int | None = None) -> str:
    """Return `document` as JSON that holds no unprintable character but the line feeds of `indent`.

    It parses to what `document` was; printable characters stand for themselves.
    """
    import json  # noqa: PLC0415 - most output is no JSON, and `monoctl --help` starts faster without

    text = json.dumps(document, ensure_ascii=False, indent=indent)
    # JSON escapes line feeds in strings by itself: those that are left were made by `indent`.
    return "\n".join(line if line.isprintable() else _json_line(line) for line in text.split("\n"))


def _json_line(line: str) -> str:
    import json  # noqa: PLC0415 - as above

    return "".join(character if character.isprintable() else json.dumps(character)[1:-1] for character in line)


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
