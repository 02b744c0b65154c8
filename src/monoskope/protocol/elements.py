"""How many elements a message may have, counted before one is made of what came.

A message in protobuf can be half fields without content: a megabyte of two-byte fields is half a million objects, each
of which is then validated. So its fields are counted on the wire first, by the rules in the proto files:
`repeated.max_items` for a repeated field, `map.max_pairs` for a map, and one for every other field.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from monoskope.errors import UsageError

MOST_ELEMENTS = 32_768
"""Fields of one message in all, with those of the messages in it, at most."""

UNKNOWN = 64
"""Fields of one message, at most, that this version does not know."""

_RULES, _REPEATED, _MAP, _MOST = 1159, 18, 19, 2
"""Numbers of `(buf.validate.field)`, of its `repeated` and `map`, and of `max_items` and `max_pairs` in those."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}
_WIRE = {
    FieldDescriptor.TYPE_DOUBLE: _FIXED64,
    FieldDescriptor.TYPE_FIXED64: _FIXED64,
    FieldDescriptor.TYPE_SFIXED64: _FIXED64,
    FieldDescriptor.TYPE_FLOAT: _FIXED32,
    FieldDescriptor.TYPE_FIXED32: _FIXED32,
    FieldDescriptor.TYPE_SFIXED32: _FIXED32,
    FieldDescriptor.TYPE_STRING: _BYTES,
    FieldDescriptor.TYPE_BYTES: _BYTES,
    FieldDescriptor.TYPE_MESSAGE: _BYTES,
}
"""How each type of field is written; those that are left out as a varint."""

_LAST_OF_VARINT = bytes(range(0x80, 0x100))
"""The bytes of a varint that are followed by another one of it."""


class _Field(NamedTuple):
    name: str
    wire: int
    most: int
    inside: Descriptor | None


@functools.cache
def most(field: FieldDescriptor) -> int:
    """Return how often `field` may stand in its message: 0 for a repeated field without a rule, which none may be."""
    if not field.is_repeated:
        return 1
    rules = _inside(field.GetOptions().SerializeToString(), _RULES)
    found = _inside(_inside(rules, _REPEATED), _MOST) or _inside(_inside(rules, _MAP), _MOST)
    return _varint(field.name, found, 0, len(found))[0] if found else 0


@functools.cache
def room(descriptor: Descriptor) -> int:
    """Return how many fields a message of that kind may have in all."""
    return min(MOST_ELEMENTS, _known(descriptor)) + UNKNOWN


def _known(descriptor: Descriptor) -> int:
    return sum(
        most(field) * (1 + (_known(field.message_type) if field.message_type else 0)) for field in descriptor.fields
    )


def check(descriptor: Descriptor, content: bytes) -> None:
    """Check that `content` has no more elements than a message of that kind may have.

    Raises:
        UsageError: it has more, or is no message; names the field and the rule, and no value.
    """
    _Count(descriptor.name, room(descriptor), by_rules=True).message(descriptor, content, 0, len(content), "")


def check_number(descriptor: Descriptor, content: bytes, most: int) -> None:
    """Check that `content` has at most so many fields in all, whatever the rules say of each. Raises as `check`.

    Each takes a byte at least, so what has no more bytes is not looked at: it need not be a message.
    """
    if len(content) <= most:
        return
    _Count(descriptor.name, most, by_rules=False).message(descriptor, content, 0, len(content), "")


class _Count:
    def __init__(self, name: str, most: int, *, by_rules: bool) -> None:
        self._name = name
        self._by_rules = by_rules
        self._most = self._left = most

    def message(self, descriptor: Descriptor, content: bytes, at: int, end: int, path: str) -> None:
        """Count the fields of the message between `at` and `end`. Raises as `check`."""
        fields = _fields(descriptor, self._by_rules)
        found: dict[int, int] = {}
        while at < end:
            number, wire, begin, at = _read(self._name, content, at, end)
            field = fields.get(number)
            if field is not None and wire not in {field.wire, _BYTES}:
                field = None  # as protobuf has it
            size = 1 if field is None or wire == field.wire else max(1, _packed(field.wire, content[begin:at]))
            self._left -= size
            if self._left < 0:
                raise too_many(self._name, "", self._most)
            if field is None:
                continue
            below = f"{path}.{field.name}" if path else field.name
            found[number] = found.get(number, 0) + size
            if self._by_rules and found[number] > field.most:
                raise too_many(self._name, below, field.most)
            if field.inside is not None:
                self.message(field.inside, content, begin, at, below)


def too_many(name: str, path: str, most: int) -> UsageError:
    """Return the refusal of a message with more elements than it may have; `path` names its field, "" for all."""
    if most == 1:
        return UsageError(f"{name}: {path}: stands twice.", fix="Send it once.")
    what = f"{path}: has more than {most:,} elements" if path else f"it has more than {most:,} fields"
    return UsageError(f"{name}: {what}.", fix="Send fewer at once.")


def no_message(name: str) -> UsageError:
    """Return the refusal of bytes that are no message of that kind."""
    return UsageError(f"{name}: the body is not a message of this kind.", fix="Send it in protobuf.")


def _packed(wire: int, content: bytes) -> int:
    """Return how many numbers stand in a packed field."""
    if wire in _SIZES:
        return -(-len(content) // _SIZES[wire])
    return len(content.translate(None, _LAST_OF_VARINT))


@functools.cache
def _fields(descriptor: Descriptor, by_rules: bool) -> dict[int, _Field]:  # noqa: FBT001 - as `_Count` has it
    """Return each field by its number; without its rule where none counts: a put loads nothing that reads rules."""
    return {
        field.number: _Field(
            field.name, _WIRE.get(field.type, _VARINT), most(field) if by_rules else 0, field.message_type
        )
        for field in descriptor.fields
    }


def _read(name: str, content: bytes, at: int, end: int) -> tuple[int, int, int, int]:
    """Return the number of the field at `at`, how it is written, where its value begins, and where it ends."""
    tag, at = _varint(name, content, at, end)
    wire = tag & 7
    if wire == _VARINT:
        return tag >> 3, wire, at, _varint(name, content, at, end)[1]
    size = _SIZES.get(wire)
    if wire == _BYTES:
        size, at = _varint(name, content, at, end)
    if size is None or size > end - at:  # proto3 has no groups
        raise no_message(name)
    return tag >> 3, wire, at, at + size


def _varint(name: str, content: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the number at `at`, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise no_message(name)


def _inside(options: bytes, number: int) -> bytes:
    """Return the content of a field that is a message; b"" if it is not there."""
    at = 0
    while at < len(options):
        found, _, begin, at = _read("FieldOptions", options, at, len(options))
        if found == number:
            return options[begin:at]
    return b""
