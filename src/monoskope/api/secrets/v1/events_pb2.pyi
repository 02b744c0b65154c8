from monoskope.api.buf.validate import validate_pb2 as _validate_pb2
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

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_ADMINISTRATOR: _ClassVar[Role]
    ROLE_USER: _ClassVar[Role]
    ROLE_AUDITOR: _ClassVar[Role]
    ROLE_METRICS: _ClassVar[Role]

class Right(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RIGHT_UNSPECIFIED: _ClassVar[Right]
    RIGHT_PUT: _ClassVar[Right]
    RIGHT_COMPARE: _ClassVar[Right]
    RIGHT_SEE_HASH: _ClassVar[Right]
    RIGHT_DELETE: _ClassVar[Right]
    RIGHT_COPY: _ClassVar[Right]
    RIGHT_UNDELETE: _ClassVar[Right]
    RIGHT_ROLLBACK: _ClassVar[Right]
    RIGHT_LIST: _ClassVar[Right]
    RIGHT_PROPOSE: _ClassVar[Right]
    RIGHT_APPROVE: _ClassVar[Right]
ROLE_UNSPECIFIED: Role
ROLE_ADMINISTRATOR: Role
ROLE_USER: Role
ROLE_AUDITOR: Role
ROLE_METRICS: Role
RIGHT_UNSPECIFIED: Right
RIGHT_PUT: Right
RIGHT_COMPARE: Right
RIGHT_SEE_HASH: Right
RIGHT_DELETE: Right
RIGHT_COPY: Right
RIGHT_UNDELETE: Right
RIGHT_ROLLBACK: Right
RIGHT_LIST: Right
RIGHT_PROPOSE: Right
RIGHT_APPROVE: Right

class SecretUploadKeyRequested(_message.Message):
    __slots__ = ("request", "subject", "last_receipt", "traceparent")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    LAST_RECEIPT_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    request: bytes
    subject: str
    last_receipt: _upload_pb2.Signed
    traceparent: str
    def __init__(self, request: _Optional[bytes] = ..., subject: _Optional[str] = ..., last_receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ..., traceparent: _Optional[str] = ...) -> None: ...

class SecretUploadKeyProvided(_message.Message):
    __slots__ = ("grant",)
    GRANT_FIELD_NUMBER: _ClassVar[int]
    grant: _upload_pb2.Signed
    def __init__(self, grant: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ...) -> None: ...

class SecretUploadRequested(_message.Message):
    __slots__ = ("sealed_sha256", "size", "last_receipt", "request_signature", "traceparent", "change", "approvals")
    SEALED_SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    LAST_RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    sealed_sha256: bytes
    size: int
    last_receipt: _upload_pb2.Signed
    request_signature: bytes
    traceparent: str
    change: bytes
    approvals: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, sealed_sha256: _Optional[bytes] = ..., size: _Optional[int] = ..., last_receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ..., request_signature: _Optional[bytes] = ..., traceparent: _Optional[str] = ..., change: _Optional[bytes] = ..., approvals: _Optional[_Iterable[bytes]] = ...) -> None: ...

