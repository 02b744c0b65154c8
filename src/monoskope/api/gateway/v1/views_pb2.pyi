from monoskope.api.gateway.v1 import reactor_pb2 as _reactor_pb2
from monoskope.api.secrets.v1 import events_pb2 as _events_pb2
from monoskope.api.secrets.v1 import identity_pb2 as _identity_pb2
from monoskope.api.secrets.v1 import options_pb2 as _options_pb2
from monoskope.api.secrets.v1 import upload_pb2 as _upload_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UploadState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UPLOAD_STATE_UNSPECIFIED: _ClassVar[UploadState]
    UPLOAD_STATE_REQUESTED: _ClassVar[UploadState]
    UPLOAD_STATE_GRANTED: _ClassVar[UploadState]
    UPLOAD_STATE_UPLOADING: _ClassVar[UploadState]
    UPLOAD_STATE_WRITING: _ClassVar[UploadState]
    UPLOAD_STATE_ENDED: _ClassVar[UploadState]

class SecretState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SECRET_STATE_UNSPECIFIED: _ClassVar[SecretState]
    SECRET_STATE_PRESENT: _ClassVar[SecretState]
    SECRET_STATE_DELETED: _ClassVar[SecretState]
    SECRET_STATE_DRIFTED: _ClassVar[SecretState]
    SECRET_STATE_OUT_OF_SYNC: _ClassVar[SecretState]

