"""The two ways in which Connect writes messages, JSON and protobuf, and the envelopes of its streams."""

from __future__ import annotations

import struct
from enum import Enum

from google.protobuf import json_format
from google.protobuf.message import Message

from monoskope.errors import Error, UsageError
from monoskope.http.messages import Head
from monoskope.m8.http import strict_json
from monoskope.m8.http.refused import encoded, to_json
from monoskope.m8.methods import calls
from monoskope.m8.methods.table import Kind, Method

_ENVELOPE = struct.Struct("!BI")
"""What stands before each message of a stream: its flags, and how many bytes it has."""

_COMPRESSED, _END_STREAM = 0x01, 0x02

JSON_ROOM = 4_096
"""Bytes for the names and the punctuation of a message in JSON; its bytes take a third more there, as base64."""


class Codec(Enum):
    """How messages are written."""

    PROTO = "proto"
    JSON = "json"

    def content_type(self, kind: Kind) -> str:
        """Return the content type of a call's messages."""
        return f"application/{'connect+' if kind is Kind.STREAMING else ''}{self.value}"

    def most_body(self, method: Method) -> int:
        """Return how many bytes the body of a request of `method` may have."""
        most = method.most_request if self is Codec.PROTO else method.most_request * 4 // 3 + JSON_ROOM
        return most + _ENVELOPE.size if method.kind is Kind.STREAMING else most

    def read(self, method: Method, body: bytes) -> Message:
        """Return the request in `body`. Raises `UsageError` that names what is wrong, and no value."""
        return strict_json.read(method.request, body) if self is Codec.JSON else calls.message_of(method.request, body)

    def written(self, message: Message) -> bytes:
        """Return `message` as this codec writes it."""
        if self is Codec.PROTO:
            return message.SerializeToString()
        return encoded(json_format.MessageToDict(message))


def codec_of(head: Head, kind: Kind) -> Codec | None:
    """Return how the body of a request is written, None if its content type is none of the method's."""
    media, _, parameter = head.header("content-type").partition(";")
    if parameter.strip(" \t").lower() not in {"", "charset=utf-8", 'charset="utf-8"'}:
        return None
    found = {codec.content_type(kind): codec for codec in Codec}
    return found.get(media.strip(" \t").lower())


def enveloped(message: bytes) -> bytes:
    """Return a message of a stream, as it is sent."""
    return _ENVELOPE.pack(0, len(message)) + message


def end_of_stream(error: Error | None) -> bytes:
    """Return the last message of a stream, which says how it ended."""
    said = encoded({} if error is None else {"error": to_json(error)})
    return _ENVELOPE.pack(_END_STREAM, len(said)) + said


def only_message(body: bytes) -> bytes:
    """Return the one message of a request to a streaming method. Raises `UsageError` if there is not exactly one."""
    if len(body) < _ENVELOPE.size:
        raise _not_enveloped()
    flags, length = _ENVELOPE.unpack_from(body)
    if flags & _COMPRESSED:
        raise UsageError("the message is compressed, which m8 does not take.", fix="Send it without compression.")
    if flags or length != len(body) - _ENVELOPE.size:
        raise _not_enveloped()
    return body[_ENVELOPE.size :]


def _not_enveloped() -> UsageError:
    return UsageError(
        "the body is not exactly one message of a stream.", fix="Send a byte 0, four bytes of length, and the message."
    )
