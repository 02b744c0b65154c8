"""Plain HTTP calls to a console, as its page makes them, or as somebody else does."""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

FRAMED = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the console answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def code(self) -> str:
        """The code of a failure."""
        found: str = self.document["error"]["code"]
        return found


@dataclass(slots=True)
class Page:
    """One page of the console at a port. Whatever it says can be changed."""

    port: int
    session: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def said(self, kind: str) -> dict[str, str]:
        """The headers of a call, as a browser sends them for the page."""
        page = f"127.0.0.1:{self.port}"
        said = {"Host": page, "Origin": f"http://{page}", "Sec-Fetch-Site": "same-origin", "Content-Type": kind}
        if self.session:
            said["Authorization"] = f"Bearer {self.session}"
        return {name: value for name, value in (said | self.headers).items() if value}

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Send one request, with these headers and no others."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body or method == "POST":
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def call(self, operation: str, request: object = None) -> Answer:
        """Call an operation without values."""
        body = json.dumps({} if request is None else request).encode()
        return self.ask("POST", f"/api/{operation}", self.said("application/json"), body)

    def send(
        self, operation: str, request: Mapping[str, object], sources: Sequence[tuple[dict[str, object], bytes]]
    ) -> Answer:
        """Call an operation with values."""
        return self.ask("POST", f"/api/{operation}", self.said(FRAMED), framed(request, sources))

    def begin(self, token: str) -> Answer:
        """Begin a session, and keep it."""
        answer = self.call("begin", {"token": token})
        if answer.status == 200:
            self.session = answer.document["session"]
        return answer

    def live(self, nonce: str = "") -> Generator[dict[str, Any], None, None]:
        """Yield what the live stream says; closing the iterator closes the stream."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with closing(connection):
            body = json.dumps({"nonce": nonce or secrets.token_hex(32)})
            connection.request("POST", "/api/live", body, self.said("application/json"))
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            while line := answer.readline():
                yield json.loads(line)


def framed(request: Mapping[str, object], sources: Sequence[tuple[dict[str, object], bytes]]) -> bytes:
    """Return a framed body."""
    listed = [source | {"size": len(content)} for source, content in sources]
    head = json.dumps({**request, "sources": listed}).encode()
    return len(head).to_bytes(4, "big") + head + b"".join(content for _, content in sources)


def value(key: str, content: bytes) -> tuple[dict[str, object], bytes]:
    """Return the source of one value."""
    return {"kind": "value", "key": key}, content
