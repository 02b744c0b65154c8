from monoskope.api.buf.validate import validate_pb2 as _validate_pb2
from monoskope.api.gateway.v1 import views_pb2 as _views_pb2
from monoskope.api.secrets.v1 import events_pb2 as _events_pb2
from monoskope.api.secrets.v1 import identity_pb2 as _identity_pb2
from monoskope.api.secrets.v1 import options_pb2 as _options_pb2
from monoskope.api.secrets.v1 import upload_pb2 as _upload_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetSecretUploadKeyRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: bytes
    def __init__(self, request_id: _Optional[bytes] = ...) -> None: ...

class GetSecretUploadKeyResponse(_message.Message):
    __slots__ = ("state", "grant", "rotations", "reason", "receipt", "detail", "retry_after_s")
    STATE_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    ROTATIONS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    state: _views_pb2.UploadState
    grant: _upload_pb2.Signed
    rotations: _containers.RepeatedCompositeFieldContainer[_identity_pb2.SignedRotation]
    reason: _upload_pb2.Reason
    receipt: _upload_pb2.Signed
    detail: str
    retry_after_s: int
    def __init__(self, state: _Optional[_Union[_views_pb2.UploadState, str]] = ..., grant: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ..., rotations: _Optional[_Iterable[_Union[_identity_pb2.SignedRotation, _Mapping]]] = ..., reason: _Optional[_Union[_upload_pb2.Reason, str]] = ..., receipt: _Optional[_Union[_upload_pb2.Signed, _Mapping]] = ..., detail: _Optional[str] = ..., retry_after_s: _Optional[int] = ...) -> None: ...

class GetSecretUploadRequest(_message.Message):
    __slots__ = ("request_id", "wait")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    request_id: bytes
    wait: bool
    def __init__(self, request_id: _Optional[bytes] = ..., wait: _Optional[bool] = ...) -> None: ...

class GetSecretUploadResponse(_message.Message):
    __slots__ = ("upload", "rotations", "people")
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    ROTATIONS_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    upload: _views_pb2.SecretUpload
    rotations: _containers.RepeatedCompositeFieldContainer[_identity_pb2.SignedRotation]
    people: _containers.RepeatedCompositeFieldContainer[_views_pb2.PersonName]
    def __init__(self, upload: _Optional[_Union[_views_pb2.SecretUpload, _Mapping]] = ..., rotations: _Optional[_Iterable[_Union[_identity_pb2.SignedRotation, _Mapping]]] = ..., people: _Optional[_Iterable[_Union[_views_pb2.PersonName, _Mapping]]] = ...) -> None: ...

class GetSecretRequest(_message.Message):
    __slots__ = ("uri",)
    URI_FIELD_NUMBER: _ClassVar[int]
    uri: str
    def __init__(self, uri: _Optional[str] = ...) -> None: ...

class GetSecretResponse(_message.Message):
    __slots__ = ("secret", "people")
    SECRET_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    secret: _views_pb2.Secret
    people: _containers.RepeatedCompositeFieldContainer[_views_pb2.PersonName]
    def __init__(self, secret: _Optional[_Union[_views_pb2.Secret, _Mapping]] = ..., people: _Optional[_Iterable[_Union[_views_pb2.PersonName, _Mapping]]] = ...) -> None: ...

class ListSecretsRequest(_message.Message):
    __slots__ = ("prefix", "page_size", "page_token", "store", "subject", "state", "expiring_before", "labels")
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EXPIRING_BEFORE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    prefix: str
    page_size: int
    page_token: str
    store: str
    subject: str
    state: _views_pb2.SecretState
    expiring_before: str
    labels: _containers.RepeatedCompositeFieldContainer[_options_pb2.Label]
    def __init__(self, prefix: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., store: _Optional[str] = ..., subject: _Optional[str] = ..., state: _Optional[_Union[_views_pb2.SecretState, str]] = ..., expiring_before: _Optional[str] = ..., labels: _Optional[_Iterable[_Union[_options_pb2.Label, _Mapping]]] = ...) -> None: ...

