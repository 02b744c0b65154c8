"""The commands of users about secrets: each checks its caller, lets the domain decide, records, and answers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message

from monoskope import operating_log
from monoskope.api.gateway.v1 import commands_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import RefusedError
from monoskope.m8.credentials.standing import standing
from monoskope.m8.domain import upload
from monoskope.m8.domain.aggregates import FINGERPRINT_KEY, Seen, upload_of
from monoskope.m8.domain.events import may_end, notes_stream, write
from monoskope.m8.domain.upload import Upload
from monoskope.m8.limits.subjects import LARGEST, WITH_CHANGE, bytes_with
from monoskope.m8.readmodels.documents import store_in, update_notes
from monoskope.m8.readmodels.secrets import SECRETS
from monoskope.m8.readmodels.stores import STORES
from monoskope.m8.readmodels.uploads import USAGE, Usage, bytes_of, shown
from monoskope.m8.service import policy
from monoskope.m8.service.app import App, Caller
from monoskope.m8.service.feed import Waker
from monoskope.m8.service.upload_key import missing_reactor, new_key, require_engine
from monoskope.protocol.events import upload_stream
from monoskope.protocol.listing import LARGEST_PAGE
from monoskope.protocol.notes import edit_of
from monoskope.protocol.outcomes import State
from monoskope.protocol.request import KEY_WAIT_S, Request, parse_request
from monoskope.traces import spans
from monoskope.uri import SecretUri


@dataclass(frozen=True, slots=True)
class _Found:
    """What a request is decided on: streams, its store, its secret's newest receipt, and when they were looked at."""

    seen: Seen
    store: views_pb2.SecretStore
    last_receipt: upload_pb2.Signed | None
    at_s: float
    """Seconds of the monotonic clock, before the look."""


