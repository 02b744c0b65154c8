"""One attached reactor: what m8 sends it, and what it sends.

m8 sends it the events of its store's requests and of its peers, and nothing else; sealed bytes go only to the replica
that gave the grant. A session ends when the reactor sends nothing for too long, reads too slowly, attaches again, was
declared gone, when its store's identity changes, or when its fingerprint key is not allowed any more: then it has to
prove itself again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any

from monoskope import operating_log
from monoskope.api.gateway.v1 import reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import ConflictError, Error, IdentityChangedError, RefusedError, UnavailableError
from monoskope.event_loop import first_of, heeded
from monoskope.failpoints import failpoint
from monoskope.m8.domain import appending, fingerprint_key, reactors
from monoskope.m8.domain.aggregates import CATALOGUE, FINGERPRINT_KEY, Aggregate, Seen, attachments_of, upload_of
from monoskope.m8.domain.events import CATALOGUE_STREAM, FINGERPRINT_KEY_STREAM, M8, reactor_stream, read
from monoskope.m8.domain.reactors import Login
from monoskope.m8.domain.upload import unknown_request
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.m8.readmodels.stores import note_of
from monoskope.m8.service.app import App
from monoskope.m8.service.call_notes import defect, validate
from monoskope.m8.service.feed import Follower
from monoskope.protocol.events import request_id_of, upload_stream
from monoskope.protocol.outcomes import State

Send = Callable[[reactor_pb2.AttachResponse], Awaitable[None]]
"""Sends one message to the reactor; waits while the reactor does not read."""

_OURS = frozenset({CATALOGUE_STREAM, FINGERPRINT_KEY_STREAM})
"""Streams of which a session takes note, and which no reactor is sent."""

MAX_APPENDS = 32
"""How many appends of one reactor are handled at once; then no message is read until one is done."""


COPY_WITHIN_S = 60
"""How long after STARTED the token of a COPY is issued, at the latest: the user's rights may change."""


