"""How a request fails: an exception with the receipt's reason, and the reason for each error of a driver."""

from __future__ import annotations

from typing import NamedTuple

from monoskope import operating_log
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import RefusedError
from monoskope.protocol.outcomes import spelled
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


class Failure(NamedTuple):
    """How a request failed, as its receipt says."""

    reason: upload_pb2.Reason
    upstream_version: str = ""
    """What was there, "" if nothing or not known."""
    detail: str = ""
    """One of our fixed sentences that users may be told, or what a driver's error has as `told`; "" for none."""
    retry_after_s: int = 0
    """With RATE_LIMITED, seconds after which it can succeed; 0 if that is not known."""


class FailedError(RefusedError):
    """The request ends as FAILED with `reason`. The arguments are those of `Failure`."""

    def __init__(
        self, reason: upload_pb2.Reason, *, upstream_version: str = "", detail: str = "", retry_after_s: int = 0
    ) -> None:
        super().__init__(f"the request ends with {spelled(upload_pb2.Reason, reason)}.", retry_after_s=retry_after_s)
        self.failure = Failure(reason, upstream_version, detail, retry_after_s)
        self.reason, self.upstream_version, self.detail, _ = self.failure


def failed_by(error: DriverError) -> FailedError:
    """Return the failure that a driver's error becomes; it does not refer to the error, whose frames know values."""
    return FailedError(reason_of(error), detail=error.told)


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


def ended_by(error: Exception, request: Request, *, otherwise: upload_pb2.Reason) -> Failure:
    """Return how a request ends that ends by `error`.

    Args:
        error: What it ended by.
        request: What ends.
        otherwise: The reason for an exception that is no failure of ours or of the driver's: a defect. It is logged by
            its type and place.
    """
    match error:
        case BadPayloadError():
            return Failure(upload_pb2.REASON_BAD_PAYLOAD)
        case FailedError():
            return error.failure
        case DriverError():
            return failed_by(error).failure
        case _:
            operating_log.error("unforeseen", error, request_id=request.request_id.hex())
            return Failure(otherwise)