class Commands:
    """The part of `SecretCommandService` about secrets, without a transport: one method for each command."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def request_secret_upload_key(
        self, message: commands_pb2.RequestSecretUploadKeyRequest, caller: Caller
    ) -> commands_pb2.RequestSecretUploadKeyResponse:
        """Record that a key is asked for; with `wait` return the key, or after `KEY_WAIT_S` that there is none yet.

        The same request again gets the same answer.

        Raises:
            UsageError: the request is not well formed.
            NotFoundError: a store does not exist, a URI is outside the caller's prefixes, or there is no receipt to
                VERIFY.
            RefusedError: the caller lacks the right, or the store is deactivated.
            RateLimitedError: the caller may seal no more today, put no more in this minute, or add no secret; or too
                many requests of the caller's have not ended, and none did in time.
            UnauthenticatedError: the token expired or was revoked while the request waited for its place.
            UnavailableError: no reactor of the store is attached, or none of them finds its engine.
            AlreadyExistsError: the request id is taken.
        """
        began = time.monotonic()
        request = parse_request(message.request)
        operating_log.bind_contextvars(uri=str(request.uri), request_id=request.request_id.hex())
        policy.require_request(caller.principal, request)
        answer = commands_pb2.RequestSecretUploadKeyResponse(request_id=request.request_id)
        with self._app.feed.waiting(upload_stream(request.request_id), lambda event: event.version > 1) as waker:
            store, is_new = await self._record_request(request, caller)
            if message.wait:
                # Not longer: a caller that learns of no reactor after a minute could have said so to its user before.
                left_s = min(KEY_WAIT_S, max(0.0, began + caller.wait_s - time.monotonic()))
                key = await new_key(self._app, request.request_id, store, waker, wait_s=left_s, at_once=not is_new)
                answer.key.CopyFrom(key)
        return answer

    async def _record_request(self, request: Request, caller: Caller) -> tuple[views_pb2.SecretStore, bool]:
        """Record that a key is asked for, unless that is recorded already; return its store, and whether it was."""
        about, subject = upload_of(request.request_id), caller.principal.subject
        found = await self._look(request)
        # A repeated request is answered at once.
        known = found.seen.of(about)
        is_new = known.request is None
        allowed = found.seen.of(FINGERPRINT_KEY).allowed
        missing = await missing_reactor(self._app, found.store, allowed) if is_new else None

        def decide(known: Upload) -> Sequence[Message]:
            events = upload.request_key(
                known, request=request, subject=subject, last_receipt=found.last_receipt, traceparent=spans.current()
            )
            if events:
                _require_active(found.store)
                if missing is not None:
                    raise missing
            return events

        if is_new and found.store.active:
            await require_engine(self._app, found.store, wait_s=caller.wait_s)
        letting_in = self._let_in(request, caller, found) if is_new else contextlib.nullcontext(found)
        async with letting_in as found:
            recorded = await self._app.aggregates.change(about, decide, actor=subject, loaded=known, is_sent_again=True)
        return found.store, bool(recorded)

    @contextlib.asynccontextmanager
    async def _let_in(self, request: Request, caller: Caller, found: _Found) -> AsyncIterator[_Found]:
        """Let the caller record a new request within the block, on what is yielded: `found`, or what is true by now.

        Raises:
            RateLimitedError: a limit is reached.
            UnauthenticatedError: while the caller waited, the token expired or was revoked.
            Error: as `_look` and `policy.require_request`: what the caller had is gone meanwhile.
        """
        subject = caller.principal.subject
        # Counted only now: what waits for its place is not counted yet.
        async with self._app.request_limit.place(subject, wait_s=caller.wait_s) as usage:
            if time.monotonic() - found.at_s > policy.SOON_S:
                now = await standing(self._app.aggregates, caller.principal, self._app.clock())
                policy.require_request(now, request)
                found = await self._look(request)
                usage = await self._app.documents.usage(subject, self._app.clock())  # noqa: PLW2901
            size = bytes_with(request.content, found.last_receipt)
            later = _largest_later(request) + (WITH_CHANGE + size if request.change_sha256 else 0)
            # Before anything else is waited for, in which the subject may have more recorded than `usage` has.
            with self._app.quota.used(subject, usage, size, later=later):
                if request.rules.puts:
                    await self._app.put_limit.require(subject, usage, adds=found.last_receipt is None)
                yield found

    async def _look(self, request: Request) -> _Found:
        """Return what a request is decided on.

        Raises:
            NotFoundError: something is missing.
        """
        at_s = time.monotonic()
        uri, destination = str(request.uri), request.destination
        places = [(STORES, request.uri.store), *([] if destination is None else [(STORES, destination.store)])]
        secret = (SECRETS, uri)
        streams = (upload_of(request.request_id), FINGERPRINT_KEY)
        seen = await self._app.aggregates.look(*streams, documents=[*places, secret])
        store = store_in(seen.documents[places[0]])
        if store is None:
            raise policy.hidden(uri)
        if seen.documents[places[-1]] is None:
            raise policy.hidden(str(destination))
        last_receipt = await self._app.documents.receipt_in(uri, seen.documents[secret])
        if request.rules.needs_receipt and last_receipt is None:
            raise policy.hidden(uri)
        return _Found(seen, store, last_receipt, at_s)

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
            AlreadyExistsError: other bytes, or another signature, change or approval, came before.
            ConflictError: no key was given yet.
            UsageError: lengths that the grant does not allow.
        """
        operating_log.bind_contextvars(request_id=message.request_id.hex())
        about = upload_of(message.request_id)
        # What was asked for never changes. What came of it since is read with all that the bytes are decided on.
        known = self._app.aggregates.remembered(about).of(about)
        if known.request is None:
            known = await self._app.aggregates.get(about)
        if known.request is None or known.subject != caller.principal.subject:
            raise upload.unknown_request()
        operating_log.bind_contextvars(uri=str(known.request.uri))
        policy.require_request(caller.principal, known.request)
        with self._app.feed.waiting(upload_stream(message.request_id), may_end) as waker:
            try:
                known, is_new = await self._record_sealed(message, known.request, caller.principal.subject)
                # An end cannot have come before what was recorded only now.
                end = await self._end(known, message.request_id, waker, caller.wait_s, at_once=not is_new)
            finally:
                self._app.sealed.pop(message.request_id, None)
        return commands_pb2.RequestUploadSecretResponse(upload=end)

    async def _record_sealed(
        self, message: commands_pb2.RequestUploadSecretRequest, request: Request, subject: str
    ) -> tuple[Upload, bool]:
        """Record the sealed bytes, unless that was done; return the request as it was, and whether they were."""
        about, uri, usage = upload_of(request.request_id), str(request.uri), (USAGE, subject)
        documents = [(STORES, request.uri.store), (SECRETS, uri), usage]
        seen = await self._app.aggregates.look(about, documents=documents)
        known, store = seen.of(about), store_in(seen.documents[documents[0]])
        assert store is not None, "a request is recorded for a store that exists"
        last_receipt = await self._app.documents.receipt_in(uri, seen.documents[SECRETS, uri], known.last_receipt)
        sealed = message.encapsulated_key + message.ciphertext

        def decide(known: Upload) -> Sequence[Message]:
            events = upload.request_upload(
                known,
                subject=subject,
                encapsulated_key=message.encapsulated_key,
                ciphertext=message.ciphertext,
                request_signature=message.request_signature,
                change=message.change,
                approvals=message.approvals,
                last_receipt=last_receipt,
                traceparent=spans.current(),
            )
            if events:
                _require_active(store)
                self._app.sealed[message.request_id] = (events[0].sealed_sha256, sealed)
            return events

        # Bytes that were recorded are not recorded again, and bytes for a request that ended are not recorded at all.
        is_new = not known.sealed_sha256 and known.state is not State.ENDED
        signed = (message.request_signature, message.change, *message.approvals)
        size = bytes_with(last_receipt, *signed, sealed=len(sealed))
        used = Usage.parse(seen.documents[usage], self._app.clock())
        if last_receipt is not known.last_receipt:  # it was read, in which time more may have been recorded
            used = await self._app.documents.usage(subject, self._app.clock())
        with self._app.quota.used(subject, used, size) if is_new else contextlib.nullcontext():
            recorded = await self._app.aggregates.change(
                about, decide, actor=subject, sealed=sealed or None, loaded=known, is_sent_again=True
            )
        return known, bool(recorded)

    async def _end(
        self, known: Upload, request_id: bytes, waker: Waker, wait_s: float, *, at_once: bool
    ) -> views_pb2.SecretUpload:
        async def ended() -> views_pb2.SecretUpload | None:
            # What the feed passes on is durable, and most often the rest of the stream: then nothing is read.
            told = shown(waker.events, known) if waker.events else None
            found = told or await self._app.documents.upload(request_id)
            return found if found is not None and found.state == views_pb2.UPLOAD_STATE_ENDED else None

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
            usage = await self._app.documents.usage(subject, self._app.clock())
            with self._app.quota.used(subject, usage, bytes_with(event)):
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
