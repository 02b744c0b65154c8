from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VaultBinary(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VAULT_BINARY_UNSPECIFIED: _ClassVar[VaultBinary]
    VAULT_BINARY_BASE64: _ClassVar[VaultBinary]
VAULT_BINARY_UNSPECIFIED: VaultBinary
VAULT_BINARY_BASE64: VaultBinary

class VaultOptions(_message.Message):
    __slots__ = ("binary",)
    BINARY_FIELD_NUMBER: _ClassVar[int]
    binary: VaultBinary
    def __init__(self, binary: _Optional[_Union[VaultBinary, str]] = ...) -> None: ...

class Label(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class AwsOptions(_message.Message):
    __slots__ = ("tags",)
    TAGS_FIELD_NUMBER: _ClassVar[int]
    tags: _containers.RepeatedCompositeFieldContainer[Label]
    def __init__(self, tags: _Optional[_Iterable[_Union[Label, _Mapping]]] = ...) -> None: ...

class KubernetesOptions(_message.Message):
    __slots__ = ("type", "labels")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    type: str
    labels: _containers.RepeatedCompositeFieldContainer[Label]
    def __init__(self, type: _Optional[str] = ..., labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ...) -> None: ...
