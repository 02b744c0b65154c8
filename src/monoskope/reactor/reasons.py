"""How a request fails: an exception with the receipt's reason, and the reason for each error of a driver."""

from __future__ import annotations

from monoskope import operating_log
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import RefusedError
from monoskope.protocol.names import spelled
from monoskope.protocol.payload import BadPayloadError
from monoskope.protocol.request import Request
from monoskope.stores.driver import (
    CannotReadError,
    DriverError,
    StoreConflictError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)


class FailedError(RefusedError):
    """The request ends as FAILED with `reason`.

    Args:
        reason: Why.
        upstream_version: What was there, "" if nothing or not known.
        retry_after_s: With RATE_LIMITED, seconds after which it can succeed; 0 if that is not known.
    """

    def __init__(self, reason: upload_pb2.Reason, *, upstream_version: str = "", retry_after_s: int = 0) -> None:
        super().__init__(f"the request ends with {spelled(upload_pb2.Reason, reason)}.")
        self.reason = reason
        self.upstream_version = upstream_version
        self.retry_after_s = retry_after_s


def reason_of(error: DriverError) -> upload_pb2.Reason:
    """Return the reason that a receipt gives for a driver's error. The order matters: subclasses come first."""
    match error:
        case UnsupportedError():
            return upload_pb2.REASON_UNSUPPORTED
        case StoreUnavailableError():
            return upload_pb2.REASON_UPSTREAM_UNAVAILABLE
        case StoreConflictError():
            return upload_pb2.REASON_CONFLICT
        case CannotReadError():
            return upload_pb2.REASON_CANNOT_READ
        case UnknownOutcomeError():
            return upload_pb2.REASON_OUTCOME_UNKNOWN
        case _:
            return upload_pb2.REASON_UPSTREAM_REFUSED


def known_retry_after_s(error: Exception) -> int:
    """Return the seconds after which what `error` ended can succeed; 0 if that is not known."""
    return error.retry_after_s if isinstance(error, FailedError) else 0


def ended_by(error: Exception, request: Request, *, otherwise: upload_pb2.Reason) -> tuple[upload_pb2.Reason, str]:
    """Return the reason for which a request ends, and the upstream version that goes with it.

    Args:
        error: What it ended by.
        request: What ends.
        otherwise: The reason for an exception that is no failure of ours or of the driver's: a defect. It is logged by
            its type and place.
    """
    match error:
        case BadPayloadError():
            return upload_pb2.REASON_BAD_PAYLOAD, ""
        case FailedError():
            return error.reason, error.upstream_version
        case DriverError():
            return reason_of(error), ""
        case _:
            operating_log.error("unforeseen", error, request_id=request.request_id.hex())
            return otherwise, ""
