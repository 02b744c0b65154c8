from monoskope.api.secrets.v1 import identity_pb2 as _identity_pb2
from monoskope.api.secrets.v1 import upload_pb2 as _upload_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UploadEvidence(_message.Message):
    __slots__ = ("record", "grant", "rotations", "request_signature", "request", "change", "approvals", "before_rotation")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    ROTATIONS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    BEFORE_ROTATION_FIELD_NUMBER: _ClassVar[int]
    record: bytes
    grant: _upload_pb2.Signed
    rotations: _containers.RepeatedCompositeFieldContainer[_identity_pb2.SignedRotation]
    request_signature: bytes
    request: bytes
    change: bytes
    approvals: _containers.RepeatedScalarFieldContainer[bytes]
    before_rotation: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, record: _Optional[bytes] = ..., grant: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ..., rotations: _Optional[_Iterable[_Union[_identity_pb2.SignedRotation, _Mapping]]] = ..., request_signature: _Optional[bytes] = ..., request: _Optional[bytes] = ..., change: _Optional[bytes] = ..., approvals: _Optional[_Iterable[bytes]] = ..., before_rotation: _Optional[_Iterable[bytes]] = ...) -> None: ...
