"""Recipes: what a reactor is to make by itself, a value a key (docs/protocol.md, GENERATE). m8 sees them.

A `text` is a template, whose grammar is

    template  = *( literal / "{{" / "}}" / "{" key [ "|" filter ] "}" )
    literal   = any character but braces
    filter    = "url" / "json"

with at least one reference. A reference names a key of the same request that is no template, so nothing refers in a
circle. `{{` and `}}` stand for one brace each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Self

from monoskope.errors import UsageError
from monoskope.lazy import pattern
from monoskope.protocol.payload import MAX_KEYS, check_key
from monoskope.value import Value

MAX_RSA = 4
"""RSA keys that one request may ask for: each takes a reactor seconds."""
MAX_TEXTS = 8_192
"""Bytes of all texts of one request, in UTF-8: each of them has room alone."""
FILTERS = ("url", "json")
"""What may stand behind a key in a template: percent-encoding of all but unreserved characters (RFC 3986), and the
inside of a JSON string."""


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
    longest: int = 0
    """Characters that the text of a recipe may have; 0 for a kind that takes none, and else there must be one."""


KINDS = MappingProxyType(
    {
        "password": Kind(24, range(8, 1_025), "characters"),
        "hex": Kind(32, range(8, 1_025), "random bytes"),
        "base64": Kind(32, range(8, 1_025), "random bytes"),
        "rsa": Kind(3_072, (2_048, 3_072, 4_096), "bits", is_pair=True),
        "ed25519": Kind(0, (), "bits, always 256", is_pair=True),
        "text": Kind(0, (), "characters, as its template says", longest=2_048),
        "fixed": Kind(0, (), "characters, as given", longest=128),
    }
)
"""Every kind. The defaults of what is made at random have at least 128 bits of entropy, or that strength."""


class Recipe(Value, frozen=True):
    """How one value is made."""

    key: str
    """Under which it is to stand."""
    kind: str
    size: int = 0
    """In the kind's unit, 0 for its default."""
    text: str = ""
    """Of a `text` its template, of a `fixed` the value; everybody may see it."""

    @classmethod
    def parse(cls, key: str, text: str) -> Self:
        """Parse `KIND`, `KIND:SIZE`, `text:TEMPLATE` or `fixed:VALUE`; raises `UsageError`.

        Whether it can be made, `check_recipes` says.
        """
        kind, colon, rest = text.partition(":")
        if kind in KINDS and KINDS[kind].longest:
            return cls(key, kind, text=rest)
        if colon and not (rest.isascii() and rest.isdecimal() and len(rest) <= 5 and int(rest)):
            # Not repeated: a user may have written a value there.
            raise UsageError(f"what to make under {key!r} is not KIND or KIND:SIZE.", fix="For example password:32.")
        return cls(key, kind, int(rest) if colon else 0)

    @property
    def written(self) -> str:
        """What `parse` makes this of."""
        rest = self.text or (str(self.size) if self.size else "")
        return f"{self.kind}:{rest}" if rest else self.kind

    @property
    def is_pair(self) -> bool:
        """Whether a key pair is made."""
        return KINDS[self.kind].is_pair

    @property
    def effective_size(self) -> int:
        """The size, the default filled in."""
        return self.size or KINDS[self.kind].default


Recipes = tuple[Recipe, ...]


class Reference(NamedTuple):
    """Where in a template another value stands."""

    key: str
    filter: str
    """One of `FILTERS`, "" for the value as it is."""


Template = tuple[str | Reference, ...]
"""Literal texts and references, in their order."""

_PIECE = pattern(r"([^{}]+)|(?:\{(?=\{)|\}(?=\}))([{}])|\{([^{}|]+)(?:\|([^{}]*))?\}")


