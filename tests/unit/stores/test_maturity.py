"""What has met no real engine says so, wherever people choose a store."""

from __future__ import annotations

import pytest

from monoskope.stores.registry import find


@pytest.mark.parametrize("kind", ["aws-secretsmanager", "aws-ssm", "barbican", "kubernetes"])
def test_what_was_tested_beside_a_stand_in_is_experimental(kind: str) -> None:
    assert find(kind).maturity == "experimental"


@pytest.mark.parametrize("kind", ["vault", "vault-kv1", "age", "pass"])
def test_what_was_tested_on_the_real_engine_is_stable(kind: str) -> None:
    assert find(kind).maturity == "stable"
