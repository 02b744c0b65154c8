"""The page's side of `monoctl.console.serving.sealed`, and a page that calls a console without a browser."""

from __future__ import annotations

import base64
import hmac
import json
import os
from collections.abc import Callable, Mapping
from contextlib import closing
from hashlib import sha256
from http.client import HTTPConnection
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Check: TypeAlias = Callable[[str, bytes, int, bytes, str], bool]
"""Whether an operation's nonce, status and body have that proof."""


def derived(secret: bytes, purpose: str) -> bytes:
    """As sealed.py describes it, written a second time."""
    return HKDF(hashes.SHA256(), 32, None, b"monoctl console: " + purpose.encode()).derive(secret)


def as_text(found: bytes) -> str:
    """In base64url, without padding."""
    return base64.urlsafe_b64encode(found).decode().rstrip("=")


def from_text(text: str) -> bytes:
    """From base64url, without padding."""
    return base64.urlsafe_b64decode(text + "==")


class PageSide:
    """What a page knows after `begin`."""

    def __init__(self, token: bytes, key: bytes) -> None:
        self._bodies = AESGCM(derived(token + key, "bodies"))
        self._answers = derived(token + key, "answers")
        self._last = 0

    def seal(self, operation: str, body: bytes, *, number: int | None = None) -> bytes:
        """Seal a body under the next number, or under the one that is given."""
        self._last += 1
        nonce = (self._last if number is None else number).to_bytes(12, "big")
        return nonce + self._bodies.encrypt(nonce, body, b"monoctl console\0" + operation.encode())

    def is_proven(self, operation: str, nonce: bytes, status: int, body: bytes, proof: str) -> bool:
        """Whether an answer is one to the request with this nonce."""
        return proof == proven(self._answers, operation, nonce, status, body)


def proven(key: bytes, operation: str, nonce: bytes, status: int, body: bytes) -> str:
    """The proof that an answer must have."""
    covered = operation.encode() + b"\0" + nonce + status.to_bytes(2, "big") + body
    return as_text(hmac.new(key, covered, sha256).digest())


def a_token() -> bytes:
    """A token, or a key."""
    return os.urandom(32)


class RefusedCallError(Exception):
    """The console refused: its status, and its failure as the page is shown it."""

    def __init__(self, status: int, failure: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {failure}")
        self.status = status
        self.failure = failure


class PageWithoutBrowser:
    """A page of a running console: what its script does, without a browser.

    Args:
        address: As the console prints it, `http://HOST:PORT/#TOKEN`.
    """

    def __init__(self, address: str) -> None:
        self.address = urlsplit(address)
        self.session = ""
        self.side: PageSide | None = None

    @property
    def origin(self) -> str:
        """The origin of the page."""
        return f"{self.address.scheme}://{self.address.netloc}"

    def begin(self) -> dict[str, Any]:
        """Use the link, and return what is answered."""
        token = from_text(self.address.fragment)
        key = derived(token, "answer to begin")
        body = json.dumps({"token": as_text(derived(token, "name of the token"))}).encode()
        answer = self.post("begin", body, "application/json", lambda *of: of[-1] == proven(key, *of[:-1]))
        self.session, self.side = answer["session"], PageSide(token, from_text(answer["key"]))
        return answer

    def call(self, operation: str, request: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call an operation without values."""
        return self.sealed(operation, json.dumps(request or {}).encode())

    def send(self, operation: str, request: Mapping[str, Any], values: Mapping[str, bytes]) -> dict[str, Any]:
        """Call an operation with values, one for each key."""
        return self.sealed(operation, framed(request, values))

    def sealed(self, operation: str, body: bytes) -> dict[str, Any]:
        """Call an operation with this body, which is sealed here."""
        assert self.side is not None, "begin first"
        return self.post(operation, self.side.seal(operation, body), "application/octet-stream", self.side.is_proven)

    def post(self, operation: str, body: bytes, kind: str, check: Check) -> dict[str, Any]:
        """Send a body as it is; the answer must be proven. Raises `RefusedCallError`."""
        nonce = os.urandom(16)
        with closing(HTTPConnection(self.address.hostname or "", self.address.port, timeout=60)) as connection:
            connection.request("POST", f"/api/{operation}", body, self.headers(kind, nonce))
            answer = connection.getresponse()
            found = answer.read()
        document: dict[str, Any] = json.loads(found)
        proof = answer.headers["Console-Proof"] or ""
        if answer.status == 401 and not proof:
            raise RefusedCallError(401, document["error"])
        assert check(operation, nonce, answer.status, found, proof), f"{answer.status} without a proof"
        if answer.status != 200:
            raise RefusedCallError(answer.status, document["error"])
        return document

    def headers(self, kind: str, nonce: bytes) -> dict[str, str]:
        """What the page, and the browser for it, says in the head of a call."""
        headers = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin", "Content-Type": kind}
        headers["Console-Nonce"] = as_text(nonce)
        return headers | ({"Authorization": f"Bearer {self.session}"} if self.session else {})


def framed(request: Mapping[str, Any], values: Mapping[str, bytes]) -> bytes:
    """A framed body, with one value for each key."""
    sources = [{"kind": "value", "key": key, "size": len(value)} for key, value in values.items()]
    head = json.dumps({**request, "sources": sources}).encode()
    return len(head).to_bytes(4, "big") + head + b"".join(values.values())
