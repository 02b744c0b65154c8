"""Which web pages may call m8 (CORS, the Fetch standard): those of the setting `origins`, and no other."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from monoskope.http.messages import Head, Response

REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Connect-Protocol-Version",
    "Connect-Timeout-Ms",
    "Connect-Content-Encoding",
    "Connect-Accept-Encoding",
    "X-Request-Id",
    "Traceparent",
)
"""What a page may send."""

MAX_AGE_S = 600
"""How long a browser may remember the answer to a preflight."""

_VARY = (("Vary", "Origin"),)

_REFUSED = Response(403, (("Content-Type", "text/plain; charset=utf-8"), *_VARY), b"403 this origin is not allowed\n")


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins of pages that may call.

    No cookie is read, and no credentials are allowed: a page that calls holds a token itself.
    """

    allowed: Collection[str] = ()

    def refusal(self, head: Head) -> Response | None:
        """Return what answers a request of a page that may not call; None for every other request."""
        found = _origins(head)
        if not found or (len(found) == 1 and found[0] in self.allowed):
            return None
        return _REFUSED

    def headers(self, head: Head) -> tuple[tuple[str, str], ...]:
        """Return what every answer to a request that is not refused says of origins."""
        if not self.allowed:
            return ()
        found = _origins(head)
        if not found:
            return _VARY
        return (*_VARY, ("Access-Control-Allow-Origin", found[0]), ("Access-Control-Expose-Headers", "Retry-After"))

    def preflight(self, head: Head, *, allows: str) -> Response | None:
        """Return the answer to a browser that asks whether a page may call, None if `head` is no such question.

        Args:
            head: Not refused.
            allows: The method of the resource.
        """
        if head.method != "OPTIONS" or not _origins(head) or not head.header("access-control-request-method"):
            return None
        return Response(
            204,
            (
                ("Access-Control-Allow-Methods", allows),
                ("Access-Control-Allow-Headers", ", ".join(REQUEST_HEADERS)),
                ("Access-Control-Max-Age", str(MAX_AGE_S)),
            ),
        )


def _origins(head: Head) -> list[str]:
    return [value for name, value in head.headers if name == "origin"]
