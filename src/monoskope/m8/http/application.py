"""m8's door: it decides by the head of a request what becomes of it (`http.messages.Application`).

It serves the table of methods by the Connect protocol (https://connectrpc.com/docs/protocol), the witnessed log piece
by piece, and what operators ask. Web pages may call from the origins of the setting `origins`, and no others (CORS, the
Fetch standard).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from monoskope.errors import UsageError
from monoskope.http.messages import Decision, Head, Response
from monoskope.m8.http import refused, requests, token_endpoint
from monoskope.m8.http.attach import Attached
from monoskope.m8.http.pages import Operations, Tiles
from monoskope.m8.http.refused import Headers
from monoskope.m8.http.requests import Call, Codec, codec_of
from monoskope.m8.methods import SERVICES, Kind, Method, methods
from monoskope.m8.operations import Endpoints
from monoskope.m8.service.app import App
from monoskope.m8.service.policy import Needs


class HttpApplication:
    """Answers HTTP requests.

    Args:
        app: The process.
        endpoints: What operators ask for.
        origins: The pages that may call.
    """

    def __init__(self, app: App, endpoints: Endpoints, *, origins: Origins | None = None) -> None:
        self._app = app
        self._methods = methods(app)
        self._operations = Operations(app, endpoints)
        self._tiles = Tiles(app)
        self._origins = origins or Origins()

    async def accept(self, head: Head) -> Decision:
        """Decide about a request by its head."""
        refusal = self._origins.refusal(head)
        if refusal is not None:
            return refusal
        headers = self._origins.headers(head)
        decision = await self._decided(head, headers)
        if isinstance(decision, Response):
            return replace(decision, headers=(*decision.headers, *headers))
        return decision

    async def _decided(self, head: Head, headers: Headers) -> Decision:
        """Decide. What is not yet a response is given the `headers`; `accept` adds them to one."""
        is_form = head.path == token_endpoint.PATH
        method = self._methods.get(token_endpoint.METHOD if is_form else head.path)
        if method is None and head.path not in self._operations and head.path not in self._tiles:
            return _unknown(head.path)
        allowed = "POST" if method is not None and method.kind is not Kind.ATTACHING else "GET"
        if head.method != allowed:
            return self._other_method(head, allowed)
        if method is None:
            pages = self._tiles if head.path in self._tiles else self._operations
            return await pages.answer(head.path, requests.arrival(head))
        if method.kind is Kind.ATTACHING:
            # Reactors carry no token: their login proves who they are.
            return Attached(self._app, method, requests.arrival(head))
        if is_form:
            return token_endpoint.accept(self._app, method, head, headers)
        return self._called(head, method, headers)

    def _called(self, head: Head, method: Method, headers: Headers) -> Decision:
        codec = codec_of(head, method.kind)
        if codec is None:
            return _unsupported(method)
        if compression := _compression(head, method):
            return compression
        try:
            _check_version(head)
            deadline = requests.deadline_of(head)
        except UsageError as error:
            return refused.response(error)
        most = codec.most_body(method)
        length = _length(head)
        if length > most:
            return refused.plain(413, "resource_exhausted", f"the body has more than {most:,} bytes.")
        if method.needs is Needs.NOTHING:  # its answer holds one
            headers = (("Cache-Control", "no-store"), *headers)
        return Call(self._app, method, codec, head, deadline, headers, most)

    def _other_method(self, head: Head, allowed: str) -> Response:
        """Answer a method that a resource does not have, or the question of a browser which one it has."""
        preflight = self._origins.preflight(head, allows=allowed)
        if preflight is not None:
            return preflight
        return refused.plain(405, "unimplemented", f"only {allowed} is allowed here.", (("Allow", allowed),))


def _length(head: Head) -> int:
    """Return how long the body is. The server has checked that this alone frames it."""
    return int(head.header("content-length") or "0")


def _check_version(head: Head) -> None:
    if any(name == "connect-protocol-version" and value != "1" for name, value in head.headers):
        raise UsageError("Connect-Protocol-Version: must be 1.", fix="Send 1, or leave the header out.")


def _unknown(path: str) -> Response:
    service = path.removeprefix("/").partition("/")[0]
    if service in SERVICES:
        return refused.plain(501, "unimplemented", f"{service} has no such method.")
    return refused.plain(404, "unimplemented", "nothing is at this path.")


def _unsupported(method: Method) -> Response:
    accepted = " or ".join(codec.content_type(method.kind) for codec in reversed(Codec))
    return refused.plain(
        415,
        "unimplemented",
        f"the content type must be {accepted}.",
        (("Accept-Post", accepted.replace(" or ", ", ")),),
    )


def _compression(head: Head, method: Method) -> Response | None:
    """Return the refusal of a body that is compressed."""
    name = "connect-content-encoding" if method.kind is Kind.STREAMING else "content-encoding"
    if all(value.lower() == "identity" for known, value in head.headers if known == name):
        return None
    more = (("Connect-Accept-Encoding" if method.kind is Kind.STREAMING else "Accept-Encoding", "identity"),)
    return refused.plain(501, "unimplemented", "m8 takes no compressed message.", more)


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
