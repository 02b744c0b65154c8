"""Files of `KEY=VALUE` lines. Accepted is what shells, Docker and dotenv libraries read alike; the rest is refused.

- UTF-8, no byte order mark. A line ends with LF or CRLF. Empty lines and lines that begin with `#` are ignored.
- `export ` may precede the key. No white space around `=`.
- An unquoted value stands for itself: no quotes, backslash, `$`, backtick or white space in it, and no `#` as its first
  character.
- `'…'` stands for what is between, which holds no `'`. `"…"` likewise; it holds no `"`, backslash, `$` or backtick.
- Nothing follows a closing quote, and no value has several lines.
"""

from __future__ import annotations

import re

from monoskope.errors import UsageError
from monoskope.monoctl.input.gathered_values import Values
from monoskope.protocol.payload import check_key

_MARK = "\ufeff"
_UNQUOTED = re.compile(r"""(?!\#)[^'"\\$`\s\x00-\x1f\x7f]*""")
_SINGLE = re.compile(r"'([^'\r\n\x00]*)'")
_DOUBLE = re.compile(r'"([^"\\$`\r\n\x00]*)"')


def parse_env(content: bytes, *, where: str) -> Values:
    """Return the values of an env file by key, in its order.

    Raises:
        UsageError: a line is malformed, ambiguous, or repeats a key, or there is none; names the line, never its value.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        at = content[: error.start].count(b"\n") + 1
        raise UsageError(f"{where}, line {at}: not UTF-8.", fix="Use --from-file for bytes.") from None
    if text.startswith(_MARK):
        raise UsageError(
            f"{where}, line 1: the file begins with a byte order mark.", fix="Save it as UTF-8 without one."
        )
    values = Values()
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            _add_line(values, line.removesuffix("\r"))
        except UsageError as error:
            raise UsageError(f"{where}, line {number}: {error.message}", fix=error.fix) from None
    if not values:
        raise UsageError(f"{where} holds no KEY=VALUE line.", fix="Name the file that holds the values.")
    return values


def _add_line(values: Values, line: str) -> None:
    parsed = _parse_line(line)
    if parsed is None:
        return
    key, value = parsed
    if key in values:
        raise UsageError(f"key {key!r} is there twice.", fix="Remove one.")
    values.add(key, value.encode())


def _parse_line(line: str) -> tuple[str, str] | None:
    if not line.strip() or line.startswith("#"):
        return None
    key, separator, value = line.removeprefix("export ").partition("=")
    if not separator:
        raise UsageError("no '='.", fix="Write KEY=VALUE.")
    try:
        check_key(key)
    except UsageError:
        raise UsageError(
            "the text before '=' is not a key: A-Z, a-z, 0-9, '_', '.' and '-', no white space.",
            fix="Write KEY=VALUE.",
        ) from None
    return key, _value(key, value)


def _value(key: str, text: str) -> str:
    if _UNQUOTED.fullmatch(text):
        return text
    for quoted in (_SINGLE, _DOUBLE):
        match = quoted.fullmatch(text)
        if match is not None:
            return match.group(1)
    raise UsageError(
        f"the value of {key!r} can be read in more than one way (quotes, '\\', '$', '`', '#' or white space in it).",
        fix="Put it in single quotes, or use --from-file or --from-json.",
    )
