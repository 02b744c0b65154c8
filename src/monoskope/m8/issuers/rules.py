"""The rules of an issuer: which tokens m8 takes, and which member each is. Pure.

A condition names a claim by its name, or by a JSON Pointer (RFC 6901) that begins with `/` for one inside another:
`/kubernetes.io/namespace`. Nothing is compared but values of the same type.

A preset says what is known of a kind of issuer, and what a rule must ask of its tokens so that it does not let others
in. Sources: GitHub's "About security hardening with OpenID Connect", GitLab's "OpenID Connect (OIDC) authentication
using ID tokens", and Kubernetes' "Service account tokens" (all read in 2026). The real issuers were never met.

Settings by which one person gets the name of another are refused. Each rule by itself may be right. What is wrong is
that two of them draw names from sources that know nothing of each other, or that a rule asks for what anyone can write
into their own account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import Any

from monoskope.errors import UsageError, docs_page
from monoskope.host_port import MAX_URL, HttpsUrl
from monoskope.m8.domain.principal import ExchangeRefusedError
from monoskope.protocol.login import ExchangeRefusal, Member, MemberKind

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


@dataclass(frozen=True, slots=True)
class Preset:
    """What is known of one kind of issuer.

    Attributes:
        issuer: Its `iss`, "" if each has its own.
        needs: Sets of claims: each rule must ask for an exact text of all claims of one set.
        not_among: Values of claims with which a token matches only a rule that names the claim.
        once: Whether a token is exchanged once, unless the settings say otherwise.
        why: Why `needs` is so, as a fix says it.
    """

    issuer: str
    needs: tuple[frozenset[str], ...]
    why: str
    not_among: Mapping[str, frozenset[str]] = field(default_factory=dict)
    once: bool = True


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "github-actions": Preset(
            issuer="https://token.actions.githubusercontent.com",
            needs=(frozenset({"repository_id", "repository_owner_id", "job_workflow_ref"}),),
            why="a name can belong to another repository later, and any branch can change a workflow.",
            # Such a run may work with what a stranger sent, under the name of the base's workflow.
            not_among={"event_name": frozenset({"pull_request", "pull_request_target", "workflow_run"})},
        ),
        "gitlab-ci": Preset(
            issuer="https://gitlab.com",
            needs=(frozenset({"project_id", "namespace_id", "ref_protected"}),),
            why="a name can belong to another project later, and any branch can change a pipeline.",
            once=False,
        ),
        "kubernetes": Preset(
            issuer="",
            needs=(
                frozenset({"/kubernetes.io/namespace", "/kubernetes.io/serviceaccount/name"}),
                frozenset({"/kubernetes.io/serviceaccount/uid"}),
                frozenset({"sub"}),
            ),
            why="every pod of the cluster has a token.",
            once=False,
        ),
    }
)
"""Each preset by its name."""


_PUBLIC: Mapping[str, str] = {
    url.host: name
    for name, preset in PRESETS.items()
    if preset.issuer and (url := HttpsUrl.parse(preset.issuer)) is not None
}
"""Hosts whose tokens anyone can get, and the preset that knows how to tell them apart."""


def check_issuer(issuer: str, preset: str, where: str) -> None:
    """Return if an issuer has an address, and its preset if anyone can get a token of it. Raises `UsageError`."""
    url = HttpsUrl.parse(issuer)
    if url is None or url.has_query:
        raise UsageError(
            f"{where}: issuer is not an address that begins with https://, up to {MAX_URL} characters.",
            fix="Write what `iss` of its tokens has, for example https://login.example.com/realms/main.",
        )
    known = _PUBLIC.get(url.host, preset)
    if known != preset:
        raise UsageError(
            f'{where}: everybody can get a token of {url.host}, and without preset = "{known}" rules may let'
            " strangers in.",
            fix=f'Write preset = "{known}".',
        )


def check_verified(conditions: Sequence[Condition], where: str) -> None:
    """Return unless a rule asks for an address that may be unverified. Raises `UsageError`."""
    asked = {condition.claim for condition in conditions}
    verified = Condition("email_verified", How.EXACT, value=True)
    if "email" in asked and verified not in conditions:
        raise UsageError(
            f"{where}: match asks for email and not for email_verified: at many issuers people may write any address"
            " into their account.",
            fix="Add email_verified = true to match, or better: match another claim.",
        )


def check_sources(rules: Sequence[Rule], where: str) -> None:
    """Return unless two rules take names of one kind from different places. Raises `UsageError`."""
    for kind in (MemberKind.USER, MemberKind.MACHINE):
        of_kind = [rule for rule in rules if rule.kind is kind]
        claims = {rule.name_claim for rule in of_kind if rule.name_claim}
        if len(claims) > 1:
            raise UsageError(
                f"{where}: rules take names of the kind {kind.value} from {' and from '.join(sorted(claims))}: 42 of"
                " the one and 42 of the other would be one member.",
                fix="Take the names of one kind from one claim.",
            )
        if any(rule.name for rule in of_kind) and any(rule.is_mutable for rule in of_kind):
            raise UsageError(
                f"{where}: {' '.join(sorted(claims))} can change hands, and another rule of the kind {kind.value} has a"
                " fixed name: who calls themselves so would be that member.",
                fix="Take the names from a claim that lasts, such as sub, or give the rules different kinds.",
            )
    groups = {rule.groups_claim for rule in rules if rule.groups_claim}
    if len(groups) > 1:
        raise UsageError(
            f"{where}: rules take groups from {' and from '.join(sorted(groups))}: two groups of the same name would be"
            " one.",
            fix="Take the groups from one claim.",
        )