class LoginRefusal(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOGIN_REFUSAL_UNSPECIFIED: _ClassVar[LoginRefusal]
    LOGIN_REFUSAL_FINGERPRINT_KEY: _ClassVar[LoginRefusal]
    LOGIN_REFUSAL_STORE_TYPE: _ClassVar[LoginRefusal]
    LOGIN_REFUSAL_TOO_MANY_REACTORS: _ClassVar[LoginRefusal]
UPLOAD_STATE_UNSPECIFIED: UploadState
UPLOAD_STATE_REQUESTED: UploadState
UPLOAD_STATE_GRANTED: UploadState
UPLOAD_STATE_UPLOADING: UploadState
UPLOAD_STATE_WRITING: UploadState
UPLOAD_STATE_ENDED: UploadState
SECRET_STATE_UNSPECIFIED: SecretState
SECRET_STATE_PRESENT: SecretState
SECRET_STATE_DELETED: SecretState
SECRET_STATE_DRIFTED: SecretState
SECRET_STATE_OUT_OF_SYNC: SecretState
LOGIN_REFUSAL_UNSPECIFIED: LoginRefusal
LOGIN_REFUSAL_FINGERPRINT_KEY: LoginRefusal
LOGIN_REFUSAL_STORE_TYPE: LoginRefusal
LOGIN_REFUSAL_TOO_MANY_REACTORS: LoginRefusal

class PersonName(_message.Message):
    __slots__ = ("member", "name")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    member: str
    name: str
    def __init__(self, member: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class SecretUpload(_message.Message):
    __slots__ = ("request_id", "uri", "purpose", "subject", "state", "requested_at_ms", "changed_at_ms", "version", "grant", "receipt", "reason", "replica", "lifetime_s", "sealed_sha256", "request_sha256", "outcome", "state_since_ms", "labels", "expires_on", "destination", "keep_labels", "keep_expires_on", "retry_after_s", "detail")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_S_FIELD_NUMBER: _ClassVar[int]
    SEALED_SHA256_FIELD_NUMBER: _ClassVar[int]
    REQUEST_SHA256_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    STATE_SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_ON_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    KEEP_LABELS_FIELD_NUMBER: _ClassVar[int]
    KEEP_EXPIRES_ON_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    request_id: bytes
    uri: str
    purpose: _upload_pb2.Purpose
    subject: str
    state: UploadState
    requested_at_ms: int
    changed_at_ms: int
    version: int
    grant: _upload_pb2.Signed
    receipt: _upload_pb2.Signed
    reason: _upload_pb2.Reason
    replica: bytes
    lifetime_s: int
    sealed_sha256: bytes
    request_sha256: bytes
    outcome: _upload_pb2.Outcome
    state_since_ms: int
    labels: _containers.RepeatedCompositeFieldContainer[_options_pb2.Label]
    expires_on: str
    destination: str
    keep_labels: bool
    keep_expires_on: bool
    retry_after_s: int
    detail: str
    def __init__(self, request_id: _Optional[bytes] = ..., uri: _Optional[str] = ..., purpose: _Optional[_Union[_upload_pb2.Purpose, str]] = ..., subject: _Optional[str] = ..., state: _Optional[_Union[UploadState, str]] = ..., requested_at_ms: _Optional[int] = ..., changed_at_ms: _Optional[int] = ..., version: _Optional[int] = ..., grant: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ..., receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ..., reason: _Optional[_Union[_upload_pb2.Reason, str]] = ..., replica: _Optional[bytes] = ..., lifetime_s: _Optional[int] = ..., sealed_sha256: _Optional[bytes] = ..., request_sha256: _Optional[bytes] = ..., outcome: _Optional[_Union[_upload_pb2.Outcome, str]] = ..., state_since_ms: _Optional[int] = ..., labels: _Optional[_Iterable[_Union[_options_pb2.Label, _Mapping]]] = ..., expires_on: _Optional[str] = ..., destination: _Optional[str] = ..., keep_labels: _Optional[bool] = ..., keep_expires_on: _Optional[bool] = ..., retry_after_s: _Optional[int] = ..., detail: _Optional[str] = ...) -> None: ...

class Secret(_message.Message):
    __slots__ = ("uri", "fingerprint", "values", "upstream_version", "subject", "uploaded_at_ms", "request_id", "drifted", "receipt", "prior_version", "labels", "expires_on", "deleted", "verified", "verified_at_ms", "notes_subject", "notes_changed_at_ms")
    URI_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_VERSION_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    UPLOADED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DRIFTED_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    PRIOR_VERSION_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_ON_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    VERIFIED_FIELD_NUMBER: _ClassVar[int]
    VERIFIED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    NOTES_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    NOTES_CHANGED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    uri: str
    fingerprint: str
    values: _containers.RepeatedCompositeFieldContainer[_upload_pb2.ValueFingerprint]
    upstream_version: str
    subject: str
    uploaded_at_ms: int
    request_id: bytes
    drifted: bool
    receipt: _upload_pb2.Signed
    prior_version: str
    labels: _containers.RepeatedCompositeFieldContainer[_options_pb2.Label]
    expires_on: str
    deleted: bool
    verified: _upload_pb2.Outcome
    verified_at_ms: int
    notes_subject: str
    notes_changed_at_ms: int
    def __init__(self, uri: _Optional[str] = ..., fingerprint: _Optional[str] = ..., values: _Optional[_Iterable[_Union[_upload_pb2.ValueFingerprint, _Mapping]]] = ..., upstream_version: _Optional[str] = ..., subject: _Optional[str] = ..., uploaded_at_ms: _Optional[int] = ..., request_id: _Optional[bytes] = ..., drifted: _Optional[bool] = ..., receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ..., prior_version: _Optional[str] = ..., labels: _Optional[_Iterable[_Union[_options_pb2.Label, _Mapping]]] = ..., expires_on: _Optional[str] = ..., deleted: _Optional[bool] = ..., verified: _Optional[_Union[_upload_pb2.Outcome, str]] = ..., verified_at_ms: _Optional[int] = ..., notes_subject: _Optional[str] = ..., notes_changed_at_ms: _Optional[int] = ...) -> None: ...

class SecretVersion(_message.Message):
    __slots__ = ("uri", "outcome", "upstream_version", "prior_version", "subject", "recorded_at_ms", "request_id", "purpose", "fingerprint", "edit")
    URI_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_VERSION_FIELD_NUMBER: _ClassVar[int]
    PRIOR_VERSION_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    EDIT_FIELD_NUMBER: _ClassVar[int]
    uri: str
    outcome: _upload_pb2.Outcome
    upstream_version: str
    prior_version: str
    subject: str
    recorded_at_ms: int
    request_id: bytes
    purpose: _upload_pb2.Purpose
    fingerprint: str
    edit: _events_pb2.NotesEdit
    def __init__(self, uri: _Optional[str] = ..., outcome: _Optional[_Union[_upload_pb2.Outcome, str]] = ..., upstream_version: _Optional[str] = ..., prior_version: _Optional[str] = ..., subject: _Optional[str] = ..., recorded_at_ms: _Optional[int] = ..., request_id: _Optional[bytes] = ..., purpose: _Optional[_Union[_upload_pb2.Purpose, str]] = ..., fingerprint: _Optional[str] = ..., edit: _Optional[_Union[_events_pb2.NotesEdit, _Mapping]] = ...) -> None: ...

class Reactor(_message.Message):
    __slots__ = ("replica", "last_heard_ms", "attached", "capabilities", "fingerprint_key_id", "engine", "engine_since_ms", "last_failure", "last_failure_at_ms", "signers_trouble")
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    LAST_HEARD_MS_FIELD_NUMBER: _ClassVar[int]
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_KEY_ID_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    ENGINE_SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_FAILURE_FIELD_NUMBER: _ClassVar[int]
    LAST_FAILURE_AT_MS_FIELD_NUMBER: _ClassVar[int]
    SIGNERS_TROUBLE_FIELD_NUMBER: _ClassVar[int]
    replica: bytes
    last_heard_ms: int
    attached: bool
    capabilities: _events_pb2.StoreCapabilities
    fingerprint_key_id: str
    engine: _reactor_pb2.EngineHealth
    engine_since_ms: int
    last_failure: _upload_pb2.Reason
    last_failure_at_ms: int
    signers_trouble: bool
    def __init__(self, replica: _Optional[bytes] = ..., last_heard_ms: _Optional[int] = ..., attached: _Optional[bool] = ..., capabilities: _Optional[_Union[_events_pb2.StoreCapabilities, _Mapping]] = ..., fingerprint_key_id: _Optional[str] = ..., engine: _Optional[_Union[_reactor_pb2.EngineHealth, str]] = ..., engine_since_ms: _Optional[int] = ..., last_failure: _Optional[_Union[_upload_pb2.Reason, str]] = ..., last_failure_at_ms: _Optional[int] = ..., signers_trouble: _Optional[bool] = ...) -> None: ...

class RefusedLogin(_message.Message):
    __slots__ = ("replica", "refusal", "refused_at_ms", "fingerprint_key_id")
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    REFUSED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_KEY_ID_FIELD_NUMBER: _ClassVar[int]
    replica: bytes
    refusal: LoginRefusal
    refused_at_ms: int
    fingerprint_key_id: str
    def __init__(self, replica: _Optional[bytes] = ..., refusal: _Optional[_Union[LoginRefusal, str]] = ..., refused_at_ms: _Optional[int] = ..., fingerprint_key_id: _Optional[str] = ...) -> None: ...

class SecretStore(_message.Message):
    __slots__ = ("name", "type", "active", "is_default", "identity", "created_at_ms", "reactors", "fingerprint_key_id", "rotations", "pending", "refused_login")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    REACTORS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_KEY_ID_FIELD_NUMBER: _ClassVar[int]
    ROTATIONS_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    REFUSED_LOGIN_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    active: bool
    is_default: bool
    identity: str
    created_at_ms: int
    reactors: _containers.RepeatedCompositeFieldContainer[Reactor]
    fingerprint_key_id: str
    rotations: _containers.RepeatedCompositeFieldContainer[_identity_pb2.SignedRotation]
    pending: int
    refused_login: RefusedLogin
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., active: _Optional[bool] = ..., is_default: _Optional[bool] = ..., identity: _Optional[str] = ..., created_at_ms: _Optional[int] = ..., reactors: _Optional[_Iterable[_Union[Reactor, _Mapping]]] = ..., fingerprint_key_id: _Optional[str] = ..., rotations: _Optional[_Iterable[_Union[_identity_pb2.SignedRotation, _Mapping]]] = ..., pending: _Optional[int] = ..., refused_login: _Optional[_Union[RefusedLogin, _Mapping]] = ...) -> None: ...

class EventSummary(_message.Message):
    __slots__ = ("position", "stream", "version", "type", "recorded_at_ms", "actor", "hash", "uri", "detail", "outline")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    OUTLINE_FIELD_NUMBER: _ClassVar[int]
    position: int
    stream: str
    version: int
    type: str
    recorded_at_ms: int
    actor: str
    hash: bytes
    uri: str
    detail: str
    outline: bytes
    def __init__(self, position: _Optional[int] = ..., stream: _Optional[str] = ..., version: _Optional[int] = ..., type: _Optional[str] = ..., recorded_at_ms: _Optional[int] = ..., actor: _Optional[str] = ..., hash: _Optional[bytes] = ..., uri: _Optional[str] = ..., detail: _Optional[str] = ..., outline: _Optional[bytes] = ...) -> None: ...
