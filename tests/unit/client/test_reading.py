"""What a client reads of secrets, page by page, and watches, over every break and once each."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from monoskope.api.gateway.v1 import queries_pb2, reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, options_pb2, upload_pb2
from monoskope.client import Client, PutResult, Secret, SecretVersion, Upload, queries
from monoskope.client import queries as module
from monoskope.client.queries import EventFilter, Queries
from monoskope.client.runtime.on_asyncio import ASYNCIO
from monoskope.errors import (
    Error,
    NotReachedError,
    OutcomeUnknownError,
    UnauthenticatedError,
    UnavailableError,
    UsageError,
)
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import client_for, pinned
from monoskope.testing.scripted.m8 import FINGERPRINT, KEY_ID, LAYOUT, VERSION, ScriptedM8

AT_MS = 1_700_000_000_123
AT = dt.datetime(2023, 11, 14, 22, 13, 20, 123_000, dt.UTC)
REQUEST_ID = bytes(range(16))


class Answering(ScriptedM8):
    """Answers queries: secrets and versions two a page."""

    def __init__(self) -> None:
        super().__init__()
        self.secret = views_pb2.Secret(
            uri="vault://app/0",
            fingerprint=FINGERPRINT,
            values=[upload_pb2.ValueFingerprint(key="password", fingerprint=FINGERPRINT)],
            upstream_version=VERSION,
            prior_version="6",
            subject="alice",
            uploaded_at_ms=AT_MS,
            request_id=REQUEST_ID,
            labels=[options_pb2.Label(name="owner", value="team-a")],
            expires_on="2027-01-31",
            verified=upload_pb2.OUTCOME_IN_SYNC,
            verified_at_ms=AT_MS,
        )
        self.pages = 0
        reactor = self.stores["vault"].reactors[0]
        reactor.engine, reactor.last_heard_ms = reactor_pb2.ENGINE_HEALTH_OK, AT_MS
        event = views_pb2.EventSummary(
            position=3, stream=f"upload/{REQUEST_ID.hex()}", version=1, type="SecretUploaded", recorded_at_ms=AT_MS
        )
        self.streamed = [event]
        versions = [views_pb2.SecretVersion(uri="vault://app/0", recorded_at_ms=AT_MS)] * 40
        self.answers |= {
            queries_pb2.GetSecretRequest: lambda _: queries_pb2.GetSecretResponse(secret=self.secret),
            queries_pb2.ListSecretsRequest: self.listed,
            queries_pb2.ListSecretVersionsRequest: queries_pb2.ListSecretVersionsResponse(versions=versions),
            queries_pb2.ListEventsRequest: queries_pb2.ListEventsResponse(events=[event]),
            queries_pb2.GetServerRequest: queries_pb2.GetServerResponse(
                version="1", subject="alice", role=events_pb2.ROLE_USER, rights=[events_pb2.RIGHT_SEE_HASH]
            ),
        }

    def listed(self, _: queries_pb2.ListSecretsRequest) -> queries_pb2.ListSecretsResponse:
        self.pages += 1
        return queries_pb2.ListSecretsResponse(secrets=[self.secret] * 2, next_page_token=f"after {self.pages}")


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[Answering]:
    async with Answering().serving(tmp_path) as scripted:
        yield scripted


@pytest.fixture
async def client(m8: Answering, tmp_path: Path) -> AsyncIterator[Client]:
    pinned(m8, tmp_path)
    async with client_for(m8, tmp_path) as opened:
        yield opened


def names(kind: type[msgspec.Struct]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(kind)}


def test_what_is_read_has_the_names_of_what_was_written() -> None:
    written = names(PutResult)
    assert written - {"outcome"} <= names(Secret)
    assert written - {"values", "receipt"} <= names(SecretVersion)
    assert written - {"values"} <= names(Upload)


async def test_a_secret_has_hex_dates_and_says_whether_it_is_proven(client: Client) -> None:
    secret = await client.get_secret("app/0")

    assert secret == Secret(
        uri="vault://app/0",
        hash=FINGERPRINT,
        values={"password": FINGERPRINT},
        upstream_version=VERSION,
        prior_version="6",
        subject="alice",
        changed_at=AT,
        request_id=REQUEST_ID.hex(),
        labels={"owner": "team-a"},
        expires_on=dt.date(2027, 1, 31),
        deleted=False,
        drifted=False,
        sync="IN_SYNC",
        verified_at=AT,
        proven=False,
        why_not_proven="m8 shows no receipt for it",
    )


async def test_who_edited_notes_is_said_for_no_receipt_proves_it(m8: Answering, client: Client) -> None:
    assert (await client.get_secret("app/0")).notes_edited_by == ""
    m8.secret.notes_subject = "bob"
    m8.secret.notes_changed_at_ms = m8.secret.uploaded_at_ms

    secret = await client.get_secret("app/0")

    assert (secret.notes_edited_by, secret.notes_edited_at) == ("bob", AT)


async def test_what_was_put_is_read_back_under_the_same_names(m8: Answering, client: Client) -> None:
    put = await client.put_secret("app/0", {"password": b"correct horse"})
    assert put.receipt is not None
    m8.secret.receipt.CopyFrom(put.receipt)
    m8.secret.request_id = bytes.fromhex(put.request_id)
    m8.secret.prior_version = ""

    secret = await client.get_secret("app/0")
    upload = await client.get_upload(put.request_id)

    assert secret.proven, secret.why_not_proven
    for name in ("uri", "hash", "values", "upstream_version", "request_id", "receipt"):
        assert getattr(secret, name) == getattr(put, name)
    for name in ("uri", "request_id"):
        assert getattr(upload, name) == getattr(put, name)


async def test_a_put_whose_end_is_not_known_names_the_request_to_ask_about(m8: Answering, client: Client) -> None:
    m8.end = m8.ended

    with pytest.raises(OutcomeUnknownError) as caught:
        await client.put_secret("app/0", {"password": b"correct horse"})
    upload = await client.get_upload(caught.value.request_id)

    assert upload.request_id == caught.value.request_id == m8.attempts[0].request.request_id.hex()
    assert (upload.state, upload.proven, upload.outcome) == ("ENDED", False, "")


async def test_an_identity_that_was_given_proves_without_a_file(m8: Answering, client: Client) -> None:
    put = await client.put_secret("app/0", {"password": b"correct horse"})
    assert put.receipt is not None
    m8.secret.receipt.CopyFrom(put.receipt)
    m8.secret.prior_version = ""

    for identity, proven in ((m8.identity.shown, True), (Identity().shown, False)):
        given = msgspec.structs.replace(client.settings, known_stores=None, store_identities={"vault": identity})
        async with Client(given) as other:
            secret = await other.get_secret("vault://app/0")
        assert secret.proven is proven


async def test_a_page_is_fetched_when_it_is_needed(m8: Answering, client: Client) -> None:
    seen = 0
    async for secret in client.list_secrets("vault://app", state="deleted", expiring_before=dt.date(2027, 1, 1)):
        assert secret.labels == {"owner": "team-a"}
        seen += 1
        if seen == 3:
            break

    assert m8.pages == 2
    asked = m8.asked[0]
    assert isinstance(asked, queries_pb2.ListSecretsRequest)
    assert (asked.prefix, asked.state, asked.expiring_before) == (
        "vault://app",
        views_pb2.SECRET_STATE_DELETED,
        "2027-01-01",
    )


@pytest.mark.parametrize("request_id", ["", REQUEST_ID.hex()])
async def test_what_is_pasted_by_mistake_for_a_prefix_is_not_sent_to_m8(
    client: Client, m8: Answering, request_id: str
) -> None:
    with pytest.raises(UsageError):
        await client.log.last_events(5, request_id=request_id, prefix="PASSWORD=correct horse")
    with pytest.raises(UsageError):
        await anext(client.log.events(request_id=request_id, prefix="PASSWORD=correct horse"))
    assert m8.calls == []


async def test_an_unknown_state_is_refused(client: Client) -> None:
    with pytest.raises(UsageError, match="'gone' is not a state"):
        async for _ in client.list_secrets(state="gone"):  # type: ignore[arg-type]
            pass


async def test_every_version_says_whether_it_is_proven(client: Client) -> None:
    found = [version async for version in client.list_secret_versions("app/0")]

    assert (len(found), {version.changed_at for version in found}) == (40, {AT})
    assert all("does not show its request" in version.why_not_proven for version in found)


async def test_stores_say_what_their_reactors_can_do(client: Client) -> None:
    (store,) = [store async for store in client.stores.list()]

    assert store == await client.stores.get()
    assert (store.name, store.active, store.engine, store.layout) == ("vault", True, "ok", LAYOUT)
    (reactor,) = store.reactors
    can = {
        "check_and_set",
        "readable",
        "patchable",
        "listable",
        "undeletable",
        "rollbackable",
        "source_versions",
        "copied_keys",
    }
    assert reactor.capabilities == can
    assert (reactor.last_heard_at, reactor.fingerprint_key_id) == (AT, KEY_ID)


async def test_events_are_listed_and_watched(client: Client) -> None:
    listed = [event async for event in client.log.events()]

    assert listed == [event async for event in client.log.watch_events(after=2)] == await client.log.last_events(1)
    (event,) = listed
    assert (event.position, event.request_id, event.recorded_at) == (3, REQUEST_ID.hex(), AT)


async def test_the_server_says_who_the_caller_is(client: Client) -> None:
    server = await client.get_server()

    assert (server.subject, server.role, server.rights) == ("alice", "user", ("see-hash",))
    assert server.expires_at is None


async def test_times_and_days_that_are_none_hide_nothing_else(m8: Answering, client: Client) -> None:
    m8.secret.expires_on, m8.secret.uploaded_at_ms, m8.secret.verified_at_ms = "soon", 2**62, -(2**62)
    secret = await client.get_secret("app/0")
    assert (secret.hash, secret.expires_on) == (FINGERPRINT, None)
    assert secret.changed_at == dt.datetime.max.replace(tzinfo=dt.UTC)
    assert secret.verified_at == dt.datetime.min.replace(tzinfo=dt.UTC)


class Endless:
    """An m8 whose listing of stores has no end."""

    def __init__(self, tokens: Any) -> None:
        self.queries = SimpleNamespace(ListSecretStores=None)
        self.runtime = ASYNCIO
        self._tokens = tokens

    async def call(self, *_: object) -> queries_pb2.ListSecretStoresResponse:
        return queries_pb2.ListSecretStoresResponse(next_page_token=next(self._tokens))


@pytest.mark.parametrize(
    "tokens",
    [itertools.repeat("a"), itertools.cycle(["a", "b"]), map(str, itertools.count(1))],
    ids=["one", "two", "new"],
)
async def test_pages_without_end_are_refused(tokens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MAX_PAGES", 100, raising=False)
    m8: Any = Endless(itertools.islice(tokens, 1_000))
    with pytest.raises(UnavailableError, match="have no end"):
        async for _ in Queries(m8).stores():
            pass


class Breaking:
    """An m8 whose stream ends in one way after the other; it sends what the test says, asked for or not."""

    runtime = ASYNCIO

    def __init__(self, *streams: tuple[Iterable[int], Error | None]) -> None:
        self.asked: list[int] = []
        self._streams = list(streams)

    async def watch(self, *, after: int, prefix: str) -> AsyncIterator[views_pb2.EventSummary]:
        assert prefix == "vault://app"
        self.asked.append(after)
        positions, error = self._streams.pop(0)
        for position in positions:
            yield views_pb2.EventSummary(position=position, actor="anna" if position % 2 else "bob")
        if error is not None:
            raise error


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0)
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0)


async def test_no_position_is_missed_or_doubled_over_breaks() -> None:
    broken, stopped = NotReachedError("m8 does not answer."), UnavailableError("m8 is stopping.")
    # The third stream begins too early, as that of an m8 would that does not look at `after`.
    m8: Any = Breaking(([4, 5], broken), ([], broken), ([3, 4, 5, 6], stopped), ([7], None))
    lost: list[Error] = []
    found = [event.position async for event in Queries.follow(m8, after=3, prefix="vault://app", lost=lost.append)]
    assert (found, m8.asked, lost) == ([4, 5, 6, 7], [3, 5, 5, 6], [broken, broken, stopped])


async def test_what_is_left_out_is_not_asked_for_again() -> None:
    m8: Any = Breaking(([1, 2, 3, 4], NotReachedError("m8 does not answer.")), ([5, 6], None))
    wanted = EventFilter(actor="anna")
    found = [event.position async for event in Queries.follow(m8, after=0, prefix="vault://app", wanted=wanted)]
    assert (found, m8.asked) == ([1, 3, 5], [0, 4])


async def test_a_token_that_does_not_count_any_more_ends_it() -> None:
    m8: Any = Breaking(([1], UnauthenticatedError("the token was revoked while it watched.")))
    with pytest.raises(UnauthenticatedError):
        async for _ in Queries.follow(m8, after=0, prefix="vault://app"):
            pass
