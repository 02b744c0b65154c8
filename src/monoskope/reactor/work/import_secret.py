"""IMPORT: sign a receipt for what is upstream, so that m8 knows it. Nothing is written, no value leaves the reactor."""

from __future__ import annotations

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.receipt import Receipt, make_receipt
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.upstream.content import Upstream
from monoskope.reactor.work.delivery import DeliveredRequest


async def import_secret(upstream: Upstream, delivered: DeliveredRequest) -> Receipt:
    """Read what is upstream and return the receipt that names its version and its fingerprints.

    Raises:
        FailedError: NOT_FOUND, nothing is there.
        DriverError: the engine cannot be asked, or what is there cannot be read.
    """
    content = await upstream.read(delivered.grant.request.uri)
    if content is None:
        raise FailedError(upload_pb2.REASON_NOT_FOUND)
    assert content.fingerprints is not None, "what was read has fingerprints"
    return make_receipt(
        grant=delivered.grant,
        sealed_sha256=delivered.sha256,
        signer=delivered.signer,
        signer_key=delivered.signer_key,
        outcome=upload_pb2.OUTCOME_IMPORTED,
        upstream_version=content.version,
        fingerprint=content.fingerprints.whole,
        values=content.fingerprints.values,
    )
