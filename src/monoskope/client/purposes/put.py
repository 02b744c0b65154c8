"""Put a secret into a store: what is sent, and what a proven success says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk.checks import Wanted
from monoskope.client.walk.given import Expect, Notes, expectation
from monoskope.client.walk.target import Target
from monoskope.client.walk.task import ASK, Doubt, Result, Task
from monoskope.protocol.notes import are_for
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.request import Options
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.walk.walk import Walk

DOUBT = Doubt(
    "it may or may not have been written {request}.",
    fix=f"{ASK}, or `monoctl compare secret`, before you put it again.",
)


class PutResult(Value, frozen=True):
    """A put or a patch that a receipt proves."""

    hidden = frozenset({"receipt"})

    uri: str
    outcome: str
    """"UPLOADED", or "UNCHANGED" if the same content was there."""
    hash: str
    """The whole secret's fingerprint, `fp1:…`; "" if the engine cannot be read and a lost write was found again.

    After a patch of what the reactor neither can read nor knows from a receipt it is "", too.
    """
    values: dict[str, str]
    """Each key's fingerprint, in key order."""
    upstream_version: str
    """The version that is upstream now; what `expect` can name."""
    request_id: str
    """32 hex digits."""
    receipt: upload_pb2.Signed | None = None
    """The receipt itself, to be shown to others who pin the store."""
    signer: str = ""
    """Who signed the request, as the store's own list says; "" where the store takes unsigned ones."""
    signer_key: str = ""
    """The key that signed it, `SHA256:…`."""


def wanted(values: Mapping[str, bytes], expect: Expect | str) -> Wanted:
    """Return what is to be checked before the first of several puts."""
    return Wanted(upload_pb2.PURPOSE_UPLOAD, tuple(sorted(values)), expectation(expect)[0])


def fitting(options: Options | None, store_type: str) -> Options | None:
    """Return `options` if they are for stores of that type, else None."""
    return options if options is not None and are_for(options, store_type) else None


async def put(  # noqa: PLR0917 - one call, from one place
    walk: Walk, target: Target, plaintext: bytes, expect: Expect | str, options: Options | None, notes: Notes
) -> PutResult:
    """Put one encoded secret at one target. Raises as `Walk.run`."""
    kind, version = expectation(expect)
    task = Task(
        uri=target.uri,
        purpose=upload_pb2.PURPOSE_UPLOAD,
        doubt=DOUBT,
        plaintext=plaintext,
        expect=kind,
        expect_version=version,
        options=fitting(options, target.store.type),
        labels=notes.labels,
        expires_on=notes.expires_on,
        keep_labels=notes.keep_labels,
        keep_expires_on=notes.keep_expires_on,
    )
    return result_of(target, await walk.run(task))


def result_of(target: Target, result: Result) -> PutResult:
    """Return what a receipt proves of a write."""
    receipt = result.receipt
    return PutResult(
        uri=str(target.uri),
        outcome=spelled(upload_pb2.Outcome, receipt.outcome),
        hash=receipt.fingerprint,
        values=dict(receipt.values),
        upstream_version=receipt.upstream_version,
        request_id=result.request_id.hex(),
        signer=receipt.signer,
        signer_key=receipt.signer_key,
        receipt=result.signed,
    )