def template_of(recipe: Recipe) -> Template:
    """Return the pieces of a recipe's template. Which keys there are to refer to, `check_recipes` asks.

    Raises:
        UsageError: a brace that is neither doubled nor of a reference, an unknown filter, or no reference at all. The
            template is not repeated.
    """
    pieces: list[str | Reference] = []
    which, at = f"the template of {recipe.key!r}", 0
    while at < len(recipe.text):
        found = _PIECE.match(recipe.text, at)
        if found is None:
            raise UsageError(
                f"{which} has a brace that is neither doubled nor of a reference.",
                fix="Write {KEY}, {KEY|url} or {KEY|json}, and {{ or }} for a brace.",
            )
        literal, brace, key, name = found.groups()
        if name is not None and name not in FILTERS:
            raise UsageError(f"{which} has an unknown filter.", fix=f"Choose one of: {', '.join(FILTERS)}.")
        pieces.append(Reference(key, name or "") if key else literal or brace)
        at = found.end()
    if not any(isinstance(piece, Reference) for piece in pieces):
        raise UsageError(f"{which} refers to no key.", fix="Refer to one as {KEY}, or make it `fixed`.")
    return tuple(pieces)


def references(recipe: Recipe) -> frozenset[str]:
    """Return the keys that a recipe refers to; none but a `text` does. Raises as `template_of`."""
    pieces = template_of(recipe) if recipe.kind == "text" else ()
    return frozenset(piece.key for piece in pieces if isinstance(piece, Reference))


def unknowable_keys(recipes: Recipes) -> frozenset[str]:
    """Return the keys whose values nobody can know: made at random, or of a template that refers to such a value."""
    random = frozenset(recipe.key for recipe in recipes if not KINDS[recipe.kind].longest)
    return random | {recipe.key for recipe in recipes if references(recipe) & random}


def check_recipes(recipes: Sequence[Recipe]) -> Recipes:
    """Return recipes in the order of their keys.

    Raises:
        UsageError: there is none or more than 64, a key twice or outside the rule, an unknown kind, a size or a text
            that it cannot have, a template that refers to what is not made besides, or too many RSA keys.
    """
    if not 1 <= len(recipes) <= MAX_KEYS:
        raise UsageError(f"a secret has 1 to {MAX_KEYS} keys, this one {len(recipes)}.", fix="Name what to make.")
    for recipe in recipes:
        check_key(recipe.key)
        _check_kind(recipe)
    kinds = {recipe.key: recipe.kind for recipe in recipes}
    if len(kinds) != len(recipes):
        raise UsageError("a key is to be made twice.", fix="Name each key once.")
    if sum(recipe.kind == "rsa" for recipe in recipes) > MAX_RSA:
        raise UsageError(f"more than {MAX_RSA} RSA keys are to be made at once.", fix="Spread them over more secrets.")
    if sum(len(recipe.text.encode()) for recipe in recipes) > MAX_TEXTS:
        raise UsageError(f"all texts have more than {MAX_TEXTS} bytes.", fix="Spread them over more secrets.")
    for recipe in recipes:
        _check_references(recipe, kinds)
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
    if recipe.text and not kind.longest:
        raise UsageError(f"{recipe.kind} takes no text.", fix="Only text and fixed do.")
    size = len(recipe.text)
    if kind.longest and not (1 <= size <= kind.longest and _is_shown(recipe.text)):
        rule = f"{recipe.kind} takes 1 to {kind.longest} printable characters and line feeds"
        what = "others" if 1 <= size <= kind.longest else f"{size} characters"
        raise UsageError(f"{rule}, and has {what} under {recipe.key!r}.", fix=f"Write {recipe.kind}:… by that rule.")


def _check_references(recipe: Recipe, kinds: Mapping[str, str]) -> None:
    for key in sorted(references(recipe)):
        if key == recipe.key:
            raise UsageError(f"the template of {recipe.key!r} refers to itself.", fix="Refer to other keys.")
        if kinds.get(key) == "text":
            raise UsageError(
                f"the template of {recipe.key!r} refers to another template.", fix="Write out what that one says."
            )
        if key not in kinds:
            others = ", ".join(sorted(one for one, kind in kinds.items() if kind != "text"))
            raise UsageError(
                f"the template of {recipe.key!r} refers to a key that is not made with it.",
                fix=f"It can refer to: {others}." if others else "Make that key, too.",
            )


def _is_shown(text: str) -> bool:
    """Whether everybody can be shown `text`: nothing in it turns its direction or hides."""
    return all(line.isprintable() for line in text.split("\n"))


def _sizes(kind: Kind) -> str:
    if isinstance(kind.sizes, range):
        return f"are {kind.sizes[0]} to {kind.sizes[-1]} {kind.unit}"
    return f"are {', '.join(map(str, kind.sizes))} {kind.unit}" if kind.sizes else f"is none: {kind.unit}"
