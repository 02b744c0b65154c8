"""Verify a secret: does upstream still hold what its newest receipt says? Nothing is sealed or written."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.queries import Queries
from monoskope.client.walk.target import Target
from monoskope.client.walk.task import Doubt, Task
from monoskope.protocol.identity import ProofError
from monoskope.protocol.outcomes import spelled
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.walk.walk import Walk

IN_SYNC = "IN_SYNC"
_DOUBT = Doubt(
    "whether it is in sync is not known {request}. Nothing was written.",
    fix="Verify again.",
)


class Verification(Value, frozen=True):
    """A verification that a receipt proves."""

    uri: str
    outcome: str
    """"IN_SYNC", "DRIFTED" (something else is upstream) or "GONE" (nothing is)."""
    upstream_version: str
    """The version that is upstream, "" for nothing."""
    newest: bool | None
    """Whether the reactor compared with the newest receipt that m8 shows; None without the right to see receipts."""
    request_id: str
    """32 hex digits."""
    signer: str = ""
    """Who signed the request, as the store's own list says; "" where the store takes unsigned ones."""
    signer_key: str = ""
    """The key that signed it, `SHA256:…`."""

    @property
    def in_sync(self) -> bool:
        """Whether upstream holds what the receipt says."""
        return self.outcome == IN_SYNC


async def verify(walk: Walk, target: Target, queries: Queries) -> Verification:
    """Verify the secret at one target. Raises as `Walk.run`.

    m8 gives the receipt to the reactor. The receipts that it shows and that it gave are compared, so that it cannot
    give an older one.

    Raises:
        ProofError: the reactor was given another receipt than m8 shows as the newest, before and after.
    """
    uri = str(target.uri)
    before = await _shown(queries, uri)
    result = await walk.run(
        Task(
            uri=target.uri,
            purpose=upload_pb2.PURPOSE_VERIFY,
            doubt=_DOUBT,
        )
    )
    compared = result.receipt.verified_sha256
    if before is not None and compared != before and compared != await _shown(queries, uri):
        raise ProofError(f"{uri}: the store was asked about another receipt than the newest that m8 shows")
    return Verification(
        uri=uri,
        outcome=spelled(upload_pb2.Outcome, result.receipt.outcome),
        upstream_version=result.receipt.upstream_version,
        newest=None if before is None else True,
        request_id=result.request_id.hex(),
        signer=result.receipt.signer,
        signer_key=result.receipt.signer_key,
    )


async def _shown(queries: Queries, uri: str) -> bytes | None:
    """Return the SHA-256 of the receipt that m8 shows, None if it shows none."""
    secret = await queries.secret(uri)
    return hashlib.sha256(secret.receipt.content).digest() if secret.HasField("receipt") else None
