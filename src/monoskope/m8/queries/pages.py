"""Pages of what a caller may see: the visible scope, page tokens, and filters of events.

Documents are sorted by URI. A prefix `vault://a` covers the key `vault://a` and the keys below `vault://a/`, but not
`vault://a-b`, which sorts between them. So each prefix stands for one key and one range of keys; these do not overlap.

A page token is opaque to callers, bound to what it pages through, and refused if changed. It holds the last key of its
page, so the next page begins there, whatever was added meanwhile. It grants nothing: rights are checked for every page.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import re
from dataclasses import dataclass

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.errors import UsageError
from monoskope.m8.domain.principal import Principal
from monoskope.m8.log.documents import Where
from monoskope.m8.log.event_log import EventLog, RecordedEvent
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
        if any(other != prefix and other.covers(prefix) for other in prefixes):
            continue
        if prefix.path:
            places |= {(str(prefix), False), (f"{prefix}/", True)}
        else:
            places.add((str(prefix), True))
    return places


def _narrower(one: UriPrefix, other: UriPrefix) -> UriPrefix | None:
    if one.covers(other):
        return other
    return one if other.covers(one) else None


DEFAULT_SIZE = 100

_CHECK_BYTES = 8
_POSITION = re.compile(r"[0-9]{1,18}", re.ASCII)
"""So many digits fit in a signed 64-bit integer."""


def page_size(asked: int) -> int:
    """Return the number of items on a page; 0 asks for the default."""
    return asked or DEFAULT_SIZE


def scope_of(request: Message, *besides: str) -> str:
    """Return what a page token is bound to: all that a request asks for, but its page and the fields `besides`."""
    bound = type(request)()
    bound.CopyFrom(request)
    for name in ("page_size", "page_token", *besides):
        bound.ClearField(name)
    return f"{request.DESCRIPTOR.name} {bound.SerializeToString(deterministic=True).hex()}"


def make_token(scope: str, key: str) -> str:
    """Return the token of a page of `scope` (`scope_of`) that ends with `key`."""
    content = key.encode()
    return base64.urlsafe_b64encode(_check(scope, content) + content).decode().rstrip("=")


def read_token(scope: str, token: str) -> str:
    """Return the key in `token`, "" for no token.

    Raises:
        UsageError: it was changed, or belongs to another list or filter.
    """
    if not token:
        return ""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        check, content = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
        if check == _check(scope, content):
            return content.decode()
    except (binascii.Error, ValueError):
        pass
    raise _foreign()


def read_position(scope: str, token: str) -> int:
    """Return the position in the log that `token` holds, 0 for no token. Raises `UsageError` as `read_token` does."""
    key = read_token(scope, token) or "0"
    if _POSITION.fullmatch(key) is None:
        raise _foreign()
    return int(key)


def _foreign() -> UsageError:
    return UsageError(
        "page_token: is not one of this list's.", fix="Pass next_page_token unchanged, with the same filters."
    )


def _check(scope: str, content: bytes) -> bytes:
    return hashlib.sha256(scope.encode() + b"\0" + content).digest()[:_CHECK_BYTES]


STEP_MS = 3_600_000
"""By how much m8's clock may have been set and events still are found by their time: an hour."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What a caller asks for, and may see of it."""

    asked: queries_pb2.ListEventsRequest
    visible: VisibleScope

    def takes(self, event: RecordedEvent) -> bool:
        """Whether an event is among those."""
        asked = self.asked
        return (
            asked.since_ms <= event.recorded_at_ms
            and (not asked.until_ms or event.recorded_at_ms < asked.until_ms)
            and (not asked.actor or event.actor == asked.actor)
            and (not asked.before or event.position < asked.before)
            and is_visible(event, self.visible)
        )

    async def part(self, log: EventLog, head: int) -> tuple[int, int]:
        """Return the first and the last position at which such an event can be, the log being `head` events long."""
        asked = self.asked
        first, last = 1, min(head, asked.before - 1) if asked.before else head
        if asked.since_ms:
            first += await _recorded_before(log, asked.since_ms - STEP_MS, head)
        if asked.until_ms:
            last = min(last, await _recorded_before(log, asked.until_ms + STEP_MS, head))
        return first, last


def is_visible(event: RecordedEvent, visible: VisibleScope) -> bool:
    """Whether an event lies in what a caller may see; events that are of no secret are for administrators."""
    return visible.prefixes is None if not event.uri else visible.covers(_secret(event.uri))


_secret = functools.lru_cache(maxsize=1_024)(SecretUri.parse)
"""Each event is looked at for every caller that follows the log."""


async def _recorded_before(log: EventLog, at_ms: int, head: int) -> int:
    """Return how many events were recorded before `at_ms`, by a clock that only went forward."""
    low, high = 0, head
    while low < high:
        middle = (low + high) // 2
        [event] = await log.read(after=middle, limit=1)
        if event.recorded_at_ms < at_ms:
            low = middle + 1
        else:
            high = middle
    return low
