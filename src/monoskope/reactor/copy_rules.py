"""`[[copy]]` of `reactor.toml`: where a reactor may copy to. None of it ever comes from m8."""

from __future__ import annotations

import msgspec

from monoskope.errors import UsageError
from monoskope.protocol.identity import check_shown
from monoskope.uri import SecretUri, UriPrefix, check_store_name, parse_below


class PathPair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of `paths` of a `[[copy]]` table: whole segments."""

    source: str = msgspec.field(name="from")
    """The path in this store below which secrets may be copied; "" for all."""
    to: str = ""
    """The path in the store `to` below which they are put; "" for its root."""


class CopyRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A `[[copy]]` table: a store to which this reactor may copy, and from where to where."""

    to: str
    """A store of the same m8; this one for copies from one path of it to another."""
    identity: str
    """Its identity, as `m8 reactor init` printed it for that store."""
    paths: list[PathPair]
    """What may be copied where; at least one."""

    def __post_init__(self) -> None:
        if not self.paths:
            raise ValueError("`copy.paths` must name at least one pair")
        try:
            check_store_name(self.to)
            check_shown(self.identity)
            for pair in self.paths:
                parse_below(pair.source)
                parse_below(pair.to)
        except UsageError as error:
            raise ValueError(f"`copy`: {error.message}") from None

    def allows(self, source: SecretUri, destination: SecretUri) -> bool:
        """Whether `source` may be copied to `destination`, which is in the store `to`."""
        return any(
            UriPrefix(source.store, parse_below(pair.source)).covers(source)
            and UriPrefix(self.to, parse_below(pair.to)).covers(destination)
            for pair in self.paths
        )