class ServerSession:
    """Serves one login until it ends. `replaced` is set when the same process attaches again.

    Args:
        app: m8.
        login: The replica.
        incoming: What it says.
        send: How to answer.
    """

    def __init__(
        self,
        app: App,
        login: Login,
        incoming: AsyncIterator[reactor_pb2.AttachRequest],
        send: Send,
    ) -> None:
        self._app = app
        self._login = login
        self._incoming = incoming
        self._send = send
        self._appending: set[asyncio.Task[None]] = set()
        self._note = views_pb2.Reactor()
        self._places = asyncio.Semaphore(MAX_APPENDS)
        self.replaced = asyncio.Event()

    async def serve(self) -> None:
        """Run until the reactor half-closes its side.

        Raises:
            UnavailableError: it sent nothing for too long, read too slowly, or attached again.
            IdentityChangedError: its store's identity changed.
            LoginRefusedError: its fingerprint key is not allowed any more.
            UsageError: it says what is not well formed.
        """
        with self._app.feed.follow(self._wants) as follower:
            position = await self._app.log.head()
            # Followed first, read then: a later change of the identity or of the key is seen as an event.
            await self._require_standing()
            await self._send(await self._attached(position))
            await first_of(
                self._listen(),
                self._deliver(follower, position),
                follower.failure(),
                self._replaced(),
            )

    def serves(self, store: str) -> bool:
        """Return whether it is a reactor of `store` whose last heartbeat does not say that its engine is away."""
        return self._login.store == store and self._note.engine != reactor_pb2.ENGINE_HEALTH_UNAVAILABLE

    async def _require_standing(self, *besides: Aggregate[Any]) -> Seen:
        """Raise unless the login counts now, by its identity and its key; return what was seen, `besides`, too."""
        seen = await self._app.aggregates.look(CATALOGUE, FINGERPRINT_KEY, *besides)
        if seen.of(CATALOGUE).store(self._login.store).identity != self._login.identity:
            raise _moved_on(self._login.store)
        fingerprint_key.require_allowed(seen.of(FINGERPRINT_KEY), self._login.fingerprint_key_id)
        return seen

    async def _replaced(self) -> None:
        await self.replaced.wait()
        raise UnavailableError("this process attached again.", fix="Use that stream.")

    def _wants(self, event: RecordedEvent) -> bool:
        if request_id_of(event.stream) is not None:
            # What an earlier session appended without an answer, the reactor appends again and is answered.
            return event.uri.startswith(f"{self._login.store}://") and event.actor != self._login.actor
        return event.stream in {reactor_stream(self._login.store), *_OURS}

    async def _attached(self, position: int) -> reactor_pb2.AttachResponse:
        attachments = await self._app.aggregates.get(attachments_of(self._login.store))
        return reactor_pb2.AttachResponse(
            attached=reactor_pb2.Attached(
                position=position,
                replicas=list(attachments.attached),
                heartbeat_s=self._app.limits.heartbeat_s,
                approvals=True,
            )
        )

    async def _deliver(self, follower: Follower, position: int) -> None:
        async for request_id in self._app.documents.open_of(self._login.store):
            for event in await self._app.log.read_stream(upload_stream(request_id)):
                if event.position <= position:
                    await self._send_event(event)
        await self._send(reactor_pb2.AttachResponse(caught_up=reactor_pb2.CaughtUp()))
        while True:
            event = await follower.next()
            if event.position > position:
                self._check_standing(event)
                if event.stream == FINGERPRINT_KEY_STREAM:
                    await self._require_standing()
                if event.stream not in _OURS:
                    await self._send_event(event)

    def _check_standing(self, event: RecordedEvent) -> None:
        message = read(event)
        match message:
            case events_pb2.SecretStoreIdentityRotated() | events_pb2.SecretStoreIdentityReplaced():
                if message.name == self._login.store:
                    raise _moved_on(message.name)
            case events_pb2.ReactorDetached():
                if message.replica == self._login.replica:
                    raise UnavailableError("this process was declared gone.", fix="Attach again.")
            case _:
                pass

    async def _send_event(self, event: RecordedEvent) -> None:
        delivery = reactor_pb2.Delivery(record=event.record)
        message = read(event)
        if isinstance(message, events_pb2.SecretUploadRequested):
            delivery.sealed = await self._sealed_for_us(event.stream, message.sealed_sha256)
        await self._send(reactor_pb2.AttachResponse(delivery=delivery))

    async def _sealed_for_us(self, stream: str, digest: bytes) -> bytes:
        request_id = request_id_of(stream) or b""
        request = upload_of(request_id)
        # A grant never changes: one that is remembered is the one that was given.
        grant = self._app.aggregates.remembered(request).of(request).grant
        grant = grant or (await self._app.aggregates.get(request)).grant
        if grant is None or grant.replica != self._login.replica:
            return b""
        of, sealed = self._app.sealed.pop(request_id, (b"", b""))
        return sealed if of == digest else await self._app.log.sealed(digest) or b""

    async def _listen(self) -> None:
        try:
            while (message := await self._next()) is not None:
                match message.WhichOneof("message"):
                    case "append":
                        await self._places.acquire()
                        self._begin(self._append(message.append))
                    case "authorize_copy":
                        await self._places.acquire()
                        self._begin(self._authorize(message.authorize_copy))
                    case "heartbeat":
                        await self._beat(message.heartbeat)
            await asyncio.gather(*self._appending)
        finally:
            for task in self._appending:
                task.cancel()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        heeded(task)
        self._appending.add(task)
        task.add_done_callback(self._appended)

    async def _beat(self, heartbeat: reactor_pb2.Heartbeat) -> None:
        now_ms = self._app.clock()
        self._note = note_of(heartbeat, self._note, now_ms)
        await self._app.log.beat(self._login.key, now_ms, self._note.SerializeToString())

    def _appended(self, task: asyncio.Task[None]) -> None:
        self._appending.discard(task)
        self._places.release()

    async def _next(self) -> reactor_pb2.AttachRequest | None:
        """Return the reactor's next message, None when it half-closed."""
        try:
            async with asyncio.timeout(self._app.limits.silence_s):
                message = await anext(self._incoming)
        except StopAsyncIteration:
            return None
        except TimeoutError:
            raise UnavailableError(
                "the reactor sent nothing in time.", fix="Send heartbeats, and attach again."
            ) from None
        if message.WhichOneof("message") in {None, "attach"}:
            # Looked at before the rules are: it may hold a megabyte of rotations, which would keep m8 busy for seconds.
            raise UnavailableError("this stream is attached already.", fix="Send appends and heartbeats.")
        is_heartbeat = message.WhichOneof("message") == "heartbeat"
        await self._app.pace.keep(self._login.store, size=message.ByteSize(), is_heartbeat=is_heartbeat)
        validate(message)
        return message

    async def _append(self, append: reactor_pb2.AppendEvent) -> None:
        answer = reactor_pb2.Appended(call=append.call)
        with _answering(answer):
            answer.version = await appending.record_appended(self._app.aggregates, self._app.log, self._login, append)
        if answer.error:
            operating_log.get().info(
                "append refused",
                request_id=append.request_id.hex(),
                event_types=append.WhichOneof("event") or "",
                code=answer.error,
            )
        failpoint("m8.before-appended")
        await self._send(reactor_pb2.AttachResponse(appended=answer))

    async def _authorize(self, asked: reactor_pb2.AuthorizeCopy) -> None:
        answer = reactor_pb2.CopyAuthorized(call=asked.call)
        with _answering(answer):
            answer.token = await self._copy_token(asked.request_id)
        await self._send(reactor_pb2.AttachResponse(copy_authorized=answer))

    async def _copy_token(self, request_id: bytes) -> str:
        """Return a token that may put at the destination of a COPY and nothing else, once for each request.

        Raises:
            NotFoundError: there is no such COPY, or it is another store's.
            RefusedError: another replica gave its grant, or this server issues no tokens.
            ConflictError: it is not in WRITING, has been for too long, or its token was given already.
            IdentityChangedError: as `serve`, before this session has heard of it from another process.
            LoginRefusedError: as above.
        """
        about = upload_of(request_id)
        upload = (await self._require_standing(about)).of(about)
        request, grant = upload.request, upload.grant
        if request is None or request.destination is None or upload.store != self._login.store:
            raise unknown_request()
        if grant is None or upload.state is not State.WRITING:
            raise ConflictError("the copy is not being made now.", fix="Append STARTED first.")
        if self._app.clock() - upload.since_ms > COPY_WITHIN_S * 1000:
            raise ConflictError("the copy was announced too long ago.", fix="Let its user ask for it again.")
        if grant.replica != self._login.replica:
            raise RefusedError("another replica makes this copy.", fix="Do nothing; that replica makes the copy.")
        # One token id for each request, so that the log refuses a second token.
        token_id = hashlib.sha256(b"m8/copy-token/v1\x00" + request_id).hexdigest()[:32]
        return await self._app.issuing().issue_for_copy(token_id, upload.subject, request.destination)


@contextlib.contextmanager
def _answering(answer: reactor_pb2.Appended | reactor_pb2.CopyAuthorized) -> Iterator[None]:
    """Let an error of the block become the answer: the reactor must not wait in vain."""
    try:
        yield
    except Error as error:
        answer.error, answer.message = error.code.value, str(error)
    except Exception as error:  # noqa: BLE001  a defect is reported by its type alone
        operating_log.get().error("defect", error_type=type(error).__name__)
        answer.error, answer.message = defect().code.value, str(defect())


def _moved_on(store: str) -> IdentityChangedError:
    return IdentityChangedError(f"the identity of the store {store} changed.", fix="Attach under the new one.")


async def detach(app: App, store: str, replica: bytes) -> bool:
    """Record that a process is gone, so that its peers learn it; return False, and record nothing, if that is known."""
    return bool(
        await app.aggregates.change(
            attachments_of(store), lambda known: reactors.detach(known, store=store, replica=replica), actor=M8
        )
    )
