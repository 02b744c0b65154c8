"""Recipes: what a reactor is to make by itself, a value a key. Not secret: m8 sees them."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Self

from monoskope.errors import UsageError
from monoskope.protocol.payload import MAX_KEYS, check_key
from monoskope.value import Value

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
            # Not repeated: somebody may have written a value there.
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
