"""Enum values as docs/protocol.md spells them: `CONFLICT` for REASON_CONFLICT."""

from __future__ import annotations

from typing import Protocol

from google.protobuf.descriptor import EnumDescriptor


class Kind(Protocol):
    """A generated enum, such as `upload_pb2.Reason`."""

    DESCRIPTOR: EnumDescriptor


def spelled(kind: Kind, value: int) -> str:
    """Return the name of `value` without its enum's own, "UNSPECIFIED" for 0, the number for one not known here."""
    named = kind.DESCRIPTOR.values_by_number
    if value not in named:
        return str(value)
    return str(named[value].name.removeprefix(named[0].name.removesuffix("UNSPECIFIED")))
