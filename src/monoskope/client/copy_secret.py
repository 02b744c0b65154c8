"""Copy a secret into another store: the source's reactor puts it there. Nothing is sealed here, nobody sees a value."""

from __future__ import annotations

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.put import Expect, expectation
from monoskope.client.target import Target
from monoskope.client.task import Task
from monoskope.client.walk import Walk
from monoskope.errors import UsageError
from monoskope.protocol.identity import ProofError, open_signed
from monoskope.protocol.labels import RECEIPT
from monoskope.protocol.names import spelled
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.value import Value


class Copy(Value, frozen=True):
    """A copy that receipts of both stores prove."""

    uri: str
    destination: str
    outcome: str
    """What the destination's receipt says: "UPLOADED", or "UNCHANGED" if the same content was there."""
    hash: str
    """The whole secret's fingerprint in both stores, `fp1:…`."""
    upstream_version: str
    """The version that was read at the source."""
    destination_version: str
    """The version that is at the destination now."""
    request_id: str
    """32 hex digits."""


async def copy(walk: Walk, source: Target, destination: Target, expect: Expect | str) -> Copy:
    """Copy the secret at `source` to `destination`, which `expect` is about. Raises as `Walk.run`.

    Raises:
        UsageError: both are in one store.
        ProofError: the source says that it copied, but its proof is not signed by the destination's pinned identity.
    """
    if source.uri.store == destination.uri.store:
        raise UsageError("source and destination are in one store.", fix="Name another store.")
    kind, version = expectation(expect)
    task = Task(
        uri=source.uri,
        purpose=upload_pb2.PURPOSE_COPY,
        plaintext=b"",
        expect=kind,
        expect_version=version,
        destination=destination.uri,
    )
    result = await walk.run(task)
    there = _there(result.receipt, destination)
    return Copy(
        uri=str(source.uri),
        destination=str(destination.uri),
        outcome=spelled(upload_pb2.Outcome, there.outcome),
        hash=result.receipt.fingerprint,
        upstream_version=result.receipt.upstream_version,
        destination_version=there.upstream_version,
        request_id=result.request_id.hex(),
    )


def _there(receipt: Receipt, destination: Target) -> Receipt:
    """Return the destination's receipt; that it is about the same secret, the protocol has checked."""
    assert receipt.destination is not None, "COPIED holds the destination's receipt"
    try:
        return parse_receipt(open_signed(receipt.destination, RECEIPT, destination.trust.pin))
    except ProofError as error:
        raise ProofError(f"{destination.uri}: what proves the copy there does not hold: {error.message}") from None
