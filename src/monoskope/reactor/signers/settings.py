"""The table `[signers]` of `reactor.toml`: who may have what done. None of it ever comes from m8.

[signers]
file = "allowed_signers"        # relative to this file
revoked = "revoked_keys"
unsigned = ["verify"]

[[signers.may]]                 # one entry must cover principal, prefix and purpose together
principal = "anna@example.org"
prefixes = ["team-a"]
purposes = ["upload", "copy"]
destinations = ["local://team-a"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import UsageError
from monoskope.protocol.identity import is_principal
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.request import Request
from monoskope.uri import UriPrefix, parse_path
from monoskope.value import Value


class Permission(Value, frozen=True):
    """One entry."""

    principal: str
    prefixes: tuple[UriPrefix, ...]
    purposes: frozenset[upload_pb2.Purpose]
    destinations: tuple[UriPrefix, ...]
    """Where a copy may go to."""

    def covers(self, principal: str, request: Request) -> bool:
        """Whether this entry alone allows `request` to `principal`."""
        return (
            principal == self.principal
            and request.purpose in self.purposes
            and any(prefix.covers(request.uri) for prefix in self.prefixes)
            and (request.destination is None or any(prefix.covers(request.destination) for prefix in self.destinations))
        )


def permissions(rules: Sequence[MayRule], store: str) -> tuple[Permission, ...]:
    """Return the entries of the table, whose prefixes are paths of `store`."""
    return tuple(
        Permission(
            principal=rule.principal,
            prefixes=tuple(UriPrefix(store, parse_path(prefix) if prefix else ()) for prefix in rule.prefixes),
            purposes=frozenset(PURPOSE_BY_WORD[word] for word in rule.purposes),
            destinations=tuple(UriPrefix.parse(text) for text in rule.destinations),
        )
        for rule in rules
    )


_MOST_HOURS = 168

PURPOSE_BY_WORD: Mapping[str, upload_pb2.Purpose] = MappingProxyType(
    {upload_pb2.Purpose.Name(purpose).removeprefix("PURPOSE_").lower(): purpose for purpose in PURPOSES}
)
"""Every purpose by the word that settings use, such as `upload`."""


class MayRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A `[[signers.may]]` table: what one principal may have done. Entries never combine."""

    principal: str
    """The one principal, exactly as the list of signers or the certificate names it."""
    prefixes: list[str]
    """Paths of this store, by whole segments; `[""]` for all."""
    purposes: list[str]
    """What may be done below them: upload, patch, compare, generate, verify, delete, import, undelete, rollback, list
    or copy."""
    destinations: list[str] = msgspec.field(default_factory=list)
    """With copy alone, and then at least one: where to, as `store://` or `store://segment/…`."""

    def __post_init__(self) -> None:
        if not is_principal(self.principal):
            raise ValueError("`principal` must be 1 to 128 of A-Z a-z 0-9 . _ @ + -, a letter or digit first")
        if not self.prefixes:
            raise ValueError('`prefixes` must name at least one path prefix; [""] means all paths')
        if not self.purposes:
            raise ValueError("`purposes` must name at least one purpose")
        check_purposes(self.purposes, "purposes")
        copies = any("destination" in PURPOSES[PURPOSE_BY_WORD[word]].fields for word in self.purposes)
        if copies != bool(self.destinations):
            raise ValueError("`destinations` must name at least one store or prefix with `copy`, and none without")
        try:
            for prefix in self.prefixes:
                parse_path(prefix) if prefix else ()
            for destination in self.destinations:
                UriPrefix.parse(destination)
        except UsageError as error:
            raise ValueError(f"`prefixes` and `destinations`: {error.message}") from None


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
    may: list[MayRule] = msgspec.field(default_factory=list)
    """Who may have what done. What no entry covers is refused."""

    def __post_init__(self) -> None:
        if not self.file or not self.revoked:
            raise ValueError("`file` and `revoked` must each name a file")
        check_purposes(self.unsigned, "unsigned")
        if not 1 <= self.max_certificate_hours <= _MOST_HOURS:
            raise ValueError(f"`max_certificate_hours` must be from 1 to {_MOST_HOURS}")


def check_purposes(words: Sequence[str], field: str) -> None:
    """Raise `ValueError` unless each of `words` is a purpose, named once."""
    if len(set(words)) != len(words) or any(word not in PURPOSE_BY_WORD for word in words):
        known = ", ".join(PURPOSE_BY_WORD)
        raise ValueError(f"`{field}` must name purposes, each once: {known}")
