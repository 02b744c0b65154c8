"""JSON Schemas of the API's messages, as protobuf's JSON mapping writes them, for docs/reference/openapi.json.

A rule of protovalidate becomes the keyword of JSON Schema that says the same; one that has no such keyword stands in
the description. `bytes` are base64, so a rule about their length is turned into one about the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from monoskope.api.buf.validate import validate_pb2
from monoskope.errors import Code
from monoskope.m8.http.refused import DOMAIN, HTTP_STATUS
from tools.api_reference import FIELD, FILE_ENUM, FILE_MESSAGE, RULES, VALUE, Comments, comments_of, flat_rules

Schema = dict[str, Any]

_FIELD_NAME = re.compile(r"`[a-z]+(_[a-z0-9]+)+`")

_TYPES: dict[int, Schema] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    FieldDescriptor.TYPE_INT64: {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"},
    FieldDescriptor.TYPE_UINT64: {"type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$"},
}
"""The types that the API has. Numbers of 64 bits are texts, since JSON's numbers are exact up to 53 bits only."""


ERRORS: dict[str, Schema] = {
    "ConnectError": {
        "type": "object",
        "description": "Why a call was refused. A deadline that passed while the call ran has no details.",
        "properties": {
            "code": {"description": "Connect's code.", "enum": sorted(HTTP_STATUS)},
            "message": {"type": "string", "description": "One sentence that says what happened and why."},
            "details": {"type": "array", "items": {"$ref": "#/components/schemas/ErrorDetail"}},
        },
        "required": ["code"],
    },
    "ErrorDetail": {
        "type": "object",
        "description": "One detail of an error.",
        "properties": {
            "type": {
                "type": "string",
                "description": "`google.rpc.ErrorInfo`, or `google.rpc.RetryInfo`: when to come back.",
            },
            "value": {
                "type": "string",
                "contentEncoding": "base64",
                "description": "That message in protobuf's binary form: base64 without padding.",
            },
            "debug": {"anyOf": [{"$ref": "#/components/schemas/ErrorInfo"}, {"type": "object"}]},
        },
        "required": ["type", "value"],
    },
    "ErrorInfo": {
        "type": "object",
        "description": "What a `google.rpc.ErrorInfo` says.",
        "properties": {
            "reason": {
                "description": "Our stable code.",
                "enum": [code.value for code in Code],
            },
            "domain": {"description": "Whose code it is.", "const": DOMAIN},
            "metadata": {
                "type": "object",
                "description": "`fix`: what to do next, or nothing.",
                "properties": {"fix": {"type": "string"}},
                "additionalProperties": {"type": "string"},
            },
        },
        "required": ["reason", "domain"],
    },
    "EndOfStream": {
        "type": "object",
        "description": "The last frame of a stream. Without `error` the stream ended as it should.",
        "properties": {"error": {"$ref": "#/components/schemas/ConnectError"}},
    },
}
"""The schemas of errors, which Connect has and proto/ has not."""


@dataclass(frozen=True, slots=True)
class _Declared:
    """A message or an enumeration, and the comments of its file."""

    declaration: DescriptorProto | EnumDescriptorProto
    path: tuple[int, ...]
    comments: Comments

    @property
    def meaning(self) -> str:
        return self.comments[self.path]


def schemas(
    files: Sequence[FileDescriptorProto], requests: Sequence[str], responses: Sequence[str]
) -> dict[str, Schema]:
    """Return the schema of each message that is named, and of all that these need, by its short name.

    Args:
        files: All files, with their comments.
        requests: Full names of requests. They have no field but theirs: m8 refuses one that it does not know.
        responses: Full names of responses. They may get fields later.
    """
    declared = dict(_declared(files))
    asked, answered = _reached(declared, requests), _reached(declared, responses)
    found: dict[str, Schema] = {}
    for name in sorted(asked | answered):
        one = declared[name]
        if isinstance(one.declaration, EnumDescriptorProto):
            found[short(name)] = _enum(one, one.declaration)
        else:
            found[short(name)] = _message(one, one.declaration, closed=name not in answered)
    return found


def short(name: str) -> str:
    """Return a type's name without its package."""
    return name.rpartition(".")[2]


def reference(name: str) -> Schema:
    """Return the reference to the schema of a type."""
    return {"$ref": f"#/components/schemas/{short(name)}"}


def _declared(files: Sequence[FileDescriptorProto]) -> Iterator[tuple[str, _Declared]]:
    for file in files:
        comments = comments_of(file)
        for index, message in enumerate(file.message_type):
            yield f".{file.package}.{message.name}", _Declared(message, (FILE_MESSAGE, index), comments)
        for index, enum in enumerate(file.enum_type):
            yield f".{file.package}.{enum.name}", _Declared(enum, (FILE_ENUM, index), comments)


