"""Makes the classes of generated messages, as protobuf's own builder does, and loads less.

`google.protobuf.internal.builder` imports the encoder, the decoder and the text format of protobuf in Python: 10 ms at
each start of a command line, which never uses them where messages are protobuf's own C code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.internal import api_implementation

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FileDescriptor

POOL: Any
"""The descriptors of this process."""

if api_implementation.Type() == "upb":
    from google._upb import _message
    from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
    from google.protobuf.message import Message

    POOL = _message.default_pool

    def BuildMessageAndEnumDescriptors(file_des: FileDescriptor, module: dict[str, Any]) -> None:  # noqa: N802 - generated code calls it so
        """Do nothing: these descriptors would get private names, which only messages in pure Python need."""

    def BuildTopDescriptorsAndMessages(file_des: FileDescriptor, module_name: str, module: dict[str, Any]) -> None:  # noqa: N802 - as above
        """Put the enums and numbers of a file into its generated module, and each class when it is first asked for.

        A command uses 10 of 100 messages.
        """
        for enum in file_des.enum_types_by_name.values():
            module[enum.name] = EnumTypeWrapper(enum)
            module.update((value.name, value.number) for value in enum.values)
        messages = file_des.message_types_by_name

        def made(name: str) -> Any:  # noqa: ANN401 - a class of messages
            if name not in messages:
                raise AttributeError(f"module {module_name!r} has no attribute {name!r}")
            module[name] = _class(module_name, messages[name], "")
            return module[name]

        module["__getattr__"] = made
        module["__dir__"] = lambda: sorted({*module, *messages})

    def _class(module_name: str, message: Descriptor, prefix: str) -> Any:  # noqa: ANN401 - a class of messages
        inside = f"{prefix}{message.name}."
        content: dict[str, Any] = {
            nested.name: _class(module_name, nested, inside) for nested in message.nested_types_by_name.values()
        }
        names = {"__module__": module_name, "__qualname__": inside.removesuffix(".")}
        made = _message.MessageMeta(message.name, (Message,), {"DESCRIPTOR": message, **content, **names})
        # It was made before, and named otherwise, if a message was first met inside another one.
        for name, value in names.items():
            setattr(made, name, value)
        return made

else:
    from google.protobuf import descriptor_pool
    from google.protobuf.internal.builder import BuildMessageAndEnumDescriptors, BuildTopDescriptorsAndMessages

    POOL = descriptor_pool.Default()

__all__ = ["POOL", "BuildMessageAndEnumDescriptors", "BuildTopDescriptorsAndMessages"]
