"""An age file under a passphrase that costs next to nothing to open: real ones take a second of CPU each."""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64encode

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_LOG_N = 1


def encrypt(content: bytes, passphrase: str) -> bytes:
    """Encrypt at most 64 KiB as age v1 does (https://age-encryption.org/v1), with scrypt's least work factor."""
    file_key, salt, nonce = (os.urandom(16) for _ in range(3))
    label = b"age-encryption.org/v1/scrypt" + salt
    wrapping = hashlib.scrypt(passphrase.encode(), salt=label, n=1 << _LOG_N, r=8, p=1, dklen=32)
    body = ChaCha20Poly1305(wrapping).encrypt(bytes(12), file_key, None)
    header = f"age-encryption.org/v1\n-> scrypt {_text(salt)} {_LOG_N}\n{_text(body)}\n---".encode()
    mac = hmac.digest(_derived(file_key, b"", b"header"), header, "sha256")
    last = bytes(11) + b"\x01"  # the first chunk, and the last
    payload = ChaCha20Poly1305(_derived(file_key, nonce, b"payload")).encrypt(last, content, None)
    return header + f" {_text(mac)}\n".encode() + nonce + payload


def _derived(file_key: bytes, salt: bytes, label: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=salt, info=label).derive(file_key)


def _text(raw: bytes) -> str:
    return b64encode(raw).decode().rstrip("=")
