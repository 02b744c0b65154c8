from monoskope.api.secrets.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Purpose(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PURPOSE_UNSPECIFIED: _ClassVar[Purpose]
    PURPOSE_UPLOAD: _ClassVar[Purpose]
    PURPOSE_COMPARE: _ClassVar[Purpose]
    PURPOSE_GENERATE: _ClassVar[Purpose]
    PURPOSE_VERIFY: _ClassVar[Purpose]
    PURPOSE_DELETE: _ClassVar[Purpose]
    PURPOSE_COPY: _ClassVar[Purpose]
    PURPOSE_PATCH: _ClassVar[Purpose]
    PURPOSE_IMPORT: _ClassVar[Purpose]
    PURPOSE_UNDELETE: _ClassVar[Purpose]
    PURPOSE_ROLLBACK: _ClassVar[Purpose]
    PURPOSE_LIST: _ClassVar[Purpose]

class Expect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPECT_UNSPECIFIED: _ClassVar[Expect]
    EXPECT_ANY: _ClassVar[Expect]
    EXPECT_ABSENT: _ClassVar[Expect]
    EXPECT_VERSION: _ClassVar[Expect]
    EXPECT_OVERWRITE: _ClassVar[Expect]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_UPLOADED: _ClassVar[Outcome]
    OUTCOME_UNCHANGED: _ClassVar[Outcome]
    OUTCOME_EQUAL: _ClassVar[Outcome]
    OUTCOME_DIFFERENT: _ClassVar[Outcome]
    OUTCOME_FAILED: _ClassVar[Outcome]
    OUTCOME_STARTED: _ClassVar[Outcome]
    OUTCOME_DELETED: _ClassVar[Outcome]
    OUTCOME_IN_SYNC: _ClassVar[Outcome]
    OUTCOME_DRIFTED: _ClassVar[Outcome]
    OUTCOME_GONE: _ClassVar[Outcome]
    OUTCOME_COPIED: _ClassVar[Outcome]
    OUTCOME_IMPORTED: _ClassVar[Outcome]
    OUTCOME_UNDELETED: _ClassVar[Outcome]
    OUTCOME_ROLLED_BACK: _ClassVar[Outcome]
    OUTCOME_LISTED: _ClassVar[Outcome]

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_BAD_PAYLOAD: _ClassVar[Reason]
    REASON_CONFLICT: _ClassVar[Reason]
    REASON_KEY_LOST: _ClassVar[Reason]
    REASON_OUTCOME_UNKNOWN: _ClassVar[Reason]
    REASON_UPSTREAM_UNAVAILABLE: _ClassVar[Reason]
    REASON_UPSTREAM_REFUSED: _ClassVar[Reason]
    REASON_CANNOT_READ: _ClassVar[Reason]
    REASON_UNSUPPORTED: _ClassVar[Reason]
    REASON_RATE_LIMITED: _ClassVar[Reason]
    REASON_EXPIRED: _ClassVar[Reason]
    REASON_NO_REACTOR: _ClassVar[Reason]
    REASON_STORE_INACTIVE: _ClassVar[Reason]
    REASON_UPSTREAM_CHANGED: _ClassVar[Reason]
    REASON_NOT_AUTHORIZED: _ClassVar[Reason]
    REASON_NOT_FOUND: _ClassVar[Reason]

class DifferenceKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIFFERENCE_KIND_UNSPECIFIED: _ClassVar[DifferenceKind]
    DIFFERENCE_KIND_MISSING: _ClassVar[DifferenceKind]
    DIFFERENCE_KIND_EXTRA: _ClassVar[DifferenceKind]
    DIFFERENCE_KIND_CHANGED: _ClassVar[DifferenceKind]
PURPOSE_UNSPECIFIED: Purpose
PURPOSE_UPLOAD: Purpose
PURPOSE_COMPARE: Purpose
PURPOSE_GENERATE: Purpose
PURPOSE_VERIFY: Purpose
PURPOSE_DELETE: Purpose
PURPOSE_COPY: Purpose
PURPOSE_PATCH: Purpose
PURPOSE_IMPORT: Purpose
PURPOSE_UNDELETE: Purpose
PURPOSE_ROLLBACK: Purpose
PURPOSE_LIST: Purpose
EXPECT_UNSPECIFIED: Expect
EXPECT_ANY: Expect
EXPECT_ABSENT: Expect
EXPECT_VERSION: Expect
EXPECT_OVERWRITE: Expect
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_UPLOADED: Outcome
OUTCOME_UNCHANGED: Outcome
OUTCOME_EQUAL: Outcome
OUTCOME_DIFFERENT: Outcome
OUTCOME_FAILED: Outcome
OUTCOME_STARTED: Outcome
OUTCOME_DELETED: Outcome
OUTCOME_IN_SYNC: Outcome
OUTCOME_DRIFTED: Outcome
OUTCOME_GONE: Outcome
OUTCOME_COPIED: Outcome
OUTCOME_IMPORTED: Outcome
OUTCOME_UNDELETED: Outcome
OUTCOME_ROLLED_BACK: Outcome
OUTCOME_LISTED: Outcome
REASON_UNSPECIFIED: Reason
REASON_BAD_PAYLOAD: Reason
REASON_CONFLICT: Reason
REASON_KEY_LOST: Reason
REASON_OUTCOME_UNKNOWN: Reason
REASON_UPSTREAM_UNAVAILABLE: Reason
REASON_UPSTREAM_REFUSED: Reason
REASON_CANNOT_READ: Reason
REASON_UNSUPPORTED: Reason
REASON_RATE_LIMITED: Reason
REASON_EXPIRED: Reason
REASON_NO_REACTOR: Reason
REASON_STORE_INACTIVE: Reason
REASON_UPSTREAM_CHANGED: Reason
REASON_NOT_AUTHORIZED: Reason
REASON_NOT_FOUND: Reason
DIFFERENCE_KIND_UNSPECIFIED: DifferenceKind
DIFFERENCE_KIND_MISSING: DifferenceKind
DIFFERENCE_KIND_EXTRA: DifferenceKind
DIFFERENCE_KIND_CHANGED: DifferenceKind

class Recipe(_message.Message):
    __slots__ = ("key", "kind", "size", "text")
    KEY_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    key: str
    kind: str
    size: int
    text: str
    def __init__(self, key: _Optional[str] = ..., kind: _Optional[str] = ..., size: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class PublicValue(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class UploadRequest(_message.Message):
    __slots__ = ("request_id", "purpose", "uri", "expect", "expect_version", "suites", "destroy", "remove_keys", "labels", "expires_on", "recipes", "destination", "keep_labels", "keep_expires_on", "to_version", "list_after", "change_sha256", "break_glass", "source_version", "keys", "vault", "aws", "kubernetes", "other")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    EXPECT_FIELD_NUMBER: _ClassVar[int]
    EXPECT_VERSION_FIELD_NUMBER: _ClassVar[int]
    SUITES_FIELD_NUMBER: _ClassVar[int]
    DESTROY_FIELD_NUMBER: _ClassVar[int]
    REMOVE_KEYS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_ON_FIELD_NUMBER: _ClassVar[int]
    RECIPES_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    KEEP_LABELS_FIELD_NUMBER: _ClassVar[int]
    KEEP_EXPIRES_ON_FIELD_NUMBER: _ClassVar[int]
    TO_VERSION_FIELD_NUMBER: _ClassVar[int]
    LIST_AFTER_FIELD_NUMBER: _ClassVar[int]
    CHANGE_SHA256_FIELD_NUMBER: _ClassVar[int]
    BREAK_GLASS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_VERSION_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    VAULT_FIELD_NUMBER: _ClassVar[int]
    AWS_FIELD_NUMBER: _ClassVar[int]
    KUBERNETES_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    request_id: bytes
    purpose: Purpose
    uri: str
    expect: Expect
    expect_version: str
    suites: _containers.RepeatedScalarFieldContainer[int]
    destroy: bool
    remove_keys: _containers.RepeatedScalarFieldContainer[str]
    labels: _containers.RepeatedCompositeFieldContainer[_options_pb2.Label]
    expires_on: str
    recipes: _containers.RepeatedCompositeFieldContainer[Recipe]
    destination: str
    keep_labels: bool
    keep_expires_on: bool
    to_version: str
    list_after: str
    change_sha256: bytes
    break_glass: str
    source_version: str
    keys: _containers.RepeatedScalarFieldContainer[str]
    vault: _options_pb2.VaultOptions
    aws: _options_pb2.AwsOptions
    kubernetes: _options_pb2.KubernetesOptions
    other: str
    def __init__(self, request_id: _Optional[bytes] = ..., purpose: _Optional[_Union[Purpose, str]] = ..., uri: _Optional[str] = ..., expect: _Optional[_Union[Expect, str]] = ..., expect_version: _Optional[str] = ..., suites: _Optional[_Iterable[int]] = ..., destroy: _Optional[bool] = ..., remove_keys: _Optional[_Iterable[str]] = ..., labels: _Optional[_Iterable[_Union[_options_pb2.Label, _Mapping]]] = ..., expires_on: _Optional[str] = ..., recipes: _Optional[_Iterable[_Union[Recipe, _Mapping]]] = ..., destination: _Optional[str] = ..., keep_labels: _Optional[bool] = ..., keep_expires_on: _Optional[bool] = ..., to_version: _Optional[str] = ..., list_after: _Optional[str] = ..., change_sha256: _Optional[bytes] = ..., break_glass: _Optional[str] = ..., source_version: _Optional[str] = ..., keys: _Optional[_Iterable[str]] = ..., vault: _Optional[_Union[_options_pb2.VaultOptions, _Mapping]] = ..., aws: _Optional[_Union[_options_pb2.AwsOptions, _Mapping]] = ..., kubernetes: _Optional[_Union[_options_pb2.KubernetesOptions, _Mapping]] = ..., other: _Optional[str] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("change_id", "request", "requester", "identity", "not_after", "keys", "fingerprint", "reason")
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    REQUESTER_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    change_id: bytes
    request: bytes
    requester: str
    identity: bytes
    not_after: int
    keys: _containers.RepeatedScalarFieldContainer[str]
    fingerprint: str
    reason: str
    def __init__(self, change_id: _Optional[bytes] = ..., request: _Optional[bytes] = ..., requester: _Optional[str] = ..., identity: _Optional[bytes] = ..., not_after: _Optional[int] = ..., keys: _Optional[_Iterable[str]] = ..., fingerprint: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Approver(_message.Message):
    __slots__ = ("principal", "key")
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    principal: str
    key: str
    def __init__(self, principal: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class UploadGrant(_message.Message):
    __slots__ = ("request", "subject", "suite", "public_key", "replica", "lifetime_s", "max_plaintext", "fingerprint_key_id", "signature_required", "approvals")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SUITE_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_S_FIELD_NUMBER: _ClassVar[int]
    MAX_PLAINTEXT_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_KEY_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    request: bytes
    subject: str
    suite: int
    public_key: bytes
    replica: bytes
    lifetime_s: int
    max_plaintext: int
    fingerprint_key_id: str
    signature_required: bool
    approvals: int
    def __init__(self, request: _Optional[bytes] = ..., subject: _Optional[str] = ..., suite: _Optional[int] = ..., public_key: _Optional[bytes] = ..., replica: _Optional[bytes] = ..., lifetime_s: _Optional[int] = ..., max_plaintext: _Optional[int] = ..., fingerprint_key_id: _Optional[str] = ..., signature_required: _Optional[bool] = ..., approvals: _Optional[int] = ...) -> None: ...

class ValueFingerprint(_message.Message):
    __slots__ = ("key", "fingerprint")
    KEY_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    key: str
    fingerprint: str
    def __init__(self, key: _Optional[str] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class Difference(_message.Message):
    __slots__ = ("key", "kind")
    KEY_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    key: str
    kind: DifferenceKind
    def __init__(self, key: _Optional[str] = ..., kind: _Optional[_Union[DifferenceKind, str]] = ...) -> None: ...

class Listing(_message.Message):
    __slots__ = ("names", "unaddressable")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    UNADDRESSABLE_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    unaddressable: int
    def __init__(self, names: _Optional[_Iterable[str]] = ..., unaddressable: _Optional[int] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("grant_sha256", "sealed_sha256", "uri", "outcome", "reason", "upstream_version", "prior_version", "fingerprint", "values", "differences", "intent", "public_values", "verified_sha256", "destination", "signer", "signer_key", "replica", "destination_grant", "listed", "more", "restored_version", "detail", "retry_after_s", "change_sha256", "approvers", "break_glass")
    GRANT_SHA256_FIELD_NUMBER: _ClassVar[int]
    SEALED_SHA256_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_VERSION_FIELD_NUMBER: _ClassVar[int]
    PRIOR_VERSION_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    INTENT_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_VALUES_FIELD_NUMBER: _ClassVar[int]
    VERIFIED_SHA256_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    SIGNER_KEY_FIELD_NUMBER: _ClassVar[int]
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_GRANT_FIELD_NUMBER: _ClassVar[int]
    LISTED_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    RESTORED_VERSION_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    CHANGE_SHA256_FIELD_NUMBER: _ClassVar[int]
    APPROVERS_FIELD_NUMBER: _ClassVar[int]
    BREAK_GLASS_FIELD_NUMBER: _ClassVar[int]
    grant_sha256: bytes
    sealed_sha256: bytes
    uri: str
    outcome: Outcome
    reason: Reason
    upstream_version: str
    prior_version: str
    fingerprint: str
    values: _containers.RepeatedCompositeFieldContainer[ValueFingerprint]
    differences: _containers.RepeatedCompositeFieldContainer[Difference]
    intent: bytes
    public_values: _containers.RepeatedCompositeFieldContainer[PublicValue]
    verified_sha256: bytes
    destination: Signed
    signer: str
    signer_key: str
    replica: bytes
    destination_grant: Signed
    listed: Listing
    more: bool
    restored_version: str
    detail: str
    retry_after_s: int
    change_sha256: bytes
    approvers: _containers.RepeatedCompositeFieldContainer[Approver]
    break_glass: str
    def __init__(self, grant_sha256: _Optional[bytes] = ..., sealed_sha256: _Optional[bytes] = ..., uri: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., reason: _Optional[_Union[Reason, str]] = ..., upstream_version: _Optional[str] = ..., prior_version: _Optional[str] = ..., fingerprint: _Optional[str] = ..., values: _Optional[_Iterable[_Union[ValueFingerprint, _Mapping]]] = ..., differences: _Optional[_Iterable[_Union[Difference, _Mapping]]] = ..., intent: _Optional[bytes] = ..., public_values: _Optional[_Iterable[_Union[PublicValue, _Mapping]]] = ..., verified_sha256: _Optional[bytes] = ..., destination: _Optional[_Union[Signed, _Mapping]] = ..., signer: _Optional[str] = ..., signer_key: _Optional[str] = ..., replica: _Optional[bytes] = ..., destination_grant: _Optional[_Union[Signed, _Mapping]] = ..., listed: _Optional[_Union[Listing, _Mapping]] = ..., more: _Optional[bool] = ..., restored_version: _Optional[str] = ..., detail: _Optional[str] = ..., retry_after_s: _Optional[int] = ..., change_sha256: _Optional[bytes] = ..., approvers: _Optional[_Iterable[_Union[Approver, _Mapping]]] = ..., break_glass: _Optional[str] = ...) -> None: ...

class Signed(_message.Message):
    __slots__ = ("content", "signature", "identity_key")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_KEY_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    signature: bytes
    identity_key: bytes
    def __init__(self, content: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., identity_key: _Optional[bytes] = ...) -> None: ...
