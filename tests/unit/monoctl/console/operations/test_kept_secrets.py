"""The kept secrets equal a fresh listing after any changes and breaks, and a search finds what it should."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.queries import Queries
from monoskope.errors import NotFoundError, NotReachedError, UsageError
from monoskope.monoctl.console.cache import SecretCache
from monoskope.monoctl.console.counts import Counts, Figures, expiring
from monoskope.monoctl.console.rows import QueryCache, Row, SortField, State, Wanted, ordered, picked
from tests.unit.monoctl.console.operations.knowing_m8 import HASHES, a_view

TODAY = dt.date(2026, 11, 26)
URIS = [f"{store}://{path}" for store in ("vault", "local") for path in ("app/db", "app/mail", "apple", "web/a/b")]

VIEWS = st.builds(
    a_view,
    uri=st.sampled_from(URIS),
    subject=st.sampled_from(["", "alice", "bob"]),
    labels=st.dictionaries(st.sampled_from(["owner", "env"]), st.sampled_from(["", "a", "Alice"])),
    values=st.dictionaries(st.sampled_from(["password", "token"]), st.sampled_from(["", *HASHES])),
    fingerprint=st.sampled_from(["", *HASHES]),
    expires_on=st.sampled_from(["", "2026-11-25", "2026-11-26", "2026-12-26", "2026-12-27", "2099-01-01"]),
    uploaded_at_ms=st.integers(0, 3),
    verified_at_ms=st.integers(0, 2),
    verified=st.sampled_from([0, upload_pb2.OUTCOME_IN_SYNC, upload_pb2.OUTCOME_DRIFTED, upload_pb2.OUTCOME_GONE]),
    upstream_version=st.sampled_from(["", "2", "10@x", "abc"]),
    deleted=st.booleans(),
    drifted=st.booleans(),
)


class Log:
    """What an m8 knows, its events, and whether it answers: the queries that kept secrets ask."""

    def __init__(self) -> None:
        self.known: dict[str, views_pb2.Secret] = {}
        self.hear: Callable[[views_pb2.EventSummary], None] = lambda _: None
        self.waiting: list[views_pb2.EventSummary] = []
        self.answers = True
        self.is_connected = True
        self.listings = 0
        self.asked: list[str] = []

    def change(self, view: views_pb2.Secret | None, uri: str) -> None:
        """Change a secret; the event is heard at once, or once the stream is back."""
        if view is None:
            self.known.pop(uri, None)
        else:
            self.known[uri] = view
        self.waiting.append(views_pb2.EventSummary(uri=uri, type="SecretUploaded"))
        self.deliver()

    def deliver(self) -> None:
        while self.is_connected and self.waiting:
            self.hear(self.waiting.pop(0))

    def _check(self) -> None:
        if not self.answers:
            raise NotReachedError("m8 does not answer.")

    async def secret(self, uri: str) -> views_pb2.Secret:
        self._check()
        self.asked.append(uri)
        await asyncio.sleep(0)
        if uri not in self.known:
            raise NotFoundError("no such secret.")
        return self.known[uri]

    async def secrets(self, *, state: views_pb2.SecretState, page_size: int) -> AsyncIterator[views_pb2.Secret]:
        self.listings += 1
        deleted = state == views_pb2.SECRET_STATE_DELETED
        last = ""
        while True:
            # Two a page: changes come between pages.
            self._check()
            page = sorted(uri for uri in self.known if uri > last and self.known[uri].deleted == deleted)[:2]
            page_views = [self.known[uri] for uri in page]
            await asyncio.sleep(0)
            for view in page_views:
                yield view
            if not page:
                return
            last = page[-1]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), VIEWS),
        st.tuples(st.just("forget"), st.sampled_from(URIS)),
        st.tuples(st.sampled_from(["away", "back", "break", "connect", "turn", "missed"]), st.none()),
    ),
    max_size=25,
)


def kept_of(log: Log, *, most: int = 1_000, most_bytes: int = 1_000_000) -> SecretCache:
    queries = cast("Queries", log)
    kept = SecretCache(lambda: queries, lambda: None, most=most, most_bytes=most_bytes, pause_s=0, again_s=0)
    log.hear = kept.saw
    return kept


async def settled(log: Log, kept: SecretCache) -> None:
    """Let it go on until it holds what m8 knows. A test's own limit of time ends one that never does."""
    while {uri: row.view for uri, row in kept.rows.items()} != log.known or not kept.complete:
        await asyncio.sleep(0)


