"""The parts of a reactor that a test does not build in a form of its own."""

from __future__ import annotations

import pytest

from tests.support.reactor_world import World


@pytest.fixture
def world() -> World:
    return World()
