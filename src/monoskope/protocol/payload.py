"""The secret itself: its only accepted form, its padding, and a holder that does not show it.

Form (docs/protocol.md, The walk, step 4): `{"key":"value",...}`, ASCII, no white space; 1 to 64 keys
`[A-Za-z0-9_.-]{1,253}`, neither `.` nor starting with `..`, unique, in byte order; values in standard base64, padded,
spare bits zero; then spaces up to the next of 512, 1,024, … 1,048,576 bytes. What does not encode back to the same
bytes is refused, without detail.

A recipe says what a reactor is to make by itself, a value a key. It is not secret: m8 sees it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Self

from monoskope.errors import Error, UsageError
from monoskope.lazy import pattern
from monoskope.value import Unshared, Value

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


MAX_RSA = 4
"""RSA keys that one request may ask for: each takes a reactor seconds."""


class Kind(Value, frozen=True):
    """What can be made under one name."""

    default: int
    """The size where none is given."""
    sizes: range | tuple[int, ...]
    """Those that may be given."""
    unit: str
    """What a size counts."""
    is_pair: bool = False
    """Whether a key pair is made: the private half is the value, the public half is shown."""


KINDS = MappingProxyType(
    {
        "password": Kind(24, range(8, 1_025), "characters"),
        "hex": Kind(32, range(8, 1_025), "random bytes"),
        "base64": Kind(32, range(8, 1_025), "random bytes"),
        "rsa": Kind(3_072, (2_048, 3_072, 4_096), "bits", is_pair=True),
        "ed25519": Kind(0, (), "bits, always 256", is_pair=True),
    }
)
"""Every kind. The defaults have at least 128 bits of entropy, or that strength."""


class Recipe(Value, frozen=True):
    """How one value is made."""

    key: str
    """Under which it is to stand."""
    kind: str
    size: int = 0
    """In the kind's unit, 0 for its default."""

    @classmethod
    def parse(cls, key: str, text: str) -> Self:
        """Parse `KIND` or `KIND:SIZE`; whether it can be made, `check_recipes` says. Raises `UsageError`."""
        kind, colon, size = text.partition(":")
        if colon and not (size.isascii() and size.isdecimal() and len(size) <= 5 and int(size)):
            # Not repeated: a user may have written a value there.
            raise UsageError(f"what to make under {key!r} is not KIND or KIND:SIZE.", fix="For example password:32.")
        return cls(key, kind, int(size) if colon else 0)

    @property
    def is_pair(self) -> bool:
        """Whether a key pair is made."""
        return KINDS[self.kind].is_pair

    @property
    def effective_size(self) -> int:
        """The size, the default filled in."""
        return self.size or KINDS[self.kind].default


Recipes = tuple[Recipe, ...]


def check_recipes(recipes: Sequence[Recipe]) -> Recipes:
    """Return recipes in the order of their keys.

    Raises:
        UsageError: there is none or more than 64, a key twice or outside the rule, an unknown kind, a size that it
            cannot have, or too many RSA keys.
    """
    if not 1 <= len(recipes) <= MAX_KEYS:
        raise UsageError(f"a secret has 1 to {MAX_KEYS} keys, this one {len(recipes)}.", fix="Name what to make.")
    for recipe in recipes:
        check_key(recipe.key)
        _check_kind(recipe)
    if len({recipe.key for recipe in recipes}) != len(recipes):
        raise UsageError("a key is to be made twice.", fix="Name each key once.")
    if sum(recipe.kind == "rsa" for recipe in recipes) > MAX_RSA:
        raise UsageError(f"more than {MAX_RSA} RSA keys are to be made at once.", fix="Spread them over more secrets.")
    return tuple(sorted(recipes, key=lambda recipe: recipe.key))


def pair_keys(recipes: Recipes) -> list[str]:
    """Return the keys under which private halves are to stand, in key order."""
    return [recipe.key for recipe in recipes if recipe.is_pair]


def _check_kind(recipe: Recipe) -> None:
    kind = KINDS.get(recipe.kind)
    if kind is None:
        raise UsageError(
            f"what to make under {recipe.key!r} has an unknown kind.", fix=f"Choose one of: {', '.join(KINDS)}."
        )
    if recipe.size and recipe.size not in kind.sizes:
        raise UsageError(f"{recipe.kind} cannot have the size {recipe.size}.", fix=f"Allowed {_sizes(kind)}.")


def _sizes(kind: Kind) -> str:
    if isinstance(kind.sizes, range):
        return f"are {kind.sizes[0]} to {kind.sizes[-1]} {kind.unit}"
    return f"are {', '.join(map(str, kind.sizes))} {kind.unit}" if kind.sizes else f"is none: {kind.unit}"
