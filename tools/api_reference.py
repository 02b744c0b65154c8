"""The API's reference page, from the descriptors and comments of proto/: services, calls, messages, fields, rules.

What a rule means is protovalidate's; m8 applies it to each request before anything else. Fields that travel as `bytes`
are checked by the protocol's own code (docs/protocol.md).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)
from google.protobuf.message import Message

# Known before anything is parsed: else the rules are unknown fields of the options.
from monoskope.api.buf.validate import validate_pb2
from tools import generate

FILE_SERVICE, FILE_MESSAGE, FILE_ENUM, METHOD, FIELD, VALUE = 6, 4, 5, 2, 2, 2
"""Field numbers in descriptor.proto, of which the paths to comments are made."""

RULES: Any = validate_pb2.field  # protoc's stubs have no type for an extension

Comments = dict[tuple[int, ...], str]


def described(proto: Path) -> list[FileDescriptorProto]:
    """Descriptors, comments included, of every file below `proto` but the vendored ones.

    Raises:
        GenerationError: a file is not valid.
    """
    files = [name for name in generate.proto_files(proto) if not name.startswith("buf/")]
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "files.binpb"
        generate.compile_protos(proto, ["--include_source_info", f"--descriptor_set_out={out}"], files)
        return sorted(FileDescriptorSet.FromString(out.read_bytes()).file, key=lambda file: file.name)


def render(proto: Path, note: str) -> str:
    """The whole of api.md."""
    files = described(proto)
    parts = [
        "# API\n",
        note,
        "It is spoken over [HTTP](http.md), always with TLS. Every call has `authorization: Bearer <token>`, and may",
        "carry an `x-request-id`, which m8 logs. A failed call ends with an error whose `google.rpc.ErrorInfo` has the",
        "domain `monoskope`, as its reason one of the codes in [errors](errors.md), and under `fix` what to do next. A",
        "`google.rpc.RetryInfo` says when to come back.\n",
        "A field's rule is in [protovalidate](https://protovalidate.com)'s words; m8 refuses what breaks one as",
        "`USAGE`. Fields only ever get added.\n",
    ]
    for file in files:
        parts += _file(file)
    return "\n".join(parts).rstrip("\n") + "\n"


def _file(file: FileDescriptorProto) -> Iterator[str]:
    comments = comments_of(file)
    yield f"## {file.name.removeprefix('monoskope/api/')}\n"
    yield f"Package `{file.package}`. {comments.get((12,), '')}".rstrip() + "\n"
    for index, service in enumerate(file.service):
        yield from _service(service, (FILE_SERVICE, index), comments)
    for index, message in enumerate(file.message_type):
        yield from _message(message, (FILE_MESSAGE, index), comments)
    for index, enum in enumerate(file.enum_type):
        yield from _enum(enum, (FILE_ENUM, index), comments)


def comments_of(file: FileDescriptorProto) -> Comments:
    """Path of a declaration to the comment above it, in one line."""
    return {
        tuple(location.path): " ".join(location.leading_comments.split())
        for location in file.source_code_info.location
        if location.leading_comments
    }


def _service(service: ServiceDescriptorProto, path: tuple[int, ...], comments: Comments) -> Iterator[str]:
    yield f"### service {service.name}\n"
    yield comments[path] + "\n"
    rows = [
        (
            f"`{method.name}`",
            _linked(method.input_type, streamed=method.client_streaming),
            _linked(method.output_type, streamed=method.server_streaming),
            comments[(*path, METHOD, index)],
        )
        for index, method in enumerate(service.method)
    ]
    yield _table(("call", "takes", "gives", "meaning"), rows)


def _linked(type_name: str, *, streamed: bool = False) -> str:
    name = type_name.rpartition(".")[2]
    if not type_name.startswith(".monoskope."):
        return f"`{type_name.removeprefix('.')}`"
    return f"{'stream of ' if streamed else ''}[{name}](#{name.lower()})"


def _message(message: DescriptorProto, path: tuple[int, ...], comments: Comments) -> Iterator[str]:
    yield f"### {message.name}\n"
    yield comments[path] + "\n"
    rows = [
        (
            str(field.number),
            f"`{field.name}`",
            _type(field),
            _rules(field),
            _choice(message, field) + comments[(*path, FIELD, index)],
        )
        for index, field in enumerate(message.field)
    ]
    if rows:
        yield _table(("", "field", "type", "rule", "meaning"), rows)


def _type(field: FieldDescriptorProto) -> str:
    many = "repeated " if field.label == FieldDescriptorProto.LABEL_REPEATED else ""
    if field.type_name:
        return many + _linked(field.type_name)
    return f"{many}{FieldDescriptorProto.Type.Name(field.type).removeprefix('TYPE_').lower()}"


def _choice(message: DescriptorProto, field: FieldDescriptorProto) -> str:
    if not field.HasField("oneof_index") or field.proto3_optional:
        return ""
    return f"One of `{message.oneof_decl[field.oneof_index].name}`. "


def _rules(field: FieldDescriptorProto) -> str:
    if not field.options.HasExtension(RULES):
        return ""
    return ", ".join(f"`{' '.join(rule.split())}`" for rule in flat_rules(field.options.Extensions[RULES], ()))


def flat_rules(rules: Message, outer: tuple[str, ...]) -> Iterator[str]:
    """Each rule that is set as `name: value`; the kind of field is left out, since the table has it."""
    for descriptor, value in rules.ListFields():
        if descriptor.is_repeated:
            yield f"{'.'.join((*outer, descriptor.name))}: {list(value)}"
        elif descriptor.type == FieldDescriptor.TYPE_MESSAGE:
            yield from flat_rules(
                value, outer if not outer and descriptor.name != "repeated" else (*outer, descriptor.name)
            )
        else:
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            yield f"{'.'.join((*outer, descriptor.name)).removeprefix('repeated.')}: {shown}"


def _enum(enum: EnumDescriptorProto, path: tuple[int, ...], comments: Comments) -> Iterator[str]:
    yield f"### {enum.name}\n"
    yield comments[path] + "\n"
    rows = [
        (str(value.number), f"`{value.name}`", comments[(*path, VALUE, index)])
        for index, value in enumerate(enum.value)
    ]
    yield _table(("", "value", "meaning"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = (tuple(cell.replace("|", "\\|") for cell in row) for row in rows)
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines) + "\n"