class SecretUploadStarted(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _upload_pb2.Signed
    def __init__(self, receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ...) -> None: ...

class SecretUploaded(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _upload_pb2.Signed
    def __init__(self, receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ...) -> None: ...

class SecretDeleted(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _upload_pb2.Signed
    def __init__(self, receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ...) -> None: ...

class SecretCompared(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _upload_pb2.Signed
    def __init__(self, receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ...) -> None: ...

class SecretVerified(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _upload_pb2.Signed
    def __init__(self, receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ...) -> None: ...

class SecretDriftDetected(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _upload_pb2.Signed
    def __init__(self, receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ...) -> None: ...

class SecretImported(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _upload_pb2.Signed
    def __init__(self, receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ...) -> None: ...

class SecretUndeleted(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _upload_pb2.Signed
    def __init__(self, receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ...) -> None: ...

class SecretRolledBack(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _upload_pb2.Signed
    def __init__(self, receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ...) -> None: ...

class SecretCopied(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _upload_pb2.Signed
    def __init__(self, receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ...) -> None: ...

class SecretsListed(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _upload_pb2.Signed
    def __init__(self, receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ...) -> None: ...

class SecretUploadFailed(_message.Message):
    __slots__ = ("reason", "receipt", "detail", "retry_after_s")
    REASON_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    reason: _upload_pb2.Reason
    receipt: _upload_pb2.Signed
    detail: str
    retry_after_s: int
    def __init__(self, reason: _Optional[_Union[_upload_pb2.Reason, str]] = ..., receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ..., detail: _Optional[str] = ..., retry_after_s: _Optional[int] = ...) -> None: ...

class SecretStoreCreated(_message.Message):
    __slots__ = ("name", "type", "identity")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    identity: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., identity: _Optional[str] = ...) -> None: ...

class SecretStoreActivated(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class SecretStoreDeactivated(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DefaultSecretStoreSet(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class SecretStoreIdentityRotated(_message.Message):
    __slots__ = ("name", "rotation")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROTATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    rotation: _identity_pb2.SignedRotation
    def __init__(self, name: _Optional[str] = ..., rotation: _Optional[_Union[_identity_pb2.SignedRotation, _Mapping]] = ...) -> None: ...

class SecretStoreIdentityReplaced(_message.Message):
    __slots__ = ("name", "identity")
    NAME_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    name: str
    identity: str
    def __init__(self, name: _Optional[str] = ..., identity: _Optional[str] = ...) -> None: ...

class StoreCapabilities(_message.Message):
    __slots__ = ("max_plaintext", "check_and_set", "write_tag", "readable", "key_rule", "options_schema", "patchable", "deletable", "soft_delete", "layout", "copies_to", "experimental", "signatures", "undeletable", "rollbackable", "listable", "source_versions", "approvals", "signers_sha256", "copied_keys")
    MAX_PLAINTEXT_FIELD_NUMBER: _ClassVar[int]
    CHECK_AND_SET_FIELD_NUMBER: _ClassVar[int]
    WRITE_TAG_FIELD_NUMBER: _ClassVar[int]
    READABLE_FIELD_NUMBER: _ClassVar[int]
    KEY_RULE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    PATCHABLE_FIELD_NUMBER: _ClassVar[int]
    DELETABLE_FIELD_NUMBER: _ClassVar[int]
    SOFT_DELETE_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    COPIES_TO_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENTAL_FIELD_NUMBER: _ClassVar[int]
    SIGNATURES_FIELD_NUMBER: _ClassVar[int]
    UNDELETABLE_FIELD_NUMBER: _ClassVar[int]
    ROLLBACKABLE_FIELD_NUMBER: _ClassVar[int]
    LISTABLE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    SIGNERS_SHA256_FIELD_NUMBER: _ClassVar[int]
    COPIED_KEYS_FIELD_NUMBER: _ClassVar[int]
    max_plaintext: int
    check_and_set: bool
    write_tag: bool
    readable: bool
    key_rule: str
    options_schema: str
    patchable: bool
    deletable: bool
    soft_delete: bool
    layout: str
    copies_to: _containers.RepeatedScalarFieldContainer[str]
    experimental: bool
    signatures: bool
    undeletable: bool
    rollbackable: bool
    listable: bool
    source_versions: bool
    approvals: int
    signers_sha256: bytes
    copied_keys: bool
    def __init__(self, max_plaintext: _Optional[int] = ..., check_and_set: _Optional[bool] = ..., write_tag: _Optional[bool] = ..., readable: _Optional[bool] = ..., key_rule: _Optional[str] = ..., options_schema: _Optional[str] = ..., patchable: _Optional[bool] = ..., deletable: _Optional[bool] = ..., soft_delete: _Optional[bool] = ..., layout: _Optional[str] = ..., copies_to: _Optional[_Iterable[str]] = ..., experimental: _Optional[bool] = ..., signatures: _Optional[bool] = ..., undeletable: _Optional[bool] = ..., rollbackable: _Optional[bool] = ..., listable: _Optional[bool] = ..., source_versions: _Optional[bool] = ..., approvals: _Optional[int] = ..., signers_sha256: _Optional[bytes] = ..., copied_keys: _Optional[bool] = ...) -> None: ...

class ReactorAttached(_message.Message):
    __slots__ = ("store", "replica", "type", "capabilities", "fingerprint_key_id", "hello")
    STORE_FIELD_NUMBER: _ClassVar[int]
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_KEY_ID_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    store: str
    replica: bytes
    type: str
    capabilities: StoreCapabilities
    fingerprint_key_id: str
    hello: _upload_pb2.Signed
    def __init__(self, store: _Optional[str] = ..., replica: _Optional[bytes] = ..., type: _Optional[str] = ..., capabilities: _Optional[_Union[StoreCapabilities, _Mapping]] = ..., fingerprint_key_id: _Optional[str] = ..., hello: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ...) -> None: ...

class ReactorDetached(_message.Message):
    __slots__ = ("store", "replica")
    STORE_FIELD_NUMBER: _ClassVar[int]
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    store: str
    replica: bytes
    def __init__(self, store: _Optional[str] = ..., replica: _Optional[bytes] = ...) -> None: ...

class FingerprintKeyAdopted(_message.Message):
    __slots__ = ("key_id",)
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    key_id: str
    def __init__(self, key_id: _Optional[str] = ...) -> None: ...

class FingerprintKeyRotationStarted(_message.Message):
    __slots__ = ("key_id",)
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    key_id: str
    def __init__(self, key_id: _Optional[str] = ...) -> None: ...

class FingerprintKeyRotationFinished(_message.Message):
    __slots__ = ("key_id",)
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    key_id: str
    def __init__(self, key_id: _Optional[str] = ...) -> None: ...

class TokenIssued(_message.Message):
    __slots__ = ("id", "subject", "role", "prefixes", "rights", "expires_at_ms", "member", "issuer", "issuer_subject", "groups", "made_by")
    ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PREFIXES_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    ISSUER_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    MADE_BY_FIELD_NUMBER: _ClassVar[int]
    id: str
    subject: str
    role: Role
    prefixes: _containers.RepeatedScalarFieldContainer[str]
    rights: _containers.RepeatedScalarFieldContainer[Right]
    expires_at_ms: int
    member: str
    issuer: str
    issuer_subject: str
    groups: _containers.RepeatedScalarFieldContainer[str]
    made_by: str
    def __init__(self, id: _Optional[str] = ..., subject: _Optional[str] = ..., role: _Optional[_Union[Role, str]] = ..., prefixes: _Optional[_Iterable[str]] = ..., rights: _Optional[_Iterable[_Union[Right, str]]] = ..., expires_at_ms: _Optional[int] = ..., member: _Optional[str] = ..., issuer: _Optional[str] = ..., issuer_subject: _Optional[str] = ..., groups: _Optional[_Iterable[str]] = ..., made_by: _Optional[str] = ...) -> None: ...

class TokenRevoked(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class NotesEdit(_message.Message):
    __slots__ = ("set_labels", "remove_labels", "expires_on", "remove_expires_on")
    SET_LABELS_FIELD_NUMBER: _ClassVar[int]
    REMOVE_LABELS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_ON_FIELD_NUMBER: _ClassVar[int]
    REMOVE_EXPIRES_ON_FIELD_NUMBER: _ClassVar[int]
    set_labels: _containers.RepeatedCompositeFieldContainer[_options_pb2.Label]
    remove_labels: _containers.RepeatedScalarFieldContainer[str]
    expires_on: str
    remove_expires_on: bool
    def __init__(self, set_labels: _Optional[_Iterable[_Union[_options_pb2.Label, _Mapping]]] = ..., remove_labels: _Optional[_Iterable[str]] = ..., expires_on: _Optional[str] = ..., remove_expires_on: _Optional[bool] = ...) -> None: ...

class SecretNotesUpdated(_message.Message):
    __slots__ = ("uri", "edit")
    URI_FIELD_NUMBER: _ClassVar[int]
    EDIT_FIELD_NUMBER: _ClassVar[int]
    uri: str
    edit: NotesEdit
    def __init__(self, uri: _Optional[str] = ..., edit: _Optional[_Union[NotesEdit, _Mapping]] = ...) -> None: ...

class RoleBindingCreated(_message.Message):
    __slots__ = ("name", "role", "members", "prefix", "rights")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    role: Role
    members: _containers.RepeatedScalarFieldContainer[str]
    prefix: str
    rights: _containers.RepeatedScalarFieldContainer[Right]
    def __init__(self, name: _Optional[str] = ..., role: _Optional[_Union[Role, str]] = ..., members: _Optional[_Iterable[str]] = ..., prefix: _Optional[str] = ..., rights: _Optional[_Iterable[_Union[Right, str]]] = ...) -> None: ...

class RoleBindingChanged(_message.Message):
    __slots__ = ("before", "after", "version")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    before: RoleBindingCreated
    after: RoleBindingCreated
    version: int
    def __init__(self, before: _Optional[_Union[RoleBindingCreated, _Mapping]] = ..., after: _Optional[_Union[RoleBindingCreated, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class RoleBindingDeleted(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class IssuerRegistered(_message.Message):
    __slots__ = ("name", "issuer")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    name: str
    issuer: str
    def __init__(self, name: _Optional[str] = ..., issuer: _Optional[str] = ...) -> None: ...

class MemberRegistered(_message.Message):
    __slots__ = ("member", "issuer_subject")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    ISSUER_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    member: str
    issuer_subject: str
    def __init__(self, member: _Optional[str] = ..., issuer_subject: _Optional[str] = ...) -> None: ...

class SecretChangeProposed(_message.Message):
    __slots__ = ("change",)
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    change: bytes
    def __init__(self, change: _Optional[bytes] = ...) -> None: ...

class SecretChangeApproved(_message.Message):
    __slots__ = ("approval",)
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    approval: bytes
    def __init__(self, approval: _Optional[bytes] = ...) -> None: ...

class SecretChangeDeclined(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class SecretChangeWithdrawn(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
