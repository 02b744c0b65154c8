"""Reads a message from JSON (ProtoJSON), strictly: what a message has no place for is refused, and named.

`json_format` decides what the JSON means. It is lenient in places, for example with base64, and its errors show values,
which may be secret. So the JSON is checked first, by the fields of the message.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from monoskope.errors import UsageError, docs_page
from monoskope.protocol import elements

M = TypeVar("M", bound=Message)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_UP_TO_COMMA = re.compile(rb'[^",]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^",]*+)*+,', re.DOTALL)
"""The rest of an element: a comma in a string does not end it."""

_URL_SAFE = str.maketrans("-_", "+/")


class _Twice(dict[str, object]):
    """An object in which a name stands twice."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


_NO_NUMBER = object()
"""For `NaN`, `Infinity` and `-Infinity`, which Python's parser takes and JSON does not have."""


def read(kind: type[M], body: bytes) -> M:
    """Return the message of `kind` that is in `body`.

    Raises:
        UsageError: it is not JSON, or does not fit; names the field and the rule, and never a value.
    """
    name = kind.DESCRIPTOR.name
    value = _parsed(name, body, elements.room(cast("Descriptor", kind.DESCRIPTOR)))
    _check_object(cast("Descriptor", kind.DESCRIPTOR), value, name, "")
    try:
        return json_format.ParseDict(value, kind())
    except (json_format.ParseError, ValueError, TypeError):
        raise UsageError(
            f"{name}: the JSON does not fit.", fix=f"Compare it with {docs_page('reference/http.md')}."
        ) from None


def _parsed(name: str, body: bytes, room: int) -> dict[str, Any]:
    if not body:
        raise UsageError(f"{name}: the body is empty.", fix="Send {} for a message without fields.")
    if body.count(b",") > room and _has_more_elements(body, room):
        # Python makes an object of each: a megabyte of them would keep m8 from the calls of others.
        raise elements.too_many(name, "", room)
    try:
        found = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=lambda _text: _NO_NUMBER)
    except UnicodeDecodeError:
        raise UsageError(f"{name}: the body is not UTF-8.", fix="Send JSON in UTF-8.") from None
    except RecursionError:
        raise UsageError(f"{name}: the JSON is nested too deeply.", fix="Send the fields of the message.") from None
    except ValueError:
        raise UsageError(f"{name}: the body is not JSON.", fix="Send a JSON object.") from None
    if not isinstance(found, dict):
        raise UsageError(f"{name}: the body must be a JSON object.", fix="Send {} for a message without fields.")
    return found


def _has_more_elements(body: bytes, room: int) -> bool:
    at = 0
    for _ in range(room + 1):
        element = _UP_TO_COMMA.match(body, at)
        if element is None:
            return False
        at = element.end()
    return True


def _object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            return _Twice(name)
        found[name] = value
    return found


def _check_object(descriptor: Descriptor, value: object, name: str, path: str) -> None:
    """Check that `value` is an object of fields of the message, each at most once."""
    if not isinstance(value, dict):
        raise _refused(name, path, "must be an object")
    if isinstance(value, _Twice):
        raise _refused(name, _below(path, value.name), "stands twice")
    seen: set[str] = set()
    for key, part in value.items():
        field = _field(descriptor, key)
        below = _below(path, key)
        if field is None:
            raise _refused(name, below, f"{descriptor.name} has no such field")
        if field.name in seen:
            raise _refused(name, below, "stands twice, under both of its names")
        seen.add(field.name)
        if part is not None:
            _check_field(field, part, name, below)
    _check_oneofs(descriptor, value, name, path)


def _field(descriptor: Descriptor, key: str) -> FieldDescriptor | None:
    # Protobuf's tables of names fail at half of a surrogate pair, which JSON can spell and which no name has.
    if _NAME.fullmatch(key) is None:
        return None
    return descriptor.fields_by_camelcase_name.get(key) or descriptor.fields_by_name.get(key)


