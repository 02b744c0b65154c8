"""What the body of a call says: a JSON object; in a framed one, values after it.

A frame is a 4-byte big-endian length, a JSON object of that length with `sources`, then the bytes of all sources in
their order. No error of this file repeats anything that a value or a file could be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from monoskope.errors import UsageError
from monoskope.monoctl.input.files import parse_env, parse_json
from monoskope.monoctl.input.values import Values
from monoskope.protocol.payload import MAX_KEYS, MAX_PADDED, check_key

MOST_JSON = 262_144
"""Bytes of a call without values at most, and of the JSON object of a frame: some hundred URIs."""

MOST_VALUES = 2 * MAX_PADDED
"""Bytes of all sources at most: a store takes less than half of it as one secret, and files have more than values."""

MOST_BODY = 4 + MOST_JSON + MOST_VALUES
"""Bytes of a framed body at most."""

_LENGTH = 4
_FIX = "Open a new page; if that does not help, use the commands in the terminal, and report the defect."

R = TypeVar("R", bound=msgspec.Struct)


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where values come from: one value for `key`, or a file that is parsed here."""

    kind: Literal["value", "env", "json"]
    size: Annotated[int, msgspec.Meta(ge=0, le=MOST_VALUES)]
    key: str = ""
    name: Annotated[str, msgspec.Meta(max_length=255)] = ""
    trim: bool = False


def parsed(request: type[R], body: bytes) -> R:
    """Return what a call without values asks. Raises `UsageError` that names the field and the rule."""
    return _converted(request, _object(body))


def parsed_frame(request: type[R], body: bytes) -> tuple[R, Values]:
    """Return what a framed call asks, and the values of all its sources.

    Raises:
        UsageError: the frame, a field, a file or a key is malformed, or a key is there twice; names the part.
    """
    length = int.from_bytes(body[:_LENGTH], "big")
    begin = _LENGTH + length
    if len(body) < _LENGTH or length > MOST_JSON or len(body) < begin:
        raise UsageError("the frame ends before the JSON object that it announces.", fix=_FIX)
    asked = _object(body[_LENGTH:begin])
    sources = _sources(asked.pop("sources", None))
    if begin + sum(source.size for source in sources) != len(body):
        raise UsageError("the sizes of the sources do not add up to what follows the JSON object.", fix=_FIX)
    return _converted(request, asked), _values(sources, body, begin)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None  # its text could quote what was sent
    if not isinstance(found, dict):
        raise UsageError("the call is not a JSON object.", fix=_FIX)
    return found


def _sources(given: object) -> Sequence[Source]:
    # None is well-formed: a patch may only remove keys. Whatever needs a value says so itself.
    if not isinstance(given, list) or len(given) > MAX_KEYS:
        raise UsageError(
            f"sources: a list of at most {MAX_KEYS} is needed.",
            fix="Give values or files; more keys fit into one file.",
        )
    return [_converted(Source, one) for one in given]


def _converted(kind: type[R], asked: object) -> R:
    try:
        return msgspec.convert(asked, kind)
    except msgspec.ValidationError as error:
        # msgspec names the field, and what is wrong with its type or size: it repeats no value but those of enums.
        rule, _, field = str(error).rpartition(" - at ")
        if rule.startswith("Invalid enum value"):
            rule = "Not one of the values that the field can have"
        rule = f"{rule} - at {field}" if rule else field
        raise UsageError(f"the call is malformed: {rule}.", fix=_FIX) from None


def _values(sources: Sequence[Source], body: bytes, begin: int) -> Values:
    values = Values()
    for source in sources:
        content = body[begin : begin + source.size]
        begin += source.size
        if source.kind != "value" and (source.key or source.trim):
            raise UsageError("a file has neither `key` nor `trim`: it names its keys itself.", fix=_FIX)
        if source.kind == "env":
            values.add_all(parse_env(content, where=source.name or "the env file"))
        elif source.kind == "json":
            values.add_all(parse_json(content, where=source.name or "the JSON file"))
        else:
            check_key(source.key)
            values.add(source.key, _trimmed(content) if source.trim else content)
    return values


def _trimmed(content: bytes) -> bytes:
    """Return `content` without one final line feed, LF or CRLF, as `--trim-newline` does."""
    return content.removesuffix(b"\r\n") if content.endswith(b"\r\n") else content.removesuffix(b"\n")
