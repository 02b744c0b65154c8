"""Copy a secret into another store: the source's reactor puts it there. Nothing is sealed here, nobody sees a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk.given import Expect, expectation
from monoskope.client.walk.target import Target
from monoskope.client.walk.task import ASK, Doubt, Result, Task, unknown
from monoskope.errors import UsageError
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT, ProofError, open_signed
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.walk.walk import Walk

_DOUBT = Doubt(
    "it may or may not have been copied {request}.",
    fix=f"{ASK}, and look at the destination with `monoctl get secret`, before you copy it again.",
)


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
    signer: str = ""
    """Who signed the request, as the store's own list says; "" where the store takes unsigned ones."""
    signer_key: str = ""
    """The key that signed it, `SHA256:…`."""


async def copy(walk: Walk, source: Target, destination: Target, expect: Expect | str) -> Copy:
    """Copy the secret at `source` to `destination`, which `expect` is about. Raises as `Walk.run`.

    Raises:
        UsageError: both are in one store.
        OutcomeUnknownError: also if the source says that it copied, but shows nothing for this copy that the
            destination's pinned identity signed.
    """
    if source.uri.store == destination.uri.store:
        raise UsageError("source and destination are in one store.", fix="Name another store.")
    kind, version = expectation(expect)
    task = Task(
        uri=source.uri,
        purpose=upload_pb2.PURPOSE_COPY,
        doubt=_DOUBT,
        expect=kind,
        expect_version=version,
        destination=destination.uri,
        keep_labels=True,
        keep_expires_on=True,
    )
    result = await walk.run(task)
    there = _there(task, result, destination)
    return Copy(
        uri=str(source.uri),
        destination=str(destination.uri),
        outcome=spelled(upload_pb2.Outcome, there.outcome),
        hash=result.receipt.fingerprint,
        upstream_version=result.receipt.upstream_version,
        destination_version=there.upstream_version,
        request_id=result.request_id.hex(),
        signer=result.receipt.signer,
        signer_key=result.receipt.signer_key,
    )


def _there(task: Task, result: Result, destination: Target) -> Receipt:
    """Return the destination's receipt. That it is about this copy, `protocol.copy_request` has checked."""
    receipt, pin = result.receipt, destination.trust.pin
    assert receipt.destination is not None, "COPIED holds the destination's receipt"
    if receipt.destination_grant is None:
        raise unknown(task, result.request_id.hex(), f"{_SAYS} but not by which request")
    try:
        open_signed(receipt.destination_grant, UPLOAD_GRANT, pin)
        return parse_receipt(open_signed(receipt.destination, RECEIPT, pin))
    except ProofError as error:
        why = f"{_SAYS} but what is to prove that does not hold: {error.message}"
        raise unknown(task, result.request_id.hex(), why) from None


_SAYS = "its reactor says that it copied,"
