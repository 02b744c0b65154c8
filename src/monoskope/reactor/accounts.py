"""`[accounts]` of `reactor.toml`: which accounts a reactor serves whose engine keeps accounts."""

from __future__ import annotations

import re

import msgspec

from monoskope.stores.shared.accounts import expression

_ALLOWED = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._*/-]{0,255}", re.ASCII)


class AccountsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[accounts]` table, with an engine of accounts alone."""

    allow: list[str]
    """The names of the accounts that this reactor serves, such as `["orders_*"]`; `*` stands for any characters of a
    name, and never first. All others are refused before a key is made."""

    def __post_init__(self) -> None:
        if not self.allow or not all(map(_ALLOWED.fullmatch, self.allow)):
            raise ValueError("`allow` must name accounts, at least one; `*` stands for any characters, and never first")

    def covers(self, path: tuple[str, ...]) -> bool:
        """Whether a secret's path is the name of an allowed account."""
        name = "/".join(path)
        return any(re.fullmatch(expression(one), name) for one in self.allow)
