"""Requests as a reactor gets them, secrets that a client sealed for it, and what becomes of both."""

from __future__ import annotations

import gc
import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import SEALED_SECRET, labelled
from monoskope.protocol.outcomes import State
from monoskope.protocol.payload import Payload
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.request import Request, make_request
from monoskope.reactor.link.open_requests import OpenRequest
from monoskope.uri import SecretUri
from tests.support.memory_store import URI
from tests.support.vectors import EXPECT_NOTHING

SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
EMPTY = hashlib.sha256(b"").digest()
SECRET = {"password": b"correct horse battery", "user": b"app"}
Sign = Callable[[Grant, bytes], bytes]
"""Signs a request: its grant, and the SHA-256 of what is sealed."""


def seal(grant: Grant, plaintext: bytes, *, info: bytes | None = None) -> bytes:
    """Return encapsulated key || ciphertext as a client makes it."""
    public = MLKEM768X25519PublicKey(
        mlkem.MLKEM768PublicKey.from_public_bytes(grant.public_key[:1184]),
        x25519.X25519PublicKey.from_public_bytes(grant.public_key[1184:]),
    )
    return SUITE.encrypt(plaintext, public, info=labelled(SEALED_SECRET, grant.content) if info is None else info)


def ask(
    purpose: upload_pb2.Purpose = upload_pb2.PURPOSE_UPLOAD,
    *,
    uri: SecretUri = URI,
    expect: upload_pb2.Expect | None = None,
    suites: tuple[int, ...] = (1,),
    **fields: Any,
) -> Request:
    default = upload_pb2.EXPECT_UNSPECIFIED if purpose in EXPECT_NOTHING else upload_pb2.EXPECT_ANY
    return make_request(
        request_id=secrets.token_bytes(16),
        purpose=purpose,
        uri=uri,
        expect=default if expect is None else expect,
        suites=suites,
        **fields,
    )


def outcome(receipt: Receipt) -> str:
    """Return the outcome of a receipt, and the reason of a failure."""
    text = upload_pb2.Outcome.Name(receipt.outcome).removeprefix("OUTCOME_")
    return f"{text} {upload_pb2.Reason.Name(receipt.reason).removeprefix('REASON_')}" if receipt.reason else text


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the garbage collector: what goes meanwhile goes by itself."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def opened(request: Request, state: State = State.REQUESTED, version: int = 1) -> OpenRequest:
    """Return `request` as m8's events tell it."""
    return OpenRequest(request.request_id, version=version, state=state, request=request.content, subject="alice")


def payload_is_alive(marker: bytes) -> bool:
    """Whether a Payload that holds `marker` is still alive, garbage that only the collector would find included."""
    payloads = [found for found in gc.get_objects() if isinstance(found, Payload)]
    return any(marker in payload.values() for payload in payloads)
