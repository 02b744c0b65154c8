"""Log one line for each request that this process ended."""

from __future__ import annotations

from monoskope import operating_log
from monoskope.reactor.report.audit_log import AuditEntry


def ended(entry: AuditEntry, seconds: float, *, taken: bool = True) -> None:
    """Log how a request ended.

    Args:
        entry: The entry of its end in the audit log.
        seconds: Since the sealed bytes came, or the request if nothing was sealed.
        taken: Whether m8 took this end; it does not if the request ended in another way meanwhile.
    """
    event = "request" if taken else "request ended otherwise"
    operating_log.get().info(
        event,
        request_id=entry.request_id,
        uri=entry.uri,
        purpose=entry.purpose,
        outcome=entry.outcome,
        reason=entry.reason,
        detail=entry.detail,
        duration_ms=max(0, round(seconds * 1000)),
    )
