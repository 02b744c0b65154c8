from monoskope.api.buf.validate import validate_pb2 as _validate_pb2
from monoskope.api.secrets.v1 import events_pb2 as _events_pb2
from monoskope.api.secrets.v1 import identity_pb2 as _identity_pb2
from monoskope.api.secrets.v1 import upload_pb2 as _upload_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EngineHealth(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENGINE_HEALTH_UNSPECIFIED: _ClassVar[EngineHealth]
    ENGINE_HEALTH_OK: _ClassVar[EngineHealth]
    ENGINE_HEALTH_UNAVAILABLE: _ClassVar[EngineHealth]
    ENGINE_HEALTH_REFUSED: _ClassVar[EngineHealth]
ENGINE_HEALTH_UNSPECIFIED: EngineHealth
ENGINE_HEALTH_OK: EngineHealth
ENGINE_HEALTH_UNAVAILABLE: EngineHealth
ENGINE_HEALTH_REFUSED: EngineHealth

class AttachReactor(_message.Message):
    __slots__ = ("hello", "type", "capabilities", "rotations")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    ROTATIONS_FIELD_NUMBER: _ClassVar[int]
    hello: _upload_pb2.Signed
    type: str
    capabilities: _events_pb2.StoreCapabilities
    rotations: _containers.RepeatedCompositeFieldContainer[_identity_pb2.SignedRotation]
    def __init__(self, hello: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ..., type: _Optional[str] = ..., capabilities: _Optional[_Union[_events_pb2.StoreCapabilities, _Mapping]] = ..., rotations: _Optional[_Iterable[_Union[_identity_pb2.SignedRotation, _Mapping]]] = ...) -> None: ...

class AppendEvent(_message.Message):
    __slots__ = ("call", "request_id", "expected_version", "key_provided", "started", "uploaded", "compared", "failed", "deleted", "verified", "drift_detected", "imported", "copied", "undeleted", "rolled_back", "listed")
    CALL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    KEY_PROVIDED_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    UPLOADED_FIELD_NUMBER: _ClassVar[int]
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    VERIFIED_FIELD_NUMBER: _ClassVar[int]
    DRIFT_DETECTED_FIELD_NUMBER: _ClassVar[int]
    IMPORTED_FIELD_NUMBER: _ClassVar[int]
    COPIED_FIELD_NUMBER: _ClassVar[int]
    UNDELETED_FIELD_NUMBER: _ClassVar[int]
    ROLLED_BACK_FIELD_NUMBER: _ClassVar[int]
    LISTED_FIELD_NUMBER: _ClassVar[int]
    call: int
    request_id: bytes
    expected_version: int
    key_provided: _events_pb2.SecretUploadKeyProvided
    started: _events_pb2.SecretUploadStarted
    uploaded: _events_pb2.SecretUploaded
    compared: _events_pb2.SecretCompared
    failed: _events_pb2.SecretUploadFailed
    deleted: _events_pb2.SecretDeleted
    verified: _events_pb2.SecretVerified
    drift_detected: _events_pb2.SecretDriftDetected
    imported: _events_pb2.SecretImported
    copied: _events_pb2.SecretCopied
    undeleted: _events_pb2.SecretUndeleted
    rolled_back: _events_pb2.SecretRolledBack
    listed: _events_pb2.SecretsListed
    def __init__(self, call: _Optional[int] = ..., request_id: _Optional[bytes] = ..., expected_version: _Optional[int] = ..., key_provided: _Optional[_Union[_events_pb2.SecretUploadKeyProvided, _Mapping]] = ..., started: _Optional[_Union[_events_pb2.SecretUploadStarted, _Mapping]] = ..., uploaded: _Optional[_Union[_events_pb2.SecretUploaded, _Mapping]] = ..., compared: _Optional[_Union[_events_pb2.SecretCompared, _Mapping]] = ..., failed: _Optional[_Union[_events_pb2.SecretUploadFailed, _Mapping]] = ..., deleted: _Optional[_Union[_events_pb2.SecretDeleted, _Mapping]] = ..., verified: _Optional[_Union[_events_pb2.SecretVerified, _Mapping]] = ..., drift_detected: _Optional[_Union[_events_pb2.SecretDriftDetected, _Mapping]] = ..., imported: _Optional[_Union[_events_pb2.SecretImported, _Mapping]] = ..., copied: _Optional[_Union[_events_pb2.SecretCopied, _Mapping]] = ..., undeleted: _Optional[_Union[_events_pb2.SecretUndeleted, _Mapping]] = ..., rolled_back: _Optional[_Union[_events_pb2.SecretRolledBack, _Mapping]] = ..., listed: _Optional[_Union[_events_pb2.SecretsListed, _Mapping]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("engine", "last_failure", "last_failure_at_ms", "engine_looked_ms_ago", "signers_trouble")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    LAST_FAILURE_FIELD_NUMBER: _ClassVar[int]
    LAST_FAILURE_AT_MS_FIELD_NUMBER: _ClassVar[int]
    ENGINE_LOOKED_MS_AGO_FIELD_NUMBER: _ClassVar[int]
    SIGNERS_TROUBLE_FIELD_NUMBER: _ClassVar[int]
    engine: EngineHealth
    last_failure: _upload_pb2.Reason
    last_failure_at_ms: int
    engine_looked_ms_ago: int
    signers_trouble: bool
    def __init__(self, engine: _Optional[_Union[EngineHealth, str]] = ..., last_failure: _Optional[_Union[_upload_pb2.Reason, str]] = ..., last_failure_at_ms: _Optional[int] = ..., engine_looked_ms_ago: _Optional[int] = ..., signers_trouble: _Optional[bool] = ...) -> None: ...

class AuthorizeCopy(_message.Message):
    __slots__ = ("call", "request_id")
    CALL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    call: int
    request_id: bytes
    def __init__(self, call: _Optional[int] = ..., request_id: _Optional[bytes] = ...) -> None: ...

class LookAtStore(_message.Message):
    __slots__ = ("hello", "size")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    hello: _upload_pb2.Signed
    size: int
    def __init__(self, hello: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ..., size: _Optional[int] = ...) -> None: ...

class AttachRequest(_message.Message):
    __slots__ = ("attach", "append", "heartbeat", "authorize_copy", "look")
    ATTACH_FIELD_NUMBER: _ClassVar[int]
    APPEND_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZE_COPY_FIELD_NUMBER: _ClassVar[int]
    LOOK_FIELD_NUMBER: _ClassVar[int]
    attach: AttachReactor
    append: AppendEvent
    heartbeat: Heartbeat
    authorize_copy: AuthorizeCopy
    look: LookAtStore
    def __init__(self, attach: _Optional[_Union[AttachReactor, _Mapping]] = ..., append: _Optional[_Union[AppendEvent, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., authorize_copy: _Optional[_Union[AuthorizeCopy, _Mapping]] = ..., look: _Optional[_Union[LookAtStore, _Mapping]] = ...) -> None: ...

class Attached(_message.Message):
    __slots__ = ("position", "replicas", "heartbeat_s", "approvals")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_S_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    position: int
    replicas: _containers.RepeatedScalarFieldContainer[bytes]
    heartbeat_s: int
    approvals: bool
    def __init__(self, position: _Optional[int] = ..., replicas: _Optional[_Iterable[bytes]] = ..., heartbeat_s: _Optional[int] = ..., approvals: _Optional[bool] = ...) -> None: ...

class Delivery(_message.Message):
    __slots__ = ("record", "sealed")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    record: bytes
    sealed: bytes
    def __init__(self, record: _Optional[bytes] = ..., sealed: _Optional[bytes] = ...) -> None: ...

class CaughtUp(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Appended(_message.Message):
    __slots__ = ("call", "version", "error", "message")
    CALL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    call: int
    version: int
    error: str
    message: str
    def __init__(self, call: _Optional[int] = ..., version: _Optional[int] = ..., error: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class CopyAuthorized(_message.Message):
    __slots__ = ("call", "token", "error", "message")
    CALL_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    call: int
    token: str
    error: str
    message: str
    def __init__(self, call: _Optional[int] = ..., token: _Optional[str] = ..., error: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class StoreLook(_message.Message):
    __slots__ = ("replicas", "writing", "position", "note", "later")
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    WRITING_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    LATER_FIELD_NUMBER: _ClassVar[int]
    replicas: _containers.RepeatedScalarFieldContainer[bytes]
    writing: int
    position: int
    note: bytes
    later: bool
    def __init__(self, replicas: _Optional[_Iterable[bytes]] = ..., writing: _Optional[int] = ..., position: _Optional[int] = ..., note: _Optional[bytes] = ..., later: _Optional[bool] = ...) -> None: ...

class AttachResponse(_message.Message):
    __slots__ = ("challenge", "attached", "delivery", "appended", "copy_authorized", "caught_up", "look")
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    APPENDED_FIELD_NUMBER: _ClassVar[int]
    COPY_AUTHORIZED_FIELD_NUMBER: _ClassVar[int]
    CAUGHT_UP_FIELD_NUMBER: _ClassVar[int]
    LOOK_FIELD_NUMBER: _ClassVar[int]
    challenge: bytes
    attached: Attached
    delivery: Delivery
    appended: Appended
    copy_authorized: CopyAuthorized
    caught_up: CaughtUp
    look: StoreLook
    def __init__(self, challenge: _Optional[bytes] = ..., attached: _Optional[_Union[Attached, _Mapping]] = ..., delivery: _Optional[_Union[Delivery, _Mapping]] = ..., appended: _Optional[_Union[Appended, _Mapping]] = ..., copy_authorized: _Optional[_Union[CopyAuthorized, _Mapping]] = ..., caught_up: _Optional[_Union[CaughtUp, _Mapping]] = ..., look: _Optional[_Union[StoreLook, _Mapping]] = ...) -> None: ...
