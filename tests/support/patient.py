"""How long tests of properties may take: as long as a busy machine needs. What takes too long is no fault of theirs."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
