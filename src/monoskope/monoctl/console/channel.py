"""The sealed channel of the page and this `monoctl`, which holds when another program takes the port.

HTTP on loopback proves nothing: once a console has ended, another user of the machine can listen at its port, and a
page that is still open would send a value there. So nothing secret travels in the clear, and the page believes nothing
that is not proven. Everything is made from the link's token, which the page takes from its address and sends nowhere:

    name of the token  = HKDF(token, "monoctl console: name of the token")       what `begin` sends in its place
    key of the begin   = HKDF(token, "monoctl console: answer to begin")         proves the answer to `begin`
    key of the bodies  = HKDF(token + key, "monoctl console: bodies")            seals each later request
    key of the answers = HKDF(token + key, "monoctl console: answers")           proves each later answer

HKDF is that of RFC 5869 with SHA-256, without salt, 32 bytes. `key` is 32 random bytes in the answer to `begin`: a
token that is found later, in a terminal or on a disk, opens nothing.

A **sealed body** is its number (12 bytes, big-endian) and the AES-256-GCM ciphertext of the body under that number as
its nonce; the associated data is `monoctl console`, a zero byte and the operation's name. The page counts from 1 and
uses no number twice; no number is accepted twice.

A **proof** is HMAC-SHA256 over the operation's name, a zero byte, the 16 random bytes that the page sent with the
request, the status (2 bytes, big-endian) and the body. A stream is proven by its head: the body counts as empty.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hmac
from collections.abc import Callable
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from monoskope.errors import UnauthenticatedError
from monoskope.http.messages import Accepted, Body, Response, Streamed
from monoskope.value import Unshared

KEY_SIZE = 32
"""Bytes of a token, and of each key."""

NONCE_SIZE = 16
"""Bytes that the page chooses at random for each request, and that the proof of its answer covers."""

NUMBER_SIZE = 12
"""Bytes of a sealed body's number: the size of AES-GCM's nonce."""

OVERHEAD = NUMBER_SIZE + 16
"""How many bytes a sealed body is longer than what is in it."""

REMEMBERED = 1024
"""How far behind the highest number a body may come. Older ones are refused, so that no more need be remembered."""

PROOF_HEADER = "Console-Proof"
"""The header of an answer with its proof, in base64url without padding."""

NONCE_HEADER = "Console-Nonce"
"""The header of a request with the page's random bytes, in base64url without padding."""


class NotThePageError(UnauthenticatedError):
    """What came was not sealed by the page of this session, or came before. It never says which."""

    def __init__(self) -> None:
        super().__init__(
            "This request does not come from the page to which this session belongs.",
            fix="Press Enter in the terminal where `monoctl console` runs: it opens a new page.",
        )


class Numbers:
    """Which numbers of one session's bodies have come."""

    def __init__(self) -> None:
        self._highest = 0
        self._seen = 0  # bit n: whether the number n below the highest has come

    def take(self, number: int) -> bool:
        """Return whether `number` comes for the first time and is at most `REMEMBERED` behind; it is then taken."""
        ahead = number - self._highest
        if ahead > 0:
            kept = self._seen << ahead if ahead <= REMEMBERED else 0
            self._seen = (kept | 1) & ((1 << REMEMBERED) - 1)
            self._highest = number
            return True
        if -ahead >= REMEMBERED or number < 1 or self._seen >> -ahead & 1:
            return False
        self._seen |= 1 << -ahead
        return True


class Beginning(Unshared):
    """What follows from the token of a link.

    Attributes:
        name: What `begin` sends in place of the token; it tells nothing of it.
    """

    def __init__(self, token: bytes) -> None:
        self.name = shown(_derived(token, "name of the token"))
        self._token = token
        self._answers = _derived(token, "answer to begin")

    def begun(self, key: bytes) -> Channel:
        """Return the channel of the session that begins, and forget the token. Call it once."""
        token, self._token = self._token, b""
        return Channel(token, key)

    def prove(self, nonce: bytes, status: int, body: bytes) -> str:
        """Return the proof of an answer to `begin`: only who was given the token can make it."""
        return _proof(self._answers, "begin", nonce, status, body)

    def __repr__(self) -> str:
        return "<Beginning>"