def _reached(declared: Mapping[str, _Declared], names: Sequence[str]) -> set[str]:
    """Return the names, and those of all types of their fields."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        declaration = declared[name].declaration
        if isinstance(declaration, DescriptorProto):
            waiting += [field.type_name for field in declaration.field if field.type_name]
    return found


def _in_json(meaning: str) -> str:
    """Return a comment with the names of fields as JSON has them."""
    return _FIELD_NAME.sub(lambda found: re.sub(r"_([a-z0-9])", lambda letter: letter[1].upper(), found[0]), meaning)


def _enum(one: _Declared, enum: EnumDescriptorProto) -> Schema:
    values = [f"- `{value.name}`: {one.comments[(*one.path, VALUE, index)]}" for index, value in enumerate(enum.value)]
    return {
        "type": "string",
        "description": "\n".join([one.meaning, "", *values]),
        "enum": [value.name for value in enum.value],
    }


def _message(one: _Declared, message: DescriptorProto, *, closed: bool) -> Schema:
    schema: Schema = {"type": "object", "description": _in_json(one.meaning)}
    if message.field:
        schema["properties"] = {
            field.json_name: _field(field, _in_json(one.comments[(*one.path, FIELD, index)]))
            for index, field in enumerate(message.field)
        }
    required = [field.json_name for field in message.field if _is_required(field)]
    if required:
        schema["required"] = required
    choices = list(_choices(message))
    if choices:
        schema["allOf"] = choices
    if closed:
        schema["additionalProperties"] = False
    return schema


def _choices(message: DescriptorProto) -> Iterator[Schema]:
    """Yield for each `oneof` that no two of its fields are there together."""
    for index in range(len(message.oneof_decl)):
        names = [
            field.json_name
            for field in message.field
            if field.HasField("oneof_index") and field.oneof_index == index and not field.proto3_optional
        ]
        yield from ({"not": {"required": list(pair)}} for pair in combinations(names, 2))


def _field(field: FieldDescriptorProto, meaning: str) -> Schema:
    single = reference(field.type_name) if field.type_name else dict(_TYPES[field.type])
    rules = field.options.Extensions[RULES] if field.options.HasExtension(RULES) else validate_pb2.FieldRules()
    rest = _apply(single, rules)
    if rest:
        meaning = f"{meaning} Rule: {', '.join(rest)}."
    if field.label != FieldDescriptorProto.LABEL_REPEATED:
        return {"description": meaning, **single}
    schema: Schema = {"description": meaning, "type": "array", "items": single}
    if rules.repeated.HasField("max_items"):
        schema["maxItems"] = rules.repeated.max_items
    return schema


def _apply(schema: Schema, rules: validate_pb2.FieldRules) -> list[str]:
    """Add the rules of one value to its schema, and return those that have no keyword."""
    known: Schema = {}
    rest = []
    for rule in flat_rules(rules, ()):
        name, _, value = rule.partition(": ")
        if name in {"len", "min_len", "max_len"}:
            known |= _length(name, int(value), encoded="contentEncoding" in schema)
        elif name == "pattern":
            known["pattern"] = value
        elif name == "lte":
            known["maximum"] = int(value)
        elif name == "gte" and schema["type"] == "string" and value == "0":
            known["pattern"] = "^[0-9]{1,19}$"
        elif name not in {"ignore", "required", "max_items", "defined_only"}:
            rest.append(rule)
    if rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE and known:
        schema["anyOf"] = [{"maxLength": 0}, known]
    else:
        schema |= known
    return rest


def _length(name: str, size: int, *, encoded: bool) -> Schema:
    """Return the limits of a text's length. That of base64 is with padding at most, and without it at least."""
    least, most = (-(-size * 4 // 3), -(-size // 3) * 4) if encoded else (size, size)
    limits = {"minLength": least, "maxLength": most}
    return {
        "len": limits,
        "min_len": {"minLength": limits["minLength"]},
        "max_len": {"maxLength": limits["maxLength"]},
    }[name]


def _is_required(field: FieldDescriptorProto) -> bool:
    """Return whether a message without the field breaks its rule: a field that is left out has its zero value."""
    if not field.options.HasExtension(RULES):
        return False
    rules = field.options.Extensions[RULES]
    if rules.required:
        return True
    if rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE:
        return False
    flat = dict(rule.split(": ", 1) for rule in flat_rules(rules, ()))
    if int(flat.get("len", 0)) or int(flat.get("min_len", 0)):
        return True
    return "pattern" in flat and re.search(flat["pattern"], "") is None
