"""m8's read models: its word, without proof. Listings fetch one page after the other while they are iterated.

There is one method for each query, with its words, so the file is longer than others.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import options_pb2
from monoskope.client.connection import CALL_TIMEOUT_S, Connection, LogUse, RenewedError
from monoskope.client.http import methods
from monoskope.client.http.methods import Method
from monoskope.client.runtime import Runtime
from monoskope.errors import Error, UnavailableError, UsageError
from monoskope.protocol.notes import check_labels, has_labels
from monoskope.protocol.request import REQUEST_ID_BYTES
from monoskope.uri import UriPrefix
from monoskope.value import Value

PAGE_SIZE = 100
MAX_PAGE_SIZE = 1_000
"""The largest page that m8 returns."""

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
"""How long `follow` waits before it connects again: after the first break, and at most."""

MAX_PAGES = 100_000
"""How many pages a listing may have: more than any log needs, since a page covers thousands of events."""


class EventFilter(Value, frozen=True):
    """Which events.

    Attributes:
        since_ms: Recorded then or later, milliseconds since 1970 by m8's clock; 0 for any time.
        until_ms: Recorded before then; 0 for any time.
        actor: Caused by this subject, "" for any.
        before: At a position of the log before this one; 0 for any.
    """

    since_ms: int = 0
    until_ms: int = 0
    actor: str = ""
    before: int = 0

    def takes(self, event: views_pb2.EventSummary) -> bool:
        """Whether `event` is among them."""
        return (
            self.since_ms <= event.recorded_at_ms
            and (not self.until_ms or event.recorded_at_ms < self.until_ms)
            and (not self.actor or event.actor == self.actor)
            and (not self.before or event.position < self.before)
        )


EVERY = EventFilter()
"""All events."""


if TYPE_CHECKING:
    from monoskope.api.gateway.v1 import access_pb2, changes_pb2, log_pb2
    from monoskope.client.log.events import ShownEvents
    from monoskope.protocol.tlog.checkpoint import Checkpoint

    Told = Callable[[ShownEvents], None]

    Listing = (
        queries_pb2.ListSecretsRequest
        | queries_pb2.ListSecretVersionsRequest
        | queries_pb2.ListSecretStoresRequest
        | queries_pb2.ListEventsRequest
        | access_pb2.ListTokensRequest
        | changes_pb2.GetSecretChangesRequest
    )
    P = TypeVar(
        "P",
        queries_pb2.ListSecretsResponse,
        queries_pb2.ListSecretVersionsResponse,
        queries_pb2.ListSecretStoresResponse,
        queries_pb2.ListEventsResponse,
        access_pb2.ListTokensResponse,
        changes_pb2.GetSecretChangesResponse,
    )


def request_id_bytes(text: str) -> bytes:
    """Return the 16 bytes of a request id of 32 hex digits, else raise `UsageError`."""
    return _id_bytes(text, "request", "monoctl get events")


def change_id_bytes(text: str) -> bytes:
    """Return the 16 bytes of a change's id of 32 hex digits, else raise `UsageError`."""
    return _id_bytes(text, "change", "monoctl get changes")


def _id_bytes(text: str, what: str, command: str) -> bytes:
    try:
        content = bytes.fromhex(text)
    except ValueError:
        content = b""
    if len(content) != REQUEST_ID_BYTES or len(text) != 2 * REQUEST_ID_BYTES:
        raise UsageError(f"{what} id {text!r} is not valid: 32 hex digits.", fix=f"Copy it from `{command}`.")
    return content


def prefix_of(text: str) -> str:
    """Return a prefix that is one, or "". What was typed or pasted by mistake never leaves this machine."""
    if text:
        UriPrefix.parse(text)
    return text


def _is_asked_for(event: views_pb2.EventSummary, request: queries_pb2.ListEventsRequest, wanted: EventFilter) -> bool:
    """Whether an event that m8 shows is what was asked for: what is proven of another request says nothing of this."""
    from monoskope.protocol.events import upload_stream  # noqa: PLC0415 - loads what few questions need

    of_request = not request.request_id or event.stream == upload_stream(request.request_id)
    below = not request.prefix or f"{event.uri}/".startswith(f"{request.prefix.removesuffix('/')}/")
    return of_request and below and wanted.takes(event)


async def _no_tree() -> None:
    """Nothing is pinned."""


