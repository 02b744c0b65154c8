"""The fingerprint key K. Fingerprints of equal secrets are equal in every store, and mean nothing without K.

They are HMAC-SHA-256 under K (docs/protocol.md, Fingerprints). No store, path or option goes in.

An engine that holds only text holds the same text for a text and for the bytes that standard base64 made that text of.
Our own receipt tells which of the two was put: it has the fingerprint. If neither reading fits it, something else is
there. No other reading is tried, and nothing is compared but with what this store signed itself, so no caller learns
more by it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from monoskope.errors import UsageError, docs_page
from monoskope.protocol.identity import FINGERPRINT, FINGERPRINT_KEY_ID, FINGERPRINT_VALUE, WRITE_INTENT, labelled
from monoskope.protocol.payload import Payload
from monoskope.settings import read_private
from monoskope.stores.driver import CannotReadError, Snapshot
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


class UndecidedError(CannotReadError):
    """A value of `version` can be read in two ways, and no receipt of ours says which is right."""

    def __init__(self, version: str) -> None:
        super().__init__("a value in the engine could be text or base64.")
        self.version = version


def decided(snapshot: Snapshot, key: FingerprintKey, shown: Mapping[str, str]) -> Snapshot:
    """Return `snapshot` with one reading of each value.

    Args:
        snapshot: As it was read.
        key: K.
        shown: The values' fingerprints by key, as a receipt of ours for this version has them.

    Raises:
        UndecidedError: a value has two readings, and none of them has that fingerprint.
    """
    if not snapshot.either:
        return snapshot
    values = dict(snapshot.payload)
    for name in snapshot.either:
        fitting = _fitting(name, values[name], key, shown.get(name, ""))
        if fitting is None:
            raise UndecidedError(snapshot.version)
        values[name] = fitting
    return Snapshot(snapshot.version, Payload(values))


def readings(snapshot: Snapshot) -> Iterator[Payload]:
    """Yield the readings that a write can have left: all values as they are, and all that can be decoded."""
    yield snapshot.payload
    if snapshot.either:
        yield Payload(
            {name: _decoded(value) if name in snapshot.either else value for name, value in snapshot.payload.items()}
        )


def _fitting(name: str, text: bytes, key: FingerprintKey, shown: str) -> bytes | None:
    for reading in (text, _decoded(text)):
        if hmac.compare_digest(key.shown(key.value(name, reading)), shown):
            return reading
    return None


def _decoded(text: bytes) -> bytes:
    return base64.b64decode(text, validate=True)
