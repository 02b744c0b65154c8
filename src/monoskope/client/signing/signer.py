"""What signs requests: any object with one method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from monoskope.client.signing.public_key import SigningKey
from monoskope.protocol.grant import Grant
from monoskope.protocol.signed_request import statement
from monoskope.protocol.sshsig import serialise, signed_bytes


class Signer(Protocol):
    """Signs requests. `Client(signer=…)` takes any object that does so."""

    async def sign(self, grant: Grant, sealed_sha256: bytes) -> bytes:
        """Return an SSHSIG without armour, over the statement about a request.

        Args:
            grant: The grant that the client has checked. Its `request` says what is asked.
            sealed_sha256: SHA-256 of the sealed bytes, 32 bytes; of no bytes where nothing is sealed.

        Raises:
            Error: it does not sign; nothing is sent.
        """


class LocalSigner(ABC):
    """A signer whose key is on this machine: what the signers of this package have in common."""

    @abstractmethod
    def public(self) -> SigningKey:
        """Return the key, or the certificate, as it is now. Asks no person. Raises as `prepare`."""

    @abstractmethod
    def prepare(self) -> None:
        """Do what may fail or ask a person, before a one-time key is requested. Call it as often as you like.

        Raises:
            UsageError: the key is not set up as it must be, such as one that is too short, or a certificate that ended.
            RefusedError: the file of a private key is open to others, or its passphrase is wrong.
            UnavailableError: the ssh-agent does not answer, or does not hold the key.
        """

    @property
    def needs_touch(self) -> bool:
        """Whether a person has to touch a security key. Raises as `prepare`."""
        return self.public().needs_touch

    @property
    @abstractmethod
    def is_prepared(self) -> bool:
        """Whether `sign` needs no answer of a person."""

    @abstractmethod
    async def sign(self, grant: Grant, sealed_sha256: bytes) -> bytes:
        """Sign as `Signer.sign`, without holding up an event loop."""

    def sign_now(self, grant: Grant, sealed_sha256: bytes) -> bytes:
        """Sign as `sign`; it blocks until it is done."""
        public = self.public()
        message = signed_bytes(statement(grant.sha256, sealed_sha256))
        return serialise(public.signer.blob, self._signature(public, message, grant.lifetime_s))

    @abstractmethod
    def _signature(self, public: SigningKey, message: bytes, within_s: float) -> bytes:
        """Return the key's signature over a message, in SSH's wire form, made within so many seconds."""
