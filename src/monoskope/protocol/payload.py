"""The secret itself: its only accepted form, its padding, and a holder that does not show it.

Form (docs/protocol.md, The walk, step 4): `{"key":"value",...}`, ASCII, no white space; 1 to 64 keys
`[A-Za-z0-9_.-]{1,253}`, neither `.` nor starting with `..`, unique, in byte order; values in standard base64, padded,
spare bits zero; then spaces up to the next of 512, 1,024, … 1,048,576 bytes. What does not encode back to the same
bytes is refused, without detail.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping

from monoskope.errors import Error, UsageError
from monoskope.lazy import pattern
from monoskope.value import Unshared

MIN_PADDED = 512
MAX_PADDED = 1_048_576
DEFAULT_MAX_PLAINTEXT = 131_072
MAX_KEYS = 64

_KEY = pattern(r"[A-Za-z0-9_.-]{1,253}", re.ASCII)
_KEY_RULE = "1 to 253 of A-Z, a-z, 0-9, '_', '.' and '-', neither '.' nor starting with '..'"


class BadPayloadError(Error):
    """The plaintext is not in the accepted form. The error gives no detail."""

    def __init__(self) -> None:
        super().__init__("the sealed payload is not in the accepted form.", fix="Use an unmodified client.")


class HiddenValues(Unshared, Mapping[str, bytes]):
    """Values by key. Shows its keys, never its values; refuses copying and pickling."""

    __slots__ = ("_values",)

    _values: dict[str, bytes]

    def __getitem__(self, key: str) -> bytes:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} keys={list(self._values)} values=hidden>"


class Payload(HiddenValues):
    """The values of one secret, by key, in byte order.

    Raises:
        UsageError: no key, too many keys, or a key outside the rule; the message names it.
    """

    __slots__ = ()

    def __init__(self, values: Mapping[str, bytes]) -> None:
        if not 1 <= len(values) <= MAX_KEYS:
            raise UsageError(f"a secret has 1 to {MAX_KEYS} keys, this one {len(values)}.", fix="Split or fill it.")
        for key in values:
            check_key(key)
        self._values = {key: bytes(values[key]) for key in sorted(values)}


def check_key(key: str) -> str:
    """Return `key` if it is a valid key of a secret, else raise `UsageError` that states the rule."""
    if _KEY.fullmatch(key) is None or key == "." or key.startswith(".."):
        raise UsageError(f"key {key!r} is not valid: {_KEY_RULE}.", fix="Rename it.")
    return key


def is_padded_size(size: int) -> bool:
    """Whether `size` is one of 512, 1,024, … 1,048,576."""
    return MIN_PADDED <= size <= MAX_PADDED and size & (size - 1) == 0


def padded_size(size: int) -> int:
    """Return the padded size in bytes of a plaintext of `size` bytes; raises `UsageError` above 1,048,576."""
    padded = MIN_PADDED
    while padded < size:
        padded *= 2
    if padded > MAX_PADDED:
        raise UsageError(
            f"the encoded secret has {size} bytes; at most {MAX_PADDED} are possible.", fix="Store a smaller secret."
        )
    return padded


def encode(payload: Payload) -> bytes:
    """Return the padded plaintext of `payload`; raises `UsageError` if it is larger than the protocol's limit."""
    # JSON without its encoder, which takes long to load: neither keys nor base64 have anything to escape.
    pairs = [f'"{key}":"{base64.b64encode(value).decode("ascii")}"' for key, value in payload.items()]
    plain = f"{{{','.join(pairs)}}}".encode("ascii")
    return plain.ljust(padded_size(len(plain)), b" ")


def decode(plaintext: bytes) -> Payload:
    """Parse a padded plaintext.

    Raises:
        BadPayloadError: anything at all is not as `encode` would have written it.
    """
    import json  # noqa: PLC0415 - who seals does not need it

    try:
        parsed = json.loads(plaintext.decode("ascii"))
        if type(parsed) is not dict:
            raise BadPayloadError
        payload = Payload({key: base64.b64decode(value, validate=True) for key, value in parsed.items()})
        again = encode(payload)
    except (ValueError, TypeError, RecursionError, binascii.Error, UsageError):
        raise BadPayloadError from None
    if again != plaintext:
        raise BadPayloadError
    return payload
