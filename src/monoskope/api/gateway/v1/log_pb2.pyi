from monoskope.api.buf.validate import validate_pb2 as _validate_pb2
from monoskope.api.secrets.v1 import proof_pb2 as _proof_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetCheckpointRequest(_message.Message):
    __slots__ = ("size",)
    SIZE_FIELD_NUMBER: _ClassVar[int]
    size: int
    def __init__(self, size: _Optional[int] = ...) -> None: ...

class GetCheckpointResponse(_message.Message):
    __slots__ = ("witnessed", "newest", "quorum", "witnesses", "trouble", "renewal", "vkeys", "quorum_trouble")
    WITNESSED_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIELD_NUMBER: _ClassVar[int]
    QUORUM_FIELD_NUMBER: _ClassVar[int]
    WITNESSES_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    RENEWAL_FIELD_NUMBER: _ClassVar[int]
    VKEYS_FIELD_NUMBER: _ClassVar[int]
    QUORUM_TROUBLE_FIELD_NUMBER: _ClassVar[int]
    witnessed: ProvenCheckpoint
    newest: ProvenCheckpoint
    quorum: int
    witnesses: _containers.RepeatedCompositeFieldContainer[Witness]
    trouble: str
    renewal: LogRenewal
    vkeys: _containers.RepeatedScalarFieldContainer[str]
    quorum_trouble: str
    def __init__(self, witnessed: _Optional[_Union[ProvenCheckpoint, _Mapping]] = ..., newest: _Optional[_Union[ProvenCheckpoint, _Mapping]] = ..., quorum: _Optional[int] = ..., witnesses: _Optional[_Iterable[_Union[Witness, _Mapping]]] = ..., trouble: _Optional[str] = ..., renewal: _Optional[_Union[LogRenewal, _Mapping]] = ..., vkeys: _Optional[_Iterable[str]] = ..., quorum_trouble: _Optional[str] = ...) -> None: ...

class ProvenCheckpoint(_message.Message):
    __slots__ = ("note", "consistency")
    NOTE_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    note: bytes
    consistency: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, note: _Optional[bytes] = ..., consistency: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Witness(_message.Message):
    __slots__ = ("vkey", "size", "cosigned_at_s", "trouble")
    VKEY_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    COSIGNED_AT_S_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    vkey: str
    size: int
    cosigned_at_s: int
    trouble: str
    def __init__(self, vkey: _Optional[str] = ..., size: _Optional[int] = ..., cosigned_at_s: _Optional[int] = ..., trouble: _Optional[str] = ...) -> None: ...

class LogRenewal(_message.Message):
    __slots__ = ("last_note", "reason", "renewed_at_ms")
    LAST_NOTE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RENEWED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    last_note: bytes
    reason: str
    renewed_at_ms: int
    def __init__(self, last_note: _Optional[bytes] = ..., reason: _Optional[str] = ..., renewed_at_ms: _Optional[int] = ...) -> None: ...

class GetUploadProofRequest(_message.Message):
    __slots__ = ("request_id", "witnessed")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    WITNESSED_FIELD_NUMBER: _ClassVar[int]
    request_id: bytes
    witnessed: bool
    def __init__(self, request_id: _Optional[bytes] = ..., witnessed: _Optional[bool] = ...) -> None: ...

class GetUploadProofResponse(_message.Message):
    __slots__ = ("index", "inclusion", "note", "evidence", "proof_later")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    INCLUSION_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    PROOF_LATER_FIELD_NUMBER: _ClassVar[int]
    index: int
    inclusion: _containers.RepeatedScalarFieldContainer[bytes]
    note: bytes
    evidence: _proof_pb2.UploadEvidence
    proof_later: bool
    def __init__(self, index: _Optional[int] = ..., inclusion: _Optional[_Iterable[bytes]] = ..., note: _Optional[bytes] = ..., evidence: _Optional[_Union[_proof_pb2.UploadEvidence, _Mapping]] = ..., proof_later: _Optional[bool] = ...) -> None: ...
