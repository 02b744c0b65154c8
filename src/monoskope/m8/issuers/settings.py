"""`[[issuers]]` of m8.toml, checked and turned into issuers. Complaints name the issuer, the field and the rule."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from monoskope.errors import UsageError
from monoskope.host_port import MAX_URL, HttpsUrl
from monoskope.m8.issuers.rules import (
    PRESETS,
    Condition,
    How,
    Preset,
    Rule,
    check_issuer,
    check_sources,
    check_verified,
)
from monoskope.protocol.login import LOCAL, Member, MemberKind

MAX_ISSUERS = 32
MAX_RULES = 256
MAX_CLAIM = 128
"""Characters in the name of a claim at most."""

IMMUTABLE = frozenset(
    {
        "sub",
        "oid",
        "uid",
        "user_id",
        "repository_id",
        "repository_owner_id",
        "project_id",
        "namespace_id",
        "/kubernetes.io/serviceaccount/uid",
    }
)
"""Claims that never pass to another person. Every other claim may, and needs `mutable = true`."""

_NAME = re.compile(r"[a-z][a-z0-9]{0,15}", re.ASCII)
_AUDIENCE = re.compile(r"[!-~]{1,255}", re.ASCII)


class ConditionFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Takes the place of a text in `match`, with one of the two fields.

    Attributes:
        contains: The claim is an array of which one element is this text.
        prefix: The claim is a text that begins with this one, which ends with / or :
    """

    contains: str = ""
    prefix: str = ""


class RuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule. Exactly one rule of an issuer must match a token.

    Attributes:
        match: Claims and what they must be, all of them: a text, a whole number, true or false; or `{ contains = "…" }`
            or `{ prefix = "…/" }`. A name that begins with / is a JSON Pointer: "/kubernetes.io/namespace". With `{}`
            every token of the issuer matches.
        name: The member's name, the same for every token that matches; or set `name_claim`.
        name_claim: The claim that has the member's name, such as `sub`.
        kind: What the member is, `user` or `machine`; "" for `machine` with a preset, else `user`.
        mutable: Whether `name_claim` may be a name that can change hands, such as an e-mail address. Then the token
            must say `email_verified`, and the name stays bound to the first `sub` that had it.
        groups: The claim that has the names of the member's groups, an array of texts; "" for none.
    """

    match: dict[str, str | int | bool | ConditionFile]
    name: str = ""
    name_claim: str = ""
    kind: str = ""
    mutable: bool = False
    groups: str = ""


class IssuerFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One issuer whose tokens are exchanged for m8's (docs/operate/issuers.md).

    Attributes:
        name: Its short name, 1 to 16 of a-z 0-9, a letter first. It stands in each member, `user:corp:anna`, and means
            this issuer for ever.
        issuer: Its address, as `iss` of its tokens has it; "" for the preset's.
        audience: What `aud` of its tokens must be: of a login the client id, else a name for this m8 alone.
        preset: "github-actions", "gitlab-ci" or "kubernetes": what is known of such an issuer; "" for none.
        client_ids: Clients besides the audience to which its tokens may be issued (`azp`).
        jwks_uri: Where its keys are, if its discovery document names another host; then no document is asked for.
        jwks_file: A file with its keys (JWKS); then no network is used.
        ca_file: PEM file with the authorities of its certificate; "" for the system's.
        token_file: A file with a bearer token for its discovery, as a cluster of Kubernetes may ask for.
        once: Whether a token is exchanged once. Without the line: no with the presets gitlab-ci and kubernetes, else
            yes.
        names: Whether m8 keeps the names of people, and the addresses that it vouches for (docs/access.md).
        rules: Which tokens m8 takes, and which member each is.
    """

    name: str
    audience: str
    rules: tuple[RuleFile, ...]
    issuer: str = ""
    preset: str = ""
    client_ids: tuple[str, ...] = ()
    jwks_uri: str = ""
    jwks_file: str = ""
    ca_file: str = ""
    token_file: str = ""
    once: bool | None = None
    names: bool = True


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer.

    Attributes:
        name: Its short name.
        issuer: As `iss` has it.
        audience: What `aud` must be.
        clients: To which clients its tokens may be issued, besides the audience.
        is_once: Whether a token is exchanged once.
        rules: Of which one must match.
        jwks_uri: Where its keys are; None for what its discovery document says.
        jwks_file: The file that has its keys; None for the network.
        ca_file: The authorities of its certificate; None for the system's.
        token_file: With a bearer token for it; None for none.
        has_names: Whether what it says of people is kept, besides their ids.
        digest: Of all that the settings say of it, to tell whether two m8 say the same.
    """

    name: str
    issuer: str
    audience: str
    clients: frozenset[str]
    is_once: bool
    rules: tuple[Rule, ...]
    jwks_uri: HttpsUrl | None = None
    jwks_file: Path | None = None
    ca_file: Path | None = None
    token_file: Path | None = None
    has_names: bool = True
    digest: str = ""


def checked(files: Sequence[IssuerFile], path: Path) -> tuple[Issuer, ...]:
    """Return the issuers that `m8.toml`, which is at `path`, has.

    Raises:
        UsageError: a field breaks its rule; names the issuer and the field.
    """
    if len(files) > MAX_ISSUERS:
        fix = "Keep those whose tokens you want."
        raise UsageError(f"{path}: there are more than {MAX_ISSUERS} [[issuers]].", fix=fix)
    found = tuple(_issuer(file, number, path) for number, file in enumerate(files, 1))
    for field in ("name", "issuer"):
        values = [getattr(issuer, field) for issuer in found]
        for value in values:
            if values.count(value) > 1:
                fix = "Write its rules under one of them."
                raise UsageError(f"{path}: two [[issuers]] have the {field} {value!r}.", fix=fix)
    return found


def _issuer(file: IssuerFile, number: int, path: Path) -> Issuer:
    where = f"{path}: [[issuers]] {file.name if _NAME.fullmatch(file.name) else number}"
    if _NAME.fullmatch(file.name) is None or file.name == LOCAL:
        fix = "Write for example corp."
        raise UsageError(f"{where}: name is not 1 to 16 of a-z 0-9, a letter first, and not {LOCAL}.", fix=fix)
    preset = _preset(file, where)
    issuer = file.issuer or (preset.issuer if preset is not None else "")
    check_issuer(issuer, file.preset, where)
    for field, values in (("audience", (file.audience,)), ("client_ids", file.client_ids)):
        if any(_AUDIENCE.fullmatch(value) is None for value in values):
            raise UsageError(
                f"{where}: {field} is not 1 to 255 printable characters without a space.",
                fix="Write what the tokens have.",
            )
    if not 1 <= len(file.rules) <= MAX_RULES:
        fix = "Say which tokens m8 takes."
        raise UsageError(f"{where}: there must be 1 to {MAX_RULES} [[issuers.rules]].", fix=fix)
    rules = tuple(_rule(rule, file.name, preset, f"{where}: rule {at}") for at, rule in enumerate(file.rules, 1))
    check_sources(rules, where)
    return Issuer(
        name=file.name,
        issuer=issuer,
        audience=file.audience,
        clients=frozenset(file.client_ids),
        is_once=file.once if file.once is not None else preset is None or preset.once,
        rules=rules,
        jwks_uri=_jwks_uri(file, where),
        jwks_file=path.parent / file.jwks_file if file.jwks_file else None,
        ca_file=path.parent / file.ca_file if file.ca_file else None,
        token_file=path.parent / file.token_file if file.token_file else None,
        has_names=file.names,
        digest=hashlib.sha256(msgspec.json.encode(file, order="sorted")).hexdigest()[:16],
    )


def _preset(file: IssuerFile, where: str) -> Preset | None:
    if not file.preset:
        return None
    if file.preset not in PRESETS:
        raise UsageError(f"{where}: preset is none that m8 knows.", fix=f"Use one of {', '.join(PRESETS)}, or none.")
    return PRESETS[file.preset]


def _jwks_uri(file: IssuerFile, where: str) -> HttpsUrl | None:
    given = [name for name in ("jwks_uri", "ca_file", "token_file") if getattr(file, name)]
    if file.jwks_file and given:
        raise UsageError(
            f"{where}: jwks_file and {given[0]} exclude each other: with a file no network is used.", fix="Keep one."
        )
    if not file.jwks_uri:
        return None
    found = HttpsUrl.parse(file.jwks_uri)
    if found is None:
        raise UsageError(
            f"{where}: jwks_uri is not an address that begins with https://, up to {MAX_URL} characters.",
            fix="Write what `jwks_uri` of the discovery document has.",
        )
    return found


def _rule(file: RuleFile, issuer: str, preset: Preset | None, where: str) -> Rule:
    conditions = tuple(_condition(name, value, where) for name, value in file.match.items())
    check_verified(conditions, where)
    exact = {one.claim for one in conditions if one.how is How.EXACT and isinstance(one.value, str)}
    if preset is not None and not any(needs <= exact for needs in preset.needs):
        wanted = " or ".join(" and ".join(sorted(needs)) for needs in preset.needs)
        raise UsageError(f"{where}: match must ask for an exact text of {wanted}: {preset.why}", fix="Name them.")
    _check_name(file, issuer, where)
    if file.kind not in {"", "user", "machine"}:
        raise UsageError(f"{where}: kind is neither user nor machine.", fix="Write one of them.")
    if file.groups:
        _check_claim(file.groups, where, "groups")
    named = {condition.claim for condition in conditions}
    return Rule(
        conditions=conditions,
        kind=MemberKind(file.kind or ("user" if preset is None else "machine")),
        name=file.name,
        name_claim=file.name_claim,
        is_mutable=file.mutable,
        groups_claim=file.groups,
        not_among={name: values for name, values in (preset.not_among if preset else {}).items() if name not in named},
    )


def _check_name(file: RuleFile, issuer: str, where: str) -> None:
    if bool(file.name) == bool(file.name_claim):
        raise UsageError(f"{where}: set either name or name_claim.", fix="Say who the member is in one way.")
    if file.name:
        if file.mutable:
            raise UsageError(f"{where}: mutable is for name_claim.", fix="Leave it out: a fixed name does not change.")
        try:
            Member.parse(f"user:{issuer}:{file.name}")
        except UsageError as error:
            raise UsageError(f"{where}: name does not fit into a member.", fix=error.fix) from None
        return
    _check_claim(file.name_claim, where, "name_claim")
    if file.mutable == (file.name_claim in IMMUTABLE):
        known = ", ".join(sorted(IMMUTABLE))
        if file.mutable:
            raise UsageError(f"{where}: {file.name_claim} cannot change hands.", fix="Leave `mutable` out.")
        raise UsageError(
            f"{where}: name_claim is none of {known}; others can change hands at the issuer.",
            fix="Use `sub`; or set mutable = true, which binds each name to the first `sub` that had it.",
        )


def _condition(name: str, value: str | int | bool | ConditionFile, where: str) -> Condition:  # noqa: FBT001
    _check_claim(name, where, "match")
    if not isinstance(value, ConditionFile):
        if value == "":
            raise UsageError(f"{where}: match: {name} is empty.", fix="Write what the claim must be.")
        return Condition(name, How.EXACT, value)
    if bool(value.contains) == bool(value.prefix):
        raise UsageError(f"{where}: match: {name} needs contains or prefix, one of them.", fix="Write one.")
    if value.prefix and value.prefix[-1] not in "/:":
        raise UsageError(
            f"{where}: match: the prefix for {name} does not end with / or : , so it would match other names, too.",
            fix="End it with / or : , or write an exact text.",
        )
    if value.prefix:
        return Condition(name, How.PREFIX, value.prefix)
    return Condition(name, How.CONTAINS, value.contains)


def _check_claim(name: str, where: str, field: str) -> None:
    if not 1 <= len(name) <= MAX_CLAIM or not name.isprintable():
        raise UsageError(
            f"{where}: {field} names no claim of 1 to {MAX_CLAIM} printable characters.", fix="Name a claim."
        )
