"""The fingerprint key K. Fingerprints of equal secrets are equal in every store, and mean nothing without K.

They are HMAC-SHA-256 under K (docs/protocol.md, Fingerprints). No store, path or option goes in.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from monoskope.errors import UsageError, docs_page
from monoskope.protocol.identity import FINGERPRINT, FINGERPRINT_KEY_ID, FINGERPRINT_VALUE, WRITE_INTENT, labelled
from monoskope.settings import read_private
from monoskope.value import Unshared

KEY_FILE = "fingerprint.key"
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """The fingerprints of one secret, as shown (`fp1:<16 hex>:<64 hex>`)."""

    whole: str
    values: tuple[tuple[str, str], ...]
    """By key, in key order."""


class FingerprintKey(Unshared):
    """K. Shows its id, never itself; refuses copying and pickling.

    Raises:
        UsageError: not 32 bytes.
    """

    __slots__ = ("_key", "key_id")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise UsageError(
                "a fingerprint key must have 32 bytes.",
                fix="The file is damaged: move it aside, then import the key: m8 reactor fingerprint-key import.",
            )
        self._key = key
        self.key_id = self._mac(FINGERPRINT_KEY_ID)[:8].hex()
        """16 hex digits."""

    def __repr__(self) -> str:
        return f"<FingerprintKey {self.key_id}>"

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read K of the reactor in `folder`; raises as `read_private` does, and `UsageError` for another size."""
        fix = (
            f"For the first reactor of a new m8: m8 reactor fingerprint-key new {folder} . If m8 has another reactor,"
            f" export the key there, then: m8 reactor fingerprint-key import {folder} FILE . If the key was here and is"
            f" gone: {docs_page('operate/lost-fingerprint-key.md')}."
        )
        return cls(read_private(folder / KEY_FILE, missing=fix))

    def value(self, key: str, value: bytes) -> bytes:
        """Return the 32-byte fingerprint of one value under its key."""
        return self._mac(FINGERPRINT_VALUE, _sized(key.encode("ascii")) + _sized(value))

    def whole(self, secret: Mapping[str, bytes]) -> bytes:
        """Return the 32-byte fingerprint of a secret."""
        return self.whole_of({key: self.value(key, secret[key]) for key in secret})

    def whole_of(self, values: Mapping[str, bytes]) -> bytes:
        """Return the fingerprint of a secret from its values' fingerprints."""
        parts = [_sized(key.encode("ascii")) + values[key] for key in sorted(values)]
        return self._mac(FINGERPRINT, len(parts).to_bytes(4, "big") + b"".join(parts))

    def shown(self, digest: bytes) -> str:
        """Return a fingerprint as people see it."""
        return f"fp1:{self.key_id}:{digest.hex()}"

    def fingerprints(self, secret: Mapping[str, bytes]) -> Fingerprints:
        """Return all fingerprints of a secret, as shown."""
        values = {key: self.value(key, secret[key]) for key in sorted(secret)}
        return Fingerprints(
            self.shown(self.whole_of(values)), tuple((key, self.shown(digest)) for key, digest in values.items())
        )

    def intent(self, write_tag: bytes, whole: bytes) -> bytes:
        """Return the 32 bytes by which a write can be recognised in what is read back."""
        return self._mac(WRITE_INTENT, write_tag + whole)

    def _mac(self, label: bytes, content: bytes = b"") -> bytes:
        return hmac.digest(self._key, labelled(label, content), hashlib.sha256)


def digest_of(shown: str) -> bytes:
    """Return the 32 bytes of a fingerprint as shown."""
    return bytes.fromhex(shown.rpartition(":")[2])


def new_key() -> bytes:
    """Return 32 random bytes for a K."""
    return secrets.token_bytes(KEY_BYTES)


def _sized(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text
