"""One who proposes and one who approves below one prefix."""

from __future__ import annotations

import pytest

from tests.support.changes import APPROVE, PROPOSE
from tests.support.m8_user import User
from tests.support.m8_world import World


@pytest.fixture
def anna(world: World) -> User:
    return world.user("anna", "vault://app", rights=PROPOSE)


@pytest.fixture
def ben(world: World) -> User:
    return world.user("ben", "vault://app", rights=APPROVE)
