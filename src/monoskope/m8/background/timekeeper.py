"""Deadlines of requests, and reactors that stopped sending heartbeats.

Spans of time are measured by a monotonic clock. The wall clock, whose time the log records, is read once, for what
happened before this process started. So a wall clock that is set forward or back ends no request early and keeps none
open.

One m8 process of a log runs it at a time, by the lease `timekeeper`. The domain decides each action on the version of
the stream that was read, so if two timekeepers act at the same time after all, or a timekeeper and a reactor, one of
them wins.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from monoskope import operating_log
from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import UnavailableError
from monoskope.failpoints import failpoint
from monoskope.m8.background.leased import again
from monoskope.m8.background.schedules import PROGRESS, VerifySchedule
from monoskope.m8.domain.aggregates import upload_of
from monoskope.m8.domain.deadlines import fail_by_m8, overdue
from monoskope.m8.domain.events import M8
from monoskope.m8.domain.reactors import beat_key
from monoskope.m8.domain.upload import Upload
from monoskope.m8.readmodels.stores import REFUSED, last_seen_ms
from monoskope.m8.service.app import App
from monoskope.m8.service.session import detach
from monoskope.m8.tree import cosigning
from monoskope.protocol.outcomes import spelled

LEASE = "timekeeper"
"""The lease under which it runs."""

NOTICES = "told notices/"
"""How the keys begin, among those of the heartbeats, under which stands who was told what. No store's name does."""

_TICKS = 5
_LEAST_TTL_S, _MOST_TTL_S = 1.0, 60.0


def lease_s(tick_s: float) -> float:
    """Return for how many seconds the lease is taken each time: a few ticks."""
    return min(max(_TICKS * tick_s, _LEAST_TTL_S), _MOST_TTL_S)


class Ages:
    """How old timestamps of the wall clock are, by a monotonic clock."""

    def __init__(self) -> None:
        self._begun: dict[str, tuple[int, float]] = {}
        self._seen: set[str] = set()
        self._last_look: float | None = None

    def age_ms(self, key: str, stamp_ms: int, *, now_ms: int, ticks_ms: float) -> float:
        """Return the age of the timestamp under `key`: by the wall clock when it is first seen, then by `ticks_ms`.

        A timestamp that the previous check did not see cannot be older than that check.
        """
        self._seen.add(key)
        known = self._begun.get(key)
        if known is None or known[0] != stamp_ms:
            age = max(0.0, now_ms - stamp_ms)
            if self._last_look is not None:
                age = min(age, ticks_ms - self._last_look)
            known = self._begun[key] = (stamp_ms, ticks_ms - age)
        return ticks_ms - known[1]

    def looked(self, ticks_ms: float) -> None:
        """End a check: forget the timestamps that it did not see."""
        self._begun = {key: begun for key, begun in self._begun.items() if key in self._seen}
        self._seen = set()
        self._last_look = ticks_ms


