from monoskope.api.buf.validate import validate_pb2 as _validate_pb2
from monoskope.api.gateway.v1 import views_pb2 as _views_pb2
from monoskope.api.secrets.v1 import identity_pb2 as _identity_pb2
from monoskope.api.secrets.v1 import upload_pb2 as _upload_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ChangeState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANGE_STATE_UNSPECIFIED: _ClassVar[ChangeState]
    CHANGE_STATE_OPEN: _ClassVar[ChangeState]
    CHANGE_STATE_DONE: _ClassVar[ChangeState]
    CHANGE_STATE_OVERTAKEN: _ClassVar[ChangeState]
    CHANGE_STATE_ENDED: _ClassVar[ChangeState]
    CHANGE_STATE_WITHDRAWN: _ClassVar[ChangeState]
    CHANGE_STATE_DECLINED: _ClassVar[ChangeState]
CHANGE_STATE_UNSPECIFIED: ChangeState
CHANGE_STATE_OPEN: ChangeState
CHANGE_STATE_DONE: ChangeState
CHANGE_STATE_OVERTAKEN: ChangeState
CHANGE_STATE_ENDED: ChangeState
CHANGE_STATE_WITHDRAWN: ChangeState
CHANGE_STATE_DECLINED: ChangeState

class ProposeSecretChangeRequest(_message.Message):
    __slots__ = ("change",)
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    change: bytes
    def __init__(self, change: _Optional[bytes] = ...) -> None: ...

class ProposeSecretChangeResponse(_message.Message):
    __slots__ = ("change",)
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    change: SecretChange
    def __init__(self, change: _Optional[_Union[SecretChange, _Mapping]] = ...) -> None: ...

class ApproveSecretChangeRequest(_message.Message):
    __slots__ = ("change_id", "approval")
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    change_id: bytes
    approval: bytes
    def __init__(self, change_id: _Optional[bytes] = ..., approval: _Optional[bytes] = ...) -> None: ...

class ApproveSecretChangeResponse(_message.Message):
    __slots__ = ("change",)
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    change: SecretChange
    def __init__(self, change: _Optional[_Union[SecretChange, _Mapping]] = ...) -> None: ...

class DeclineSecretChangeRequest(_message.Message):
    __slots__ = ("change_id", "reason")
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    change_id: bytes
    reason: str
    def __init__(self, change_id: _Optional[bytes] = ..., reason: _Optional[str] = ...) -> None: ...

class DeclineSecretChangeResponse(_message.Message):
    __slots__ = ("change",)
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    change: SecretChange
    def __init__(self, change: _Optional[_Union[SecretChange, _Mapping]] = ...) -> None: ...

class WithdrawSecretChangeRequest(_message.Message):
    __slots__ = ("change_id",)
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    change_id: bytes
    def __init__(self, change_id: _Optional[bytes] = ...) -> None: ...

class WithdrawSecretChangeResponse(_message.Message):
    __slots__ = ("change",)
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    change: SecretChange
    def __init__(self, change: _Optional[_Union[SecretChange, _Mapping]] = ...) -> None: ...

class GetSecretChangesRequest(_message.Message):
    __slots__ = ("change_id", "wait_version", "mine", "waiting", "prefix", "state", "page_size", "page_token")
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_VERSION_FIELD_NUMBER: _ClassVar[int]
    MINE_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    change_id: bytes
    wait_version: int
    mine: bool
    waiting: bool
    prefix: str
    state: ChangeState
    page_size: int
    page_token: str
    def __init__(self, change_id: _Optional[bytes] = ..., wait_version: _Optional[int] = ..., mine: _Optional[bool] = ..., waiting: _Optional[bool] = ..., prefix: _Optional[str] = ..., state: _Optional[_Union[ChangeState, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetSecretChangesResponse(_message.Message):
    __slots__ = ("changes", "next_page_token", "rotations", "people")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ROTATIONS_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[SecretChange]
    next_page_token: str
    rotations: _containers.RepeatedCompositeFieldContainer[_identity_pb2.SignedRotation]
    people: _containers.RepeatedCompositeFieldContainer[_views_pb2.PersonName]
    def __init__(self, changes: _Optional[_Iterable[_Union[SecretChange, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., rotations: _Optional[_Iterable[_Union[_identity_pb2.SignedRotation, _Mapping]]] = ..., people: _Optional[_Iterable[_Union[_views_pb2.PersonName, _Mapping]]] = ...) -> None: ...

class ChangeApproval(_message.Message):
    __slots__ = ("approval", "subject", "approved_at_ms")
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    APPROVED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    approval: bytes
    subject: str
    approved_at_ms: int
    def __init__(self, approval: _Optional[bytes] = ..., subject: _Optional[str] = ..., approved_at_ms: _Optional[int] = ...) -> None: ...

class SecretChange(_message.Message):
    __slots__ = ("change_id", "change", "subject", "state", "proposed_at_ms", "changed_at_ms", "version", "approvals", "ended_by", "decline_reason", "request_id", "last_receipt")
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROPOSED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    ENDED_BY_FIELD_NUMBER: _ClassVar[int]
    DECLINE_REASON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    LAST_RECEIPT_FIELD_NUMBER: _ClassVar[int]
    change_id: bytes
    change: bytes
    subject: str
    state: ChangeState
    proposed_at_ms: int
    changed_at_ms: int
    version: int
    approvals: _containers.RepeatedCompositeFieldContainer[ChangeApproval]
    ended_by: str
    decline_reason: str
    request_id: bytes
    last_receipt: _upload_pb2.Signed
    def __init__(self, change_id: _Optional[bytes] = ..., change: _Optional[bytes] = ..., subject: _Optional[str] = ..., state: _Optional[_Union[ChangeState, str]] = ..., proposed_at_ms: _Optional[int] = ..., changed_at_ms: _Optional[int] = ..., version: _Optional[int] = ..., approvals: _Optional[_Iterable[_Union[ChangeApproval, _Mapping]]] = ..., ended_by: _Optional[str] = ..., decline_reason: _Optional[str] = ..., request_id: _Optional[bytes] = ..., last_receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ...) -> None: ...
