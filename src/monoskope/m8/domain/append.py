"""What a reactor appends to a request's stream, and what m8 verifies before it records that.

m8 believes no reactor: every grant and receipt must be signed by the store's identity and be about this request.
"""

from __future__ import annotations

from dataclasses import dataclass

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import ConflictError, RefusedError, UsageError
from monoskope.m8.domain.upload import Upload, unknown_request
from monoskope.protocol.events import ReactorEvent, RequestEvent, Step, advance, step_with
from monoskope.protocol.grant import open_grant
from monoskope.protocol.identity import ProofError
from monoskope.protocol.open_receipt import open_receipt
from monoskope.protocol.outcomes import REPLACING, Author, is_detail
from monoskope.protocol.receipt import MAX_RETRY_AFTER_S, Receipt
from monoskope.protocol.request import Request

_READ_AGAIN = "Read the stream again."
_ONE_TRY = {upload_pb2.EXPECT_ABSENT, upload_pb2.EXPECT_VERSION}


@dataclass(frozen=True, slots=True)
class Appender:
    """The replica that appends, as its login proved it, and the store's identity as it is now."""

    store: str
    identity: str
    replica: bytes
    key_ids: frozenset[str]
    """Fingerprint key ids that are allowed now."""


def append_by_reactor(upload: Upload, event: ReactorEvent, by: Appender) -> list[RequestEvent]:
    """Decide on an event that a reactor wants to append.

    Raises:
        NotFoundError: no such request, or another store's.
        WrongStepError: it does not follow, or another replica alone may record it.
        ProofError: a signature does not hold, or is about something else.
        MalformedError: signed, but not well formed.
        RefusedError: a fingerprint key id that is not allowed.
        ConflictError: it contradicts what was recorded.
        UsageError: it lacks the receipt, or its event does not fit its receipt.
    """
    request = upload.request
    if request is None or upload.store != by.store:
        raise unknown_request()
    if isinstance(event, events_pb2.SecretUploadKeyProvided):
        advance(upload.state, Step.KEY_PROVIDED, _author(upload, by))
        _check_grant(event, request, upload.subject, by)
    elif isinstance(event, events_pb2.SecretUploadFailed):
        advance(upload.state, Step.FAILED, _author(upload, by))
        _check_failure(upload, event, by)
    else:
        receipt, step = _open(upload, event, by)
        advance(upload.state, step, _author(upload, by))
        _check_versions(upload, request, receipt)
    return [event]


def _author(upload: Upload, by: Appender) -> Author:
    return Author.ISSUER if upload.grant is not None and upload.grant.replica == by.replica else Author.REPLICA


def _check_grant(event: events_pb2.SecretUploadKeyProvided, request: Request, subject: str, by: Appender) -> None:
    grant = open_grant(event.grant, identity=by.identity, request=request.content, subject=subject)
    if grant.replica != by.replica:
        raise ProofError("the grant names another process than the one that appends it")
    _check_key_id(grant.fingerprint_key_id, by.key_ids)


def _check_failure(upload: Upload, event: events_pb2.SecretUploadFailed, by: Appender) -> None:
    if event.reason not in upload_pb2.Reason.values() or event.reason == upload_pb2.REASON_UNSPECIFIED:
        raise UsageError("SecretUploadFailed: reason must be a known reason.", fix="Say why it failed.")
    if event.retry_after_s > (MAX_RETRY_AFTER_S if event.reason == upload_pb2.REASON_RATE_LIMITED else 0):
        raise UsageError("SecretUploadFailed: retry_after_s breaks its rule.", fix="Give it with RATE_LIMITED alone.")
    if event.detail and (event.HasField("receipt") or not is_detail(event.detail)):
        raise UsageError(
            "SecretUploadFailed: detail must be a short sentence, and absent with a receipt.",
            fix="Say it in the receipt.",
        )
    if event.HasField("receipt"):
        receipt, _ = _open(upload, event, by)
        if receipt.reason != event.reason:
            raise UsageError("SecretUploadFailed: reason must be its receipt's.", fix="Append what was signed.")
        if upload.started is not None and receipt.sealed_sha256 != upload.sealed_sha256:
            raise ConflictError("the failure was signed before writing began.", fix=_READ_AGAIN)
    elif upload.started is not None:
        raise UsageError("SecretUploadFailed: receipt is required once writing began.", fix="Sign the failure.")


def _open(upload: Upload, event: ReactorEvent, by: Appender) -> tuple[Receipt, Step]:
    """Return the receipt in `event`, verified, and the step that it makes of it."""
    if isinstance(event, events_pb2.SecretUploadKeyProvided) or upload.grant is None:
        raise ProofError("a receipt is appended for a request without a grant")
    receipt = open_receipt(
        event.receipt, identity=by.identity, grant=upload.grant, sealed_sha256=upload.sealed_sha256 or None
    )
    step = step_with(event, receipt.outcome)
    if step is None:
        raise UsageError(f"{event.DESCRIPTOR.name}: the receipt has another outcome.", fix="Append the fitting event.")
    if receipt.fingerprint:
        # A rotation that ended must not keep a finished write out of the log: the grant's key id counts, too.
        _check_key_id(receipt.fingerprint.split(":")[1], by.key_ids | {upload.grant.fingerprint_key_id})
    return receipt, step


def _check_key_id(key_id: str, allowed: frozenset[str]) -> None:
    if key_id not in allowed:
        raise RefusedError(
            f"the fingerprint key id {key_id} is not allowed.",
            fix="Give this reactor the fingerprint key of the others, or start a rotation.",
        )


def _check_versions(upload: Upload, request: Request, receipt: Receipt) -> None:
    """What was expected and announced is what was replaced.

    With ANY and OVERWRITE a lost check-and-set is tried again on the version read then, so that UPLOADED may name a
    later version than STARTED did. To refuse it would keep a finished write out of the log. What a COPY expects is at
    its destination, and checked there. UNDELETE replaces nothing: what it expects, `open_receipt` has compared.
    """
    if request.rules.undeletes:
        announced = upload.started
        if announced is not None and receipt.restored_version != announced.restored_version:
            raise ConflictError("the receipt brings back another version than was announced.", fix=_READ_AGAIN)
        return
    if receipt.outcome not in REPLACING or request.destination is not None:
        return
    if request.expect not in _ONE_TRY:
        return
    if receipt.prior_version != request.expect_version:
        raise ConflictError(
            "the receipt replaces another version than the request expects.", fix="Answer CONFLICT instead."
        )
    if upload.started is not None and receipt.prior_version != upload.started.prior_version:
        raise ConflictError("the receipt replaces another version than was announced.", fix=_READ_AGAIN)