class Timekeeper:
    """Checks every open request and every attached reactor once a second."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._ages = Ages()
        self._verify_schedule = VerifySchedule(app)
        self._key = f"m8-timekeeper/{secrets.token_hex(16)}"
        self._looked_ms: float | None = None
        self._listening_since_ms = 0.0
        self._now_ms = 0
        self._ticks_ms = 0.0

    async def run(self) -> None:
        """Check again and again. If the log does not answer, the next check tries again."""
        await again(self.tick, every_s=self._app.limits.tick_s, waits="the timekeeper waits")

    async def tick(self) -> None:
        """Check once."""
        failpoint("m8.timekeeper")
        if not await self._could_receive():
            return
        self._now_ms, self._ticks_ms = self._app.clock(), self._app.ticks()
        if self._looked_ms is None or self._ticks_ms - self._looked_ms >= self._app.limits.stall_s * 1000:
            self._listening_since_ms = self._ticks_ms
        self._looked_ms = self._ticks_ms
        stores = {store.name: store async for store in self._app.documents.stores()}
        beats = await self._app.log.beats()
        silent = {
            (key := beat_key(store.name, reactor.replica)): self._silence(key, last_seen_ms(store.name, reactor, beats))
            for store in stores.values()
            for reactor in store.reactors
        }
        await self._look_at_reactors(stores, beats, silent)
        own: list[Upload] = []
        async for upload in self._app.documents.open_uploads():
            if upload.request is None:  # a newer m8 looks after it
                continue
            if upload.subject == M8:
                own.append(upload)
            store = stores.get(upload.store)
            # A store that was created after the check began is seen by the next one.
            if store is not None:
                await self._look_at(upload, store, silent)
        self._ages.looked(self._ticks_ms)
        await self._verify_schedule.tick(stores.values(), own)

    async def _could_receive(self) -> bool:
        """Return whether the log accepts heartbeats now, by writing one of our own.

        If it does not, missed heartbeats do not count.

        Raises:
            UnavailableError: the log fails. Missed heartbeats count again from the next check that finds it working.
        """
        begun = self._app.ticks()
        try:
            await self._app.log.beat(self._key, self._app.clock())
        except UnavailableError:
            self._looked_ms = None
            raise
        if self._app.ticks() - begun < self._app.limits.stall_s * 1000:
            return True
        self._looked_ms = None
        return False

    def _silence(self, key: str, last_seen_at_ms: int) -> float:
        """Return for how many milliseconds a reactor sent no heartbeat while the log accepted heartbeats."""
        age = self._ages.age_ms(f"beat {key}", last_seen_at_ms, now_ms=self._now_ms, ticks_ms=self._ticks_ms)
        return min(age, self._ticks_ms - self._listening_since_ms)

    async def _look_at_reactors(
        self,
        stores: Mapping[str, views_pb2.SecretStore],
        beats: Mapping[str, int],
        silent: Mapping[str, float],
    ) -> None:
        gone_ms = self._app.limits.deadlines.issuer_gone_s * 1000
        for store in stores.values():
            for reactor in store.reactors:
                is_gone = reactor.attached and silent[beat_key(store.name, reactor.replica)] >= gone_ms
                if is_gone and await detach(self._app, store.name, reactor.replica):
                    operating_log.get().info("reactor gone", store=store.name, replica=reactor.replica.hex()[:8])
        for key, at_ms in beats.items():
            kept = key in silent or key in (self._key, PROGRESS, cosigning.KEY) or key.startswith((REFUSED, NOTICES))
            if not kept and self._silence(key, at_ms) >= gone_ms:
                await self._app.log.forget_beat(key)

    async def _look_at(
        self,
        upload: Upload,
        store: views_pb2.SecretStore,
        silent: Mapping[str, float],
    ) -> None:
        request = upload_of(upload.request_id)
        known = await self._app.aggregates.get(request)
        key = f"request {upload.request_id.hex()} {known.version}"
        age_ms = self._ages.age_ms(key, known.since_ms, now_ms=self._now_ms, ticks_ms=self._ticks_ms)
        # The replica that gave the grant may have attached after the reactors were read.
        replica = known.grant.replica if known.grant is not None else b""
        unknown_ms = min(age_ms, self._ticks_ms - self._listening_since_ms)
        reason = overdue(
            known,
            age_ms=age_ms,
            silent_ms=silent.get(beat_key(store.name, replica), unknown_ms),
            store_active=store.active,
            deadlines=self._app.limits.deadlines,
        )
        if reason == upload_pb2.REASON_STORE_INACTIVE:
            # It may have been activated after the stores were read, and then asked.
            now = await self._app.documents.store(store.name)
            if now is not None and now.active:
                return
        if reason == upload_pb2.REASON_UNSPECIFIED:
            return
        # If another writer was faster, the next check sees what it recorded.
        if await self._app.aggregates.record(request, known, fail_by_m8(known, reason), actor=M8):
            operating_log.get().info(
                "request ended",
                request_id=upload.request_id.hex(),
                uri=str(upload.uri),
                reason=spelled(upload_pb2.Reason, reason),
            )
