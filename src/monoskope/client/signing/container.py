"""The container of a signature: OpenSSH's SSHSIG (PROTOCOL.sshsig), made and read back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from monoskope.client.signing.public_key import ECDSA, HARDWARE, PublicKey, from_wire
from monoskope.client.signing.ssh_wire import Reader, string, u32
from monoskope.errors import RefusedError, UsageError
from monoskope.protocol.signed_request import MAX_SIGNATURE, NAMESPACE, statement
from monoskope.value import Value

_MAGIC = b"SSHSIG"
_VERSION = 1
_HASH = b"sha512"
ALGORITHMS = {
    "ssh-ed25519": frozenset({"ssh-ed25519"}),
    "ssh-rsa": frozenset({"rsa-sha2-256", "rsa-sha2-512"}),
    **{kind: frozenset({kind}) for kind in (*ECDSA, *HARDWARE)},
}
"""The algorithms in which a key of each type may sign: its own, and for RSA never the one with SHA-1."""


class Made(Value, frozen=True):
    """A signature that was made, as its container says."""

    content: bytes
    """What is sent."""
    public: PublicKey

    @property
    def key(self) -> str:
        """The key as a receipt shows it, `SHA256:…`."""
        return self.public.shown


def sshsig(public: PublicKey, grant_sha256: bytes, sealed_sha256: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """Return an SSHSIG without armour; `sign` returns the key's signature over a message, in SSH's form."""
    message = statement(grant_sha256, sealed_sha256)
    rest = string(NAMESPACE.encode()) + string(b"") + string(_HASH)
    signature = sign(_MAGIC + rest + string(hashlib.sha512(message).digest()))
    return _MAGIC + u32(_VERSION) + string(public.content) + rest + string(signature)


def read_back(content: bytes) -> Made:
    """Return what a signer made, if it is an SSHSIG for requests.

    Whether it verifies, the reactor says. An ssh-agent that does not know newer RSA signatures answers with one that
    uses SHA-1: that is told here, before anything is sent.

    Raises:
        UsageError: it is none.
        RefusedError: the signature is of an algorithm that no reactor takes.
    """
    name = "what the signer returned"
    if len(content) > MAX_SIGNATURE:
        raise UsageError(f"{name} is larger than {MAX_SIGNATURE:,} bytes.", fix="Sign with a smaller certificate.")
    reader = Reader(content, name)
    if reader.take(len(_MAGIC)) != _MAGIC or reader.u32() != _VERSION:
        raise UsageError(f"{name} is not an SSHSIG without armour.", fix="Return the binary form, not the PEM form.")
    public = from_wire(reader.string(), name)
    if (reader.string(), reader.string(), reader.string()) != (NAMESPACE.encode(), b"", _HASH):
        raise UsageError(f"{name} is for another namespace or hash.", fix=f"Sign for {NAMESPACE} with sha512.")
    signature = Reader(reader.string(), name)
    reader.end()
    algorithm = signature.string().decode("ascii", "replace")
    if algorithm not in ALGORITHMS[public.kind]:
        raise RefusedError(
            f"the signer signed with {algorithm[:64]!r}, which reactors do not take; nothing was sent.",
            fix="Update the ssh-agent, or use an ed25519 key.",
        )
    return Made(content, public)
