"""The page's side of `monoskope.monoctl.console.channel`, written a second time."""

from __future__ import annotations

import base64
import hmac
import os
from hashlib import sha256

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


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
