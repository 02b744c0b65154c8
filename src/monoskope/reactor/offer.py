"""Handing receipts to m8: signed, audited, and offered until m8 has them or the request has ended otherwise.

A receipt that names no sealed bytes says that nothing was opened. Once STARTED is recorded that is no longer known, so
such a receipt, as an heir's KEY_LOST is, loses to a STARTED that came first and is not offered again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import Code
from monoskope.failpoints import failpoint
from monoskope.protocol.grant import Grant
from monoskope.protocol.labels import RECEIPT
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.upload import State
from monoskope.reactor import request_log
from monoskope.reactor.appends import AppendRefusedError, Event
from monoskope.reactor.audit import Audit, of_receipt
from monoskope.reactor.health import Health
from monoskope.reactor.known import KnownReceipts
from monoskope.reactor.requests import OpenRequests
from monoskope.reactor.sign import Identity

_OfReceipt = (
    events_pb2.SecretUploaded
    | events_pb2.SecretCompared
    | events_pb2.SecretDeleted
    | events_pb2.SecretVerified
    | events_pb2.SecretDriftDetected
    | events_pb2.SecretImported
    | events_pb2.SecretCopied
)
"""The events of a request's end that hold a receipt and nothing else."""


class Log(Protocol):
    """m8's log, as far as a reactor may write to it."""

    async def append(self, request_id: bytes, expected_version: int, event: Event) -> int:
        """Append to a request's stream and return its new version. Raises `AppendRefusedError`."""


@dataclass(frozen=True, slots=True)
class Offering:
    """Signs receipts and brings them to m8."""

    identity: Identity
    log: Log
    requests: OpenRequests
    known: KnownReceipts
    audit: Audit
    health: Health | None = None
    """Told of every receipt that ends a request."""
    patience: float = 10.0
    """Seconds for which an event is waited for that overtook a receipt of ours and is not delivered yet."""
    now: Callable[[], float] = time.monotonic

    async def start(self, grant: Grant, receipt: Receipt, version: int) -> int:
        """Append STARTED on `version` and return the stream's version then. Raises `AppendRefusedError`."""
        event = events_pb2.SecretUploadStarted(receipt=self.identity.sign(RECEIPT, receipt.content))
        self.audit.write(of_receipt(grant, receipt))
        return await self.log.append(grant.request.request_id, version, event)

    async def end(self, grant: Grant, receipt: Receipt, version: int) -> bool:
        """Offer the receipt that ends a request whose stream has `version`; return whether m8 took it.

        A stream that moved on without ending is tried again where it now is; one that ended needs nothing more.
        """
        request_id = grant.request.request_id
        signed = self.identity.sign(RECEIPT, receipt.content)
        event, entry = _ending(receipt, signed), of_receipt(grant, receipt)
        self.audit.write(entry)
        self.known.remember(receipt)
        if self.health is not None:
            self.health.ended(receipt)
        asked = self.requests.get(request_id)
        arrived = asked.arrived if asked is not None else self.now()
        taken = await self._ended(request_id, event, receipt, version)
        request_log.ended(entry, self.now() - arrived, taken=taken)
        return taken

    async def _ended(self, request_id: bytes, event: Event, receipt: Receipt, version: int) -> bool:
        failpoint("reactor.before-receipt")
        while True:
            try:
                await self.log.append(request_id, version, event)
            except AppendRefusedError as error:
                if error.reason != Code.CONFLICT.value:
                    return False
                request = await self.requests.moved(request_id, version, within=self.patience)
                if request is None or (request.state is State.WRITING and not receipt.sealed_sha256):
                    return False
                version = request.version
            else:
                failpoint("reactor.after-receipt")
                self.requests.ended(request_id)
                return True


_ENDINGS: dict[upload_pb2.Outcome, type[_OfReceipt]] = {
    upload_pb2.OUTCOME_UPLOADED: events_pb2.SecretUploaded,
    upload_pb2.OUTCOME_UNCHANGED: events_pb2.SecretUploaded,
    upload_pb2.OUTCOME_EQUAL: events_pb2.SecretCompared,
    upload_pb2.OUTCOME_DIFFERENT: events_pb2.SecretCompared,
    upload_pb2.OUTCOME_DELETED: events_pb2.SecretDeleted,
    upload_pb2.OUTCOME_IN_SYNC: events_pb2.SecretVerified,
    upload_pb2.OUTCOME_DRIFTED: events_pb2.SecretDriftDetected,
    upload_pb2.OUTCOME_GONE: events_pb2.SecretDriftDetected,
    upload_pb2.OUTCOME_IMPORTED: events_pb2.SecretImported,
    upload_pb2.OUTCOME_COPIED: events_pb2.SecretCopied,
}


def _ending(receipt: Receipt, signed: upload_pb2.Signed) -> Event:
    if receipt.outcome == upload_pb2.OUTCOME_FAILED:
        return events_pb2.SecretUploadFailed(reason=receipt.reason, receipt=signed)
    return _ENDINGS[receipt.outcome](receipt=signed)
