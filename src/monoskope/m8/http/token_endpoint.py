"""`POST /oauth2/token`: the exchange of a token (RFC 8693), for clients of OAuth 2.0 and for curl.

It is the call `AccessService.ExchangeToken` in another dress, with the same checks and limits. Nothing of it may be
stored on the way. A form (RFC 6749, appendix B) is read in one way, or not at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import cast

from monoskope.api.gateway.v1 import access_pb2
from monoskope.errors import Code, Error, UsageError, docs_page
from monoskope.http.messages import Body, Decision, Head, Response
from monoskope.m8 import calls
from monoskope.m8.domain.principal import ExchangeRefusedError
from monoskope.m8.http import requests
from monoskope.m8.http.refused import JSON, Headers, retry_after
from monoskope.m8.methods import MAX_EXCHANGE, Method
from monoskope.m8.service.app import App
from monoskope.value import Unshared

CONTENT_TYPE = "application/x-www-form-urlencoded"

MOST_PARTS = 32
"""Parameters at most."""

_PART = re.compile(rb"(?:[A-Za-z0-9._~*+!$'(),;:@/?-]|%[0-9A-Fa-f]{2})*", re.ASCII)
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


PATH = "/oauth2/token"
METHOD = "/monoskope.api.gateway.v1.AccessService/ExchangeToken"

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name of RFC 8693

NO_STORE = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))

_STATUS: Mapping[Code, tuple[int, str]] = MappingProxyType(
    {
        Code.RATE_LIMITED: (429, "temporarily_unavailable"),
        Code.UNAVAILABLE: (503, "temporarily_unavailable"),
        Code.TIMED_OUT: (503, "temporarily_unavailable"),
        Code.OUTCOME_UNKNOWN: (503, "temporarily_unavailable"),
        Code.INTERNAL: (500, "server_error"),
    }
)
"""The status and the `error` of what is not about the request. All else is `invalid_request` (RFC 8693, 2.2.2)."""

_REFUSED_PARAMETERS = (
    ("scope", "invalid_scope", "m8 knows no scopes: role bindings say what a member may do"),
    ("resource", "invalid_target", "m8 makes tokens for itself alone"),
    ("actor_token", "invalid_request", "nobody acts for somebody else at m8"),
    ("actor_token_type", "invalid_request", "nobody acts for somebody else at m8"),
    ("client_secret", "invalid_request", "m8 has no clients with secrets; consider this one told to others"),
    ("client_assertion", "invalid_request", "m8 has no clients with secrets"),
)


class FormRefusedError(UsageError):
    """A body that asks for no exchange. Nothing of it stands in the error.

    Args:
        oauth: The `error` of RFC 6749, 5.2.
        why: As the message of every error.
    """

    def __init__(self, oauth: str, why: str) -> None:
        super().__init__(why, fix=f"Send the form that {docs_page('reference/http.md')} shows.")
        self.oauth = oauth


@dataclass(slots=True, repr=False)
class TokenEndpoint(Unshared):
    """One request whose body may be read (`http.messages.Accepted`).

    Attributes:
        app: What answers it.
        method: `ExchangeToken` of the table.
        head: Of its request.
        headers: Belong to its answer, whatever that is.
        most_body: How many bytes its body may have.
    """

    app: App
    method: Method
    head: Head
    headers: Headers
    most_body: int = MAX_EXCHANGE

    def __repr__(self) -> str:
        return "<TokenEndpoint>"

    async def answer(self, body: Body) -> Response:
        """Return m8's own token, or why there is none."""
        found = await self._answer(await body())
        return replace(found, headers=(*found.headers, *self.headers))

    async def _answer(self, body: bytes) -> Response:
        arrived = requests.arrival(self.head)

        async def work() -> access_pb2.ExchangeTokenResponse:
            # In here, so that what is refused has its lines as every other call.
            message = self._message(body)
            async with calls.admitted(self.app, self.method, arrived) as caller:
                found = await calls.respond(self.app, self.method, message, caller)
            return cast("access_pb2.ExchangeTokenResponse", found)

        ended = await calls.traced(self.app, arrived, self.method.name, work)
        if ended.answer is None:
            return self._failed(ended.failure)
        return self._issued(ended.answer)

    def _message(self, body: bytes) -> access_pb2.ExchangeTokenRequest:
        """Return what a form asks for. Parameters that no standard has are ignored (RFC 6749).

        Raises:
            FormRefusedError: it is no form, or none of an exchange.
        """
        given = parse_form(body)
        if given is None:
            why = "the body is not a form in which each name stands once, with = and escapes."
            raise FormRefusedError("invalid_request", why)
        if given.get("grant_type") != GRANT_TYPE:
            error = "unsupported_grant_type" if "grant_type" in given else "invalid_request"
            raise FormRefusedError(error, f"grant_type must be {GRANT_TYPE}.")
        for name, error, why in _REFUSED_PARAMETERS:
            if name in given:
                raise FormRefusedError(error, f"{name}: {why}.")
        if given.get("audience", self.app.audience) != self.app.audience:
            raise FormRefusedError("invalid_target", "audience: m8 makes tokens for itself alone.")
        if given.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
            raise FormRefusedError("invalid_request", f"requested_token_type must be {ACCESS_TOKEN}, or left out.")
        for name in ("subject_token", "subject_token_type"):
            if name not in given:
                raise FormRefusedError("invalid_request", f"{name} is missing.")
        return access_pb2.ExchangeTokenRequest(
            subject_token=given["subject_token"], subject_token_type=given["subject_token_type"]
        )

    def _issued(self, answer: access_pb2.ExchangeTokenResponse) -> Response:
        left_ms = answer.expires_at_ms - self.app.clock()
        found = {
            "access_token": answer.access_token,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": max(0, left_ms // 1000),
        }
        return _response(200, found)

    def _failed(self, error: Error) -> Response:
        status, name = _STATUS.get(error.code, (400, "invalid_request"))
        if isinstance(error, FormRefusedError):
            name = error.oauth
        more = retry_after(error)
        refusal = error.refusal.value if isinstance(error, ExchangeRefusedError) else ""
        return _refused(status, name, str(error), more, refusal=refusal)


