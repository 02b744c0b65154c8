"""Engines that are reached over a gate, and classes of the suite whose users and rights are made once."""

from __future__ import annotations

import pytest

from monoskope.testing.drivers.harness import DriverFixtures, Harness
from tests.faults.tcp_proxy import Link


class GatedHarness(Harness):
    """Reaches its engine over `gate`, which is shut when the engine shall be away; where it is None, directly."""

    gate: Link | None = None

    async def take_down(self) -> None:
        assert self.gate is not None
        await self.gate.close()

    async def bring_up(self) -> None:
        assert self.gate is not None
        await self.gate.start()


class Gated(DriverFixtures):
    """The suite's harness is `made` once a class, which takes as long as a test. Each test has its own gate."""

    @pytest.fixture
    def harness(self, made: GatedHarness, gate: Link) -> Harness:
        made.gate = gate
        return made
