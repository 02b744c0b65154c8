"""VERIFY: whether upstream still holds what our newest receipt says, by version and, where it can be read, by content.

A version is never given twice for one place, so another version is drift, whatever its content: a put that expects what
our receipt names would not find it. Equal versions are compared by content where values can be read and the receipt has
fingerprints under the current key; otherwise the version alone decides.
"""

from __future__ import annotations

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import Grant
from monoskope.protocol.receipt import Receipt, make_receipt
from monoskope.reactor.identity.fingerprint import Fingerprints
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.upstream.content import Content, Upstream
from monoskope.reactor.upstream.readings import UndecidedError
from monoskope.reactor.work.delivery import DeliveredRequest
from monoskope.stores.driver import NOTHING
from monoskope.uri import SecretUri

_Found = tuple[upload_pb2.Outcome, str]


async def verify(upstream: Upstream, delivered: DeliveredRequest) -> Receipt:
    """Compare what is upstream with the newest receipt of ours that was delivered, and return the receipt of that.

    Raises:
        FailedError: CONFLICT, there is no such receipt.
        DriverError: the engine cannot be asked, or what is there under the same version cannot be read.
    """
    newest = delivered.newest
    if newest is None:
        raise FailedError(upload_pb2.REASON_CONFLICT)
    outcome, version = await _found(upstream, delivered.grant, newest)
    return make_receipt(
        grant=delivered.grant,
        sealed_sha256=delivered.sha256,
        signer=delivered.signer,
        signer_key=delivered.signer_key,
        outcome=outcome,
        upstream_version=version,
        verified_sha256=newest.sha256,
    )


async def _found(upstream: Upstream, grant: Grant, newest: Receipt) -> _Found:
    uri, deleted = grant.request.uri, newest.outcome == upload_pb2.OUTCOME_DELETED
    if not upstream.driver.capabilities.versions:
        return await _recognised(upstream, grant, newest)
    version = await upstream.driver.read_version(uri.path)
    if version == NOTHING:
        return (upload_pb2.OUTCOME_IN_SYNC if deleted else upload_pb2.OUTCOME_GONE), NOTHING
    if version != newest.upstream_version:
        return upload_pb2.OUTCOME_DRIFTED, version
    if not upstream.driver.capabilities.readable:
        return upload_pb2.OUTCOME_IN_SYNC, version
    return await _read(upstream, uri, newest)


async def _read(upstream: Upstream, uri: SecretUri, newest: Receipt) -> _Found:
    """Compare the content of the version that the receipt names."""
    try:
        content = await upstream.read(uri, newest)
    except UndecidedError as undecided:
        # Each value was read in every way in which it could have been put, and one fits the receipt in none.
        same = undecided.version == newest.upstream_version and not _comparable(upstream, newest)
        return (upload_pb2.OUTCOME_IN_SYNC if same else upload_pb2.OUTCOME_DRIFTED), undecided.version
    if content is None:
        return upload_pb2.OUTCOME_GONE, NOTHING
    same = content.version == newest.upstream_version and _fits(upstream, content, newest)
    return (upload_pb2.OUTCOME_IN_SYNC if same else upload_pb2.OUTCOME_DRIFTED), content.version


async def _recognised(upstream: Upstream, grant: Grant, newest: Receipt) -> _Found:
    """Compare by content alone, in an engine without versions.

    Raises:
        FailedError: CANNOT_READ, the content cannot be read, or the receipt's fingerprints are under another key.
        DriverError: the engine cannot be asked.
    """
    content = await upstream.recognised(grant.request.uri, newest)
    deleted = newest.outcome == upload_pb2.OUTCOME_DELETED
    if content.version == NOTHING:
        return (upload_pb2.OUTCOME_IN_SYNC if deleted else upload_pb2.OUTCOME_GONE), NOTHING
    if content.fingerprints is None or not (_comparable(upstream, newest) or deleted):
        raise FailedError(upload_pb2.REASON_CANNOT_READ)
    same = content.version == newest.upstream_version
    return (upload_pb2.OUTCOME_IN_SYNC if same else upload_pb2.OUTCOME_DRIFTED), content.version


def _comparable(upstream: Upstream, newest: Receipt) -> bool:
    """Whether the receipt has fingerprints under the key of now."""
    return newest.fingerprint.startswith(f"fp1:{upstream.fingerprint_key.key_id}:")


def _fits(upstream: Upstream, content: Content, newest: Receipt) -> bool:
    if not _comparable(upstream, newest):
        return True
    return content.equals(Fingerprints(newest.fingerprint, newest.values))