class Channel(Unshared):
    """The keys of one session, and which bodies have come.

    Args:
        token: The token of the link with which the page began.
        key: What the answer to `begin` held besides.
    """

    def __init__(self, token: bytes, key: bytes) -> None:
        self._bodies = AESGCM(_derived(token + key, "bodies"))
        self._answers = _derived(token + key, "answers")
        self._numbers = Numbers()

    def open(self, operation: str, sealed: bytes) -> bytes:
        """Return the body of a request to `operation`.

        Raises:
            NotThePageError: It was not sealed for this operation by the page of this session, or it came before.
        """
        number, ciphertext = sealed[:NUMBER_SIZE], sealed[NUMBER_SIZE:]
        try:
            body = self._bodies.decrypt(number, ciphertext, associated_data(operation))
        except (InvalidTag, ValueError):
            raise NotThePageError from None
        if not self._numbers.take(int.from_bytes(number, "big")):
            raise NotThePageError
        return body

    def prove(self, operation: str, nonce: bytes, status: int, body: bytes) -> str:
        """Return the proof that an answer comes from here, as its header has it."""
        return _proof(self._answers, operation, nonce, status, body)

    def __repr__(self) -> str:
        return "<Channel>"


def associated_data(operation: str) -> bytes:
    """Return what a sealed body is bound to."""
    return b"monoctl console\0" + operation.encode()


def nonce_of(header: str) -> bytes | None:
    """Return the page's random bytes from `NONCE_HEADER`; None if they are not exactly that."""
    try:
        nonce = base64.b64decode(header + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return nonce if len(nonce) == NONCE_SIZE and shown(nonce) == header else None


def shown(found: bytes) -> str:
    """Return bytes in base64url, without padding."""
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode()


def _derived(secret: bytes, purpose: str) -> bytes:
    info = f"monoctl console: {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=KEY_SIZE, salt=None, info=info).derive(secret)


def _proof(key: bytes, operation: str, nonce: bytes, status: int, body: bytes) -> str:
    covered = b"".join((operation.encode(), b"\0", nonce, status.to_bytes(2, "big"), body))
    return shown(hmac.digest(key, covered, "sha256"))


Prove = Callable[[int, bytes], str]
"""Makes the proof of an answer with this status and body."""

R = TypeVar("R", Response, Response | Streamed)


class SealedCall:
    """A call of which `inner` sees the opened body (`http.messages.Accepted`).

    Args:
        inner: What answers it.
        operation: Its name.
        channel: The session's.
        prove: Makes the proof of its answer.
        refused: Makes the answer to a body that the session's page did not seal.
    """

    def __init__(
        self,
        inner: Accepted,
        operation: str,
        channel: Channel,
        prove: Prove,
        refused: Callable[[NotThePageError], Response],
    ) -> None:
        self.most_body = inner.most_body + OVERHEAD
        self._inner = inner
        self._operation = operation
        self._channel = channel
        self._prove = prove
        self._refused = refused

    async def answer(self, body: Body) -> Response | Streamed:
        """Open the body and answer; nothing of it is held while the answer is made."""

        async def opened() -> bytes:
            return self._channel.open(self._operation, await body())

        try:
            return proven(await self._inner.answer(opened), self._prove)
        except NotThePageError as error:
            return proven(self._refused(error), self._prove)


def proven(answer: R, prove: Prove) -> R:
    """Return an answer with its proof. That of a stream is over its head: the connection is then ours."""
    body: bytes = getattr(answer, "body", b"")
    return dataclasses.replace(answer, headers=(*answer.headers, (PROOF_HEADER, prove(answer.status, body))))
