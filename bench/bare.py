"""What the three processes of a bare put share: its steps, its messages and its cryptography."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey, Suite

SERVICE = "bench.Bare"
ATTACH, ASK, UPLOAD = "Attach", "Ask", "Upload"
ID_BYTES = 16

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_IDENTITY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_PUBLIC = _IDENTITY.public_key()
_SIGNATURE_BYTES = 64
_MLKEM_BYTES = 1_184
_KEY_BYTES = _MLKEM_BYTES + 32
_SEALED_BYTES = 1_648
_PADDED = bytes(512)
_REST_OF_GRANT = bytes(300)
STARTED = bytes(150)
RECEIPT = bytes(400)
"""About as long as what receipts say."""


class Step(StrEnum):
    """What a bare put does beside its calls and messages."""

    CRYPTOGRAPHY = "cryptography"
    DISK = "disk"
    ENGINE = "engine"


class Kind(StrEnum):
    """A message's first character."""

    ASKED = "k"
    GRANTED = "g"
    SEALED = "u"
    STARTED = "s"
    ENDED = "e"
    RECORDED = "a"


@dataclass(frozen=True, slots=True)
class Message:
    """What goes over the reactor's stream."""

    kind: Kind
    request_id: bytes
    body: bytes = b""

    @classmethod
    def parse(cls, content: bytes) -> Message:
        """Read what `serialise` made."""
        return cls(Kind(content[:1].decode()), content[1 : 1 + ID_BYTES], content[1 + ID_BYTES :])

    def serialise(self) -> bytes:
        """Return the message as bytes."""
        return self.kind.value.encode() + self.request_id + self.body


class Stream(Protocol):
    """An end of the reactor's stream."""

    async def read(self) -> object:
        """Return the next message; what is not bytes is the end."""

    async def write(self, content: bytes, /) -> None:
        """Send a message."""


class Link:
    """An end of the reactor's stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._sending = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, message: Message) -> None:
        """Send a message, one at a time."""
        async with self._sending:
            await self._stream.write(message.serialise())

    async def serve(self, take: Callable[[Message], Coroutine[Any, Any, None] | None]) -> None:
        """Hand every message to `take` until the stream ends, and do beside each other what it returns."""
        while isinstance(content := await self._stream.read(), bytes):
            if (work := take(Message.parse(content))) is not None:
                task = asyncio.create_task(work)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)


@dataclass(frozen=True, slots=True)
class Cryptography:
    """The product's algorithms by the product's library, or as many bytes without them."""

    on: bool

    def sign(self, content: bytes) -> bytes:
        """Return a signature and `content`."""
        return (_IDENTITY.sign(content) if self.on else bytes(_SIGNATURE_BYTES)) + content

    def verified(self, signed: bytes) -> bytes:
        """Return what was signed."""
        content = signed[_SIGNATURE_BYTES:]
        if self.on:
            _PUBLIC.verify(signed[:_SIGNATURE_BYTES], content)
        return content

    def new_key(self) -> tuple[MLKEM768X25519PrivateKey | None, bytes]:
        """Return a one-time key, and what a grant says of it."""
        if not self.on:
            return None, bytes(_KEY_BYTES) + _REST_OF_GRANT
        lattice, curve = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
        public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
        return MLKEM768X25519PrivateKey(lattice, curve), public + _REST_OF_GRANT

    def seal(self, grant: bytes) -> bytes:
        """Return a sealed secret."""
        if not self.on:
            return bytes(_SEALED_BYTES)
        lattice, curve = grant[:_MLKEM_BYTES], grant[_MLKEM_BYTES:_KEY_BYTES]
        key = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(lattice), X25519PublicKey.from_public_bytes(curve)
        )
        return _SUITE.encrypt(_PADDED, key)

    def open(self, sealed: bytes, key: MLKEM768X25519PrivateKey | None) -> None:
        """Open a sealed secret."""
        if key is not None:
            _SUITE.decrypt(sealed, key)
