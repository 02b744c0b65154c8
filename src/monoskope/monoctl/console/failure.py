"""A failure as the page is told of it: what `monoctl -o json` prints, and what else the page needs to know."""

from __future__ import annotations

from monoskope.errors import Error, RateLimitedError
from monoskope.exit_codes import exit_code
from monoskope.monoctl.output.flags import with_flags
from monoskope.monoctl.output.formats import Document


def document(error: Error, *, code: str = "") -> Document:
    """Return an error as `Failure` of console/src/api/types.ts.

    Args:
        error: What happened.
        code: The console's own code, where the page has something else to do than for `error.code`.
    """
    message, fix = _texts(error)
    after = error.retry_after_s if isinstance(error, RateLimitedError) else 0.0
    return {
        "code": code or error.code.value,
        "exit_code": int(exit_code(error)),
        "message": message,
        "fix": fix,
        "by_m8": error.by_m8,
        "reason": error.reason_name,
        "retry_after_s": after or None,
        "uri": error.uri,
    }


def sentence(error: Error) -> str:
    """Return what happened and what to do as one text."""
    return " ".join(_texts(error)).rstrip()


def _texts(error: Error) -> tuple[str, str]:
    return (error.message, error.fix) if error.by_m8 else (with_flags(error.message), with_flags(error.fix))
