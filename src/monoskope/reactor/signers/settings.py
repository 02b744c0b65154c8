"""The table `[signers]` of `reactor.toml`: who may have what done. None of it ever comes from m8.

[signers]
file = "allowed_signers"        # relative to this file
revoked = "revoked_keys"
approvers = "allowed_approvers"
unsigned = ["verify"]

[[signers.may]]                 # one entry must cover principal, prefix and purpose together
principal = "anna@example.org"
prefixes = ["team-a"]
purposes = ["upload", "copy"]
destinations = ["local://team-a"]

[[signers.may]]
principal = "anna@example.org"
prefixes = ["prod"]
purposes = ["upload", "delete"]
approvals = 1                   # so many others must have signed the same change

[[signers.approve]]
principals = ["ben@example.org", "eva@example.org"]
prefixes = ["prod"]
purposes = ["upload", "delete"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import UsageError
from monoskope.protocol.grant import MAX_APPROVALS
from monoskope.protocol.identity import COPIES_FROM, is_principal
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.request import Request
from monoskope.protocol.sshsig.lists import stands_for
from monoskope.uri import UriPrefix, parse_below
from monoskope.value import Value


class Permission(Value, frozen=True):
    """One entry."""

    principal: str
    prefixes: tuple[UriPrefix, ...]
    purposes: frozenset[upload_pb2.Purpose]
    destinations: tuple[UriPrefix, ...]
    """Where a copy may go to."""
    approvals: int = 0
    """How many others must have approved the change."""
    break_glass: bool = False
    """Whether the principal may do it alone, if the request says why."""

    def covers(self, principal: str, request: Request) -> bool:
        """Whether this entry alone allows `request` to `principal`."""
        return includes(self.principal, principal) and self.is_about(request)

    def is_about(self, request: Request) -> bool:
        """Whether this entry allows `request` to whom it names."""
        return (
            request.purpose in self.purposes
            and any(prefix.covers(request.uri) for prefix in self.prefixes)
            and (request.destination is None or any(prefix.covers(request.destination) for prefix in self.destinations))
        )


def includes(named: str, principal: str) -> bool:
    """Whether an entry that names `named` is for `principal`. A leading `*` stands for anybody but a copy key."""
    return stands_for(named, principal) and not (named.startswith("*") and principal.startswith(COPIES_FROM))


class ApproverPermission(Value, frozen=True):
    """One entry of those who may approve."""

    principals: frozenset[str]
    prefixes: tuple[UriPrefix, ...]
    purposes: frozenset[upload_pb2.Purpose]

    def covers(self, principal: str, request: Request) -> bool:
        """Whether `principal` may approve `request` by this entry alone."""
        return (
            principal in self.principals
            and request.purpose in self.purposes
            and any(prefix.covers(request.uri) for prefix in self.prefixes)
        )


def permissions(rules: Sequence[MayRule], store: str) -> tuple[Permission, ...]:
    """Return the entries of the table, whose prefixes are paths of `store`."""
    return tuple(
        Permission(
            principal=rule.principal,
            prefixes=_prefixes(rule.prefixes, store),
            purposes=_purposes(rule.purposes),
            destinations=tuple(UriPrefix.parse(text) for text in rule.destinations),
            approvals=rule.approvals,
            break_glass=rule.break_glass,
        )
        for rule in rules
    )


def approver_permissions(rules: Sequence[ApproveRule], store: str) -> tuple[ApproverPermission, ...]:
    """Return the entries of those who may approve, whose prefixes are paths of `store`."""
    return tuple(
        ApproverPermission(frozenset(rule.principals), _prefixes(rule.prefixes, store), _purposes(rule.purposes))
        for rule in rules
    )


def _prefixes(paths: Sequence[str], store: str) -> tuple[UriPrefix, ...]:
    return tuple(UriPrefix(store, parse_below(path)) for path in paths)


def _purposes(words: Sequence[str]) -> frozenset[upload_pb2.Purpose]:
    return frozenset(PURPOSE_BY_WORD[word] for word in words)


_MOST_HOURS = 168

PURPOSE_BY_WORD: Mapping[str, upload_pb2.Purpose] = MappingProxyType(
    {upload_pb2.Purpose.Name(purpose).removeprefix("PURPOSE_").lower(): purpose for purpose in PURPOSES}
)
"""Every purpose by the word that settings use, such as `upload`."""


class MayRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A `[[signers.may]]` table: who may have what done. Entries never combine."""

    principal: str
    """Who signs, exactly as the list of signers or the certificate names them. With a leading `*` whoever these name so
    that it ends like this, as `*@example.org`; `*` is for all of them. Neither is for copy keys."""
    prefixes: list[str]
    """Paths of this store, by whole segments; `[""]` for all."""
    purposes: list[str]
    """What may be done below them: upload, patch, compare, generate, verify, delete, import, undelete, rollback, list
    or copy."""
    destinations: list[str] = msgspec.field(default_factory=list)
    """With copy alone, and then at least one: where to, as `store://` or `store://segment/…`."""
    approvals: int = 0
    """How many other people must have signed the same change, 0 to 8; with purposes that write alone. Of the entries
    that cover a request the highest number counts."""
    break_glass: bool = False
    """With `approvals` alone: whether the principal may do it without them, with a security key, if the request says
    why. The receipt says so for ever. It counts only if all entries with the highest number allow it."""

    def __post_init__(self) -> None:
        of_many = self.principal.startswith("*")
        _check_principals([f"x{self.principal[1:]}" if of_many else self.principal], "principal")
        _check_places(self.prefixes, self.purposes)
        if of_many and self.break_glass:
            raise ValueError("`break_glass` must stand with one principal, without a `*`")
        if not 0 <= self.approvals <= MAX_APPROVALS:
            raise ValueError(f"`approvals` must be from 0 to {MAX_APPROVALS}")
        if self.approvals:
            _check_writing(self.purposes, "`approvals` must stand with purposes that write")
        if self.break_glass and not self.approvals:
            raise ValueError("`break_glass` must stand with `approvals`: without them there is no glass")
        copies = any("destination" in PURPOSES[PURPOSE_BY_WORD[word]].fields for word in self.purposes)
        if copies != bool(self.destinations):
            raise ValueError("`destinations` must name at least one store or prefix with `copy`, and none without")
        try:
            for destination in self.destinations:
                UriPrefix.parse(destination)
        except UsageError as error:
            raise ValueError(f"`destinations`: {error.message}") from None

    @property
    def who(self) -> str:
        """Whom it is for, at the beginning of a sentence."""
        named = "" if self.principal == "*" else f" as {self.principal}"
        return f"whoever is listed{named}" if self.principal.startswith("*") else self.principal


class ApproveRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A `[[signers.approve]]` table: who may approve what. Entries never combine."""

    principals: list[str]
    """The principals, exactly as the list of approvers or a certificate names them."""
    prefixes: list[str]
    """Paths of this store, by whole segments; `[""]` for all. Of a copy the path that is copied."""
    purposes: list[str]
    """What they may approve below them, of what writes: upload, patch, generate, delete, undelete, rollback or copy."""

    def __post_init__(self) -> None:
        _check_principals(self.principals, "principals")
        _check_places(self.prefixes, self.purposes)
        _check_writing(self.purposes, "`signers.approve` must have purposes that write")


class SignersFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[signers]` table. With it the reactor acts only on what a key of its own list signed."""

    file: str
    """Whose keys count: a file in the format of OpenSSH's `allowed_signers`, which only its owner can write. It is read
    anew when it changes."""
    revoked: str
    """Which keys no longer count: a file with one `SHA256:…` of a key or CA, or `SHA256:… serial N` or `SHA256:… id
    KEY-ID` of a CA's certificate, a line. Its last line is `# end`, as that of `file`: without it everybody is refused.
    It is read anew when it changes."""
    unsigned: list[str] = msgspec.field(default_factory=list)
    """The purposes that need no signature, such as `["verify"]`, which m8 asks for on its own schedule."""
    max_certificate_hours: int = 16
    """For how many hours a certificate may be valid, from its beginning to its end; 1 to 168."""
    approvers: str = ""
    """Whose approvals count, a file like `file`; "" for nobody's. Whose approvals no longer count, `revoked` says."""
    max_change_hours: int = 24
    """For how many hours from now a change may be approved that is executed now; 1 to 168."""
    may: list[MayRule] = msgspec.field(default_factory=list)
    """Who may have what done. What no entry covers is refused."""
    approve: list[ApproveRule] = msgspec.field(default_factory=list)
    """Who may approve what others ask."""

    def __post_init__(self) -> None:
        if not self.file or not self.revoked:
            raise ValueError("`file` and `revoked` must each name a file")
        check_purposes(self.unsigned, "unsigned")
        if not 1 <= self.max_certificate_hours <= _MOST_HOURS:
            raise ValueError(f"`max_certificate_hours` must be from 1 to {_MOST_HOURS}")
        if not 1 <= self.max_change_hours <= _MOST_HOURS:
            raise ValueError(f"`max_change_hours` must be from 1 to {_MOST_HOURS}")
        if (self.approve or self.most_approvals) and not self.approvers:
            raise ValueError("`approvers` must name a file with `approvals` and with `signers.approve`")
        if any(rule.approvals and set(rule.purposes) & set(self.unsigned) for rule in self.may):
            raise ValueError("`approvals` must not stand with a purpose that is in `unsigned`")

    @property
    def most_approvals(self) -> int:
        """How many approvals are asked of anybody for anything at most."""
        return max((rule.approvals for rule in self.may), default=0)


def check_purposes(words: Sequence[str], field: str) -> None:
    """Raise `ValueError` unless each of `words` is a purpose, named once."""
    if len(set(words)) != len(words) or any(word not in PURPOSE_BY_WORD for word in words):
        known = ", ".join(PURPOSE_BY_WORD)
        raise ValueError(f"`{field}` must name purposes, each once: {known}")


def _check_principals(names: Sequence[str], field: str) -> None:
    if not names or len(set(names)) != len(names) or not all(map(is_principal, names)):
        raise ValueError(f"`{field}` must be 1 to 128 of A-Z a-z 0-9 . _ @ + -, a letter or digit first, each once")


def _check_places(prefixes: Sequence[str], purposes: Sequence[str]) -> None:
    if not prefixes:
        raise ValueError('`prefixes` must name at least one path prefix; [""] means all paths')
    if not purposes:
        raise ValueError("`purposes` must name at least one purpose")
    check_purposes(purposes, "purposes")
    try:
        for prefix in prefixes:
            parse_below(prefix)
    except UsageError as error:
        raise ValueError(f"`prefixes`: {error.message}") from None


def _check_writing(words: Sequence[str], rule: str) -> None:
    if not all(PURPOSES[PURPOSE_BY_WORD[word]].writes for word in words):
        raise ValueError(f"{rule}: nobody approves what only looks")
