"""Whatever a head of a request says, the HTTP door decides about it, and its answer can be sent."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from monoskope.errors import UnauthenticatedError
from monoskope.http.messages import Head, Response
from monoskope.http.server.answers import serialised
from monoskope.m8.domain.principal import Principal
from monoskope.m8.http.application import HttpApplication, Origins
from monoskope.m8.http.requests import Call
from monoskope.m8.operations import Endpoints
from monoskope.m8.service.app import App
from tests.support.m8_world import PAGE

SERVICE = "/monoskope.api.gateway.v1.SecretQueryService"
TOKEN = "a-token-of-somebody"

NAMES = ("origin", "content-type", "content-encoding", "connect-timeout-ms", "connect-protocol-version", "traceparent")
MORE = ("authorization", "x-request-id", "access-control-request-method", "accept", "x-forwarded-for", "cookie")
VALUES = ("", PAGE, "null", "application/json", "application/proto", "application/connect+json", "gzip", "1", "0", "-1")
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=12)
FIELDS = st.tuples(
    st.sampled_from((*NAMES, *MORE)),
    st.sampled_from((*VALUES, f"Bearer {TOKEN}", "9" * 11, "POST")) | TEXT,
)
PATHS = st.sampled_from(
    ("/", "/metrics", "/readyz", f"{SERVICE}/GetSecret", f"{SERVICE}/WatchEvents", f"{SERVICE}/X", f"{SERVICE}/")
) | TEXT.map(lambda text: f"/{text}")
METHODS = st.sampled_from(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"))
LENGTHS = st.sampled_from((None, 0, 1, 20_000, 70_000, 2_000_000, 10**15 - 1))


async def nobody(_token: str) -> Principal:
    raise UnauthenticatedError("the token does not count.")


def application() -> HttpApplication:
    """A door of an m8 without a log, at which nobody has a token."""
    log: Any = None
    app = App(log, nobody, (), lambda: 0, "m8", "1")
    endpoints: Any = Endpoints(app)
    return HttpApplication(app, endpoints, origins=Origins({PAGE}))


@given(METHODS, PATHS, st.lists(FIELDS, max_size=6), LENGTHS)
def test_every_head_is_decided_and_no_stranger_has_a_large_body_read(
    method: str, path: str, fields: list[tuple[str, str]], length: int | None
) -> None:
    headers = (*fields, *([] if length is None else [("content-length", str(length))]))
    decision = asyncio.run(application().accept(Head(method, path, "", headers, "192.0.2.1:1")))
    origins = [value for name, value in fields if name == "origin"]
    if isinstance(decision, Response):
        answer = serialised(decision, is_last=False)
        assert TOKEN.encode() not in answer
        assert path not in {"/readyz", "/"} or decision.status in {403, 404, 405, 500, 204, 503}
        assert decision.status == 403 or not origins or origins == [PAGE]
    else:
        assert isinstance(decision, Call)
        assert (method, length is None or length <= 16_384) == ("POST", True)
        assert not origins or origins == [PAGE]
        assert TOKEN not in repr(decision)
