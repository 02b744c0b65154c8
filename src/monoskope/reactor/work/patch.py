"""PATCH: what it makes of a secret, computed from fingerprints alone: to change one key no other value is needed.

A secret's fingerprint is made from the fingerprints of its values (docs/protocol.md, Fingerprints). So where upstream
can be read, or a receipt of ours names its content, the fingerprint of the result is known before anything is written.
"""

from __future__ import annotations

from collections.abc import Sequence

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.payload import MAX_KEYS, BadPayloadError, Payload
from monoskope.reactor.identity.fingerprint import FingerprintKey, Fingerprints, digest_of
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.upstream.content import Content


def check_apart(changes: Payload | None, remove: Sequence[str]) -> None:
    """Raise `BadPayloadError` if a key is to be set and to be dropped: no client of ours asks for that."""
    if changes is not None and not changes.keys().isdisjoint(remove):
        raise BadPayloadError


def result_of(
    key: FingerprintKey, before: Content, changes: Payload | None, remove: Sequence[str]
) -> Fingerprints | None:
    """Return the fingerprints of what the patch makes of `before`, None if they cannot be known.

    Raises:
        FailedError: CONFLICT, a key to drop is not there; UPSTREAM_REFUSED, the result would have no key or too many.
    """
    if before.fingerprints is None:
        return None
    values = dict(before.fingerprints.values)
    if not values.keys() >= set(remove):
        raise FailedError(upload_pb2.REASON_CONFLICT, upstream_version=before.version)
    kept = {name: shown for name, shown in values.items() if name not in remove}
    after = kept | dict(key.fingerprints(changes).values if changes is not None else ())
    if not 1 <= len(after) <= MAX_KEYS:
        raise FailedError(upload_pb2.REASON_UPSTREAM_REFUSED, upstream_version=before.version)
    whole = key.whole_of({name: digest_of(shown) for name, shown in after.items()})
    return Fingerprints(key.shown(whole), tuple(sorted(after.items())))
