"""The largest requests of the smallest elements, for every method, in both codecs: what costs m8 most to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from monoskope.m8.http.requests import Codec
from monoskope.m8.methods import Method


def length(size: int) -> bytes:
    found = b""
    while size > 0x7F:
        found, size = found + bytes([size & 0x7F | 0x80]), size >> 7
    return found + bytes([size])


def field(number: int, content: bytes) -> bytes:
    return length(number << 3 | 2) + length(len(content)) + content


def one_of_each_kind(descriptor: Descriptor) -> Iterable[FieldDescriptor]:
    """The fields of a message, of those that are read alike the first one."""
    return {(one.type, one.is_repeated, one.message_type): one for one in reversed(descriptor.fields)}.values()


def smallest(descriptor: Descriptor, most: int) -> Iterator[tuple[str, bytes]]:
    """Messages in protobuf of at most so many bytes, each with as many elements of one kind as fit."""
    yield "fields that nobody knows", b"\xf8\x7f\x00" * (most // 3)
    for one in one_of_each_kind(descriptor):
        if one.message_type is None:
            yield one.name, field(one.number, b"") * (most // 3)
            continue
        for inside, content in smallest(one.message_type, 4_096 if one.is_repeated else most - 8):
            whole = field(one.number, content)
            yield f"{one.name}.{inside}", whole * (most // len(whole))


def smallest_json(descriptor: Descriptor, most: int) -> Iterator[tuple[str, bytes]]:
    yield "lists that nobody knows", _filled(b'{"x":[', b'{"a":[]},', b"0]}", most)
    yield "names that nobody knows", _filled(b"{", b'"a":[],', b'"b":0}', most)
    for one in one_of_each_kind(descriptor):
        name = one.camelcase_name.encode()
        element = b"{}," if one.message_type is not None else b'"",'
        yield one.name, _filled(b'{"%b":[' % name, element, element[:-1] + b"]}", most)
        if one.message_type is None:
            continue
        for inside, content in smallest_json(one.message_type, 4_096 if one.is_repeated else most - 600):
            if one.is_repeated:
                yield f"{one.name}.{inside}", _filled(b'{"%b":[' % name, content + b",", content + b"]}", most)
            else:
                yield f"{one.name}.{inside}", b'{"%b":%b}' % (name, content)


def _filled(begin: bytes, element: bytes, end: bytes, most: int) -> bytes:
    return begin + element * ((most - len(begin) - len(end)) // len(element)) + end


def most_of_both(method: Method) -> Iterator[tuple[Codec, str, bytes]]:
    descriptor: Any = method.request.DESCRIPTOR
    room = {codec: codec.most_body(method) - 5 for codec in Codec}
    for what, body in smallest(descriptor, room[Codec.PROTO]):
        yield Codec.PROTO, what, body
    for what, body in smallest_json(descriptor, room[Codec.JSON]):
        yield Codec.JSON, what, body
