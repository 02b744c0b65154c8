"""What is looked up when the metrics are read: it reads the stores, their heartbeats, and no secret's document."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable

from monoskope import operating_log
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.errors import UnavailableError
from monoskope.m8.metrics.requests import STATES
from monoskope.m8.operations import witnessed
from monoskope.m8.readmodels.stores import with_beats
from monoskope.m8.service.app import App

_ENGINES = {
    reactor_pb2.ENGINE_HEALTH_OK: "ok",
    reactor_pb2.ENGINE_HEALTH_UNAVAILABLE: "unavailable",
    reactor_pb2.ENGINE_HEALTH_REFUSED: "refused",
    reactor_pb2.ENGINE_HEALTH_UNSPECIFIED: "unknown",
}


class Snapshot:
    """Sets the gauges of one m8 process.

    Args:
        app: The process.
        has_reserve: Whether the disk reserve is there; None where the database has none.
    """

    def __init__(self, app: App, has_reserve: Callable[[], bool] | None) -> None:
        self._app = app
        self._has_reserve = has_reserve
        self._gauges = app.meters.gauges
        self._set("m8_start_time_seconds", time.time())
        self._gauges["m8_build_info"].labels(app.version).set(1)

    async def take(self, *, up: bool) -> None:
        """Look everything up. Without a database, what it knows stays as it was last."""
        app = self._app
        expires_s = app.certificate_expires_at_ms() / 1000
        self._set("m8_certificate_expiry_timestamp_seconds", expires_s)
        self._set("m8_connections", len(app.connections))
        self._set("m8_watchers", len(app.watching))
        self._set("m8_subscribers", app.feed.subscribers)
        self._set("m8_subscribers_lag_events", app.feed.worst_lag)
        self._set("m8_database_up", up)
        self._set("m8_database_writable", app.state.log_is_writable)
        self._set("m8_database_reserve", self._has_reserve is None or self._has_reserve())
        self._set("m8_operating_log_failures", operating_log.Unbroken.failures)
        self._set("m8_draining", app.state.is_draining)
        self._set("m8_timekeeper_lease_held", "timekeeper" in app.leases)
        if up:
            with contextlib.suppress(UnavailableError):  # it fell between two questions; the next reading says so
                await self._from_database()

    async def _from_database(self) -> None:
        app = self._app
        head = await app.log.head()
        self._set("m8_database_last_position", head)
        self._set("m8_feed_lag_events", max(0, head - app.feed.position))
        self._set("m8_database_size_bytes", await app.log.size_bytes())
        seen, tree = await app.witnessed.seen(), await app.log.tree_size()
        for name, value in witnessed.gauges(app.witnessed, seen, head=head, tree=tree, now_ms=app.clock()).items():
            self._set(name, value)
        for name, witness, value in witnessed.witnesses(seen):
            self._gauges[name].labels(witness).set(value)
        beats, notes = await app.log.beats(), await app.log.beat_notes()
        counts, oldest, now = app.requests.counts(), app.requests.oldest_ms(), app.clock()
        async for known in app.documents.stores():
            store = with_beats(known, beats, notes)
            attached = [reactor for reactor in store.reactors if reactor.attached]
            engines = Counter(reactor.engine for reactor in attached)
            self._of_store("m8_store_active", store.name, store.active)
            self._of_store("m8_reactors_attached", store.name, len(attached))
            for health, label in _ENGINES.items():
                self._gauges["m8_engine_health"].labels(store.name, label).set(engines[health])
            since = oldest.get(store.name)
            age_s = 0.0 if since is None else max(0, now - since) / 1000
            self._of_store("m8_oldest_open_request_age_seconds", store.name, age_s)
            for state in STATES:
                self._gauges["m8_open_requests"].labels(store.name, state).set(counts[store.name, state])

    def _set(self, name: str, value: float) -> None:
        self._gauges[name].set(value)

    def _of_store(self, name: str, store: str, value: float) -> None:
        self._gauges[name].labels(store).set(value)
