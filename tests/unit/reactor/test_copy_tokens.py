"""Tokens for copies come over the session with m8, or not at all."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.reactor.link.appends import CopyTokens
from monoskope.reactor.reasons import FailedError


async def test_without_a_session_there_is_no_token() -> None:
    with pytest.raises(FailedError) as raised:
        await CopyTokens().ask(bytes(16), within=1.0)
    assert raised.value.reason == upload_pb2.REASON_UPSTREAM_UNAVAILABLE
