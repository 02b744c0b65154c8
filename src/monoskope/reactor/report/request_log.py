"""One line of the operating log for each request that this process ended, like m8's for each call."""

from __future__ import annotations

from monoskope import operating_log
from monoskope.reactor.report.audit_log import Entry


def ended(entry: Entry, seconds: float, *, taken: bool = True) -> None:
    """Write it.

    Args:
        entry: What the audit log has of its end.
        seconds: Since what was sealed came, or the request if nothing was.
        taken: Whether m8 took the end; it did not if the request had ended in another way meanwhile.
    """
    event = "request" if taken else "request ended otherwise"
    operating_log.get().info(
        event,
        request_id=entry.request_id,
        uri=entry.uri,
        purpose=entry.purpose,
        outcome=entry.outcome,
        reason=entry.reason,
        duration_ms=max(0, round(seconds * 1000)),
    )
