"""What a store's reactor does without a value of the client's: generate, import, verify and copy."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.queries import Queries
from monoskope.client.walk.given import Expect, Notes, expectation
from monoskope.client.walk.results import Copy, Generated, Import, Verification
from monoskope.client.walk.target import Target
from monoskope.client.walk.task import Result, Task, unknown
from monoskope.errors import UsageError
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT, ProofError, open_signed
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.payload import Recipes
from monoskope.protocol.receipt import Receipt, parse_receipt

if TYPE_CHECKING:
    from monoskope.client.walk.walk import Walk

_SAYS = "its reactor says that it copied,"


async def generate(walk: Walk, target: Target, recipes: Recipes, expect: Expect | str, notes: Notes) -> Generated:
    """Have one secret generated at one target. Raises as `Walk.run`."""
    kind, version = expectation(expect)
    task = Task(
        uri=target.uri,
        purpose=upload_pb2.PURPOSE_GENERATE,
        expect=kind,
        expect_version=version,
        labels=notes.labels,
        expires_on=notes.expires_on,
        keep_labels=notes.keep_labels,
        keep_expires_on=notes.keep_expires_on,
        recipes=recipes,
    )
    return Generated.of(task, await walk.run(task))


async def import_secret(walk: Walk, target: Target) -> Import:
    """Have a receipt made for what is upstream at one target; nothing is written. Raises as `Walk.run`."""
    task = Task(uri=target.uri, purpose=upload_pb2.PURPOSE_IMPORT)
    return Import.of(task, await walk.run(task))


async def verify(walk: Walk, target: Target, queries: Queries) -> Verification:
    """Verify that one target still holds what its newest receipt says. Raises as `Walk.run`.

    m8 gives the receipt to the reactor. The receipts that it shows and that it gave are compared, so that it cannot
    give an older one.

    Raises:
        ProofError: the reactor was given another receipt than m8 shows as the newest, before and after.
    """
    uri = str(target.uri)
    before = await _shown(queries, uri)
    task = Task(uri=target.uri, purpose=upload_pb2.PURPOSE_VERIFY)
    result = await walk.run(task)
    compared = result.receipt.verified_sha256
    if before is not None and compared != before and compared != await _shown(queries, uri):
        raise ProofError(f"{uri}: the store was asked about another receipt than the newest that m8 shows")
    return Verification.of(task, result, newest=None if before is None else True)


async def _shown(queries: Queries, uri: str) -> bytes | None:
    """Return the SHA-256 of the receipt that m8 shows, None if it shows none."""
    secret = await queries.secret(uri)
    return hashlib.sha256(secret.receipt.content).digest() if secret.HasField("receipt") else None


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
        expect=kind,
        expect_version=version,
        destination=destination.uri,
        keep_labels=True,
        keep_expires_on=True,
    )
    result = await walk.run(task)
    there = _there(task, result, destination)
    return Copy.of(
        task,
        result,
        destination=str(destination.uri),
        outcome=spelled(upload_pb2.Outcome, there.outcome),
        destination_version=there.upstream_version,
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