class ListSecretsResponse(_message.Message):
    __slots__ = ("secrets", "next_page_token", "people")
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    secrets: _containers.RepeatedCompositeFieldContainer[_views_pb2.Secret]
    next_page_token: str
    people: _containers.RepeatedCompositeFieldContainer[_views_pb2.PersonName]
    def __init__(self, secrets: _Optional[_Iterable[_Union[_views_pb2.Secret, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., people: _Optional[_Iterable[_Union[_views_pb2.PersonName, _Mapping]]] = ...) -> None: ...

class ListSecretVersionsRequest(_message.Message):
    __slots__ = ("uri", "page_size", "page_token", "with_edits")
    URI_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    WITH_EDITS_FIELD_NUMBER: _ClassVar[int]
    uri: str
    page_size: int
    page_token: str
    with_edits: bool
    def __init__(self, uri: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., with_edits: _Optional[bool] = ...) -> None: ...

class ListSecretVersionsResponse(_message.Message):
    __slots__ = ("versions", "next_page_token", "people")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[_views_pb2.SecretVersion]
    next_page_token: str
    people: _containers.RepeatedCompositeFieldContainer[_views_pb2.PersonName]
    def __init__(self, versions: _Optional[_Iterable[_Union[_views_pb2.SecretVersion, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., people: _Optional[_Iterable[_Union[_views_pb2.PersonName, _Mapping]]] = ...) -> None: ...

class GetSecretStoreRequest(_message.Message):
    __slots__ = ("name", "count_pending")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COUNT_PENDING_FIELD_NUMBER: _ClassVar[int]
    name: str
    count_pending: bool
    def __init__(self, name: _Optional[str] = ..., count_pending: _Optional[bool] = ...) -> None: ...

class GetSecretStoreResponse(_message.Message):
    __slots__ = ("store",)
    STORE_FIELD_NUMBER: _ClassVar[int]
    store: _views_pb2.SecretStore
    def __init__(self, store: _Optional[_Union[_views_pb2.SecretStore, _Mapping]] = ...) -> None: ...

class ListSecretStoresRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "count_pending")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    COUNT_PENDING_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    count_pending: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., count_pending: _Optional[bool] = ...) -> None: ...

class ListSecretStoresResponse(_message.Message):
    __slots__ = ("stores", "next_page_token")
    STORES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    stores: _containers.RepeatedCompositeFieldContainer[_views_pb2.SecretStore]
    next_page_token: str
    def __init__(self, stores: _Optional[_Iterable[_Union[_views_pb2.SecretStore, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListEventsRequest(_message.Message):
    __slots__ = ("request_id", "page_size", "page_token", "prefix", "newest_first", "since_ms", "until_ms", "actor", "before", "tree_size")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    request_id: bytes
    page_size: int
    page_token: str
    prefix: str
    newest_first: bool
    since_ms: int
    until_ms: int
    actor: str
    before: int
    tree_size: int
    def __init__(self, request_id: _Optional[bytes] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., prefix: _Optional[str] = ..., newest_first: _Optional[bool] = ..., since_ms: _Optional[int] = ..., until_ms: _Optional[int] = ..., actor: _Optional[str] = ..., before: _Optional[int] = ..., tree_size: _Optional[int] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token", "head", "inclusion", "people")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    INCLUSION_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_views_pb2.EventSummary]
    next_page_token: str
    head: int
    inclusion: _containers.RepeatedScalarFieldContainer[bytes]
    people: _containers.RepeatedCompositeFieldContainer[_views_pb2.PersonName]
    def __init__(self, events: _Optional[_Iterable[_Union[_views_pb2.EventSummary, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., head: _Optional[int] = ..., inclusion: _Optional[_Iterable[bytes]] = ..., people: _Optional[_Iterable[_Union[_views_pb2.PersonName, _Mapping]]] = ...) -> None: ...

class WatchEventsRequest(_message.Message):
    __slots__ = ("after", "prefix", "from_now")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    FROM_NOW_FIELD_NUMBER: _ClassVar[int]
    after: int
    prefix: str
    from_now: bool
    def __init__(self, after: _Optional[int] = ..., prefix: _Optional[str] = ..., from_now: _Optional[bool] = ...) -> None: ...

class WatchEventsResponse(_message.Message):
    __slots__ = ("event", "people")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    event: _views_pb2.EventSummary
    people: _containers.RepeatedCompositeFieldContainer[_views_pb2.PersonName]
    def __init__(self, event: _Optional[_Union[_views_pb2.EventSummary, _Mapping]] = ..., people: _Optional[_Iterable[_Union[_views_pb2.PersonName, _Mapping]]] = ...) -> None: ...

class GetServerRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerResponse(_message.Message):
    __slots__ = ("version", "fingerprint_key_id", "subject", "role", "prefixes", "rights", "expires_at_ms", "features", "certificate_expires_at_ms")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_KEY_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PREFIXES_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    version: str
    fingerprint_key_id: str
    subject: str
    role: _events_pb2.Role
    prefixes: _containers.RepeatedScalarFieldContainer[str]
    rights: _containers.RepeatedScalarFieldContainer[_events_pb2.Right]
    expires_at_ms: int
    features: _containers.RepeatedScalarFieldContainer[str]
    certificate_expires_at_ms: int
    def __init__(self, version: _Optional[str] = ..., fingerprint_key_id: _Optional[str] = ..., subject: _Optional[str] = ..., role: _Optional[_Union[_events_pb2.Role, str]] = ..., prefixes: _Optional[_Iterable[str]] = ..., rights: _Optional[_Iterable[_Union[_events_pb2.Right, str]]] = ..., expires_at_ms: _Optional[int] = ..., features: _Optional[_Iterable[str]] = ..., certificate_expires_at_ms: _Optional[int] = ...) -> None: ...
