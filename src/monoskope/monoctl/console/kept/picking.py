"""Which kept secrets a question is about, and in which order. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from itertools import filterfalse
from operator import attrgetter
from types import MappingProxyType
from typing import Literal

from monoskope.monoctl.console.kept.row import Row
from monoskope.uri import UriPrefix
from monoskope.value import Value

SortField = Literal["uri", "changed", "expires", "by", "sync", "verified", "version"]
State = Literal["present", "deleted", "drifted", "out-of-sync", "unproven", "unverified"]

_HASH = "fp1:"
_LEFT_OUT = "…"
_OUT_OF_SYNC = frozenset({"DRIFTED", "GONE"})

_deleted = attrgetter("deleted")
_uri = attrgetter("uri")

_STATES: Mapping[State, Callable[[Row], bool]] = MappingProxyType(
    {
        "drifted": attrgetter("drifted"),
        "out-of-sync": lambda row: row.status in _OUT_OF_SYNC,
        "unverified": lambda row: not row.verified_at_ms,
    }
)
"""What a present secret of each state has, besides. Whether a receipt proves one is checked after this, for those that
are left."""


class Wanted(Value, frozen=True):
    """Which secrets; each field that is empty lets all through."""

    search: str = ""
    store: str = ""
    prefix: str = ""
    subject: str = ""
    label: str = ""
    state: State = "present"
    expiring_days: int | None = None


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


_SORTS: Mapping[SortField, tuple[Callable[[Row], object], Callable[[Row], object]]] = MappingProxyType(
    {
        "uri": (_uri, _uri),
        "changed": (lambda row: row.uploaded_at_ms, lambda row: row.uploaded_at_ms),
        "expires": (lambda row: row.expires_on, lambda row: row.expires_on),
        "by": (lambda row: row.subject, lambda row: row.subject),
        "sync": (lambda row: row.status, lambda row: row.status),
        "verified": (lambda row: row.verified_at_ms, lambda row: row.verified_at_ms),
        "version": (lambda row: row.version, lambda row: row.version_order),
    }
)
"""Of each: the field, without which a row comes last whichever way, and what is compared."""


def ordered(rows: Iterable[Row], by: SortField, *, descending: bool) -> list[Row]:
    """Return rows by a field, and by URI where that is equal; those without a value come last, whichever way."""
    there, compared = _SORTS[by]
    in_order = sorted(rows, key=_uri, reverse=descending and by == "uri")
    if by == "uri":
        return in_order
    filled = sorted(filter(there, in_order), key=compared, reverse=descending)  # type: ignore[arg-type]  # of one type each
    return filled + [row for row in in_order if not there(row)]
