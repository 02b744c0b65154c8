"""What `[[signers.may]]` allows: one entry must cover principal, prefix and purpose together."""

from __future__ import annotations

from collections.abc import Sequence

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.request import Request
from monoskope.reactor.signers.settings import PURPOSE_BY_WORD, MayRule
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
