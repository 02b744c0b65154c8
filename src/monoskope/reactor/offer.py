"""Handing receipts to m8: signed, audited, and offered until m8 has them or the request has ended otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import Code
from monoskope.protocol.grant import Grant
from monoskope.protocol.labels import RECEIPT
from monoskope.protocol.receipt import Receipt
from monoskope.reactor.appends import AppendRefusedError, Event
from monoskope.reactor.audit import Audit, of_receipt
from monoskope.reactor.known import KnownReceipts
from monoskope.reactor.requests import OpenRequests
from monoskope.reactor.sign import Identity


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

    async def start(self, grant: Grant, receipt: Receipt, version: int) -> int:
        """Append STARTED on `version` and return the stream's version then. Raises `AppendRefusedError`."""
        event = events_pb2.SecretUploadStarted(receipt=self.identity.sign(RECEIPT, receipt.content))
        self.audit.write(of_receipt(grant, receipt))
        return await self.log.append(grant.request.request_id, version, event)

    async def end(self, grant: Grant, receipt: Receipt, version: int) -> bool:
        """Offer the receipt that ends a request whose stream has `version`; return whether m8 took it.

        A stream that moved on without ending is tried again where it now is; one that ended needs nothing more.
        """
        signed = self.identity.sign(RECEIPT, receipt.content)
        event = _ending(receipt, signed)
        self.audit.write(of_receipt(grant, receipt))
        self.known.learn([signed])
        while True:
            try:
                await self.log.append(grant.request.request_id, version, event)
            except AppendRefusedError as error:
                request = self.requests.get(grant.request.request_id)
                if error.reason != Code.CONFLICT.value or request is None or request.version <= version:
                    return False
                version = request.version
            else:
                self.requests.ended(grant.request.request_id)
                return True


def _ending(receipt: Receipt, signed: upload_pb2.Signed) -> Event:
    match receipt.outcome:
        case upload_pb2.OUTCOME_UPLOADED | upload_pb2.OUTCOME_UNCHANGED:
            return events_pb2.SecretUploaded(receipt=signed)
        case upload_pb2.OUTCOME_EQUAL | upload_pb2.OUTCOME_DIFFERENT:
            return events_pb2.SecretCompared(receipt=signed)
        case _:
            return events_pb2.SecretUploadFailed(reason=receipt.reason, receipt=signed)
