"""The rules in `proto/`, put together once for each kind of message.

They are protovalidate's, and mean what they mean there, to the word: a test compares both. But that library takes
12 MiB of an m8, and the API uses eleven kinds of rules. One that is not among them is a defect: m8 does not start.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from monoskope.api.buf.validate import validate_pb2

_RULES: Any = validate_pb2.field  # protoc's stubs have no type for an extension
_OF_MESSAGES: Any = validate_pb2.message
_OF_ONEOFS: Any = validate_pb2.oneof

_PATTERN = re.compile(r"\^[A-Za-z0-9:,{}\[\]+/-]+\$", re.ASCII)
"""The patterns that mean the same to Python as to protovalidate, but for `$` before a final line feed."""


class UnknownRuleError(Exception):
    """A proto file has a rule that this module does not know."""


class Broken(NamedTuple):
    """The first rule that a message breaks.

    Attributes:
        field: Its path, "" for the message as a whole.
        says: What must hold.
        rule: The id of the rule.
    """

    field: str
    says: str
    rule: str


_Test: TypeAlias = Callable[[Any], bool]
_Check: TypeAlias = Callable[[Any], Broken | None]
"""What is asked of a message; None if it holds."""


def prepare(kinds: Iterable[Descriptor]) -> None:
    """Put the rules of these messages together. Raises `UnknownRuleError`."""
    for kind in kinds:
        for inner in _below(kind):
            _checks(inner)


def broken(message: Message) -> Broken | None:
    """Return the first rule that `message` breaks, None if it breaks none."""
    for check in _checks(message.DESCRIPTOR):
        if (found := check(message)) is not None:
            return found
    return None


@functools.cache
def _checks(kind: Descriptor) -> tuple[_Check, ...]:
    if kind.GetOptions().HasExtension(_OF_MESSAGES):
        raise UnknownRuleError(kind.full_name)
    for oneof in kind.oneofs:
        if oneof.GetOptions().HasExtension(_OF_ONEOFS):
            raise UnknownRuleError(oneof.full_name)
    return tuple(check for field in kind.fields for check in _checks_of(field))


def _checks_of(field: FieldDescriptor) -> Iterator[_Check]:
    if _is_ruled(field):
        yield _own(field, field.GetOptions().Extensions[_RULES])
    if field.message_type is not None and any(_is_ruled(inner) for inner in _fields_below(field.message_type)):
        if field.message_type.GetOptions().map_entry:
            raise UnknownRuleError(field.full_name)
        yield _within(field.name, is_repeated=field.is_repeated)


def _own(field: FieldDescriptor, rules: validate_pb2.FieldRules) -> _Check:
    """Return the check of a field's own rules."""
    name, has_presence, is_required = field.name, field.has_presence, rules.required
    spares_zero = rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE
    if (is_required and not has_presence) or (spares_zero and (has_presence or field.is_repeated)):
        raise UnknownRuleError(field.full_name)
    tests = tuple(_tests(field, rules))

    def check(message: Any) -> Broken | None:  # noqa: ANN401 - of any kind
        if has_presence and not message.HasField(name):
            return Broken(name, "value is required", "required") if is_required else None
        value = getattr(message, name)
        if not spares_zero or value:
            for holds, says, rule in tests:
                if not holds(value):
                    return Broken(name, says, rule)
        return None

    return check


def _within(name: str, *, is_repeated: bool) -> _Check:
    """Return the check of the messages in a field."""

    def check(message: Any) -> Broken | None:  # noqa: ANN401 - of any kind
        if is_repeated:
            found = next((one for item in getattr(message, name) if (one := broken(item)) is not None), None)
        else:
            found = broken(getattr(message, name)) if message.HasField(name) else None
        return None if found is None else found._replace(field=f"{name}.{found.field}".removesuffix("."))

    return check


def _tests(field: FieldDescriptor, rules: validate_pb2.FieldRules) -> Iterator[tuple[_Test, str, str]]:
    """Yield each test of a field's value, what it says, and its id. Raises `UnknownRuleError`."""
    for part, value in rules.ListFields():
        if part.name in {"required", "ignore"}:
            continue
        if part.name == "cel":
            yield from ((_EXPRESSIONS[rule.expression], rule.message, rule.id) for rule in value)
            continue
        for rule, wanted in value.ListFields():
            known = _KNOWN.get(f"{part.name}.{rule.name}")
            if known is None:
                raise UnknownRuleError(f"{field.full_name}: {part.name}.{rule.name}")
            test, says = known(field, wanted)
            yield test, says, f"{part.name}.{rule.name}"


def _matches(field: FieldDescriptor, pattern: str) -> tuple[_Test, str]:
    if _PATTERN.fullmatch(pattern) is None:
        raise UnknownRuleError(f"{field.full_name}: {pattern}")
    # Not `$`, before which Python lets a line feed stand.
    match = re.compile(pattern[1:-1], re.ASCII).fullmatch
    return lambda value: match(value) is not None, f"does not match regex pattern `{pattern}`"


def _defined(field: FieldDescriptor, _wanted: object) -> tuple[_Test, str]:
    if field.enum_type is None:
        raise UnknownRuleError(field.full_name)
    numbers = frozenset(field.enum_type.values_by_number)
    return lambda value: value in numbers, "value must be one of the defined enum values"


_KNOWN: dict[str, Callable[[FieldDescriptor, Any], tuple[_Test, str]]] = {
    "string.min_len": lambda _, n: (lambda value: len(value) >= n, f"must be at least {n} characters"),
    "string.max_len": lambda _, n: (lambda value: len(value) <= n, f"must be at most {n} characters"),
    "string.pattern": _matches,
    "bytes.len": lambda _, n: (lambda value: len(value) == n, f"must be {n} bytes"),
    "bytes.min_len": lambda _, n: (lambda value: len(value) >= n, f"must be at least {n} bytes"),
    "bytes.max_len": lambda _, n: (lambda value: len(value) <= n, f"must be at most {n} bytes"),
    "uint32.lte": lambda _, n: (lambda value: value <= n, f"must be less than or equal to {n}"),
    "int64.gte": lambda _, n: (lambda value: value >= n, f"must be greater than or equal to {n}"),
    "enum.defined_only": _defined,
    "repeated.max_items": lambda _, n: (lambda value: len(value) <= n, f"must contain no more than {n} item(s)"),
}


class _Expressions(dict[str, _Test]):
    def __missing__(self, expression: str) -> _Test:
        raise UnknownRuleError(expression)


_EXPRESSIONS = _Expressions(
    {"bytes(this.options_schema).size() <= 8192": lambda value: len(value.options_schema.encode()) <= 8192}
)
"""The rules in CEL, by their exact text."""


def _is_ruled(field: FieldDescriptor) -> bool:
    return bool(field.GetOptions().HasExtension(_RULES))


def _below(kind: Descriptor) -> list[Descriptor]:
    """Return the kind and every kind of message that can stand in it."""
    found = [kind]
    for outer in found:
        for field in outer.fields:
            if field.message_type is not None and field.message_type not in found:
                found.append(field.message_type)
    return found


def _fields_below(kind: Descriptor) -> Iterator[FieldDescriptor]:
    return (field for inner in _below(kind) for field in inner.fields)
