"""Undelete a secret: nothing is sealed, and a receipt says which version came back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk.checks import Wanted
from monoskope.client.walk.given import Expect, expectation
from monoskope.client.walk.target import Target, check_restores
from monoskope.client.walk.task import ASK, Doubt, Task
from monoskope.errors import UsageError
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.walk.walk import Walk

_DOUBT = Doubt(
    "it may or may not have been undeleted {request}.",
    fix=f"{ASK} before you undelete it again.",
    done="undeleted",
)


class Undeletion(Value, frozen=True):
    """An undeletion that a receipt proves."""

    uri: str
    hash: str
    """The whole secret's fingerprint, `fp1:…`; "" if the engine cannot be read and no receipt of it is known."""
    values: dict[str, str]
    """Each key's fingerprint, in key order."""
    upstream_version: str
    """The version that is upstream now: in most engines the one that was deleted, in some a new one."""
    restored_version: str
    """The version that was deleted."""
    request_id: str
    """32 hex digits."""
    signer: str = ""
    """Who signed the request, as the store's own list says; "" where the store takes unsigned ones."""
    signer_key: str = ""
    """The key that signed it, `SHA256:…`."""


def expected_deleted(expect: Expect | str) -> tuple[upload_pb2.Expect, str]:
    """Return the protocol's form of what must have been deleted. Raises `UsageError` for ABSENT."""
    if expect is Expect.ABSENT:
        raise UsageError("what was never there cannot come back.", fix="Expect a deleted version, or leave it out.")
    return expectation(expect)


def to_undelete(expect: Expect | str) -> Wanted:
    """Return what is to be checked before the first of several undeletions."""
    return Wanted(upload_pb2.PURPOSE_UNDELETE, expect=expected_deleted(expect)[0])


async def undelete(walk: Walk, target: Target, expect: Expect | str) -> Undeletion:
    """Undelete the secret at one target. Raises as `Walk.run`, and `RefusedError` where no key is asked for."""
    check_restores(target.store, target.uri, "undeletable")
    kind, version = expected_deleted(expect)
    task = Task(
        uri=target.uri,
        purpose=upload_pb2.PURPOSE_UNDELETE,
        doubt=_DOUBT,
        expect=kind,
        expect_version=version,
    )
    result = await walk.run(task)
    receipt = result.receipt
    return Undeletion(
        uri=str(target.uri),
        hash=receipt.fingerprint,
        values=dict(receipt.values),
        upstream_version=receipt.upstream_version,
        restored_version=receipt.restored_version,
        request_id=result.request_id.hex(),
        signer=receipt.signer,
        signer_key=receipt.signer_key,
    )
