from monoskope.api.buf.validate import validate_pb2 as _validate_pb2
from monoskope.api.gateway.v1 import queries_pb2 as _queries_pb2
from monoskope.api.gateway.v1 import views_pb2 as _views_pb2
from monoskope.api.secrets.v1 import events_pb2 as _events_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RequestSecretUploadKeyRequest(_message.Message):
    __slots__ = ("request", "wait")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    request: bytes
    wait: bool
    def __init__(self, request: _Optional[bytes] = ..., wait: _Optional[bool] = ...) -> None: ...

class RequestSecretUploadKeyResponse(_message.Message):
    __slots__ = ("request_id", "key")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    request_id: bytes
    key: _queries_pb2.GetSecretUploadKeyResponse
    def __init__(self, request_id: _Optional[bytes] = ..., key: _Optional[_Union[_queries_pb2.GetSecretUploadKeyResponse, _Mapping]] = ...) -> None: ...

class RequestUploadSecretRequest(_message.Message):
    __slots__ = ("request_id", "encapsulated_key", "ciphertext", "request_signature", "change", "approvals")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ENCAPSULATED_KEY_FIELD_NUMBER: _ClassVar[int]
    CIPHERTEXT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    request_id: bytes
    encapsulated_key: bytes
    ciphertext: bytes
    request_signature: bytes
    change: bytes
    approvals: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, request_id: _Optional[bytes] = ..., encapsulated_key: _Optional[bytes] = ..., ciphertext: _Optional[bytes] = ..., request_signature: _Optional[bytes] = ..., change: _Optional[bytes] = ..., approvals: _Optional[_Iterable[bytes]] = ...) -> None: ...

class RequestUploadSecretResponse(_message.Message):
    __slots__ = ("upload",)
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    upload: _views_pb2.SecretUpload
    def __init__(self, upload: _Optional[_Union[_views_pb2.SecretUpload, _Mapping]] = ...) -> None: ...

class UpdateSecretNotesRequest(_message.Message):
    __slots__ = ("uri", "edit")
    URI_FIELD_NUMBER: _ClassVar[int]
    EDIT_FIELD_NUMBER: _ClassVar[int]
    uri: str
    edit: _events_pb2.NotesEdit
    def __init__(self, uri: _Optional[str] = ..., edit: _Optional[_Union[_events_pb2.NotesEdit, _Mapping]] = ...) -> None: ...

class UpdateSecretNotesResponse(_message.Message):
    __slots__ = ("secret",)
    SECRET_FIELD_NUMBER: _ClassVar[int]
    secret: _views_pb2.Secret
    def __init__(self, secret: _Optional[_Union[_views_pb2.Secret, _Mapping]] = ...) -> None: ...

class CreateSecretStoreRequest(_message.Message):
    __slots__ = ("name", "type", "identity")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    identity: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., identity: _Optional[str] = ...) -> None: ...

class CreateSecretStoreResponse(_message.Message):
    __slots__ = ("store",)
    STORE_FIELD_NUMBER: _ClassVar[int]
    store: _views_pb2.SecretStore
    def __init__(self, store: _Optional[_Union[_views_pb2.SecretStore, _Mapping]] = ...) -> None: ...

class ActivateSecretStoreRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ActivateSecretStoreResponse(_message.Message):
    __slots__ = ("store",)
    STORE_FIELD_NUMBER: _ClassVar[int]
    store: _views_pb2.SecretStore
    def __init__(self, store: _Optional[_Union[_views_pb2.SecretStore, _Mapping]] = ...) -> None: ...

class DeactivateSecretStoreRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeactivateSecretStoreResponse(_message.Message):
    __slots__ = ("store",)
    STORE_FIELD_NUMBER: _ClassVar[int]
    store: _views_pb2.SecretStore
    def __init__(self, store: _Optional[_Union[_views_pb2.SecretStore, _Mapping]] = ...) -> None: ...

class SetDefaultSecretStoreRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class SetDefaultSecretStoreResponse(_message.Message):
    __slots__ = ("store",)
    STORE_FIELD_NUMBER: _ClassVar[int]
    store: _views_pb2.SecretStore
    def __init__(self, store: _Optional[_Union[_views_pb2.SecretStore, _Mapping]] = ...) -> None: ...

class ReplaceSecretStoreIdentityRequest(_message.Message):
    __slots__ = ("name", "identity")
    NAME_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    name: str
    identity: str
    def __init__(self, name: _Optional[str] = ..., identity: _Optional[str] = ...) -> None: ...

class ReplaceSecretStoreIdentityResponse(_message.Message):
    __slots__ = ("store",)
    STORE_FIELD_NUMBER: _ClassVar[int]
    store: _views_pb2.SecretStore
    def __init__(self, store: _Optional[_Union[_views_pb2.SecretStore, _Mapping]] = ...) -> None: ...

class StartFingerprintKeyRotationRequest(_message.Message):
    __slots__ = ("key_id",)
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    key_id: str
    def __init__(self, key_id: _Optional[str] = ...) -> None: ...

class StartFingerprintKeyRotationResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FinishFingerprintKeyRotationRequest(_message.Message):
    __slots__ = ("key_id", "force")
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    key_id: str
    force: bool
    def __init__(self, key_id: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class FinishFingerprintKeyRotationResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