@asynccontextmanager
async def keeping(log: Log, *uris: str, settles: bool = True, **limits: int) -> AsyncIterator[SecretCache]:
    """What is kept of a log that knows these secrets, while it reads."""
    log.known |= {uri: a_view(uri) for uri in uris}
    kept = kept_of(log, **limits)
    task = asyncio.create_task(kept.run())
    if settles:
        await settled(log, kept)
    yield kept
    task.cancel()


def counts_of(rows: Iterable[Row]) -> Counts:
    counted = Counts()
    for row in rows:
        counted.add(row)
    return counted


def run(work: Coroutine[Any, Any, None]) -> None:
    async def within() -> None:
        async with asyncio.timeout(60):
            await work

    asyncio.run(within())


@given(steps=STEPS)
def test_after_any_changes_and_breaks_it_equals_a_fresh_listing(steps: list[tuple[str, Any]]) -> None:
    async def work() -> None:
        log = Log()
        kept = kept_of(log)
        task = asyncio.create_task(kept.run())
        for what, of in steps:
            match what:
                case "change":
                    log.change(of, of.uri)
                case "forget":
                    log.change(None, of)
                case "away" | "back":
                    log.answers = what == "back"
                case "break" | "connect":
                    log.is_connected = what == "connect"
                    log.deliver()
                case "missed":
                    # A log from a backup: nobody says which events were missed.
                    log.waiting.clear()
                    kept.read_again()
                case _:
                    await asyncio.sleep(0)
        log.answers = log.is_connected = True
        log.deliver()
        await settled(log, kept)
        assert not task.done()
        fresh = counts_of(Row(view) for view in log.known.values())
        assert kept.counts.facets == fresh.facets
        assert kept.counts.groups() == fresh.groups()
        assert kept.counts.keys_read == fresh.keys_read
        task.cancel()

    run(work())


async def test_a_change_asks_for_that_secret_alone() -> None:
    log = Log()
    async with keeping(log, *URIS) as kept:
        before = log.listings
        log.change(a_view(URIS[0], subject="bob"), URIS[0])
        await settled(log, kept)

        assert (log.listings, kept.counts.facets["subjects"]["bob"]) == (before, 1)


async def test_an_edit_of_notes_is_followed_by_its_detail() -> None:
    log = Log()
    async with keeping(log, URIS[0]) as kept:
        log.known[URIS[0]] = a_view(URIS[0], labels={"owner": "a"})
        kept.saw(views_pb2.EventSummary(type="SecretNotesUpdated", detail=f"{URIS[0]}: set owner=a: b"))
        await settled(log, kept)


async def test_more_than_it_keeps_is_said_and_not_called_complete() -> None:
    async with keeping(Log(), *URIS, settles=False, most=3) as kept:
        while not kept.is_full:
            await asyncio.sleep(0)

        assert (len(kept.rows), kept.complete) == (3, False)
        assert "prefix" in kept.note


async def test_a_secret_for_which_there_is_no_place_is_said() -> None:
    log = Log()
    async with keeping(log, *URIS[:3], most=3) as kept:
        log.change(a_view(URIS[3]), URIS[3])
        while kept.complete:
            await asyncio.sleep(0)

        assert (len(kept.rows), kept.is_full) == (3, True)


async def test_secrets_that_a_hostile_m8_makes_large_take_no_more_memory() -> None:
    log = Log()
    log.known = {uri: a_view(uri, labels={"owner": 10_000 * "x"}) for uri in URIS}
    async with keeping(log, settles=False, most_bytes=35_000) as kept:
        for _ in range(2):
            while not kept.is_full:
                await asyncio.sleep(0)
            assert (len(kept.rows), kept.complete) == (4, False)
            kept.read_again()
            await asyncio.sleep(0)


