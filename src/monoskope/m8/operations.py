"""`/healthz`, `/readyz` and `/metrics` of m8, without a transport.

What the metrics say of the moment is looked up when they are read: the stores, their heartbeats, the witnessed log, and
the secrets that somebody should look after, found by an index.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from prometheus_client import generate_latest

from monoskope import operating_log
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.errors import Error, UnavailableError
from monoskope.m8.log.documents import Where
from monoskope.m8.metrics import STATES
from monoskope.m8.readmodels.secrets import DUES, SECRETS, Kept
from monoskope.m8.readmodels.stores import with_beats
from monoskope.m8.service.app import App
from monoskope.m8.tree.witnessed_log import HOURLY_S, Seen, WitnessedLog
from monoskope.operations import Answer, Handlers, alive, metrics, readiness
from monoskope.times import moment

OLD_S = 2 * HOURLY_S
"""A checkpoint is signed each hour, whatever happens; clients warn of one that is older than this."""

OK = "ok"

SOON_DAYS = 7
"""A secret that expires within so many days is counted as expiring."""

MOST_COUNTED = 1_000
"""Secrets of one kind that are counted at most, of all stores: metrics are read often."""

_OF_SECRETS = ("m8_secrets_expiring", "m8_secrets_expired", "m8_secrets_drifted", "m8_rotations_overdue")


def health(log: WitnessedLog, seen: Seen, now_ms: int) -> str:
    """Return "ok", or what is wrong, in a few fixed words."""
    if seen.named is None:
        return "no keys: m8 log init" if log.key_trouble else "no checkpoint yet"
    if log.trouble(seen):
        return "signing stopped: m8 log status"
    if seen.newest is None or age_s(seen, now_ms) > OLD_S:
        return "no new checkpoint: m8 log status"
    if log.quorum_trouble(seen):
        return "too few witnesses: m8 log status"
    return OK


def age_s(seen: Seen, now_ms: int) -> float:
    """Return how old the newest checkpoint is, in seconds; 0 without one."""
    return 0.0 if seen.newest is None else max(0, now_ms - seen.newest.at_ms) / 1000


_ENGINES = {
    reactor_pb2.ENGINE_HEALTH_OK: "ok",
    reactor_pb2.ENGINE_HEALTH_UNAVAILABLE: "unavailable",
    reactor_pb2.ENGINE_HEALTH_REFUSED: "refused",
    reactor_pb2.ENGINE_HEALTH_UNSPECIFIED: "unknown",
}


DATABASE_S = 2.0
"""A database that does not answer within so many seconds counts as away."""


class Endpoints:
    """Answers for one m8 process.

    Args:
        app: The process.
        has_reserve: Whether the disk reserve is there; None where the database has none.
    """

    def __init__(self, app: App, *, has_reserve: Callable[[], bool] | None = None) -> None:
        self._app = app
        self._has_reserve = has_reserve
        self._gauges = app.meters.gauges
        self._set("m8_start_time_seconds", time.time())
        self._gauges["m8_build_info"].labels(app.version).set(1)

    @property
    def handlers(self) -> Handlers:
        """Each path, and what answers it."""
        return {"/healthz": self.healthz, "/readyz": self.readyz, "/metrics": self.metrics}

    async def healthz(self) -> Answer:
        """Say that the process lives."""
        return alive()

    async def readyz(self) -> Answer:
        """Say whether this process can take calls, and name each check with its state."""
        app = self._app
        database, schema = await self._looked_at()
        return readiness(
            {
                "database": database,
                "schema": schema,
                "log": OK if app.log_is_writable else "not writable",
                "serving": "draining" if app.is_draining else OK,
            },
            {
                "reserve": OK if self._has_reserve is None or self._has_reserve() else "missing",
                "witnessed log": await _in_time(self._witnessed()) if database == OK else "unknown",
            },
        )

    async def metrics(self) -> Answer:
        """Return all metrics in Prometheus' text format."""
        await self._take(up=await self._answers() == OK)
        return metrics(generate_latest(self._app.meters.registry))

    async def _take(self, *, up: bool) -> None:
        """Set all gauges. Without a database, what it knows stays as it was last."""
        app = self._app
        expires_s = app.certificate_expires_at_ms() / 1000
        self._set("m8_certificate_expiry_timestamp_seconds", expires_s)
        self._set("m8_connections", len(app.connections))
        self._set("m8_watchers", len(app.watching))
        self._set("m8_subscribers", app.feed.subscribers)
        self._set("m8_subscribers_lag_events", app.feed.worst_lag)
        self._set("m8_database_up", up)
        self._set("m8_database_writable", app.log_is_writable)
        self._set("m8_database_reserve", self._has_reserve is None or self._has_reserve())
        self._set("m8_operating_log_failures", operating_log.Unbroken.failures)
        self._set("m8_draining", app.is_draining)
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
        self._of_witnessed_log(seen, lag=max(0, head - tree))
        beats, notes = await app.log.beats(), await app.log.beat_notes()
        counts, oldest, now = app.requests.counts(), app.requests.oldest_ms(), app.clock()
        proposed: dict[str, list[int]] = {}
        async for row in app.documents.open_changes(now):
            proposed.setdefault(_store_of(row.uri), []).append(row.proposed_ms)
        secrets = await self._secrets(moment(now).date())
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
            changes = proposed.get(store.name, [])
            self._of_store("m8_open_changes", store.name, len(changes))
            waiting_s = max(0, now - min(changes, default=now)) / 1000
            self._of_store("m8_oldest_open_change_age_seconds", store.name, waiting_s)
            for name in _OF_SECRETS:
                self._of_store(name, store.name, secrets[name, store.name])
            for state in STATES:
                self._gauges["m8_open_requests"].labels(store.name, state).set(counts[store.name, state])

    async def _secrets(self, today: dt.date) -> Counter[tuple[str, str]]:
        """Return how many secrets somebody should look after, by metric and store; of each kind `MOST_COUNTED`."""
        log, found = self._app.log, Counter[tuple[str, str]]()
        soon = Where(expiring_before=(today + dt.timedelta(days=SOON_DAYS + 1)).isoformat())
        for uri, body in await log.find(SECRETS, soon, limit=MOST_COUNTED):
            is_past = Kept.parse(uri, body).secret.expires_on < today.isoformat()
            found["m8_secrets_expired" if is_past else "m8_secrets_expiring", _store_of(uri)] += 1
        for name, collection, where in (
            ("m8_secrets_drifted", SECRETS, Where(out_of_sync=True)),
            ("m8_rotations_overdue", DUES, Where(expiring_before=today.isoformat())),
        ):
            documents = await log.find(collection, where, limit=MOST_COUNTED)
            found.update((name, _store_of(uri)) for uri, _ in documents)
        return found

    def _of_witnessed_log(self, seen: Seen, *, lag: int) -> None:
        """Set its gauges; all are 0 for a log without keys."""
        log, has_keys = self._app.witnessed, seen.named is not None
        self._set("m8_log_tree_lag_events", lag if has_keys else 0)
        self._set("m8_log_checkpoint_age_seconds", age_s(seen, self._app.clock()) if has_keys else 0)
        self._set("m8_log_signing_stopped", has_keys and bool(log.trouble(seen)))
        self._set("m8_log_quorum_missing_seconds", log.no_quorum_s(seen) if has_keys else 0)
        for witness in seen.witnesses:
            name = witness.vkey.partition("+")[0]
            self._gauges["m8_log_witness_failing"].labels(name).set(bool(witness.trouble))
            self._gauges["m8_log_witness_cosigned_timestamp_seconds"].labels(name).set(witness.at_s)

    def _set(self, name: str, value: float) -> None:
        self._gauges[name].set(value)

    def _of_store(self, name: str, store: str, value: float) -> None:
        self._gauges[name].labels(store).set(value)

    async def _looked_at(self) -> tuple[str, str]:
        found = await self._answers()
        return found, await _in_time(self._app.log.schema_state()) if found == OK else "unknown"

    async def _witnessed(self) -> str:
        """Return how the checkpoints of the log are: calls are served whatever that is."""
        return health(self._app.witnessed, await self._app.witnessed.seen(), self._app.clock())

    async def _answers(self) -> str:
        try:
            async with asyncio.timeout(DATABASE_S):
                await self._app.log.head()
        except UnavailableError:
            return "unavailable"
        except TimeoutError:
            return "slow"
        return OK


def _store_of(uri: str) -> str:
    return uri.partition("://")[0]


async def _in_time(question: Awaitable[str]) -> str:
    try:
        async with asyncio.timeout(DATABASE_S):
            return await question
    except (Error, TimeoutError):
        return "unreadable"
