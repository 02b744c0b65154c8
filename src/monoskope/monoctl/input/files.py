r"""Files of values: env files, and JSON: `{"key":"text"}`, or `{"key":{"base64":"…"}}` for bytes that are no text.

An env file is read as python-dotenv and most programs read it, or refused with the line:

- UTF-8. White space around the line, the key and `=`, `export ` before the key, `#` lines and comments are allowed.
- Nothing is interpolated: `$` and backticks stand for themselves. The environment of this process plays no part.
- `'…'` and `"…"` may have several lines. Escapes are `\'` and `\\` in single quotes, and in double quotes `\n`, `\t`,
  `\"` and their like. An unquoted value ends before white space and `#`.
- Stricter than python-dotenv: a line that it would skip with a warning, a key without `=`, a key twice, a key that no
  secret can have, and a zero byte are refused.

Only the parser of python-dotenv is used: what is around it reads `os.environ` and writes into it.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re

from dotenv.parser import Binding, parse_stream

from monoskope.errors import UsageError
from monoskope.monoctl.input.values import Values
from monoskope.protocol.payload import check_key

MOST_ENTRIES = 10_000
"""Keys, comments and blank stretches of one file at most: more would take seconds to read."""

_MARK = "\ufeff"
_FIX = 'Write {"key":"text"} or {"key":{"base64":"…"}}.'
_BLANK = re.compile(r"\s*")


def parse_env(content: bytes, *, where: str) -> Values:
    """Return the values of an env file by key, in its order.

    Raises:
        UsageError: a line cannot be read or repeats a key, or there is none; names the line, never its value.
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
    # As a file that is opened as text is read: CRLF is LF, also within quotes.
    for count, binding in enumerate(parse_stream(io.StringIO(text, newline=None)), start=1):
        if count > MOST_ENTRIES:
            raise UsageError(
                f"{where} holds more than {MOST_ENTRIES:,} keys and comments.",
                fix="Split the file; a value of many lines stands in quotes.",
            )
        try:
            _add(values, binding)
        except UsageError as error:
            raise UsageError(f"{where}, line {_line(binding)}: {error.message}", fix=error.fix) from None
    if not values:
        raise UsageError(f"{where} holds no KEY=VALUE line.", fix="Name the file that holds the values.")
    return values


def _line(binding: Binding) -> int:
    """Return where the key stands: python-dotenv counts from the blank lines before it."""
    blank = _BLANK.match(binding.original.string)
    return binding.original.line + (blank[0].count("\n") if blank else 0)


def _add(values: Values, binding: Binding) -> None:
    if binding.error:
        raise UsageError(
            "it is not KEY=VALUE: no '=' after the key, a quote without its other half, or text after a closing quote.",
            fix="Write KEY=VALUE, KEY='VALUE' or KEY=\"VALUE\", or use --from-file or --from-json.",
        )
    if binding.key is None:
        return  # a comment or nothing
    try:
        check_key(binding.key)
    except UsageError:
        raise UsageError(
            "the text before '=' is not a key: A-Z, a-z, 0-9, '_', '.' and '-', no white space.",
            fix="Write KEY=VALUE.",
        ) from None
    if binding.value is None:
        raise UsageError("no '='.", fix="Write KEY=VALUE.")
    if binding.key in values:
        raise UsageError(f"key {binding.key!r} is there twice.", fix="Remove one.")
    if "\0" in binding.value:
        raise UsageError(f"the value of {binding.key!r} has a zero byte.", fix="Use --from-file for bytes.")
    values.add(binding.key, binding.value.encode())


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