async def test_what_pages_asked_for_keeps_no_secret_as_it_was_before_a_change() -> None:
    log = Log()
    async with keeping(log, *URIS) as kept:
        found = QueryCache(kept)
        for number in range(3):
            for uri in URIS:
                log.change(a_view(uri, subject=f"changed {number}"), uri)
            await settled(log, kept)
            assert len(found.of(Wanted(), today=TODAY)) == len(URIS)
        gc.collect()
        rows = [one for one in gc.get_objects() if type(one) is Row and one.subject.startswith("changed ")]
        assert {row.subject for row in rows} == {"changed 2"}


async def test_events_without_end_that_name_secrets_are_not_kept_one_by_one() -> None:
    log = Log()
    async with keeping(log, *URIS) as kept:
        listings = log.listings
        for number in range(2_000):
            kept.saw(views_pb2.EventSummary(uri=f"vault://flood/{number}"))
            kept.saw(views_pb2.EventSummary(uri=f"vault://{10_000 * 'x'}/{number}"))
        while log.listings == listings:
            await asyncio.sleep(0)
        await settled(log, kept)

        assert len(log.asked) < 1_000


async def test_what_was_not_read_is_said() -> None:
    log = Log()
    log.answers = False
    async with keeping(log, settles=False) as kept:
        while not kept.note:
            await asyncio.sleep(0)
        assert "m8 does not answer" in kept.note

        log.answers = True
        await settled(log, kept)
        assert not kept.note


# --- search, filters and order against a naive model ---

ROWS = st.lists(VIEWS, max_size=5, unique_by=lambda view: view.uri).map(lambda views: [Row(view) for view in views])
STATES: list[State] = ["present", "deleted", "drifted", "out-of-sync", "unverified"]
SORTS: list[SortField] = ["uri", "changed", "expires", "by", "sync", "verified", "version"]


def naive(row: Row, wanted: Wanted) -> bool:
    """The same, written as the page's reader would say it."""
    view = row.view
    labels = {label.name: label.value for label in view.labels}
    texts = [view.uri, view.subject, *(f"{name}={labels[name]}" for name in labels), *(one.key for one in view.values)]
    words = wanted.search.split()
    hashes = [view.fingerprint, *(one.fingerprint for one in view.values)]
    in_state = {
        "present": not view.deleted,
        "deleted": view.deleted,
        "drifted": view.drifted and not view.deleted,
        "out-of-sync": not view.deleted and view.verified in {upload_pb2.OUTCOME_DRIFTED, upload_pb2.OUTCOME_GONE},
        "unverified": not view.deleted and view.verified_at_ms == 0,
    }
    until = (TODAY + dt.timedelta(days=wanted.expiring_days or 0)).isoformat()
    return (
        in_state[wanted.state]
        and all(
            any(one.startswith(word) for one in hashes)
            if word.startswith("fp1:")
            else any(word.lower() in text.lower() for text in texts)
            for word in words
        )
        and (not wanted.store or view.uri.split("://")[0] == wanted.store)
        and (not wanted.prefix or f"{view.uri}/".startswith(f"{wanted.prefix.rstrip('/')}/"))
        and (not wanted.subject or view.subject == wanted.subject)
        and (not wanted.label or wanted.label in labels or wanted.label in {f"{one}={labels[one]}" for one in labels})
        and (wanted.expiring_days is None or (view.expires_on != "" and view.expires_on <= until))
    )


WANTED = st.builds(
    Wanted,
    search=st.sampled_from(["", "app", "APP alice", "owner=", "token", HASHES[0], HASHES[0][:24], "nothing"]),
    store=st.sampled_from(["", "vault"]),
    prefix=st.sampled_from(["", "vault://app", "local://", "vault://app/db"]),
    subject=st.sampled_from(["", "bob"]),
    label=st.sampled_from(["", "owner", "owner=a", "owner="]),
    state=st.sampled_from(STATES),
    expiring_days=st.sampled_from([None, 0, 30]),
)


@given(rows=ROWS, wanted=WANTED)
def test_a_search_finds_what_a_naive_one_finds(rows: list[Row], wanted: Wanted) -> None:
    assert picked(rows, wanted, today=TODAY) == [row for row in rows if naive(row, wanted)]


