"""Strict bytes: a message counts only if it is serialised in the one way that we serialise it ourselves.

Parsed, stripped of unknown fields and serialised again (number order, no defaults) it must give the same bytes, so
nothing that was signed can be read in two ways (docs/protocol.md, Bytes).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from google.protobuf.message import DecodeError, Message

from monoskope.errors import UsageError
from monoskope.protocol import elements

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

M = TypeVar("M", bound=Message)
V = TypeVar("V")

MOST_FIELDS = 4_096
"""Fields of a message at most, with those of the messages in it: some four times as many as its rules can allow."""

DIGEST_BYTES = 32
"""Of a SHA-256."""

REMEMBERED = 256
"""Contents of one kind whose reading is kept, a few kilobytes each."""


class MalformedError(UsageError):
    """Bytes that are not a well-formed message; names the message, the field and the rule."""

    def __init__(self, message: str, field: str, rule: str) -> None:
        super().__init__(f"{message}: {field} {rule}.", fix="Use an unmodified client of a supported version.")
        self.field = field


def serialise(message: Message) -> bytes:
    """Return the one serialised form of `message`."""
    return message.SerializeToString(deterministic=True)


def parse(kind: type[M], content: bytes) -> M:
    """Return the message in `content`.

    Raises:
        MalformedError: it does not parse, has more fields than any message, or is not in the one serialised form.
    """
    message = kind()
    try:
        # Who signed it may have signed anything: half a million empty elements would be taken apart before they count.
        elements.check_number(cast("Descriptor", kind.DESCRIPTOR), content, MOST_FIELDS)
        message.ParseFromString(content)
    except (DecodeError, UsageError):
        raise MalformedError(kind.__name__, "content", "does not parse") from None
    message.DiscardUnknownFields()
    if serialise(message) != content:
        raise MalformedError(kind.__name__, "content", "is not in its one serialised form")
    return message


def remembered(read: Callable[[bytes], V]) -> Callable[[bytes], V]:
    """Return `read` with its last results kept: the same bytes have the same meaning, and come by many times.

    For functions of the bytes alone whose results are never changed. What is malformed is read anew each time.
    """
    return functools.lru_cache(maxsize=REMEMBERED)(read)
