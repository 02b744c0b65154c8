"""`[[rules]]` of `reactor.toml`: what a value must be to be written below some paths. None of it ever comes from m8.

[[rules]]
name = "machine-passwords"      # users are told it
prefixes = ["prod"]             # whole segments; "" for all paths
keys = ["password"]             # of these keys alone; without it, of all
min_length = 20                 # bytes
generated = true                # made by this reactor at random, and by nobody else

[[rules]]
name = "rotation"
prefixes = ["prod/db.next"]
[rules.recipes]                 # made by this reactor, by one of these recipes; and no other keys
username = ["fixed:app_a", "fixed:app_b"]
password = ["password:32"]
url = ["text:db://{username}:{password|url}@db.internal"]

Settings and the request's own content decide alone, and nothing is asked of the engine. There is no rule about earlier
values or those of other secrets, and none by patterns: what passes is an answer, too (docs/operate/value-rules.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from monoskope.errors import UsageError
from monoskope.lazy import pattern
from monoskope.protocol.payload import check_key
from monoskope.protocol.recipes import Recipe, check_recipes, unknowable_keys
from monoskope.protocol.request import Request
from monoskope.uri import UriPrefix, parse_below

MAX_MIN_LENGTH = 4_096

_NAME = pattern(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


class ValueRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A `[[rules]]` table: what each of some values must be. Of a patch, those that it sets."""

    name: str
    """What users are told: 1 to 63 of a-z, 0-9 and '-'."""
    prefixes: list[str]
    """The paths of this store at or below which it counts, by whole segments; `[""]` for all."""
    keys: list[str] = msgspec.field(default_factory=list)
    """The keys whose values it is about; without it, all keys."""
    min_length: int = 0
    """Bytes that the value has at least."""
    generated: bool = False
    """Whether only GENERATE may write the value, with a recipe that makes it at random, or a `text` with such a value
    in it."""
    recipes: dict[str, list[str]] = msgspec.field(default_factory=dict)
    """For each key what GENERATE may make, as `monoctl generate` takes it. Nothing else is written, no other key."""

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise ValueError("`rules.name` must be 1 to 63 of a-z, 0-9 and '-', and not begin with '-'")
        if not self.prefixes:
            raise ValueError('`rules.prefixes` must name at least one path prefix; [""] is all paths')
        if not (self.min_length or self.generated or self.recipes):
            raise ValueError("`rules` must each ask for `min_length`, `generated` or `recipes`")
        if self.keys and self.recipes:
            raise ValueError("`rules.recipes` names all keys that there may be: leave `rules.keys` out")
        if not 0 <= self.min_length <= MAX_MIN_LENGTH:
            raise ValueError(f"`rules.min_length` must be from 1 to {MAX_MIN_LENGTH}")
        try:
            for prefix in self.prefixes:
                parse_below(prefix)
            for key in self.keys:
                check_key(key)
            self._check_recipes()
        except UsageError as error:
            raise ValueError(f"`rules`: {error.message}") from None

    def _check_recipes(self) -> None:
        parsed = {key: [Recipe.parse(key, text) for text in texts] for key, texts in self.recipes.items()}
        for key, choices in parsed.items():
            if not choices:
                raise ValueError(f"`rules.recipes` must name at least one recipe for {key!r}")
            others = [other[0] for name, other in parsed.items() if name != key and other]
            for recipe in choices:
                check_recipes([recipe, *others])

    def allows(self, request: Request, values: Mapping[str, bytes]) -> bool:
        """Whether `request` may write `values`: all that it seals, or that was made or read for it."""
        if not any(UriPrefix(request.uri.store, parse_below(prefix)).covers(request.uri) for prefix in self.prefixes):
            return True
        about = values.keys() & set(self.keys) if self.keys else values.keys()
        if self.generated and not about <= unknowable_keys(request.recipes):
            return False
        made = {one.key for one in request.recipes if one.written in self.recipes.get(one.key, ())}
        if self.recipes and not values.keys() <= made:
            return False
        return all(len(values[key]) >= self.min_length for key in about)

    def __str__(self) -> str:
        """What it asks for, as `m8 reactor check` shows it."""
        asks = [f"at least {self.min_length} bytes"] * bool(self.min_length)
        asks += ["made at random by this reactor"] * self.generated
        by = "; ".join(f"{key} by {' or '.join(texts)}" for key, texts in self.recipes.items())
        asks += [f"made by this reactor: {by}; no other key"] * bool(self.recipes)
        return f"{', '.join(self.keys) or 'every value'}: {', and '.join(asks)}"


def broken_by(rules: Iterable[ValueRule], request: Request, values: Mapping[str, bytes]) -> str:
    """Return the name of the first rule that does not allow `request` to write `values`, "" if all do."""
    return next((rule.name for rule in rules if not rule.allows(request, values)), "")
