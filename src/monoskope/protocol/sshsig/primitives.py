"""The computations, by `cryptography`: the only file of this package that knows it. What it raises ends here."""

from __future__ import annotations

import functools
import hashlib

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from monoskope.protocol.sshsig.fields import uint32
from monoskope.protocol.sshsig.keys import RSA_EXPONENT, Curve, KeySignature, PublicKey

_CURVES: dict[str, ec.EllipticCurve] = {
    "nistp256": ec.SECP256R1(),
    "nistp384": ec.SECP384R1(),
    "nistp521": ec.SECP521R1(),
}
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "nistp256": hashes.SHA256(),
    "nistp384": hashes.SHA384(),
    "nistp521": hashes.SHA512(),
    "rsa-sha2-256": hashes.SHA256(),
    "rsa-sha2-512": hashes.SHA512(),
}
_Loaded = Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey


def is_on_curve(curve: Curve, point: bytes) -> bool:
    """Whether `point`, which is uncompressed, is one of `curve`."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[curve.name], point)
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True


def verify(key: PublicKey, signature: KeySignature, message: bytes) -> bool:
    """Whether `signature` is the one of `key` over `message`."""
    if key.kind.hardware:
        message = _hardware_message(key, signature, message)
    try:
        _check(_load(key), key, signature, message)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


@functools.lru_cache(maxsize=64)
def _load(key: PublicKey) -> _Loaded:
    """The same few keys sign again and again."""
    if key.kind.curve is not None:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[key.kind.curve.name], key.point)
    if key.modulus:
        return rsa.RSAPublicNumbers(RSA_EXPONENT, key.modulus).public_key()
    return Ed25519PublicKey.from_public_bytes(key.point)


def _check(loaded: _Loaded, key: PublicKey, signature: KeySignature, message: bytes) -> None:
    match loaded:
        case ec.EllipticCurvePublicKey() if key.kind.curve is not None:
            loaded.verify(encode_dss_signature(*signature.numbers), message, ec.ECDSA(_HASHES[key.kind.curve.name]))
        case rsa.RSAPublicKey():
            loaded.verify(signature.body, message, padding.PKCS1v15(), _HASHES[signature.algorithm])
        case Ed25519PublicKey():
            loaded.verify(signature.body, message)
        case _:
            raise InvalidSignature


def _hardware_message(key: PublicKey, signature: KeySignature, message: bytes) -> bytes:
    """Return what a FIDO device signs (PROTOCOL.u2f): no extension data, so no flag that announces any helps."""
    head = hashlib.sha256(key.application).digest() + bytes([signature.flags]) + uint32(signature.counter)
    return head + hashlib.sha256(message).digest()
