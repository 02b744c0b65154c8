from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class ReactorHello(_message.Message):
    __slots__ = ("server", "store", "replica", "challenge", "fingerprint_key_id")
    SERVER_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_KEY_ID_FIELD_NUMBER: _ClassVar[int]
    server: str
    store: str
    replica: bytes
    challenge: bytes
    fingerprint_key_id: str
    def __init__(self, server: _Optional[str] = ..., store: _Optional[str] = ..., replica: _Optional[bytes] = ..., challenge: _Optional[bytes] = ..., fingerprint_key_id: _Optional[str] = ...) -> None: ...

class IdentityRotation(_message.Message):
    __slots__ = ("store", "old_key", "new_key", "log_size", "log_root", "previous_sha256")
    STORE_FIELD_NUMBER: _ClassVar[int]
    OLD_KEY_FIELD_NUMBER: _ClassVar[int]
    NEW_KEY_FIELD_NUMBER: _ClassVar[int]
    LOG_SIZE_FIELD_NUMBER: _ClassVar[int]
    LOG_ROOT_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_SHA256_FIELD_NUMBER: _ClassVar[int]
    store: str
    old_key: bytes
    new_key: bytes
    log_size: int
    log_root: bytes
    previous_sha256: bytes
    def __init__(self, store: _Optional[str] = ..., old_key: _Optional[bytes] = ..., new_key: _Optional[bytes] = ..., log_size: _Optional[int] = ..., log_root: _Optional[bytes] = ..., previous_sha256: _Optional[bytes] = ...) -> None: ...

class SignedRotation(_message.Message):
    __slots__ = ("content", "old_signature", "new_signature")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    OLD_SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    NEW_SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    old_signature: bytes
    new_signature: bytes
    def __init__(self, content: _Optional[bytes] = ..., old_signature: _Optional[bytes] = ..., new_signature: _Optional[bytes] = ...) -> None: ...
