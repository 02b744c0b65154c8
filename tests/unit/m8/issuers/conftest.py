"""An m8 with one issuer, for the tests of the exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from monoskope.m8.credentials.tokens import Tokens
from tests.support.exchanging import Exchanging, an_issuer
from tests.support.issuers import NOW_S
from tests.support.m8_world import an_m8


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[Exchanging]:
    async with an_m8(tmp_path) as world:
        key = Ed25519PrivateKey.generate()
        world.clock.now_ms = NOW_S * 1000
        tokens = Tokens(world.app.log, signing_key=key, audience="m8", clock=world.clock)
        world.app.tokens = tokens
        found = Exchanging(world, tokens)
        found.configure(an_issuer())
        yield found
