"""Import a secret: what is upstream gets a receipt. Nothing is sealed, nothing is written upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk.target import Target
from monoskope.client.walk.task import Doubt, Task
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.walk.walk import Walk

_DOUBT = Doubt(
    "whether it was imported is not known {request}. Nothing was written upstream.",
    fix="Import it again.",
)


class Import(Value, frozen=True):
    """An import that a receipt proves."""

    uri: str
    hash: str
    """The whole secret's fingerprint, `fp1:…`."""
    values: dict[str, str]
    """Each key's fingerprint, in key order."""
    upstream_version: str
    """The version that is upstream."""
    request_id: str
    """32 hex digits."""
    signer: str = ""
    """Who signed the request, as the store's own list says; "" where the store takes unsigned ones."""
    signer_key: str = ""
    """The key that signed it, `SHA256:…`."""


async def import_secret(walk: Walk, target: Target) -> Import:
    """Import the secret at one target. Raises as `Walk.run`."""
    result = await walk.run(
        Task(
            uri=target.uri,
            purpose=upload_pb2.PURPOSE_IMPORT,
            doubt=_DOUBT,
        )
    )
    receipt = result.receipt
    return Import(
        uri=str(target.uri),
        hash=receipt.fingerprint,
        values=dict(receipt.values),
        upstream_version=receipt.upstream_version,
        request_id=result.request_id.hex(),
        signer=receipt.signer,
        signer_key=receipt.signer_key,
    )
