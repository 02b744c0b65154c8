"""What is counted over all cached secrets: for filters, for equal values, for days of expiry. Pure."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from monoskope.monoctl.console.rows import OFF, OUT_OF_SYNC, Row
from monoskope.monoctl.output.formats import Document
from monoskope.protocol.notes import DUE, is_day
from monoskope.times import rfc3339
from monoskope.value import Value

MOST_CHOICES = 200
"""How many subjects and labels a filter offers."""

MOST_GROUPS = 1_000
MOST_PLACES = 500
"""How many groups of equal values are shown, and how many places of one."""

SOON_DAYS = 30

_SEVERAL = 2

Place = tuple[str, str]
"""The URI of a secret and one of its keys."""


class Figures(Value, frozen=True):
    """How many secrets are there, of how many the engine does not hold what was put, and what else to look at.

    Attributes:
        present: Secrets that are not deleted.
        deleted: Secrets that are.
        expired: Of those that are present, those whose day of expiry is past.
        expiring: And those that expire within `SOON_DAYS`.
        out_of_sync: Those of which the engine did not hold what was put when it was last verified.
        drifted: Those, and those of which it did not before the last put.
        same_values: Values that stand in several places.
    """

    present: int
    deleted: int
    expired: int
    expiring: int
    out_of_sync: int
    drifted: int
    same_values: int


class Counts:
    """What is counted over rows that come and go."""

    def __init__(self) -> None:
        self._stores: Counter[str] = Counter()
        self._subjects: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._places: defaultdict[str, dict[Place, Row]] = defaultdict(dict)
        self._days: Counter[str] = Counter()
        self._same = 0
        self.keys_read = 0
        """How many values of present secrets have a fingerprint that the caller may see."""

    def add(self, row: Row) -> None:
        """Count a row."""
        self._count(row, 1)
        if not row.deleted:
            for key, fingerprint in _hashes(row):
                places = self._places[fingerprint]
                places[row.uri, key] = row
                self._same += len(places) == _SEVERAL

    def remove(self, row: Row) -> None:
        """Count a row no longer."""
        self._count(row, -1)
        if not row.deleted:
            for key, fingerprint in _hashes(row):
                places = self._places[fingerprint]
                self._same -= len(places) == _SEVERAL
                del places[row.uri, key]
                if not places:
                    del self._places[fingerprint]

    def _count(self, row: Row, one: int) -> None:
        self._statuses[row.status] += one
        if row.deleted:
            return
        self._days[row.expires_on] += one
        self._stores[row.store] += one
        self._subjects[row.subject] += one
        for name, text in row.labels.items():
            self._labels[f"{name}={text}"] += one
        self.keys_read += one * sum(1 for _ in _hashes(row))

    @property
    def facets(self) -> Mapping[str, dict[str, int]]:
        """How many present secrets there are of each store, subject and label; of all secrets, of each status.

        Of subjects and labels the most frequent ones, if there are many.
        """
        return {
            "stores": dict(sorted((+self._stores).items())),
            "subjects": dict((+self._subjects).most_common(MOST_CHOICES)),
            "labels": dict((+self._labels).most_common(MOST_CHOICES)),
            "statuses": dict(sorted((+self._statuses).items())),
        }

    def figures(self, *, today: dt.date) -> Figures:
        """Return what is said of all in short."""
        now, soon = today.isoformat(), (today + dt.timedelta(days=SOON_DAYS)).isoformat()
        return Figures(
            present=self._stores.total(),
            deleted=self._statuses["DELETED"],
            expired=sum(count for day, count in self._days.items() if "" < day < now),
            expiring=sum(count for day, count in self._days.items() if now <= day <= soon),
            out_of_sync=sum(self._statuses[status] for status in OUT_OF_SYNC),
            drifted=sum(self._statuses[status] for status in OFF),
            same_values=self._same,
        )

    def elsewhere(self, row: Row) -> int:
        """Return how many places in other secrets hold the same value as one of its keys."""
        if row.deleted:
            return 0
        found = 0
        for fingerprint in {fingerprint for _, fingerprint in _hashes(row)} & self._places.keys():
            places = self._places[fingerprint]
            found += len(places) - sum((row.uri, key) in places for key in row.values)
        return found

    def groups(self) -> tuple[list[Document], bool]:
        """Return the values that stand in several places, those in most places first, and whether all are there."""
        found = sorted(
            ((len(places), fingerprint) for fingerprint, places in self._places.items() if len(places) > 1),
            key=lambda group: (-group[0], group[1]),
        )
        shown = [_group(fingerprint, self._places[fingerprint]) for _, fingerprint in found[:MOST_GROUPS]]
        return shown, len(found) <= MOST_GROUPS and all(count <= MOST_PLACES for count, _ in found[:1])


def _hashes(row: Row) -> Iterator[tuple[str, str]]:
    """Each key with its fingerprint; who may not see hashes sees empty ones, and two of those say nothing."""
    return ((key, fingerprint) for key, fingerprint in row.values.items() if fingerprint)


def _group(fingerprint: str, places: Mapping[Place, Row]) -> Document:
    return {
        "fingerprint": fingerprint,
        "places": [
            {
                "uri": uri,
                "key": key,
                "store": places[uri, key].store,
                "subject": places[uri, key].subject,
                "changed_at": rfc3339(places[uri, key].uploaded_at_ms),
            }
            for uri, key in sorted(places)[:MOST_PLACES]
        ],
        "stores": len({row.store for row in places.values()}),
    }


def expiring(rows: Iterable[Row]) -> Document:
    """Return the days that are noted of present secrets, those that are past too, and how many expire on none.

    Of each day the secrets that expire, and those whose label `due` says that they are to be rotated until then.
    """
    days: defaultdict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for row in rows:
        if row.deleted:
            continue
        days[row.expires_on][0].append(row.uri)
        if is_day(day := row.labels.get(DUE, "")):
            days[day][1].append(row.uri)
    without, _ = days.pop("", ([], []))
    found = [{"day": day, "uris": sorted(days[day][0]), "due": sorted(days[day][1])} for day in sorted(days)]
    return {"days": found, "without": len(without)}
