"""`/healthz`, `/readyz` and `/metrics` of a reactor, free of any transport."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

from prometheus_client import generate_latest

from monoskope import operating_log
from monoskope.operations import Answer, Handlers, alive, metrics, readiness
from monoskope.reactor.admission import SignatureGate
from monoskope.reactor.dispatch import Dispatcher
from monoskope.reactor.health import KINDS, STATES, Health, Resources
from monoskope.reactor.link.endpoint import Dialled
from monoskope.reactor.report.reporter import ReactorMeters

LOOK_EVERY_S = 600.0
"""Seconds between two looks at m8's certificate, each of which takes a connection of its own."""


@dataclass(slots=True)
class Endpoints:
    """Answers for one reactor process."""

    store: str
    dispatcher: Dispatcher
    health: Health
    gate: SignatureGate
    is_attached: Callable[[], bool]
    dialled: Dialled
    meters: ReactorMeters
    resources: Resources
    _looked: float | None = None

    @property
    def handlers(self) -> Handlers:
        """Each path, and what answers it."""
        return {"/healthz": self.healthz, "/readyz": self.readyz, "/metrics": self.metrics}

    async def healthz(self) -> Answer:
        """Say that the process lives."""
        return alive()

    async def readyz(self) -> Answer:
        """Say whether this process can take requests, and name each check with its state."""
        engine, trouble = self.health.state, self.resources.trouble()
        checks = {
            "reactor": "ok" if trouble is None else f"{trouble.message} {trouble.fix}",
            "m8": "ok" if self.is_attached() else "not attached",
            # An engine that cannot say how it is must not keep its reactor from being ready.
            "engine": "ok" if engine == "unknown" else engine,
            "serving": "draining" if self.dispatcher.is_stopping else "ok",
        }
        if self.gate.signers is not None:
            checks["signers"] = " ".join(self.gate.troubles()) or "ok"
        return readiness(checks)

    async def metrics(self) -> Answer:
        """Return all metrics in Prometheus' text format."""
        gauges = self.meters.gauges
        gauges["m8_reactor_build_info"].labels(metadata.version("monoskope"), self.store).set(1)
        gauges["m8_reactor_attached"].set(self.is_attached())
        gauges["m8_reactor_operating_log_failures"].set(operating_log.Unbroken.failures)
        gauges["m8_reactor_draining"].set(self.dispatcher.is_stopping)
        gauges["m8_reactor_keys_alive"].set(len(self.dispatcher.keys))
        gauges["m8_reactor_open_requests"].set(len(self.dispatcher.requests))
        known = self.dispatcher.known
        gauges["m8_reactor_receipts_bytes"].set(known.bytes_kept)
        gauges["m8_reactor_gives_no_keys"].labels("receipts").set(known.full_for > 0)
        trouble = self.resources.trouble()
        for kind in KINDS:
            gauges["m8_reactor_gives_no_keys"].labels(kind).set(trouble is not None and trouble.kind == kind)
        for state in STATES:
            gauges["m8_reactor_engine_health"].labels(state).set(state == self.health.state)
        gauges["m8_reactor_engine_checked_timestamp_seconds"].set(self.health.looked_at_s)
        await self._look()
        return metrics(generate_latest(self.meters.registry))

    async def _look(self) -> None:
        now = time.monotonic()
        if self._looked is not None and now - self._looked < LOOK_EVERY_S:
            return
        self._looked = now
        gauges = self.meters.gauges
        gauges["m8_reactor_ca_expiry_timestamp_seconds"].set(await asyncio.to_thread(self.dialled.ca_expires_at_s))
        expires = await asyncio.to_thread(self.dialled.server_expires_at_s)
        if expires:
            gauges["m8_reactor_server_certificate_expiry_timestamp_seconds"].set(expires)
        else:
            self._looked = None  # m8 is away: look again the next time
