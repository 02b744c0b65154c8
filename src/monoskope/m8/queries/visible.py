"""Which documents a caller may see, and pages of them.

Documents are sorted by URI. A prefix `vault://a` covers the key `vault://a` and the keys below `vault://a/`, but not
`vault://a-b`, which sorts between them. So each prefix stands for one key and one range of keys; these do not overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

from monoskope.m8.domain.principal import Principal
from monoskope.m8.log.documents import Where
from monoskope.m8.log.event_log import EventLog
from monoskope.uri import SecretUri, UriPrefix


@dataclass(frozen=True, slots=True)
class VisibleScope:
    """What a caller sees below the prefix that was asked for, None for everything."""

    prefixes: tuple[UriPrefix, ...] | None

    def covers(self, uri: SecretUri) -> bool:
        """Whether the caller sees `uri`."""
        return self.prefixes is None or any(prefix.covers(uri) for prefix in self.prefixes)

    def within(self, store: str) -> VisibleScope:
        """Return the part of it that lies in `store`, all of it for ""."""
        if not store:
            return self
        if self.prefixes is None:
            return VisibleScope((UriPrefix.parse(f"{store}://"),))
        return VisibleScope(tuple(prefix for prefix in self.prefixes if prefix.store == store))


def visible_scope(principal: Principal, prefix: str) -> VisibleScope:
    """Return what `principal` sees below `prefix`, "" for all that there is. Raises `UsageError` for a bad prefix."""
    asked = UriPrefix.parse(prefix) if prefix else None
    if principal.sees_all:
        return VisibleScope(None if asked is None else (asked,))
    own = principal.prefixes
    if asked is None:
        return VisibleScope(own)
    return VisibleScope(tuple(narrow for narrow in (_narrower(asked, prefix) for prefix in own) if narrow is not None))


async def page(
    log: EventLog, collection: str, visible: VisibleScope, where: Where, *, after: str, limit: int
) -> list[tuple[str, bytes]]:
    """Return up to `limit` visible documents that meet `where` and whose key is greater than `after`, in key order."""
    if visible.prefixes is None:
        return await log.find(collection, where, after=after, limit=limit)
    found: list[tuple[str, bytes]] = []
    for start, below in sorted(_places(visible.prefixes)):
        if len(found) == limit:
            break
        found += [
            document
            for document in await log.find(collection, where, prefix=start, after=after, limit=limit - len(found))
            if below or document[0] == start
        ]
    return found


def _places(prefixes: tuple[UriPrefix, ...]) -> set[tuple[str, bool]]:
    """Return single keys (False) and ranges (True) that do not overlap."""
    places: set[tuple[str, bool]] = set()
    for prefix in prefixes:
        if any(other != prefix and _covers(other, prefix) for other in prefixes):
            continue
        if prefix.path:
            places |= {(str(prefix), False), (f"{prefix}/", True)}
        else:
            places.add((str(prefix), True))
    return places


def _covers(wide: UriPrefix, narrow: UriPrefix) -> bool:
    return wide.store == narrow.store and narrow.path[: len(wide.path)] == wide.path


def _narrower(one: UriPrefix, other: UriPrefix) -> UriPrefix | None:
    if _covers(one, other):
        return other
    return one if _covers(other, one) else None
