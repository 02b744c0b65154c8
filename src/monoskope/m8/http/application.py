"""m8's door: it decides by the head of a request what becomes of it (`http.messages.Application`).

It serves the table of methods by the Connect protocol (https://connectrpc.com/docs/protocol), the witnessed log piece
by piece, and what operators ask.
"""

from __future__ import annotations

from dataclasses import replace

from monoskope.errors import UsageError
from monoskope.http.messages import Decision, Head, Response
from monoskope.m8.http import refused, requests, token_endpoint
from monoskope.m8.http.attach import Attached
from monoskope.m8.http.codecs import Codec, codec_of
from monoskope.m8.http.operations import Operations
from monoskope.m8.http.origins import Origins
from monoskope.m8.http.refused import Headers
from monoskope.m8.http.requests import Call
from monoskope.m8.http.tiles import Tiles
from monoskope.m8.methods.table import SERVICES, Kind, Method, methods
from monoskope.m8.operations.endpoints import Endpoints
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
