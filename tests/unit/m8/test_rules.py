"""m8's own reading of the rules in `proto/` is protovalidate's, in verdict, field and word."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import protovalidate
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from monoskope.api.buf.validate import validate_pb2
from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, reactor_pb2
from monoskope.m8.service import rules

RULES: Any = validate_pb2.field
KINDS = [
    method.input_type
    for file in (commands_pb2, queries_pb2, reactor_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
TEXTS = ("", "a", "ab", "a\n", "a\nb", "A", "ä", "a" * 63, "a" * 64, "SHA256:" + "A" * 43, "SHA256:" + "A" * 43 + "\n")
HEX = ("0" * 16, "0" * 15, "g" * 16, f"00-{'1' * 32}-{'2' * 16}-01", f"00-{'1' * 32}-{'2' * 16}-01\n")


def first(message: Message) -> rules.Broken | None:
    """Return the first rule that a message breaks by protovalidate's word."""
    found = protovalidate.collect_violations(message)
    if not found:
        return None
    proto = found[0].proto
    path = () if proto.field is None else proto.field.elements
    return rules.Broken(".".join(element.field_name for element in path), proto.message, proto.rule_id)


def sizes(field: FieldDescriptor) -> Iterator[int]:
    """Yield each number in a field's rules, and what is beside it."""
    for _, of_type in field.GetOptions().Extensions[RULES].ListFields():
        for _, value in of_type.ListFields() if isinstance(of_type, Message) else ():
            if isinstance(value, int) and not isinstance(value, bool):
                yield from (max(0, value - 1), value, value + 1)


def filled(kind: Descriptor, chosen: random.Random, depth: int = 0) -> Any:
    """Return a message in which each field is unset, or at an edge of its rules."""
    message: Any = GetMessageClass(kind)()
    for field in kind.fields:
        if depth > 4 or chosen.random() < 0.2:
            continue
        if field.message_type is not None:
            if field.is_repeated:
                for _ in range(chosen.choice([0, 1, *sizes(field)])):
                    getattr(message, field.name).add()
            else:
                getattr(message, field.name).CopyFrom(filled(field.message_type, chosen, depth + 1))
        elif not field.is_repeated:
            setattr(message, field.name, value_of(field, chosen))
    return message


def value_of(field: FieldDescriptor, chosen: random.Random) -> object:
    edges = [0, *sizes(field)]
    if field.type == FieldDescriptor.TYPE_STRING:
        return chosen.choice([*TEXTS, *HEX, *("ä" * size for size in edges)])
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"x" * chosen.choice(edges)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return chosen.random() < 0.5
    if field.type == FieldDescriptor.TYPE_ENUM:
        return chosen.choice([0, 1, 99])
    return chosen.choice([*edges, -1]) if field.type == FieldDescriptor.TYPE_INT64 else chosen.choice(edges)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_first_broken_rule_is_the_one_that_protovalidate_names(kind: Descriptor) -> None:
    chosen = random.Random(kind.full_name)
    for message in (GetMessageClass(kind)(), *(filled(kind, chosen) for _ in range(60))):
        assert rules.broken(message) == first(message)


def test_every_rule_of_the_api_is_broken_by_some_message_of_these() -> None:
    ruled = {field for kind in KINDS for field in rules._fields_below(kind) if rules._is_ruled(field)}
    found = set()
    for field in ruled:
        chosen = random.Random(field.full_name)
        assert field.containing_type is not None
        messages = [filled(field.containing_type, chosen) for _ in range(400)]
        broken = ((rules.broken(message), first(message)) for message in messages)
        if any(ours == theirs and ours is not None and ours.field == field.name for ours, theirs in broken):
            found.add(field)
    assert found == ruled


def _prefix(made: validate_pb2.FieldRules) -> None:
    made.string.prefix = "m8"


def _loose(made: validate_pb2.FieldRules) -> None:
    made.string.pattern = "^a|b$"


def _expression(made: validate_pb2.FieldRules) -> None:
    made.cel.add(id="new", expression="this == 'a'")


def _required(made: validate_pb2.FieldRules) -> None:
    made.required = True


@pytest.mark.parametrize("rule", [_prefix, _loose, _expression, _required], ids=lambda rule: rule.__name__)
def test_a_rule_that_is_not_known_is_a_defect_at_the_start(rule: Callable[[validate_pb2.FieldRules], None]) -> None:
    file = descriptor_pb2.FileDescriptorProto(
        name=f"rule{rule.__name__}.proto", package=f"rule{rule.__name__}", syntax="proto3"
    )
    field = file.message_type.add(name="Asked").field.add(name="name", number=1, type=9, label=1)
    rule(field.options.Extensions[RULES])
    pool = descriptor_pool.DescriptorPool()
    kind = pool.AddSerializedFile(file.SerializeToString()).message_types_by_name["Asked"]
    with pytest.raises(rules.UnknownRuleError):
        rules.prepare([kind])
