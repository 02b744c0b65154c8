"""COMPARE: whether what was sealed is what upstream holds, and under which keys it differs. Nothing is written."""

from __future__ import annotations

import hmac

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.receipt import Receipt, make_receipt
from monoskope.reactor.identity.fingerprint import Fingerprints
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.upstream.content import Upstream
from monoskope.reactor.work.delivery import DeliveredRequest


async def compare(upstream: Upstream, delivered: DeliveredRequest, sent: Fingerprints) -> Receipt:
    """Compare what is upstream with the fingerprints of what was sent, and return the receipt of that.

    Raises:
        FailedError: CANNOT_READ, what is upstream is not known; CONFLICT, it changes whenever it is looked at.
        DriverError: the engine cannot be asked.
    """
    content = await upstream.compared(delivered.grant.request)
    if content.fingerprints is None:
        raise FailedError(upload_pb2.REASON_CANNOT_READ, upstream_version=content.version)
    found = _differences(sent, content.fingerprints)
    return make_receipt(
        grant=delivered.grant,
        sealed_sha256=delivered.sha256,
        signer=delivered.signer,
        signer_key=delivered.signer_key,
        outcome=upload_pb2.OUTCOME_DIFFERENT if found else upload_pb2.OUTCOME_EQUAL,
        upstream_version=content.version,
        differences=found,
    )


def _differences(sent: Fingerprints, there: Fingerprints) -> list[tuple[str, upload_pb2.DifferenceKind]]:
    """Return in key order where what is upstream differs from what was sent; [] if nowhere."""
    ours, theirs = dict(sent.values), dict(there.values)
    found: list[tuple[str, upload_pb2.DifferenceKind]] = []
    for key in sorted(ours.keys() | theirs.keys()):
        if key not in theirs:
            found.append((key, upload_pb2.DIFFERENCE_KIND_MISSING))
        elif key not in ours:
            found.append((key, upload_pb2.DIFFERENCE_KIND_EXTRA))
        elif not hmac.compare_digest(ours[key], theirs[key]):
            found.append((key, upload_pb2.DIFFERENCE_KIND_CHANGED))
    return found