class Queries:
    """The queries of one connection. Each raises what m8 answers, and `NotReachedError` if it does not.

    A `prefix` is a URI prefix, or "" for all; another text is a `UsageError`, and m8 does not see it.

    Args:
        connection: To m8.
        tree: Returns the newest checkpoint that is pinned, None for none.
    """

    def __init__(self, connection: Connection, tree: Callable[[], Awaitable[Checkpoint | None]] = _no_tree) -> None:
        self._connection = connection
        self._tree = tree
        self.runtime: Runtime = connection.runtime
        """What its connection waits with."""

    async def server(self) -> queries_pb2.GetServerResponse:
        """Return the server's version and who the caller is to it."""
        return await self._connection.call(methods.GET_SERVER, queries_pb2.GetServerRequest(), CALL_TIMEOUT_S)

    async def secret(self, uri: str) -> views_pb2.Secret:
        """Return one secret; fingerprints only with the right to see them."""
        request = queries_pb2.GetSecretRequest(uri=uri)
        return (await self._connection.call(methods.GET_SECRET, request, CALL_TIMEOUT_S)).secret

    async def secrets(
        self,
        prefix: str = "",
        *,
        store: str = "",
        subject: str = "",
        state: views_pb2.SecretState = views_pb2.SECRET_STATE_PRESENT,
        expiring_before: str = "",
        labels: Mapping[str, str] | None = None,
        page_size: int = PAGE_SIZE,
    ) -> AsyncGenerator[views_pb2.Secret]:
        """Yield secrets below a URI prefix ("" for all) in URI order.

        Args:
            prefix: By whole segments.
            store: Of this store alone.
            subject: Last uploaded by this subject.
            state: Present, deleted, drifted, or found out of sync.
            expiring_before: Said to expire before this day, YYYY-MM-DD.
            labels: With all of these labels. What m8 shows besides is left out here.
            page_size: Fetched at once, 1 to 1,000.
        """
        wanted = check_labels((labels or {}).items())
        request = queries_pb2.ListSecretsRequest(
            prefix=prefix_of(prefix),
            page_size=page_size,
            store=store,
            subject=subject,
            state=state,
            expiring_before=expiring_before,
            labels=[options_pb2.Label(name=name, value=value) for name, value in wanted],
        )
        async for page in self._pages(methods.LIST_SECRETS, request):
            for secret in page.secrets:
                if has_labels(secret, wanted):
                    yield secret

    async def secret_versions(
        self, uri: str, *, page_size: int = PAGE_SIZE, with_edits: bool = False
    ) -> AsyncGenerator[views_pb2.SecretVersion]:
        """Yield the versions of one secret, the newest first; fingerprints only with the right to see them.

        With `with_edits`, edits of its notes come between them: these have `edit`, and no receipt.
        """
        request = queries_pb2.ListSecretVersionsRequest(uri=uri, page_size=page_size, with_edits=with_edits)
        async for page in self._pages(methods.LIST_SECRET_VERSIONS, request):
            for version in page.versions:
                yield version

    async def store(
        self, name: str = "", *, check: Callable[[queries_pb2.GetSecretStoreResponse], None] = lambda _answer: None
    ) -> views_pb2.SecretStore:
        """Return one store, the default one for "", its requests that have not ended counted; `check` as in a call."""
        request = queries_pb2.GetSecretStoreRequest(name=name, count_pending=True)
        return (await self._connection.call(methods.GET_SECRET_STORE, request, CALL_TIMEOUT_S, check=check)).store

    async def stores(self, *, page_size: int = PAGE_SIZE) -> AsyncGenerator[views_pb2.SecretStore]:
        """Yield stores in name order, their requests that have not ended counted."""
        request = queries_pb2.ListSecretStoresRequest(page_size=page_size, count_pending=True)
        async for page in self._pages(methods.LIST_SECRET_STORES, request):
            for store in page.stores:
                yield store

    async def events(
        self,
        *,
        request_id: str = "",
        prefix: str = "",
        wanted: EventFilter = EVERY,
        page_size: int = PAGE_SIZE,
        told: Told = lambda _shown: None,
    ) -> AsyncGenerator[views_pb2.EventSummary]:
        """Yield events in log order, of one request or below a URI prefix if given, held against the pinned log.

        Args:
            request_id: Of this request alone.
            prefix: Of secrets below this prefix alone.
            wanted: What else they must be.
            page_size: Fetched at once, 1 to 1,000.
            told: Told against what they are held, before the first.

        Raises:
            LogMismatchError: what m8 shows is not what its log has.
        """
        request, shown = await self._listing(request_id, prefix, wanted, page_size)
        told(shown)
        async for page in self._pages(methods.LIST_EVENTS, request):
            for event in shown.page(page):
                if _is_asked_for(event, request, wanted):
                    yield event
        shown.end()

    async def last_events(
        self,
        count: int,
        *,
        request_id: str = "",
        prefix: str = "",
        wanted: EventFilter = EVERY,
        told: Told = lambda _shown: None,
    ) -> list[views_pb2.EventSummary]:
        """Return the latest `count` events in log order, as `events` does."""
        size = min(count, MAX_PAGE_SIZE)
        request, shown = await self._listing(request_id, prefix, wanted, size, newest_first=True)
        told(shown)
        found: list[views_pb2.EventSummary] = []
        async for page in self._pages(methods.LIST_EVENTS, request):
            found += [event for event in shown.page(page) if _is_asked_for(event, request, wanted)]
            if len(found) >= count:
                break
        else:
            shown.end()
        return found[:count][::-1]

    async def head(self) -> int:
        """Return a position at the end of the log: all that is recorded from now on stands after it."""
        request = queries_pb2.ListEventsRequest(page_size=1, newest_first=True)
        return (await self._connection.call(methods.LIST_EVENTS, request, CALL_TIMEOUT_S)).head

    async def watch(self, *, after: int = 0, prefix: str = "") -> AsyncGenerator[views_pb2.EventSummary]:
        """Yield events as they happen, from the one after position `after` on, until cancelled."""
        request = queries_pb2.WatchEventsRequest(after=after, prefix=prefix_of(prefix))
        async for answer in self._connection.stream(methods.WATCH_EVENTS, request):
            yield answer.event

    async def follow(
        self,
        *,
        after: int,
        prefix: str = "",
        wanted: EventFilter = EVERY,
        lost: Callable[[Error], None] | None = None,
    ) -> AsyncGenerator[views_pb2.EventSummary]:
        """Yield each event after the position `after` once, as it is recorded, until cancelled or m8 ends the stream.

        When the connection breaks, m8 stops or the token was renewed, it connects again and goes on after the last
        event that it has seen.

        Args:
            after: What `head` returned, for the events since then; 0 for all.
            prefix: Of secrets below this URI prefix, "" for all that the caller may see.
            wanted: Which of these.
            lost: Called with the reason each time the connection breaks.

        Raises:
            Error: m8 refuses; not that it cannot be reached.
        """
        pause = FIRST_PAUSE_S
        while True:
            try:
                async for event in self.watch(after=after, prefix=prefix):
                    pause = FIRST_PAUSE_S
                    if event.position > after:
                        after = event.position
                        if wanted.takes(event):
                            yield event
            except RenewedError:
                continue
            except UnavailableError as error:
                if lost is not None:
                    lost(error)
            else:
                return
            await self.runtime.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def upload_answer(
        self, request_id: bytes, *, wait: bool = False, timeout_s: float = CALL_TIMEOUT_S
    ) -> queries_pb2.GetSecretUploadResponse:
        """Return one request with its store's identity steps, with `wait` once it has ended or at the deadline."""
        request = queries_pb2.GetSecretUploadRequest(request_id=request_id, wait=wait)
        return await self._connection.call(methods.GET_SECRET_UPLOAD, request, timeout_s)

    async def upload_proof(self, request_id: bytes, *, witnessed: bool) -> log_pb2.GetUploadProofResponse:
        """Return what proves that the last event of a request stands in the log. Nothing is verified."""
        from monoskope.api.gateway.v1 import log_pb2  # noqa: PLC0415 - few ask for it

        request = log_pb2.GetUploadProofRequest(request_id=request_id, witnessed=witnessed)
        return await self._connection.call(methods.GET_UPLOAD_PROOF, request, CALL_TIMEOUT_S, log=LogUse.NONE)

    async def _listing(
        self, request_id: str, prefix: str, wanted: EventFilter, page_size: int, *, newest_first: bool = False
    ) -> tuple[queries_pb2.ListEventsRequest, ShownEvents]:
        """Return a request for events with proofs in the log as it is pinned, and what checks them."""
        from monoskope.client.log.events import ShownEvents  # noqa: PLC0415 - a put does not need it

        asked = request_id_bytes(request_id) if request_id else b""
        below = prefix_of(prefix)
        filtered = bool(asked or below or wanted != EVERY)
        shown = ShownEvents(await self._tree(), newest_first=newest_first, filtered=filtered)
        request = queries_pb2.ListEventsRequest(
            request_id=asked,
            prefix=below,
            page_size=page_size,
            newest_first=newest_first,
            since_ms=wanted.since_ms,
            until_ms=wanted.until_ms,
            actor=wanted.actor,
            before=wanted.before,
            tree_size=shown.size,
        )
        return request, shown

    def _pages(self, method: Method[P], request: Listing) -> AsyncGenerator[P]:
        return pages(self._connection, method, request)


async def pages(connection: Connection, method: Method[P], request: Listing) -> AsyncGenerator[P]:
    """Yield every page of a listing, from the one that `request` asks for on.

    Raises:
        UnavailableError: the pages have no end, or lead back to one that was there.
    """
    seen = {""}
    for _ in range(MAX_PAGES):
        page = await connection.call(method, request, CALL_TIMEOUT_S)
        yield page
        if not page.next_page_token:
            return
        if page.next_page_token in seen:
            break
        seen.add(page.next_page_token)
        request.page_token = page.next_page_token
    raise UnavailableError(
        "the pages of m8's answer have no end.", fix="What was shown is incomplete. Look into m8, or ask for less."
    )
