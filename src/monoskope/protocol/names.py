"""Enum values as docs/protocol.md spells them: `CONFLICT` for REASON_CONFLICT."""

from __future__ import annotations

from collections.abc import Iterable
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


def one_of(kind: Kind, values: Iterable[int]) -> str:
    """Return the names of `values` in a sentence: "A", "A or B", "A, B or C"."""
    names = [spelled(kind, value) for value in values]
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