def accept(app: App, method: Method, head: Head, headers: Headers) -> Decision:
    """Decide about a POST to `PATH` by its head. Only a request that is taken is given the `headers`."""
    if head.media_type != CONTENT_TYPE:
        return _refused(415, "invalid_request", f"the content type must be {CONTENT_TYPE}.")
    if any(name == "authorization" for name, _ in head.headers):
        return _refused(
            401, "invalid_client", "m8 has no clients with secrets: send no Authorization here.",
            (("WWW-Authenticate", "Bearer"),),
        )  # fmt: skip
    if head.length > MAX_EXCHANGE:
        return _refused(413, "invalid_request", f"the body has more than {MAX_EXCHANGE:,} bytes.")
    return TokenEndpoint(app, method, head, headers)


def _refused(status: int, error: str, description: str, more: Headers = (), *, refusal: str = "") -> Response:
    """Return a refusal as RFC 6749, 5.2, has it, with our own word beside it."""
    found = {"error": error, "error_description": _described(description)}
    return _response(status, found | ({"exchange_refusal": refusal} if refusal else {}), more)


def _response(status: int, found: Mapping[str, object], more: Headers = ()) -> Response:
    return Response(status, (JSON, *NO_STORE, *more), json.dumps(found, separators=(",", ":")).encode())


def _described(sentence: str) -> str:
    """Return a sentence in the characters that `error_description` may have (RFC 6749, 5.2)."""
    plain = sentence.replace('"', "'").replace("\\", "/")
    return "".join(one if " " <= one <= "~" else "?" for one in plain)


def parse_form(body: bytes) -> Mapping[str, str] | None:
    """Return the parameters of a form, None if it is none, has a name twice, or too many.

    Parameters without a value count as left out (RFC 6749, 3.2).
    """
    found: dict[str, str] = {}
    parts = body.split(b"&", MOST_PARTS) if body else []
    if len(parts) > MOST_PARTS:
        return None
    for part in parts:
        name, equals, value = part.partition(b"=")
        if not name or not equals or _PART.fullmatch(name) is None or _PART.fullmatch(value) is None:
            return None
        try:
            key, text = _decoded(name), _decoded(value)
        except UnicodeDecodeError:
            return None
        if key in found:
            return None
        found[key] = text
    return {name: value for name, value in found.items() if value}


def _decoded(part: bytes) -> str:
    plain = part.replace(b"+", b" ")
    return _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), plain).decode("utf-8")
