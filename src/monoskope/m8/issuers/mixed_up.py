"""Settings by which one person gets the name of another: each is refused, with what to write in its place. Pure.

Each rule by itself may be right. What is wrong is that two of them draw names from sources that know nothing of each
other, or that a rule asks for what anybody can write into their own account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monoskope.errors import UsageError
from monoskope.m8.issuers.addresses import MAX_URL, HttpsUrl
from monoskope.m8.issuers.presets import PRESETS
from monoskope.m8.issuers.rules import Condition, How, Rule
from monoskope.protocol.login import MemberKind

_PUBLIC: Mapping[str, str] = {
    url.host: name
    for name, preset in PRESETS.items()
    if preset.issuer and (url := HttpsUrl.parse(preset.issuer)) is not None
}
"""Hosts whose tokens everybody can get, and the preset that knows how to tell them apart."""


def check_issuer(issuer: str, preset: str, where: str) -> None:
    """Return if an issuer has an address, and its preset if everybody can get a token of it. Raises `UsageError`."""
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
    """Return unless a rule asks for an address that nobody has verified. Raises `UsageError`."""
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