def _check_oneofs(descriptor: Descriptor, value: Mapping[str, object], name: str, path: str) -> None:
    for oneof in descriptor.oneofs:
        given = [
            field.camelcase_name
            for field in oneof.fields
            if value.get(field.camelcase_name, value.get(field.name)) is not None
        ]
        if len(given) > 1:
            raise _refused(name, _below(path, given[1]), f"excludes {given[0]}")


def _check_field(field: FieldDescriptor, value: object, name: str, path: str) -> None:
    if not field.is_repeated:
        _check_one(field, value, name, path)
        return
    if not isinstance(value, list):
        raise _refused(name, path, "must be an array")
    if len(value) > elements.most(field):
        raise elements.too_many(name, path, elements.most(field))
    for at, part in enumerate(value):
        _check_one(field, part, name, f"{path}[{at}]")


def _check_one(field: FieldDescriptor, value: object, name: str, path: str) -> None:
    if field.message_type is not None:
        _check_object(field.message_type, value, name, path)
        return
    is_right, rule = _RULES[field.cpp_type]
    if field.type == FieldDescriptor.TYPE_BYTES:
        is_right, rule = _is_base64, "must be a string of base64"
    if not is_right(field, value):
        raise _refused(name, path, rule)


def _is_base64(_field: FieldDescriptor, value: object) -> bool:
    """Whether it is base64 in either alphabet, with or without padding (ProtoJSON)."""
    if not isinstance(value, str) or not value.isascii():
        return False
    text = value.translate(_URL_SAFE)
    try:
        b64decode(text if text.endswith("=") else text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _is_string(_field: FieldDescriptor, value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()  # half of a surrogate pair cannot be
    except UnicodeEncodeError:
        return False
    return True


def _is_boolean(_field: FieldDescriptor, value: object) -> bool:
    return isinstance(value, bool)


def _is_enum(field: FieldDescriptor, value: object) -> bool:
    if isinstance(value, str):
        # As for the names of fields.
        is_name = _NAME.fullmatch(value) is not None
        return is_name and field.enum_type is not None and value in field.enum_type.values_by_name
    return isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31


def _integer(first: int, beyond: int) -> tuple[Callable[[FieldDescriptor, object], bool], str]:
    def is_right(_field: FieldDescriptor, value: object) -> bool:
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return isinstance(value, int) and not isinstance(value, bool) and first <= value < beyond

    return is_right, f"must be a whole number from {first} to {beyond - 1}"


_RULES: Mapping[int, tuple[Callable[[FieldDescriptor, object], bool], str]] = MappingProxyType(
    {
        FieldDescriptor.CPPTYPE_STRING: (_is_string, "must be a string of Unicode text"),
        FieldDescriptor.CPPTYPE_BOOL: (_is_boolean, "must be true or false"),
        FieldDescriptor.CPPTYPE_ENUM: (_is_enum, "must be a name of its enumeration"),
        FieldDescriptor.CPPTYPE_INT32: _integer(-(2**31), 2**31),
        FieldDescriptor.CPPTYPE_UINT32: _integer(0, 2**32),
        FieldDescriptor.CPPTYPE_INT64: _integer(-(2**63), 2**63),
        FieldDescriptor.CPPTYPE_UINT64: _integer(0, 2**64),
    }
)
"""Whether a value fits a field, by the field's kind, and the rule in words. No request has a field of another kind."""


def _below(path: str, key: str) -> str:
    """Return the path of a field. A name that no field could have is not repeated: it may be anything."""
    shown = key if _NAME.fullmatch(key) else "(a name that no field can have)"
    return f"{path}.{shown}" if path else shown


def _refused(name: str, path: str, rule: str) -> UsageError:
    return UsageError(f"{name}: {path}: {rule}." if path else f"{name}: {rule}.", fix="Correct that field.")
