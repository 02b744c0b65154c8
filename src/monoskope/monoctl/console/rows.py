"""Rows, one for each cached secret: what m8 shows of it, and how rows are searched, filtered, sorted and cached."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import filterfalse
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.known.pins import Pins
from monoskope.client.walk.receipts import Checked
from monoskope.monoctl.console.requests import Request, Text
from monoskope.monoctl.output import views
from monoskope.uri import UriPrefix

if TYPE_CHECKING:
    from monoskope.monoctl.console.cache import SecretCache

_NUMBER = re.compile(r"\d{1,18}", re.ASCII)


OUT_OF_SYNC = frozenset({"DRIFTED", "GONE"})
"""The statuses of secrets of which the engine did not hold what was put when it was last verified."""

OFF = OUT_OF_SYNC | {"OVERWROTE"}
"""The statuses of secrets of which the engine does not hold what was put, or did not before the last put."""


class Row:
    """What m8 shows of one secret. It never changes; another answer of m8 makes another row.

    Attributes:
        view: The answer.
        text: All words of it that a search looks at, folded for comparison.
        values: Each key's fingerprint, as in the view.
        status: As `views.status`.
        version_order: What versions are sorted by: the number at its beginning, as most engines count, then the text.
    """

    __slots__ = (
        "_checked",
        "_pins",
        "deleted",
        "drifted",
        "expires_on",
        "labels",
        "status",
        "store",
        "subject",
        "text",
        "uploaded_at_ms",
        "uri",
        "values",
        "verified_at_ms",
        "version",
        "version_order",
        "view",
    )

    def __init__(self, view: views_pb2.Secret) -> None:
        self.view = view
        self.uri = view.uri
        self.store = view.uri.partition("://")[0]
        self.subject = view.subject
        self.labels = {label.name: label.value for label in view.labels}
        self.values = {value.key: value.fingerprint for value in view.values}
        self.expires_on = view.expires_on
        self.uploaded_at_ms = view.uploaded_at_ms
        self.verified_at_ms = view.verified_at_ms
        self.version = view.upstream_version
        number = _NUMBER.match(self.version)
        self.version_order = (int(number[0]) if number else -1, self.version)
        self.deleted = view.deleted
        self.drifted = view.drifted
        self.status = views.status(view)
        words = (self.uri, self.subject, *(f"{name}={text}" for name, text in self.labels.items()), *self.values)
        self.text = "\n".join(words).casefold()
        self._checked: Checked | None = None
        self._pins: Pins | None = None

    def __repr__(self) -> str:
        return f"<Row {self.uri}>"

    def remember(self, checked: Checked, pins: Pins) -> None:
        """Keep a proof by these pins. Anything else is checked again at the next look, for it may have changed."""
        if checked.proven:
            self._checked, self._pins = checked, pins

    def checked(self, pins: Pins) -> Checked | None:
        """Return what was found by the same pins, None if nothing was remembered."""
        return self._checked if self._pins == pins else None

    @property
    def is_off(self) -> bool:
        """Whether the engine does not hold what was put, or did not before the last put."""
        return not self.deleted and self.status in OFF


SortField = Literal["uri", "changed", "expires", "by", "sync", "verified", "version"]
State = Literal["present", "deleted", "drifted", "out-of-sync", "unproven", "unverified"]

_HASH = "fp1:"
_LEFT_OUT = "…"

_deleted = attrgetter("deleted")
_uri = attrgetter("uri")

_STATES: Mapping[State, Callable[[Row], bool]] = MappingProxyType(
    {
        "drifted": attrgetter("drifted"),
        "out-of-sync": lambda row: row.status in OUT_OF_SYNC,
        "unverified": lambda row: not row.verified_at_ms,
    }
)
"""What a present secret of each state has, besides. Whether a receipt proves one is checked after this, for those that
are left."""


class Wanted(Request, frozen=True):
    """Which secrets, in which order; each field that is empty lets all through."""

    search: Text = ""
    store: Text = ""
    prefix: Text = ""
    subject: Text = ""
    label: Text = ""
    state: State = "present"
    expiring_days: Annotated[int, Meta(ge=0, le=36_525)] | None = None
    sort: SortField = "uri"
    descending: bool = False


def picked(rows: Iterable[Row], wanted: Wanted, *, today: dt.date) -> list[Row]:
    """Return those that are wanted, in the same order. Raises `UsageError` if the prefix is not one."""
    tests = [*_by_field(wanted), *map(_word, wanted.search.split())]
    if wanted.state in _STATES:
        tests.append(_STATES[wanted.state])
    if wanted.expiring_days is not None:
        last = _later(today, wanted.expiring_days)
        tests.append(lambda row: "" < row.expires_on <= last)
    found = list((filter if wanted.state == "deleted" else filterfalse)(_deleted, rows))
    for test in tests:
        found = list(filter(test, found))
    return found


def _later(today: dt.date, days: int) -> str:
    try:
        return (today + dt.timedelta(days=days)).isoformat()
    except OverflowError:
        return dt.date.max.isoformat()


def _by_field(wanted: Wanted) -> list[Callable[[Row], bool]]:
    tests: list[Callable[[Row], bool]] = []
    if wanted.store:
        tests.append(lambda row: row.store == wanted.store)
    if wanted.subject:
        tests.append(lambda row: row.subject == wanted.subject)
    if wanted.prefix:
        exact = str(UriPrefix.parse(wanted.prefix))
        below = exact if exact.endswith("://") else f"{exact}/"
        tests.append(lambda row: row.uri == exact or row.uri.startswith(below))
    if wanted.label:
        name, equals, text = wanted.label.partition("=")
        tests.append(lambda row: name in row.labels and (not equals or row.labels[name] == text))
    return tests


def _word(word: str) -> Callable[[Row], bool]:
    """Return the test for one word: a hash, whole, its beginning, or with "…" as tables show it; or any text."""
    if not word.startswith(_HASH):
        folded = word.casefold()
        return lambda row: folded in row.text
    begins = _beginning(word)
    return lambda row: any(map(begins, (row.view.fingerprint, *row.values.values())))


def _beginning(word: str) -> Callable[[str], bool]:
    """Return whether a hash begins so. The words may come from m8, so no text of theirs takes more than one look."""
    first, *others = word.split(_LEFT_OUT)
    parts = list(filter(None, others))

    def begins(text: str) -> bool:
        if not text.startswith(first):
            return False
        at = len(first)
        for part in parts:
            found = text.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return True

    return begins


_SORTS: Mapping[SortField, str] = MappingProxyType(
    {
        "uri": "uri",
        "changed": "uploaded_at_ms",
        "expires": "expires_on",
        "by": "subject",
        "sync": "status",
        "verified": "verified_at_ms",
        "version": "version",
    }
)
"""Of each: the attribute, without which a row comes last whichever way."""


def ordered(rows: Iterable[Row], by: SortField, *, descending: bool) -> list[Row]:
    """Return rows by a field, and by URI where that is equal; those without a value come last, whichever way."""
    there = attrgetter(_SORTS[by])
    compared = attrgetter("version_order") if by == "version" else there
    in_order = sorted(rows, key=_uri, reverse=descending and by == "uri")
    if by == "uri":
        return in_order
    filled = sorted(filter(there, in_order), key=compared, reverse=descending)
    return filled + [row for row in in_order if not there(row)]


_MOST_QUESTIONS = 8
"""How many questions are remembered."""


class QueryCache:
    """Picks and orders cached secrets, and remembers it until any of them changes.

    Args:
        cache: The secrets.
    """

    def __init__(self, cache: SecretCache) -> None:
        self._cache = cache
        self._changes = -1
        self._remembered = lru_cache(_MOST_QUESTIONS)(self._asked)

    def of(self, wanted: Wanted, *, today: dt.date) -> Sequence[Row]:
        """Return those that are wanted, in order. Raises `UsageError` if the prefix is not one."""
        if self._changes != self._cache.changes:
            # Else it would keep rows that the cache has replaced, beyond the bytes that the cache may take.
            self._remembered.cache_clear()
            self._changes = self._cache.changes
        return self._remembered(wanted, today)

    def _asked(self, wanted: Wanted, today: dt.date) -> Sequence[Row]:
        rows = picked(self._cache.rows.values(), wanted, today=today)
        return ordered(rows, wanted.sort, descending=wanted.descending)
