"""What time does to requests and reactors: deadlines, and processes that are not heard of any more.

Every m8 process may run one. Each action is decided by the domain on the version that was read, so of several
timekeepers, and of a timekeeper and a reactor, one wins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import UnavailableError
from monoskope.m8.domain.deadlines import ISSUER_GONE_S, overdue
from monoskope.m8.domain.events import M8, reactor_stream, upload_stream, write
from monoskope.m8.domain.reactors import detach
from monoskope.m8.domain.upload import fail_by_m8
from monoskope.m8.doors.app import App
from monoskope.m8.log.event_log import ExpectedVersionError, NewEvent
from monoskope.m8.readmodels.stores import STORES, beat_key, heard_ms
from monoskope.protocol.names import spelled

TICK_S = 1.0

STALL_MS = 5_000
"""After a pause as long as this between two looks, silence says nothing: nobody could be heard."""

_PAGE = 200


class Timekeeper:
    """Looks at every open request and every attached reactor once a second."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._looked_ms = 0
        self._listening_since_ms = 0

    async def run(self) -> None:
        """Look, sleep, look again. A log that does not answer is asked again later."""
        while True:
            try:
                await self.tick()
            except UnavailableError as error:
                structlog.get_logger().warning("the timekeeper waits", code=error.code.value)
            await asyncio.sleep(TICK_S)

    async def tick(self) -> None:
        """Look once."""
        now_ms = self._app.clock()
        if not 0 <= now_ms - self._looked_ms < STALL_MS:
            self._listening_since_ms = now_ms
        self._looked_ms = now_ms
        stores = {store.name: store for store in await self._stores()}
        beats = await self._app.log.beats()
        heard = {
            beat_key(store.name, reactor.replica): max(heard_ms(store.name, reactor, beats), self._listening_since_ms)
            for store in stores.values()
            for reactor in store.reactors
        }
        await self._look_at_reactors(stores, beats, heard, now_ms)
        async for upload in self._app.documents.open_uploads():
            store = stores.get(upload.uri.partition("://")[0])
            # A store that was created after we looked is seen the next time.
            if store is not None:
                await self._look_at(upload, store, heard, now_ms)

    async def _stores(self) -> list[views_pb2.SecretStore]:
        stores: list[views_pb2.SecretStore] = []
        after = ""
        while page := await self._app.log.scan(STORES, after=after, limit=_PAGE):
            stores += [views_pb2.SecretStore.FromString(body) for _, body in page]
            after = page[-1][0]
        return stores

    async def _look_at_reactors(
        self,
        stores: Mapping[str, views_pb2.SecretStore],
        beats: Mapping[str, int],
        heard: Mapping[str, int],
        now_ms: int,
    ) -> None:
        gone_ms = now_ms - ISSUER_GONE_S * 1000
        for store in stores.values():
            for reactor in store.reactors:
                if reactor.attached and heard[beat_key(store.name, reactor.replica)] <= gone_ms:
                    await self._detach(store.name, reactor.replica)
        for key, at_ms in beats.items():
            if key not in heard and at_ms <= gone_ms:
                await self._app.log.forget_beat(key)

    async def _detach(self, store: str, replica: bytes) -> None:
        attachments = await self._app.aggregates.attachments(store)
        events = [write(message) for message in detach(attachments, store=store, replica=replica)]
        if events and await self._append(reactor_stream(store), attachments.version, events):
            structlog.get_logger().info("reactor gone", store=store, replica=replica.hex()[:8])

    async def _look_at(
        self,
        upload: views_pb2.SecretUpload,
        store: views_pb2.SecretStore,
        heard: Mapping[str, int],
        now_ms: int,
    ) -> None:
        known = await self._app.aggregates.upload(upload.request_id)
        issuer_heard_ms = heard.get(beat_key(store.name, upload.replica), self._listening_since_ms)
        reason = overdue(known, now_ms=now_ms, store_active=store.active, issuer_heard_ms=issuer_heard_ms)
        if reason == upload_pb2.REASON_UNSPECIFIED:
            return
        events = [write(message) for message in fail_by_m8(known, reason)]
        if await self._append(upload_stream(upload.request_id), known.version, events):
            structlog.get_logger().info(
                "request ended",
                request_id=upload.request_id.hex(),
                uri=upload.uri,
                reason=spelled(upload_pb2.Reason, reason),
            )

    async def _append(self, stream: str, version: int, events: Sequence[NewEvent]) -> bool:
        """Whether we were the one who recorded; else somebody else was faster, and the next look sees what."""
        try:
            await self._app.log.append(stream, version, events, actor=M8)
        except ExpectedVersionError:
            return False
        return True
