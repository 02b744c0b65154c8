"""The rules of an issuer: which tokens m8 takes, and which member each is. Pure.

A condition names a claim by its name, or by a JSON Pointer (RFC 6901) that begins with `/` for one inside another:
`/kubernetes.io/namespace`. Nothing is compared but values of the same type.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from monoskope.errors import UsageError, docs_page
from monoskope.m8.domain.registrations import ExchangeRefusedError
from monoskope.protocol.exchange_refusal import ExchangeRefusal
from monoskope.protocol.member import Member, MemberKind

MAX_GROUPS = 32
"""Groups of a member that count at most."""

MISSING: Any = object()
"""What `claim` returns where there is none."""

_RULES = (
    f"Compare its claims with [[issuers.rules]] in m8.toml ({docs_page('operate/issuers.md')})."
    " A person's token has groups only if the login asks for them: `login_scopes`."
)


def claim(claims: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - a claim is any JSON
    """Return a claim by its name, or by its JSON Pointer; `MISSING` if there is none."""
    if not name.startswith("/"):
        return claims.get(name, MISSING)
    found: Any = claims
    for part in name[1:].split("/"):
        if not isinstance(found, Mapping):
            return MISSING
        found = found.get(part.replace("~1", "/").replace("~0", "~"), MISSING)
    return found


class How(Enum):
    """How a condition compares."""

    EXACT = auto()
    CONTAINS = auto()
    PREFIX = auto()


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of one claim.

    Attributes:
        claim: Its name, or its JSON Pointer.
        how: How it is compared.
        value: With what. A text, unless `how` is EXACT.
    """

    claim: str
    how: How
    value: str | int | bool

    def holds(self, claims: Mapping[str, Any]) -> bool:
        """Whether it holds of `claims`: an array contains, a text begins, and everything else is equal."""
        found = claim(claims, self.claim)
        match self.how:
            case How.EXACT:
                return type(found) is type(self.value) and bool(found == self.value)
            case How.CONTAINS:
                return isinstance(found, list) and any(isinstance(one, str) and one == self.value for one in found)
            case How.PREFIX:
                return isinstance(found, str) and isinstance(self.value, str) and found.startswith(self.value)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        conditions: All of them must hold.
        kind: USER or MACHINE.
        name: The member's name; "" if `name_claim` has it.
        name_claim: The claim with the member's name; "" if `name` is fixed.
        is_mutable: Whether the name can change hands at the issuer.
        groups_claim: The claim with the groups, an array of texts; "" for none.
        not_among: Values of claims with which no token matches: a preset's, where the rule does not name the claim.
    """

    conditions: tuple[Condition, ...]
    kind: MemberKind
    name: str = ""
    name_claim: str = ""
    is_mutable: bool = False
    groups_claim: str = ""
    not_among: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def matches(self, claims: Mapping[str, Any]) -> bool:
        """Whether the rule is for a token with these claims."""
        if any(claims.get(name) in values for name, values in self.not_among.items() if _is_text(claims.get(name))):
            return False
        return all(condition.holds(claims) for condition in self.conditions)

    def member(self, issuer: str, claims: Mapping[str, Any]) -> Member:
        """Return the member of a token that matches; `issuer` is the issuer's short name.

        Raises:
            ExchangeRefusedError: NAME or EMAIL_UNVERIFIED.
        """
        if self.is_mutable and claims.get("email_verified") is not True:
            raise ExchangeRefusedError(
                ExchangeRefusal.EMAIL_UNVERIFIED,
                "the name in the token can change hands, and the issuer does not say `email_verified`.",
                fix="Verify the address at the issuer, or let `name_claim` be `sub`.",
            )
        found = self.name or claim(claims, self.name_claim)
        member = _parsed(self.kind, issuer, found)
        if member is None:
            raise ExchangeRefusedError(
                ExchangeRefusal.NAME,
                "the claim with the member's name is missing, or does not fit: 1 to 128 of A-Z a-z 0-9 . _ @ + -, a"
                " letter or digit first.",
                fix="Let `name` or `name_claim` of the rule give a name that fits; m8 rewrites none.",
            )
        return member

    def groups(self, issuer: str, claims: Mapping[str, Any]) -> tuple[Member, ...]:
        """Return the groups of a token that matches, sorted; those that are no name of a member can have no binding.

        Raises:
            ExchangeRefusedError: GROUPS.
        """
        if not self.groups_claim:
            return ()
        found = claim(claims, self.groups_claim)
        if found is MISSING:
            return ()
        if not isinstance(found, list) or not all(map(_is_text, found)):
            raise ExchangeRefusedError(
                ExchangeRefusal.GROUPS,
                "the claim with the groups is not an array of texts.",
                fix="Let the issuer send one, or leave `groups` out of the rule.",
            )
        groups = {_parsed(MemberKind.GROUP, issuer, name) for name in found}
        return tuple(sorted((group for group in groups if group is not None), key=str))


def _is_text(found: object) -> bool:
    return isinstance(found, str)


def _parsed(kind: MemberKind, issuer: str, name: object) -> Member | None:
    if not isinstance(name, str):
        return None
    try:
        return Member.parse(f"{kind.value}:{issuer}:{name}")
    except UsageError:
        return None


def matching(rules: Sequence[Rule], claims: Mapping[str, Any]) -> Rule:
    """Return the one rule that matches.

    Raises:
        ExchangeRefusedError: NO_RULE or SEVERAL_RULES.
    """
    found = [rule for rule in rules if rule.matches(claims)]
    if not found:
        raise ExchangeRefusedError(
            ExchangeRefusal.NO_RULE, "the token is valid, but no rule of its issuer matches it.", fix=_RULES
        )
    if len(found) > 1:
        raise ExchangeRefusedError(
            ExchangeRefusal.SEVERAL_RULES, "more than one rule of the token's issuer matches it.", fix=_RULES
        )
    return found[0]


def kept(groups: Sequence[Member], named: Collection[Member]) -> tuple[Member, ...]:
    """Return those of `groups` that role bindings name.

    Raises:
        ExchangeRefusedError: TOO_MANY_GROUPS.
    """
    found = tuple(group for group in groups if group in named)
    if len(found) > MAX_GROUPS:
        raise ExchangeRefusedError(
            ExchangeRefusal.TOO_MANY_GROUPS,
            f"role bindings name more than {MAX_GROUPS} of the token's groups.",
            fix="Let the issuer send fewer groups, or name fewer of them in role bindings.",
        )
    return found
