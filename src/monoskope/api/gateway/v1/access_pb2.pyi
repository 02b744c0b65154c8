from monoskope.api.buf.validate import validate_pb2 as _validate_pb2
from monoskope.api.gateway.v1 import views_pb2 as _views_pb2
from monoskope.api.secrets.v1 import events_pb2 as _events_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RoleBinding(_message.Message):
    __slots__ = ("name", "role", "members", "prefix", "rights", "made_by", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    MADE_BY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    role: _events_pb2.Role
    members: _containers.RepeatedScalarFieldContainer[str]
    prefix: str
    rights: _containers.RepeatedScalarFieldContainer[_events_pb2.Right]
    made_by: str
    version: int
    def __init__(self, name: _Optional[str] = ..., role: _Optional[_Union[_events_pb2.Role, str]] = ..., members: _Optional[_Iterable[str]] = ..., prefix: _Optional[str] = ..., rights: _Optional[_Iterable[_Union[_events_pb2.Right, str]]] = ..., made_by: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class ExchangeTokenRequest(_message.Message):
    __slots__ = ("subject_token", "subject_token_type")
    SUBJECT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_TOKEN_TYPE_FIELD_NUMBER: _ClassVar[int]
    subject_token: str
    subject_token_type: str
    def __init__(self, subject_token: _Optional[str] = ..., subject_token_type: _Optional[str] = ...) -> None: ...

class ExchangeTokenResponse(_message.Message):
    __slots__ = ("access_token", "expires_at_ms", "member")
    ACCESS_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    access_token: str
    expires_at_ms: int
    member: str
    def __init__(self, access_token: _Optional[str] = ..., expires_at_ms: _Optional[int] = ..., member: _Optional[str] = ...) -> None: ...

class WhoAmIRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PrefixRights(_message.Message):
    __slots__ = ("prefix", "rights", "role_binding")
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    ROLE_BINDING_FIELD_NUMBER: _ClassVar[int]
    prefix: str
    rights: _containers.RepeatedScalarFieldContainer[_events_pb2.Right]
    role_binding: str
    def __init__(self, prefix: _Optional[str] = ..., rights: _Optional[_Iterable[_Union[_events_pb2.Right, str]]] = ..., role_binding: _Optional[str] = ...) -> None: ...

class WhoAmIResponse(_message.Message):
    __slots__ = ("subject", "member", "issuer", "issuer_subject", "groups", "roles", "rights", "token_id", "expires_at_ms", "people")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    ISSUER_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    subject: str
    member: str
    issuer: str
    issuer_subject: str
    groups: _containers.RepeatedScalarFieldContainer[str]
    roles: _containers.RepeatedScalarFieldContainer[_events_pb2.Role]
    rights: _containers.RepeatedCompositeFieldContainer[PrefixRights]
    token_id: str
    expires_at_ms: int
    people: _containers.RepeatedCompositeFieldContainer[_views_pb2.PersonName]
    def __init__(self, subject: _Optional[str] = ..., member: _Optional[str] = ..., issuer: _Optional[str] = ..., issuer_subject: _Optional[str] = ..., groups: _Optional[_Iterable[str]] = ..., roles: _Optional[_Iterable[_Union[_events_pb2.Role, str]]] = ..., rights: _Optional[_Iterable[_Union[PrefixRights, _Mapping]]] = ..., token_id: _Optional[str] = ..., expires_at_ms: _Optional[int] = ..., people: _Optional[_Iterable[_Union[_views_pb2.PersonName, _Mapping]]] = ...) -> None: ...

class CanIRequest(_message.Message):
    __slots__ = ("right", "uri", "member")
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    right: _events_pb2.Right
    uri: str
    member: str
    def __init__(self, right: _Optional[_Union[_events_pb2.Right, str]] = ..., uri: _Optional[str] = ..., member: _Optional[str] = ...) -> None: ...

class CanIResponse(_message.Message):
    __slots__ = ("allowed", "role_bindings")
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    ROLE_BINDINGS_FIELD_NUMBER: _ClassVar[int]
    allowed: bool
    role_bindings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, allowed: _Optional[bool] = ..., role_bindings: _Optional[_Iterable[str]] = ...) -> None: ...

class WhoCanRequest(_message.Message):
    __slots__ = ("right", "uri")
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    right: _events_pb2.Right
    uri: str
    def __init__(self, right: _Optional[_Union[_events_pb2.Right, str]] = ..., uri: _Optional[str] = ...) -> None: ...

class AllowedMember(_message.Message):
    __slots__ = ("member", "role_binding", "token_id")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    ROLE_BINDING_FIELD_NUMBER: _ClassVar[int]
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    member: str
    role_binding: str
    token_id: str
    def __init__(self, member: _Optional[str] = ..., role_binding: _Optional[str] = ..., token_id: _Optional[str] = ...) -> None: ...

class WhoCanResponse(_message.Message):
    __slots__ = ("members", "people")
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedCompositeFieldContainer[AllowedMember]
    people: _containers.RepeatedCompositeFieldContainer[_views_pb2.PersonName]
    def __init__(self, members: _Optional[_Iterable[_Union[AllowedMember, _Mapping]]] = ..., people: _Optional[_Iterable[_Union[_views_pb2.PersonName, _Mapping]]] = ...) -> None: ...

class ListRoleBindingsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListRoleBindingsResponse(_message.Message):
    __slots__ = ("role_bindings", "people")
    ROLE_BINDINGS_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    role_bindings: _containers.RepeatedCompositeFieldContainer[RoleBinding]
    people: _containers.RepeatedCompositeFieldContainer[_views_pb2.PersonName]
    def __init__(self, role_bindings: _Optional[_Iterable[_Union[RoleBinding, _Mapping]]] = ..., people: _Optional[_Iterable[_Union[_views_pb2.PersonName, _Mapping]]] = ...) -> None: ...

class CreateRoleBindingRequest(_message.Message):
    __slots__ = ("role_binding",)
    ROLE_BINDING_FIELD_NUMBER: _ClassVar[int]
    role_binding: RoleBinding
    def __init__(self, role_binding: _Optional[_Union[RoleBinding, _Mapping]] = ...) -> None: ...

class CreateRoleBindingResponse(_message.Message):
    __slots__ = ("role_binding",)
    ROLE_BINDING_FIELD_NUMBER: _ClassVar[int]
    role_binding: RoleBinding
    def __init__(self, role_binding: _Optional[_Union[RoleBinding, _Mapping]] = ...) -> None: ...

class DeleteRoleBindingRequest(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class DeleteRoleBindingResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ApplyRoleBindingsRequest(_message.Message):
    __slots__ = ("role_bindings", "prune", "dry_run")
    ROLE_BINDINGS_FIELD_NUMBER: _ClassVar[int]
    PRUNE_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    role_bindings: _containers.RepeatedCompositeFieldContainer[RoleBinding]
    prune: bool
    dry_run: bool
    def __init__(self, role_bindings: _Optional[_Iterable[_Union[RoleBinding, _Mapping]]] = ..., prune: _Optional[bool] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class ChangedRoleBinding(_message.Message):
    __slots__ = ("before", "after")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    before: RoleBinding
    after: RoleBinding
    def __init__(self, before: _Optional[_Union[RoleBinding, _Mapping]] = ..., after: _Optional[_Union[RoleBinding, _Mapping]] = ...) -> None: ...

class ApplyRoleBindingsResponse(_message.Message):
    __slots__ = ("created", "deleted", "unchanged", "changed")
    CREATED_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    created: _containers.RepeatedCompositeFieldContainer[RoleBinding]
    deleted: _containers.RepeatedCompositeFieldContainer[RoleBinding]
    unchanged: int
    changed: _containers.RepeatedCompositeFieldContainer[ChangedRoleBinding]
    def __init__(self, created: _Optional[_Iterable[_Union[RoleBinding, _Mapping]]] = ..., deleted: _Optional[_Iterable[_Union[RoleBinding, _Mapping]]] = ..., unchanged: _Optional[int] = ..., changed: _Optional[_Iterable[_Union[ChangedRoleBinding, _Mapping]]] = ...) -> None: ...

class CreateTokenRequest(_message.Message):
    __slots__ = ("member", "ttl_s")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    TTL_S_FIELD_NUMBER: _ClassVar[int]
    member: str
    ttl_s: int
    def __init__(self, member: _Optional[str] = ..., ttl_s: _Optional[int] = ...) -> None: ...

class CreateTokenResponse(_message.Message):
    __slots__ = ("token", "token_id", "expires_at_ms")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    token: str
    token_id: str
    expires_at_ms: int
    def __init__(self, token: _Optional[str] = ..., token_id: _Optional[str] = ..., expires_at_ms: _Optional[int] = ...) -> None: ...

class ListTokensRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class Token(_message.Message):
    __slots__ = ("token_id", "subject", "member", "role", "prefixes", "rights", "expires_at_ms", "revoked", "made_by")
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PREFIXES_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    MADE_BY_FIELD_NUMBER: _ClassVar[int]
    token_id: str
    subject: str
    member: str
    role: _events_pb2.Role
    prefixes: _containers.RepeatedScalarFieldContainer[str]
    rights: _containers.RepeatedScalarFieldContainer[_events_pb2.Right]
    expires_at_ms: int
    revoked: bool
    made_by: str
    def __init__(self, token_id: _Optional[str] = ..., subject: _Optional[str] = ..., member: _Optional[str] = ..., role: _Optional[_Union[_events_pb2.Role, str]] = ..., prefixes: _Optional[_Iterable[str]] = ..., rights: _Optional[_Iterable[_Union[_events_pb2.Right, str]]] = ..., expires_at_ms: _Optional[int] = ..., revoked: _Optional[bool] = ..., made_by: _Optional[str] = ...) -> None: ...

class ListTokensResponse(_message.Message):
    __slots__ = ("tokens", "next_page_token", "people")
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    tokens: _containers.RepeatedCompositeFieldContainer[Token]
    next_page_token: str
    people: _containers.RepeatedCompositeFieldContainer[_views_pb2.PersonName]
    def __init__(self, tokens: _Optional[_Iterable[_Union[Token, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., people: _Optional[_Iterable[_Union[_views_pb2.PersonName, _Mapping]]] = ...) -> None: ...

class RevokeTokenRequest(_message.Message):
    __slots__ = ("token_id",)
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    token_id: str
    def __init__(self, token_id: _Optional[str] = ...) -> None: ...

class RevokeTokenResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ForgetPersonRequest(_message.Message):
    __slots__ = ("member",)
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    member: str
    def __init__(self, member: _Optional[str] = ...) -> None: ...

class ForgetPersonResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
