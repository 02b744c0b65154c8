from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Event(_message.Message):
    __slots__ = ("position", "stream", "version", "type", "recorded_at_ms", "actor", "data", "previous_hash", "data_sha256", "uri", "detail")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_HASH_FIELD_NUMBER: _ClassVar[int]
    DATA_SHA256_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    position: int
    stream: str
    version: int
    type: str
    recorded_at_ms: int
    actor: str
    data: bytes
    previous_hash: bytes
    data_sha256: bytes
    uri: str
    detail: str
    def __init__(self, position: _Optional[int] = ..., stream: _Optional[str] = ..., version: _Optional[int] = ..., type: _Optional[str] = ..., recorded_at_ms: _Optional[int] = ..., actor: _Optional[str] = ..., data: _Optional[bytes] = ..., previous_hash: _Optional[bytes] = ..., data_sha256: _Optional[bytes] = ..., uri: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...
