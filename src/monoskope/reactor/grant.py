"""Step 2 of docs/protocol.md: give an admitted request a key of its own, and end any other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from monoskope import operating_log
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.failpoints import failpoint
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.request import Request, parse_request
from monoskope.reactor.admission import Admission
from monoskope.reactor.health import NO_AUDIT, Resources
from monoskope.reactor.keys import GrantedKey, OneTimeKeys
from monoskope.reactor.link.appends import AppendRefusedError
from monoskope.reactor.link.open_requests import OpenRequest, OpenRequests
from monoskope.reactor.reasons import FailedError, ended_by
from monoskope.reactor.report.audit_log import GRANTED, Audit, AuditEntry, of_request
from monoskope.reactor.report.reporter import Log, ReactorMeters, note_end
from monoskope.reactor.upstream.first_look import FirstLooks
from monoskope.traces import spans

_LEAVE_S = 2.0
"""For how long a request is left to the other replicas of the store, where this process cannot work."""


@dataclass(frozen=True, slots=True)
class Granter:
    """Grants requests, or ends them with the reason."""

    admission: Admission
    keys: OneTimeKeys
    looks: FirstLooks
    log: Log
    audit: Audit
    meters: ReactorMeters | None = None
    """Counts every request that ends here."""
    now: Callable[[], float] = time.monotonic
    resources: Resources | None = None
    """What must be there before a key is given."""
    requests: OpenRequests | None = None
    """In which it shows that another replica took a request."""

    async def grant(self, asked: OpenRequest) -> bool:
        """Append a grant for `asked`, the same one if it has a grant already; return whether m8 took it.

        A request that is not admitted ends here. A key that loses to another replica's grant is erased.
        """
        with spans.Span("grant key", kind="consumer", parent=asked.traceparent) as span:
            span.note("request_id", asked.request_id.hex())
            return await self._grant(asked)

    async def _grant(self, asked: OpenRequest) -> bool:
        event: events_pb2.SecretUploadKeyProvided | events_pb2.SecretUploadFailed
        try:
            if self._trouble():
                return await self._leave(asked)
            event = events_pb2.SecretUploadKeyProvided(grant=self._granted(asked).signed)
        except FailedError as error:
            event = events_pb2.SecretUploadFailed(
                reason=error.reason, detail=error.detail, retry_after_s=error.failure.retry_after_s
            )
        except OSError as error:
            # What cannot be recorded is not done.
            self.keys.forget(asked.request_id)
            operating_log.error("no audit", error, request_id=asked.request_id.hex())
            return await self._leave(asked)
        return await self._appended(asked, event)

    def _trouble(self) -> str:
        """Return what this process lacks to do anything, a sentence for users; "" if it lacks nothing."""
        found = None if self.resources is None else self.resources.trouble()
        return "" if found is None else found.told

    async def _leave(self, asked: OpenRequest) -> bool:
        """Leave a request to the other replicas of the store; end it if none takes it. It is not granted here."""
        version = asked.version
        if self.requests is not None:
            await self.requests.moved(asked.request_id, version, within=_LEAVE_S)
            if self.requests.get(asked.request_id) is None or asked.version != version:
                return False
        told = self._trouble() or NO_AUDIT
        await self._appended(asked, events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_NO_REACTOR, detail=told))
        return False

    async def _appended(
        self, asked: OpenRequest, event: events_pb2.SecretUploadKeyProvided | events_pb2.SecretUploadFailed
    ) -> bool:
        """Append a grant or the end of a request; return whether it was a grant and m8 took it."""
        failpoint("reactor.before-grant")
        try:
            await self.log.append(asked.request_id, asked.version, event)
        except AppendRefusedError:
            self.keys.forget(asked.request_id)
            return False
        failpoint("reactor.after-grant")
        if isinstance(event, events_pb2.SecretUploadFailed):
            self._log_end(asked, event.reason, event.detail)
            return False
        return True

    def _log_end(self, asked: OpenRequest, reason: upload_pb2.Reason, detail: str) -> None:
        """Note in the operating log that a request ended without a key."""
        try:
            entry = of_request(self._parsed(asked), asked.subject, "FAILED", reason, detail)
        except FailedError:
            entry = AuditEntry(
                asked.request_id.hex(), "", asked.subject, "", "FAILED", spelled(upload_pb2.Reason, reason)
            )
        note_end(entry, self.now() - asked.arrived, self.meters)

    def _granted(self, asked: OpenRequest) -> GrantedKey:
        request = self._parsed(asked)
        if self.keys.granted(request.request_id) is not None:
            return self.keys.grant(request, asked.subject)
        try:
            self.admission.admit(request, asked.subject)
            key = self.keys.grant(request, asked.subject, self.looks.begin)
        except Exception as error:  # noqa: BLE001 - a defect ends its request at once, as any other failure does
            failure = ended_by(error, request, otherwise=upload_pb2.REASON_KEY_LOST)
            self.keys.forget(request.request_id)
            self.audit.write(of_request(request, asked.subject, "FAILED", failure.reason, failure.detail))
            raise FailedError(**failure._asdict()) from None
        self.audit.write(of_request(request, asked.subject, GRANTED))
        return key

    @staticmethod
    def _parsed(asked: OpenRequest) -> Request:
        """Return the request. Raises `FailedError` (UNSUPPORTED) if it does not parse or its id is not the stream's."""
        try:
            request = parse_request(asked.request)
        except UsageError:
            raise FailedError(upload_pb2.REASON_UNSUPPORTED) from None
        if request.request_id != asked.request_id:
            raise FailedError(upload_pb2.REASON_UNSUPPORTED)
        return request
