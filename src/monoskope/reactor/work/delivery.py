"""What m8 delivered for a request of ours, and what is checked where nothing was to be sealed."""

from __future__ import annotations

from dataclasses import dataclass, field

from monoskope.protocol.grant import ENCAPSULATED_KEY_BYTES, Grant
from monoskope.protocol.payload import BadPayloadError
from monoskope.protocol.receipt import Receipt, sealed_digest
from monoskope.reactor.keys import Offer, OneTimeKeys
from monoskope.reactor.upstream.first_look import FirstLook


@dataclass(frozen=True, slots=True)
class Sealed:
    """What m8 delivered for a request of ours."""

    grant: Grant
    """Our own copy, never m8's."""
    encapsulated_key: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)
    sha256: bytes
    """Of what was delivered; empty if that is not what the log names: then receipts say that nothing was received."""
    version: int
    """The stream's."""
    born: float
    """Monotonic seconds when the key was made."""
    first_look: FirstLook | None = field(repr=False)
    """What was upstream then; None for a request that writes nothing here."""
    newest: Receipt | None = None
    """The newest receipt for the secret that m8 handed over, verified; None if it is none of ours."""

    @classmethod
    def of(
        cls, offer: Offer, delivered: bytes, announced_sha256: bytes, version: int, *, newest: Receipt | None = None
    ) -> Sealed:
        """Take apart encapsulated key || ciphertext, delivered for the grant in `offer`."""
        encapsulated, ciphertext = delivered[:ENCAPSULATED_KEY_BYTES], delivered[ENCAPSULATED_KEY_BYTES:]
        digest = sealed_digest(encapsulated, ciphertext)
        return cls(
            offer.grant,
            encapsulated,
            ciphertext,
            digest if digest == announced_sha256 else b"",
            version,
            offer.born,
            offer.first_look,
            newest,
        )


def open_nothing(keys: OneTimeKeys, sealed: Sealed) -> float:
    """Take the key of a request that seals nothing out of its table: it dies unused. Return its age in seconds.

    Raises:
        BadPayloadError: something was sealed all the same.
        FailedError: KEY_LOST without a key, EXPIRED after its lifetime.
    """
    request_id = sealed.grant.request.request_id
    if not sealed.sha256 or sealed.encapsulated_key or sealed.ciphertext:
        keys.forget(request_id)
        raise BadPayloadError
    return keys.discard(request_id)
