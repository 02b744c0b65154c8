"""What m8 does by a schedule: it erases old sealed bytes, and verifies secrets by itself.

Sealed bytes of requests that ended long ago are erased a little at a time, as `erase_sealed_after_days` says. Erasing
goes through the index of ended requests in the order in which they ended, and keeps in the log how far it came. So
it looks at each request once, however many there are. One m8 process of a log does it at a time, by the lease
`retention`; two at once would erase the same bytes, which does no harm.

m8 starts verifications of secrets whose newest receipt is older than `verify_every_hours`. The actor is `m8`. Such a
request takes the same steps as a user's. Each store has at most one at a time, and each check of the timekeeper starts
at most one. The schedule goes through a store's secrets in the order of their URIs and pauses at the end, so that a
secret which cannot be verified is not asked for again and again. It is part of the timekeeper, of which one m8 process
of a log runs one; the next one begins at the first secret and passes those that are not due.

m8 cannot sign. A store whose reactor verifies only what is signed is asked for one key in `verify_every_hours`, to see
whether that is still so, and nothing is sent for it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monoskope import operating_log
from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.m8.background.leased import again
from monoskope.m8.domain.aggregates import upload_of
from monoskope.m8.domain.events import M8
from monoskope.m8.domain.upload import NEW, Upload, request_key, request_upload
from monoskope.m8.readmodels.secrets import SECRETS, Kept
from monoskope.m8.readmodels.uploads import ENDED, ended
from monoskope.m8.service.app import App
from monoskope.protocol.grant import SUITE_1
from monoskope.protocol.outcomes import State
from monoskope.protocol.request import REQUEST_ID_BYTES, make_request
from monoskope.uri import SecretUri

LEASE = "retention"
"""The lease under which it runs."""

LEASE_S = 60.0
"""Seconds for which the lease is taken each time."""

PROGRESS = "retention/progress"
"""The key of the heartbeat whose note is the last key of the index that it has dealt with."""

ROUND_S = 600.0
"""How often it looks for more."""

PAGE = 500
"""Requests that it looks at in one step."""

PAUSE_S = 0.05
"""Between two steps, so that appends have the disk for themselves most of the time."""

_DAY_MS = 86_400_000


class Retention:
    """Erases what one log no longer needs.

    Args:
        app: The process.
        days: How long after the end of its request sealed bytes are kept, at least 1.
    """

    def __init__(self, app: App, days: int) -> None:
        self._app = app
        self._keep_ms = days * _DAY_MS

    async def run(self) -> None:
        """Look for more again and again, until cancelled. If the log does not answer, the next round tries again."""
        await again(self._round, every_s=ROUND_S, waits="sealed bytes are not erased")

    async def _round(self) -> None:
        if erased := await self.round():
            operating_log.get().info("sealed bytes erased", message=f"{erased} of requests that ended long ago.")

    async def round(self) -> int:
        """Erase everything that is due, and return how many sealed bytes there were.

        Raises:
            UnavailableError: the log fails; what was erased until then is.
        """
        erased = 0
        after = (await self._app.log.beat_notes()).get(PROGRESS, b"").decode()
        before_ms = self._app.clock() - self._keep_ms
        if after and ended(after)[0] > before_ms + _DAY_MS:
            after = ""  # a clock was ahead, and what ended since then would be passed
        while page := await self._app.log.scan(ENDED, after=after, limit=PAGE):
            due = [key for key, _ in page if ended(key)[0] <= before_ms]
            if due:
                erased += await self._erase({ended(key)[1] for key in due})
                after = due[-1]
                await self._app.log.beat(PROGRESS, self._app.clock(), after.encode())
            if len(due) < len(page) or len(page) < PAGE:
                break
            await asyncio.sleep(PAUSE_S)
        return erased

    async def _erase(self, digests: set[bytes]) -> int:
        # The same bytes may have been sent again for a request that is still open.
        async for upload in self._app.documents.open_uploads():
            digests.discard(upload.sealed_sha256)
        return await self._app.log.erase_sealed(sorted(digests))


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

    async def tick(self, stores: Iterable[views_pb2.SecretStore], own: Sequence[Upload]) -> None:
        """Check once.

        Args:
            stores: All of them.
            own: The requests of m8 that have not ended.
        """
        for upload in own:
            if upload.state is State.GRANTED:
                await self._continue(upload)
        if not self._every_ms:
            return
        busy = {upload.store for upload in own}
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
        messages = request_key(NEW, request=request, subject=M8, last_receipt=receipt)
        await self._app.aggregates.record(upload_of(request.request_id), NEW, messages, actor=M8)

    async def _continue(self, upload: Upload) -> None:
        request = upload_of(upload.request_id)
        known = await self._app.aggregates.get(request)
        if known.grant is not None and known.grant.signature_required:
            self._let_rest(known.store, upload.request_id)
            return
        events = request_upload(
            known,
            subject=M8,
            encapsulated_key=b"",
            ciphertext=b"",
            last_receipt=await self._app.documents.last_receipt(str(upload.uri)),
        )
        # Another process may have done it, or the request ended.
        await self._app.aggregates.record(request, known, events, actor=M8)

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
