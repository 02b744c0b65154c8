"""What is to be rotated and when, checked once: whoever has a `Rotation` has one that can be carried out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Self

from monoskope.client.walk.target import check_text
from monoskope.errors import UsageError
from monoskope.lazy import pattern
from monoskope.protocol.notes import MAX_VALUE_LENGTH, NEXT
from monoskope.protocol.payload import check_key
from monoskope.protocol.recipes import Recipe, Recipes, check_recipes
from monoskope.times import parse_length
from monoskope.uri import SecretUri
from monoskope.value import Value

USERNAME, PASSWORD = "username", "password"
"""The keys that every rotation makes: the first is the account's name, the second is copied to the account."""
GRACE_S = 86_400
DAY_S = 86_400
_LENGTHS: Mapping[str, Callable[[int], int]] = {
    "password": lambda size: size,
    "hex": lambda size: 2 * size,
    "base64": lambda size: (size + 2) // 3 * 4,
}
"""The characters of what is made at random, by its size."""
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = pattern(r"(?:([a-z]{3}(?:,[a-z]{3})*) )?([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})", re.ASCII)


class Window(Value, frozen=True):
    """When a rotation may begin: each week, in UTC."""

    days: frozenset[int]
    """On which it opens; 0 is Monday."""
    opens_s: int
    """Seconds of the day."""
    closes_s: int
    """If it is smaller, on the day after."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `02:00-04:00` or `sat,sun 22:00-04:00`. Raises `UsageError`, also for one that is never open."""
        fix = "Write for example 02:00-04:00 or sat,sun 22:00-04:00, in UTC."
        match = _WINDOW.fullmatch(text)
        if match is None:
            raise UsageError(f"{text!r} is no window.", fix=fix)
        days = (match[1] or ",".join(_DAYS)).split(",")
        hours = [int(match[2]), int(match[4])]
        minutes = [int(match[3]), int(match[5])]
        if any(day not in _DAYS for day in days) or max(hours) > 23 or max(minutes) > 59:
            raise UsageError(f"{text!r} is no window.", fix=fix)
        opens, closes = (hour * 3600 + minute * 60 for hour, minute in zip(hours, minutes, strict=True))
        if opens == closes:
            raise UsageError(f"the window {text!r} is never open.", fix=fix)
        return cls(frozenset(map(_DAYS.index, days)), opens, closes)

    def is_open(self, at_ms: int) -> bool:
        """Whether it is open at a moment, milliseconds since 1970."""
        day, second = divmod(at_ms // 1000, DAY_S)
        weekday = (day + 3) % 7  # 1970-01-01 was a Thursday
        if self.opens_s < self.closes_s:
            return weekday in self.days and self.opens_s <= second < self.closes_s
        return (weekday in self.days and second >= self.opens_s) or (
            (weekday - 1) % 7 in self.days and second < self.closes_s
        )


class Rotation(Value, frozen=True):
    """One secret whose password is rotated. Make one with `of`."""

    secret: str
    accounts: tuple[str, ...]
    """One, or two that take turns."""
    recipes: Mapping[str, str]
    """For each key but the username what to make, as `Client.generate_secret` takes it."""
    grace_s: int = GRACE_S
    """After a round began, how long the account that was live before may still be used."""
    every_s: int = 0
    """When the next round is due, 0 for never by itself."""
    window: Window | None = None

    @classmethod
    def of(
        cls,
        secret: str,
        accounts: Iterable[str],
        recipes: Mapping[str, str] | None = None,
        *,
        grace: str = "",
        every: str = "",
        window: str = "",
    ) -> Self:
        """Return a rotation, checked.

        Args:
            secret: `store://path` of what programs read. What is made first stands beside it, at `path.next`.
            accounts: The URIs of one account, or of two that take turns.
            recipes: For each key what to make; a password of 32 characters if there is none. `username` is not among
                them: it is the account's name.
            grace: How long programs may go on with what they read before, e.g. 12h; a day by default.
            every: After what time the next round is due, e.g. 30d; "" for never by itself.
            window: When a round may begin, e.g. `sat,sun 02:00-04:00`, in UTC; "" for always.

        Raises:
            UsageError: one of them is wrong; it names it.
        """
        check_text(secret)
        found = cls(
            str(SecretUri.parse(secret)),
            _accounts(accounts, secret),
            _recipes(recipes or {}),
            parse_length(grace) if grace else GRACE_S,
            _every(every) if every else 0,
            Window.parse(window) if window else None,
        )
        SecretUri.parse(found.next)
        for account in found.accounts:
            found.recipes_for(account)
        if found.every_s and len(found.accounts) > 1 and found.grace_s > found.every_s:
            raise UsageError(
                "grace is longer than every, so no round could begin when it is due.", fix="Shorten grace."
            )
        return found

    @property
    def next(self) -> str:
        """Where new values are made."""
        return self.secret + NEXT

    def recipes_for(self, account: str) -> Recipes:
        """Return what to make in a round for one account. Raises `UsageError`, which `of` has done."""
        made = {USERNAME: f"fixed:{name_of(account)}", **self.recipes}
        return check_recipes([Recipe.parse(*one) for one in made.items()])


def name_of(account: str) -> str:
    """Return the name with which an account logs in: the last segment of its URI."""
    return SecretUri.parse(account).path[-1]


def _accounts(accounts: Iterable[str], secret: str) -> tuple[str, ...]:
    found = tuple(accounts)
    for account in found:
        SecretUri.parse(account)
        if len(account) > MAX_VALUE_LENGTH:
            raise UsageError(f"{account} has more than {MAX_VALUE_LENGTH} characters.", fix="Shorten its URI.")
    if not 1 <= len(found) <= 2 or len(set(map(name_of, found))) != len(found):
        raise UsageError("a rotation has one account, or two of different names.", fix="Name one or two.")
    if {secret, secret + NEXT} & set(found):
        raise UsageError("the secret itself is no account.", fix="Name the account's own URI, such as pg://orders_a.")
    return found


def _recipes(recipes: Mapping[str, str]) -> dict[str, str]:
    for key in recipes:
        check_key(key)
    if USERNAME in recipes:
        raise UsageError(f"{USERNAME} is the account's name, and not made.", fix="Leave it out.")
    made = {PASSWORD: "password:32", **recipes}
    recipe = Recipe.parse(PASSWORD, made[PASSWORD])
    length = _LENGTHS.get(recipe.kind)
    if length is None or not 20 <= length(recipe.effective_size) <= 128:
        raise UsageError(
            f"{PASSWORD} must be made at random, of 20 to 128 characters.", fix=f"For example {PASSWORD}=password:32."
        )
    return made


def _every(text: str) -> int:
    seconds = parse_length(text)
    if seconds < 3_600:
        raise UsageError("every is shorter than an hour.", fix="Write for example 12h or 30d.")
    return seconds