@given(rows=ROWS, by=st.sampled_from(SORTS), descending=st.booleans())
def test_rows_are_in_order_and_those_without_a_value_are_last(rows: list[Row], by: SortField, descending: bool) -> None:
    fields: dict[SortField, Callable[[Row], Any]] = {
        "uri": lambda row: row.uri,
        "changed": lambda row: row.view.uploaded_at_ms,
        "expires": lambda row: row.view.expires_on,
        "by": lambda row: row.view.subject,
        "sync": lambda row: row.status,
        "verified": lambda row: row.view.verified_at_ms,
        "version": lambda row: {"": None, "2": 2, "10@x": 10, "abc": -1}[row.version],
    }
    found = ordered(rows, by, descending=descending)

    assert sorted(row.uri for row in found) == sorted(row.uri for row in rows)
    values = [fields[by](row) for row in found]
    filled = [value for value in values if value not in {"", 0, None}]
    assert (values[: len(filled)], filled) == (filled, sorted(filled, reverse=descending))


def test_a_hash_is_found_as_tables_show_it() -> None:
    row = Row(a_view(URIS[0], values={"password": HASHES[0]}))

    assert picked([row], Wanted(search="fp1:0123…:aaaaaaaa…aaaa"), today=TODAY) == [row]
    assert picked([row], Wanted(search="fp1:0123…:bbbbbbbb…bbbb"), today=TODAY) == []


def test_a_hash_that_a_hostile_m8_made_up_is_searched_for_without_end_of_time() -> None:
    row = Row(a_view(URIS[0], values={"password": f"fp1:{500 * '0'}"}))

    assert picked([row], Wanted(search=f"fp1:{1_000 * '…'}0"), today=TODAY) == [row]
    assert picked([row], Wanted(search=f"fp1:{100 * '…0'}…1"), today=TODAY) == []


def test_a_prefix_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="prefix"):
        picked([], Wanted(prefix="app/db"), today=TODAY)


def test_equal_values_stand_together_across_stores_and_deleted_ones_do_not_count() -> None:
    held = [
        Row(a_view("vault://a", values={"x": HASHES[0], "y": HASHES[1]})),
        Row(a_view("local://b", values={"x": HASHES[0]})),
        Row(a_view("local://c", values={"x": HASHES[0]}, deleted=True)),
    ]
    counted = counts_of(held)

    [group], is_whole = counted.groups()

    assert is_whole
    assert (group["fingerprint"], group["stores"]) == (HASHES[0], 2)
    assert [(place["uri"], place["key"]) for place in group["places"]] == [("local://b", "x"), ("vault://a", "x")]
    assert [counted.elsewhere(row) for row in held] == [1, 1, 0]
    for row in held:
        counted.remove(row)
    assert not counted._places  # a hash that no secret has any more takes no memory


def test_values_whose_hashes_the_caller_may_not_see_are_not_equal() -> None:
    held = [Row(a_view(uri, values={"x": ""})) for uri in ("vault://a", "local://b")]
    counted = counts_of(held)

    assert counted.groups() == ([], True)
    assert [counted.elsewhere(row) for row in held] == [0, 0]
    assert counted.keys_read == 0

    for row in held:
        counted.remove(row)
    assert counted.keys_read == 0


def test_days_of_expiry_and_counts() -> None:
    held = [
        Row(a_view("vault://a", expires_on="2026-11-25", drifted=True)),
        Row(a_view("vault://b", labels={"due": "some day"}, expires_on="2026-12-26", verified=upload_pb2.OUTCOME_GONE)),
        Row(a_view("vault://c", labels={"due": "2026-12-26"})),
        Row(a_view("vault://d", labels={"due": "2026-12-26"}, expires_on="2026-12-26", deleted=True)),
    ]

    assert expiring(held) == {
        "days": [
            {"day": "2026-11-25", "uris": ["vault://a"], "due": []},
            {"day": "2026-12-26", "uris": ["vault://b"], "due": ["vault://c"]},
        ],
        "without": 1,
    }
    counted = counts_of(held)
    assert counted.figures(today=TODAY) == Figures(
        present=3, deleted=1, expired=1, expiring=1, out_of_sync=1, drifted=2, same_values=0
    )
