"""A key that nobody has is lost, also for a request that seals nothing."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.reactor.reasons import FailedError
from tests.support.reactor_world import World


def test_a_request_without_a_key_is_not_walked() -> None:
    with pytest.raises(FailedError) as raised:
        World().keys.discard(bytes(16))
    assert raised.value.reason == upload_pb2.REASON_KEY_LOST
