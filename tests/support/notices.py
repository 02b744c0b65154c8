"""What there is to tell, for tests of notices: changes that wait, proposed by whom a test says."""

from __future__ import annotations

import os
import time

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.domain.change import change_stream
from monoskope.m8.domain.events import write
from monoskope.m8.log.event_log import EventLog
from monoskope.protocol.change import make_change
from monoskope.protocol.request import make_request
from monoskope.uri import SecretUri
from tests.support.vectors import Signer

ODD = (
    'bob "]\r\nBcc: all@example.org\r\n.\r\nRCPT TO:<all@example.org>\x1b[2J\x7f \u202e'
    " =?utf-8?q?hello?= https://evil.example/x"
)
"""A subject that would add a header, a line, a recipient and a link."""


async def nobody(_member: str) -> str:
    """An m8 that knows no address of any member."""
    return ""


async def propose_in(log: EventLog, count: int = 1, *, actor: str = ODD) -> None:
    """Record that changes are proposed."""
    request = make_request(
        request_id=bytes(16),
        purpose=upload_pb2.PURPOSE_UPLOAD,
        uri=SecretUri.parse("vault://app/db"),
        suites=(1,),
        expect=upload_pb2.EXPECT_ABSENT,
    )
    for _ in range(count):
        change = make_change(
            request=request,
            change_id=os.urandom(16),
            requester="anna@example.org",
            identity=Signer().shown,
            not_after=int(time.time()) + 3_600,
            keys=("password",),
            reason="hunter2",
        )
        proposed = write(events_pb2.SecretChangeProposed(change=change.content))
        await log.append(change_stream(change.change_id), 0, [proposed], actor=actor)
