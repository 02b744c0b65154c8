"""Which of two readings of a value is the one that was put: text, or the bytes that standard base64 made that text of.

An engine that holds only text holds the same text for both, so it cannot tell. Our own receipt can: it has the
fingerprint of what was put. A reading that fits it is what was put; if none fits, something else is there. Nothing is
tried but these two, and nothing is compared but with what this store signed itself, so no caller learns more by it.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator, Mapping

from monoskope.protocol.payload import Payload
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.stores.driver import CannotReadError, Snapshot


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
