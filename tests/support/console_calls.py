"""Plain HTTP calls to a console, as its page makes them, or as somebody else does."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from tests.support.console import PageSide, a_token, as_text, derived, from_text, proven

SEALED = "application/octet-stream"
JSON = "application/json"
NONCE = bytes(range(16))
"""What a page chooses at random for each call; here it is always the same."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    is_proven: bool = False
    """Whether the page believes it: only its own console can have made it."""

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def code(self) -> str:
        found: str = self.document["error"]["code"]
        return found


@dataclass(slots=True)
class Page:
    """One page of the console at a port. Whatever it says can be changed."""

    port: int
    session: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    side: PageSide = field(default_factory=lambda: PageSide(a_token(), a_token()))
    """Its keys. Without a session they are nobody's."""
    host: str = "127.0.0.1"

    def said(self, kind: str) -> dict[str, str]:
        """The headers of a call, as a browser sends them for the page."""
        page = f"{self.host}:{self.port}"
        said = {"Host": page, "Origin": f"http://{page}", "Sec-Fetch-Site": "same-origin", "Content-Type": kind}
        said["Console-Nonce"] = as_text(NONCE)
        if self.session:
            said["Authorization"] = f"Bearer {self.session}"
        return {name: value for name, value in (said | self.headers).items() if value}

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Send one request, with these headers and no others."""
        with closing(http.client.HTTPConnection(self.host, self.port, timeout=60)) as connection:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body or method == "POST":
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def call(self, operation: str, request: object = None) -> Answer:
        return self.seal(operation, json.dumps({} if request is None else request).encode())

    def send(
        self, operation: str, request: Mapping[str, object], sources: Sequence[tuple[dict[str, object], bytes]]
    ) -> Answer:
        return self.seal(operation, framed(request, sources))

    def seal(self, operation: str, body: bytes) -> Answer:
        return self.post(operation, self.side.seal(operation, body))

    def post(self, operation: str, body: bytes) -> Answer:
        answer = self.ask("POST", f"/api/{operation}", self.said(SEALED), body)
        return self._judged(answer, partial(self.side.is_proven, operation))

    def begin(self, token: str) -> Answer:
        """Begin a session with the token of a link, and keep it."""
        secret = from_text(token)
        body = json.dumps({"token": as_text(derived(secret, "name of the token"))}).encode()
        answer = self.ask("POST", "/api/begin", self.said(JSON), body)
        key = derived(secret, "answer to begin")
        answer = self._judged(answer, lambda *said: said[-1] == proven(key, "begin", *said[:-1]))
        if answer.status == 200:
            self.session = answer.document["session"]
            self.side = PageSide(secret, from_text(answer.document["key"]))
        return answer

    def _judged(self, answer: Answer, check: Callable[[bytes, int, bytes, str], bool]) -> Answer:
        is_proven = check(NONCE, answer.status, answer.body, answer.headers.get("console-proof", ""))
        return replace(answer, is_proven=is_proven)

    def live(self) -> Generator[dict[str, Any], None, None]:
        """Yield what the live stream says; closing the iterator closes the stream."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        with closing(connection):
            connection.request("POST", "/api/live", self.side.seal("live", b"{}"), self.said(SEALED))
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            assert self.side.is_proven("live", NONCE, 200, b"", answer.headers["Console-Proof"])
            while line := answer.readline():
                yield json.loads(line)


def framed(request: Mapping[str, object], sources: Sequence[tuple[dict[str, object], bytes]]) -> bytes:
    listed = [source | {"size": len(content)} for source, content in sources]
    head = json.dumps({**request, "sources": listed}).encode()
    return len(head).to_bytes(4, "big") + head + b"".join(content for _, content in sources)


def value(key: str, content: bytes) -> tuple[dict[str, object], bytes]:
    return {"kind": "value", "key": key}, content
