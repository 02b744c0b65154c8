"""Delete a secret from a store: nothing is sealed, and a receipt says what was deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk.checks import Wanted
from monoskope.client.walk.given import Expect, expected
from monoskope.client.walk.target import Target
from monoskope.client.walk.task import ASK, Doubt, Task
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.walk.walk import Walk

__all__ = ["Deletion", "delete", "expected", "to_delete"]

_DOUBT = Doubt(
    "it may or may not have been deleted {request}.",
    fix=f"{ASK} before you delete it again.",
    done="deleted",
)


class Deletion(Value, frozen=True):
    """A deletion that a receipt proves."""

    uri: str
    deleted_version: str
    """The upstream version that was there."""
    destroyed: bool
    """Whether it was to be erased for good."""
    request_id: str
    """32 hex digits."""
    signer: str = ""
    """Who signed the request, as the store's own list says; "" where the store takes unsigned ones."""
    signer_key: str = ""
    """The key that signed it, `SHA256:…`."""


def to_delete(expect: Expect | str) -> Wanted:
    """Return what is to be checked before the first of several deletions."""
    return Wanted(upload_pb2.PURPOSE_DELETE, expect=expected(expect)[0])


async def delete(walk: Walk, target: Target, expect: Expect | str, *, destroy: bool) -> Deletion:
    """Delete the secret at one target. Raises as `Walk.run`."""
    kind, version = expected(expect)
    task = Task(
        uri=target.uri,
        purpose=upload_pb2.PURPOSE_DELETE,
        doubt=_DOUBT,
        expect=kind,
        expect_version=version,
        destroy=destroy,
    )
    result = await walk.run(task)
    receipt = result.receipt
    return Deletion(
        uri=str(target.uri),
        deleted_version=receipt.prior_version,
        destroyed=destroy,
        request_id=result.request_id.hex(),
        signer=receipt.signer,
        signer_key=receipt.signer_key,
    )
