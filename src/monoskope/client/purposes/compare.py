"""Compare a secret with what a store holds: sealed like a put, answered without a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.purposes.put import fitting
from monoskope.client.walk.target import Target
from monoskope.client.walk.task import Doubt, Task
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.request import Options
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.walk.walk import Walk

_DOUBT = Doubt(
    "whether it is equal is not known {request}. Nothing was written.",
    fix="Compare again.",
)


class Comparison(Value, frozen=True):
    """A comparison that a receipt proves."""

    uri: str
    equal: bool
    differences: dict[str, str]
    """Key to "MISSING" (upstream lacks it), "EXTRA" (only upstream has it) or "CHANGED", in key order."""
    upstream_version: str
    """The version that was compared with."""
    request_id: str
    """32 hex digits."""
    signer: str = ""
    """Who signed the request, as the store's own list says; "" where the store takes unsigned ones."""
    signer_key: str = ""
    """The key that signed it, `SHA256:…`."""


async def compare(walk: Walk, target: Target, plaintext: bytes, options: Options | None) -> Comparison:
    """Compare one encoded secret with one target. Raises as `Walk.run`."""
    task = Task(
        uri=target.uri,
        purpose=upload_pb2.PURPOSE_COMPARE,
        doubt=_DOUBT,
        plaintext=plaintext,
        options=fitting(options, target.store.type),
    )
    result = await walk.run(task)
    receipt = result.receipt
    return Comparison(
        uri=str(target.uri),
        equal=receipt.outcome == upload_pb2.OUTCOME_EQUAL,
        differences={key: spelled(upload_pb2.DifferenceKind, kind) for key, kind in receipt.differences},
        upstream_version=receipt.upstream_version,
        request_id=result.request_id.hex(),
        signer=receipt.signer,
        signer_key=receipt.signer_key,
    )
