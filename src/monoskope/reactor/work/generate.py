"""GENERATE: make values with the operating system's random generator. No person sees them. No other file makes values.

They are held like what was opened: in a `Payload` that is erased before a receipt is sent. Private halves are PEM,
PKCS#8, unencrypted; public halves are PEM, SubjectPublicKeyInfo.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.payload import Payload, Recipe, Recipes
from monoskope.reactor.limits import has_room
from monoskope.reactor.reasons import FailedError

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
"""Of passwords: 56 letters and digits that are not confused, 5.8 bits each."""

MAX_WAITING = 16
"""How many RSA keys may wait to be made; those of one subject at most half of what the others leave."""

_EXPONENT = 65_537


class Generator:
    """Makes values. RSA keys are made in a thread, one at a time, so that heartbeats and other requests go on."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "generate")
        self._waiting: Counter[str] = Counter()

    async def generate(self, recipes: Recipes, subject: str) -> Payload:
        """Return a new secret made by `recipes` for `subject`.

        Raises:
            FailedError: RATE_LIMITED, too many RSA keys wait to be made already.
        """
        slow = sum(recipe.kind == "rsa" for recipe in recipes)
        own = self._waiting[subject]
        if slow and not has_room(own + slow - 1, self._waiting.total() - own, MAX_WAITING):
            # Each of them takes about a second.
            raise FailedError(upload_pb2.REASON_RATE_LIMITED, retry_after_s=self._waiting.total())
        self._waiting[subject] += slow
        try:
            return Payload({recipe.key: await self._value(recipe) for recipe in recipes})
        finally:
            self._waiting[subject] -= slow
            self._waiting += Counter()  # Drops the subjects with a count of zero.

    async def _value(self, recipe: Recipe) -> bytes:
        size = recipe.effective_size
        match recipe.kind:
            case "password":
                return "".join(secrets.choice(ALPHABET) for _ in range(size)).encode("ascii")
            case "hex":
                return secrets.token_bytes(size).hex().encode("ascii")
            case "base64":
                return base64.b64encode(secrets.token_bytes(size))
            case "rsa":
                return await asyncio.get_running_loop().run_in_executor(self._thread, _rsa, size)
            case _:
                return _pem(Ed25519PrivateKey.generate())


def public_halves(recipes: Recipes, payload: Payload) -> tuple[tuple[str, str], ...]:
    """Return key and public half of each key pair in a secret that was made by `recipes`, in key order."""
    return tuple((recipe.key, _public(payload[recipe.key])) for recipe in recipes if recipe.is_pair)


def _rsa(bits: int) -> bytes:
    return _pem(generate_private_key(_EXPONENT, bits))


def _pem(private: RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public(pem: bytes) -> str:
    public = load_pem_private_key(pem, None).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
