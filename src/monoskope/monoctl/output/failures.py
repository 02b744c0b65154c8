"""A refusal as a document: the same for `monoctl -o json` and for the page of `monoctl console`."""

from __future__ import annotations

from monoskope.errors import Error, LogMismatchError, OutcomeUnknownError, RateLimitedError
from monoskope.exit_codes import exit_code
from monoskope.monoctl.output.formats import Document


def failure(error: Error) -> Document:
    """Return everything that is known of a refusal.

    It has `retry_after_s`, null if it is not known, `uri`, which is "" in a call about one secret, with an end that is
    not known its `request_id`, and with a log that does not fit the signed `notes` that show it.
    """
    later = error.retry_after_s if isinstance(error, RateLimitedError) else 0.0
    found: Document = {
        "code": error.code.value,
        "exit_code": int(exit_code(error)),
        "message": error.message,
        "fix": error.fix,
        "by_m8": error.by_m8,
        "reason": error.reason_name,
        "retry_after_s": later or None,
        "uri": error.uri,
    }
    if isinstance(error, OutcomeUnknownError):
        found["request_id"] = error.request_id
    if isinstance(error, LogMismatchError):
        found["notes"] = list(error.notes)
    return found
