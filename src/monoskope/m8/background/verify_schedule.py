"""Verifications that m8 starts by itself: of secrets whose newest receipt is older than `verify_every_hours`.

The actor is `m8`. Such a request takes the same steps as a user's. Each store has at most one at a time, and each check
of the timekeeper starts at most one. The schedule goes through a store's secrets in the order of their URIs and pauses
at the end, so that a secret which cannot be verified is not asked for again and again. It is part of the timekeeper, of
which one m8 process of a log runs one; the next one begins at the first secret and passes those that are not due.

m8 cannot sign. A store whose reactor verifies only what is signed is asked for one key in `verify_every_hours`, to see
whether that is still so, and nothing is sent for it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message

from monoskope import operating_log
from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.m8.domain.events import M8, write
from monoskope.m8.domain.upload import NEW, Upload, request_key, request_upload
from monoskope.m8.log.event_log import ExpectedVersionError
from monoskope.m8.readmodels.secrets import SECRETS, Kept
from monoskope.m8.service.app import App
from monoskope.protocol.events import upload_stream
from monoskope.protocol.grant import SUITE_1
from monoskope.protocol.request import REQUEST_ID_BYTES, make_request
from monoskope.uri import SecretUri

LOOKED_AT = 200
"""How many secrets of one store one check goes through."""
ROUNDS = 24
"""How often a store is gone through, at most, within `verify_every_hours`."""


@dataclass(slots=True)
class _Round:
    after: str = ""
    """The last URI that it has passed."""
    rests_until_ms: float = 0.0


class VerifySchedule:
    """Begins and continues m8's own verifications."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._every_ms = app.limits.verify_every_s * 1000
        self._rounds: dict[str, _Round] = {}
        self._unsigned: dict[str, bytes] = {}
        """By store: the last request that would have had to be signed."""

    async def tick(self, stores: Iterable[views_pb2.SecretStore], own: Sequence[views_pb2.SecretUpload]) -> None:
        """Check once.

        Args:
            stores: All of them.
            own: The requests of m8 that have not ended.
        """
        for upload in own:
            if upload.state == views_pb2.UPLOAD_STATE_GRANTED:
                await self._continue(upload)
        if not self._every_ms:
            return
        busy = {upload.uri.partition("://")[0] for upload in own}
        for store in stores:
            if store.active and store.name not in busy and any(reactor.attached for reactor in store.reactors):
                await self._begin_next(store.name)

    async def _begin_next(self, store: str) -> None:
        now_ms = self._app.ticks()
        place = self._rounds.setdefault(store, _Round())
        if now_ms < place.rests_until_ms:
            return
        page = await self._app.log.scan(SECRETS, prefix=f"{store}://", after=place.after, limit=LOOKED_AT)
        for uri, body in page:
            place.after = uri
            secret = Kept.parse(uri, body).secret
            if self._is_due(secret):
                await self._begin(secret)
                return
        if len(page) < LOOKED_AT:
            self._rounds[store] = _Round(rests_until_ms=now_ms + self._every_ms / ROUNDS)

    def _is_due(self, secret: views_pb2.Secret) -> bool:
        last_seen_ms = max(secret.uploaded_at_ms, secret.verified_at_ms)
        return not secret.deleted and self._app.clock() - last_seen_ms >= self._every_ms

    async def _begin(self, secret: views_pb2.Secret) -> None:
        receipt = await self._app.documents.last_receipt(secret.uri)
        request = make_request(
            request_id=secrets.token_bytes(REQUEST_ID_BYTES),
            purpose=upload_pb2.PURPOSE_VERIFY,
            uri=SecretUri.parse(secret.uri),
            expect=upload_pb2.EXPECT_UNSPECIFIED,
            suites=(SUITE_1,),
        )
        await self._append(request.request_id, NEW, request_key(NEW, request=request, subject=M8, last_receipt=receipt))

    async def _continue(self, upload: views_pb2.SecretUpload) -> None:
        known = await self._app.aggregates.upload(upload.request_id)
        if known.grant is not None and known.grant.signature_required:
            self._let_rest(known.store, upload.request_id)
            return
        events = request_upload(
            known,
            subject=M8,
            encapsulated_key=b"",
            ciphertext=b"",
            last_receipt=await self._app.documents.last_receipt(upload.uri),
        )
        await self._append(upload.request_id, known, events)

    def _let_rest(self, store: str, request_id: bytes) -> None:
        """Go through a store again only after the whole span, and say why, once for each request."""
        self._rounds[store] = _Round(rests_until_ms=self._app.ticks() + self._every_ms)
        if self._unsigned.get(store) == request_id:
            return
        self._unsigned[store] = request_id
        operating_log.get().warning(
            "m8 cannot verify in a store",
            store=store,
            message="Its reactor verifies only what a key of its own list signed, and m8 signs nothing.",
            fix='Let its operator add "verify" to `unsigned` of [signers], or verify with monoctl.',
        )

    async def _append(self, request_id: bytes, known: Upload, messages: Sequence[Message]) -> None:
        events = [write(message, uri=known.uri) for message in messages]
        if not events:
            return
        try:
            await self._app.log.append(upload_stream(request_id), known.version, events, actor=M8)
        except ExpectedVersionError:
            return  # another process did it, or the request ended meanwhile
