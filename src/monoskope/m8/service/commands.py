"""The commands of users about secrets: each checks its caller, lets the domain decide, records, and answers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Sequence

from google.protobuf.message import Message

from monoskope import operating_log
from monoskope.api.gateway.v1 import commands_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import RefusedError
from monoskope.m8.domain import upload
from monoskope.m8.domain.events import may_end, notes_stream, write
from monoskope.m8.domain.upload import Upload
from monoskope.m8.limits.subjects import LARGEST, bytes_with
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.m8.readmodels.documents import update_notes
from monoskope.m8.readmodels.uploads import bytes_of
from monoskope.m8.service import policy
from monoskope.m8.service.aggregates import upload_of
from monoskope.m8.service.app import App, Caller
from monoskope.m8.service.feed import Waker
from monoskope.m8.service.upload_key import missing_reactor, new_key, require_engine
from monoskope.protocol.events import upload_stream
from monoskope.protocol.listing import LARGEST_PAGE
from monoskope.protocol.notes import edit_of
from monoskope.protocol.outcomes import State
from monoskope.protocol.request import Request, parse_request
from monoskope.traces import spans
from monoskope.uri import SecretUri


class Commands:
    """The part of `SecretCommandService` about secrets, without a transport: one method for each command."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def request_secret_upload_key(
        self, message: commands_pb2.RequestSecretUploadKeyRequest, caller: Caller
    ) -> commands_pb2.RequestSecretUploadKeyResponse:
        """Record that a key is asked for; with `wait` return the key. The same request again gets the same answer.

        Raises:
            UsageError: the request is not well formed.
            NotFoundError: a store does not exist, a URI is outside the caller's prefixes, or there is no receipt to
                VERIFY.
            RefusedError: the caller lacks the right, or the store is deactivated.
            RateLimitedError: the caller may seal no more today, put no more in this minute, or add no secret; or too
                many requests of the caller's have not ended, and none did in time.
            UnavailableError: no reactor of the store is attached, or none of them finds its engine.
            AlreadyExistsError: the request id is taken.
        """
        began = time.monotonic()
        request = parse_request(message.request)
        operating_log.bind_contextvars(uri=str(request.uri), request_id=request.request_id.hex())
        policy.require_request(caller.principal, request)
        answer = commands_pb2.RequestSecretUploadKeyResponse(request_id=request.request_id)
        with self._app.feed.waiting(upload_stream(request.request_id), lambda event: event.version > 1) as waker:
            recorded = await self._record_request(request, caller)
            if message.wait:
                left_s = max(0.0, began + caller.wait_s - time.monotonic())
                answer.key.CopyFrom(await new_key(self._app, request.request_id, waker, recorded, wait_s=left_s))
        return answer

    async def _record_request(self, request: Request, caller: Caller) -> list[RecordedEvent]:
        """Record that a key is asked for, unless that is recorded already; return what was recorded now."""
        store, last_receipt = await self._store_and_receipt(request)
        subject = caller.principal.subject
        # A repeated request is answered at once.
        known = await self._app.aggregates.get(upload_of(request.request_id))
        is_new = known.request is None
        missing = await missing_reactor(self._app, store) if is_new else None

        def decide(known: Upload) -> Sequence[Message]:
            events = upload.request_key(
                known, request=request, subject=subject, last_receipt=last_receipt, traceparent=spans.current()
            )
            if events:
                _require_active(store)
                if missing is not None:
                    raise missing
            return events

        if is_new and store.active:
            await require_engine(self._app, store, wait_s=caller.wait_s)
        async with self._let_in(request, caller, last_receipt) if is_new else contextlib.nullcontext():
            return await self._app.aggregates.change(
                upload_of(request.request_id),
                decide,
                actor=subject,
                loaded=known,
                is_sent_again=True,
            )

    @contextlib.asynccontextmanager
    async def _let_in(
        self, request: Request, caller: Caller, last_receipt: upload_pb2.Signed | None
    ) -> AsyncIterator[None]:
        """Let the caller record a new request within the block. Raises `RateLimitedError` if a limit is reached."""
        subject = caller.principal.subject
        size, later = bytes_with(request.content, last_receipt), _largest_later(request)
        async with self._app.request_limit.place(subject, wait_s=caller.wait_s):
            # Only now: what waits for its place is not counted yet.
            if request.rules.puts:
                await self._app.put_limit.require(subject, adds=last_receipt is None)
            async with self._app.quota.used(subject, size, later=later):
                yield

    async def _store_and_receipt(self, request: Request) -> tuple[views_pb2.SecretStore, upload_pb2.Signed | None]:
        """Return the request's store and its newest receipt. Raises `NotFoundError` if something is missing."""
        store = await self._app.documents.store(request.uri.store)
        if store is None:
            raise policy.hidden(str(request.uri))
        if request.destination is not None and await self._app.documents.store(request.destination.store) is None:
            raise policy.hidden(str(request.destination))
        last_receipt = await self._app.documents.last_receipt(str(request.uri))
        if request.rules.needs_receipt and last_receipt is None:
            raise policy.hidden(str(request.uri))
        return store, last_receipt

    async def request_upload_secret(
        self, message: commands_pb2.RequestUploadSecretRequest, caller: Caller
    ) -> commands_pb2.RequestUploadSecretResponse:
        """Record the sealed secret and wait for the request's end, or until the caller's deadline.

        The same bytes are not recorded twice and get the same answer. A request that ended before any bytes came is
        answered with its end. The answer has the receipt with its fingerprints, whatever the caller's rights: it is the
        proof of success, and the caller knows the value.

        Raises:
            NotFoundError: there is no such request of the caller's.
            RefusedError: the caller lost the right, or the store was deactivated.
            RateLimitedError: the caller may seal no more today.
            AlreadyExistsError: other bytes, or another signature, came before.
            ConflictError: no key was given yet.
            UsageError: lengths that the grant does not allow, or a signature that is too long.
        """
        operating_log.bind_contextvars(request_id=message.request_id.hex())
        known = await self._app.aggregates.get(upload_of(message.request_id))
        if known.request is None or known.subject != caller.principal.subject:
            raise upload.unknown_request()
        uri = known.request.uri
        operating_log.bind_contextvars(uri=str(uri))
        policy.require_request(caller.principal, known.request)
        with self._app.feed.waiting(upload_stream(message.request_id), may_end) as waker:
            recorded = await self._record_sealed(message, caller.principal.subject, uri, known)
            # An end cannot have come before what was recorded only now.
            end = await self._end(message.request_id, waker, caller.wait_s, at_once=not recorded)
        return commands_pb2.RequestUploadSecretResponse(upload=end)

    async def _record_sealed(
        self, message: commands_pb2.RequestUploadSecretRequest, subject: str, uri: SecretUri, known: Upload
    ) -> list[RecordedEvent]:
        store = await self._app.documents.store(uri.store)
        assert store is not None, "a request is recorded for a store that exists"
        last_receipt = await self._app.documents.last_receipt(str(uri))

        def decide(known: Upload) -> Sequence[Message]:
            events = upload.request_upload(
                known,
                subject=subject,
                encapsulated_key=message.encapsulated_key,
                ciphertext=message.ciphertext,
                request_signature=message.request_signature,
                last_receipt=last_receipt,
                traceparent=spans.current(),
            )
            if events:
                _require_active(store)
            return events

        sealed = message.encapsulated_key + message.ciphertext
        # Bytes that were recorded are not recorded again, and bytes for a request that ended are not recorded at all.
        is_new = not known.sealed_sha256 and known.state is not State.ENDED
        size = bytes_with(last_receipt, message.request_signature, sealed=len(sealed))
        async with self._app.quota.used(subject, size) if is_new else contextlib.nullcontext():
            return await self._app.aggregates.change(
                upload_of(message.request_id),
                decide,
                actor=subject,
                sealed=sealed or None,
                loaded=known,
                is_sent_again=True,
            )

    async def _end(self, request_id: bytes, waker: Waker, wait_s: float, *, at_once: bool) -> views_pb2.SecretUpload:
        async def ended() -> views_pb2.SecretUpload | None:
            known = await self._app.documents.upload(request_id)
            return known if known is not None and known.state == views_pb2.UPLOAD_STATE_ENDED else None

        answer = await waker.until(ended, wait_s=wait_s, at_once=at_once)
        answer = answer or await self._app.documents.upload(request_id)
        assert answer is not None, "the request was recorded"
        return answer

    async def update_secret_notes(
        self, message: commands_pb2.UpdateSecretNotesRequest, caller: Caller
    ) -> commands_pb2.UpdateSecretNotesResponse:
        """Record an edit of a secret's notes, unless they are so already; return the secret as it is then.

        Raises:
            UsageError: the URI or the edit is not well formed, or there would be too many labels.
            NotFoundError: there is no receipt for the secret, it was deleted, or it is outside the caller's prefixes.
            RefusedError: the caller may not put it.
            RateLimitedError: the caller may have no more recorded today.
        """
        uri = SecretUri.parse(message.uri)
        operating_log.bind_contextvars(uri=str(uri))
        policy.require_right(caller.principal, events_pb2.RIGHT_PUT, uri)
        edit = edit_of(message.edit)
        known = await self._app.documents.secret(str(uri))
        if known is None:
            raise policy.hidden(str(uri))
        event = update_notes(known, edit)
        if event is not None:
            subject = caller.principal.subject
            async with self._app.quota.used(subject, bytes_with(event)):
                await self._app.log.append(notes_stream(uri), None, [write(event)], actor=subject)
            known = await self._app.documents.secret(str(uri)) or known
        return commands_pb2.UpdateSecretNotesResponse(secret=policy.secret_for(caller.principal, known))


def _largest_later(request: Request) -> int:
    """Return how many bytes may be recorded later, because of what a request asks for: it is not begun without room."""
    if request.rules.needs_listing:
        return bytes_of(LARGEST_PAGE)
    return LARGEST if request.rules.seals and not request.remove_keys else 0


def _require_active(store: views_pb2.SecretStore) -> None:
    if not store.active:
        raise RefusedError(
            f"the store {store.name} is deactivated.", fix="Ask an administrator to activate it, or use another store."
        )
