"""Step 2 of the walk: a request that is admitted gets a key of its own, any other an end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from monoskope import operating_log
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.failpoints import failpoint
from monoskope.protocol.names import spelled
from monoskope.protocol.request import Request, parse_request
from monoskope.reactor.keys import Offer, OneTimeKeys
from monoskope.reactor.link.appends import AppendRefusedError
from monoskope.reactor.link.open_requests import Open
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.report import request_log
from monoskope.reactor.report.audit_log import GRANTED, Audit, Entry, of_request
from monoskope.reactor.report.reporter import Log
from monoskope.reactor.upstream.first_look import FirstLooks


class Admits(Protocol):
    """What decides whether a request may get a key: `monoskope.reactor.admission.admission.Admission`."""

    def admit(self, request: Request, subject: str) -> None:
        """Return if it may. Raises `FailedError`."""


@dataclass(frozen=True, slots=True)
class Granter:
    """Grants, or says why not."""

    admission: Admits
    keys: OneTimeKeys
    looks: FirstLooks
    log: Log
    audit: Audit
    now: Callable[[], float] = time.monotonic

    async def grant(self, asked: Open) -> bool:
        """Append a grant for `asked`, the same again for one that has it; return whether it stands.

        A request that is not admitted ends here; a key that loses to another replica's grant is erased.
        """
        event: events_pb2.SecretUploadKeyProvided | events_pb2.SecretUploadFailed
        try:
            event = events_pb2.SecretUploadKeyProvided(grant=self._offer(asked).signed)
        except FailedError as error:
            event = events_pb2.SecretUploadFailed(reason=error.reason)
        except OSError as error:
            # What cannot be recorded is not done; who asked is told at once, and not by m8 after a minute.
            self.keys.forget(asked.request_id)
            operating_log.error("no audit", error, request_id=asked.request_id.hex())
            event = events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_UPSTREAM_UNAVAILABLE)
        failpoint("reactor.before-grant")
        try:
            await self.log.append(asked.request_id, asked.version, event)
        except AppendRefusedError:
            self.keys.forget(asked.request_id)
            return False
        failpoint("reactor.after-grant")
        if isinstance(event, events_pb2.SecretUploadFailed):
            self._tell(asked, event.reason)
            return False
        return True

    def _tell(self, asked: Open, reason: upload_pb2.Reason) -> None:
        """A request that got no key ends here."""
        try:
            entry = of_request(self._parsed(asked), asked.subject, "FAILED", reason)
        except FailedError:
            entry = Entry(asked.request_id.hex(), "", asked.subject, "", "FAILED", spelled(upload_pb2.Reason, reason))
        request_log.ended(entry, self.now() - asked.arrived)

    def _offer(self, asked: Open) -> Offer:
        request = self._parsed(asked)
        if self.keys.offered(request.request_id) is not None:
            return self.keys.offer(request, asked.subject)
        try:
            self.admission.admit(request, asked.subject)
            offer = self.keys.offer(request, asked.subject, self.looks.begin)
        except FailedError as error:
            self.audit.write(of_request(request, asked.subject, "FAILED", error.reason))
            raise
        self.audit.write(of_request(request, asked.subject, GRANTED))
        return offer

    @staticmethod
    def _parsed(asked: Open) -> Request:
        """Return the request, its id the stream's. Raises `FailedError` (UNSUPPORTED) for what no client makes."""
        try:
            request = parse_request(asked.request)
        except UsageError:
            raise FailedError(upload_pb2.REASON_UNSUPPORTED) from None
        if request.request_id != asked.request_id:
            raise FailedError(upload_pb2.REASON_UNSUPPORTED)
        return request
