"""One attempt of a walk: what it asks, what it sends, and how it can end before that."""

from __future__ import annotations

import os

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.client.seal import Sealed
from monoskope.client.walk import reasons
from monoskope.client.walk.task import Task
from monoskope.protocol.grant import SUITE_1, Grant
from monoskope.protocol.request import REQUEST_ID_BYTES, Request, make_request
from monoskope.value import Value


class KeyRefusedError(Exception):
    """The request ended without a key, as m8 says."""

    def __init__(self, answer: queries_pb2.GetSecretUploadKeyResponse) -> None:
        super().__init__(reasons.name(answer.reason))
        self.reason = answer.reason
        self.retry_after_s = answer.retry_after_s
        self.detail = answer.detail


class NotPreparedError(Exception):
    """The grant asks for a signature, and the signer has to ask a person something first."""


class Sent(Value, frozen=True):
    """One attempt whose sealed bytes have left this process, or are about to."""

    hidden = frozenset({"sealed", "signature"})

    task: Task
    request: Request
    grant: Grant
    sealed: Sealed
    over_at: float
    """The runtime's time at which the key's lifetime is certainly over, counted from the arrival of its grant."""
    signature: bytes = b""
    """Where the grant asks for one."""
    signer_key: str = ""
    """The key that made it."""


def request_of(task: Task) -> Request:
    """Return the request of a new attempt: under a new random id, unless the task gives one."""
    return make_request(
        request_id=task.request_id or os.urandom(REQUEST_ID_BYTES),
        purpose=task.purpose,
        uri=task.uri,
        expect=task.expect,
        expect_version=task.expect_version,
        suites=(SUITE_1,),
        options=task.options,
        labels=task.labels,
        expires_on=task.expires_on,
        keep_labels=task.keep_labels,
        keep_expires_on=task.keep_expires_on,
        destroy=task.destroy,
        remove_keys=task.remove_keys,
        recipes=task.recipes,
        destination=task.destination,
        to_version=task.to_version,
        list_after=task.list_after,
    )
