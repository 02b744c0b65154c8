"""The values that a request writes: whether the engine can take them, and what a PATCH or a ROLLBACK makes.

Values that the engine could never take end a request before anything is compared. If only the write refused such
values, a request would be an oracle that changes nothing: a right guess would end as UNCHANGED and a wrong one as
refused. Here both end alike. What a driver cannot know before the write counts as a guess when the write ends
(docs/adr/0007-store-drivers.md).

PATCH: what it makes of a secret, computed from fingerprints alone: to change one key no other value is needed.

A secret's fingerprint is made from the fingerprints of its values (docs/protocol.md, Fingerprints). So where upstream
can be read, or a receipt of ours names its content, the fingerprint of the result is known before anything is written.

ROLLBACK: read an earlier version, to write its content as a new one. No value comes from outside or leaves.
"""

from __future__ import annotations

from collections.abc import Sequence

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.payload import MAX_KEYS, BadPayloadError, Payload
from monoskope.protocol.request import Request
from monoskope.reactor.admission import OUTSIDE_KEY_RULE, driver_options
from monoskope.reactor.identity.fingerprint import FingerprintKey, Fingerprints, digest_of
from monoskope.reactor.reasons import FailedError, failed_by
from monoskope.reactor.upstream.content import Content
from monoskope.stores.driver import DriverError, StoreDriver


def check_fitting(driver: StoreDriver, request: Request, payload: Payload | None) -> None:
    """Return if the engine could take `payload` as `request` has it.

    Args:
        driver: The engine's.
        request: The granted request.
        payload: What was sealed or made for it, None for nothing: then only a patch that drops keys is checked.

    Raises:
        FailedError: UNSUPPORTED, a key is outside the engine's rule; else what the driver's refusal becomes.
    """
    if payload is None and not request.remove_keys:
        return
    rule = driver.capabilities.key_rule
    if rule is not None and payload is not None and not all(rule.fullmatch(key) for key in payload):
        raise FailedError(upload_pb2.REASON_UNSUPPORTED, detail=OUTSIDE_KEY_RULE)
    if not request.rules.writes:
        return  # Nothing is written, and the options of this request do not say how the values were written.
    remove = request.remove_keys if request.rules.merges else None
    options = driver_options(driver, request)
    try:
        driver.check_payload(request.uri.path, payload, remove=remove, options=options)
    except DriverError as error:
        failure = failed_by(error)
    else:
        return
    # Raised here, so that it does not refer to the driver's error, whose frames know the values.
    raise failure


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


async def earlier_content(driver: StoreDriver, request: Request) -> Payload:
    """Return the content of the version that is to be there again.

    Raises:
        FailedError: CANNOT_READ, the engine never had that version at this place, or does not keep it.
        DriverError: the engine cannot be asked, or the version cannot be read back.
    """
    snapshot = await driver.read_at(request.uri.path, request.to_version)
    if snapshot is None or snapshot.version != request.to_version:
        raise FailedError(upload_pb2.REASON_CANNOT_READ)
    return snapshot.payload
