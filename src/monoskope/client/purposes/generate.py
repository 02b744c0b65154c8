"""Generate a secret: the store's reactor makes the values. Nothing is sealed, and nobody sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk.given import Expect, Notes, expectation
from monoskope.client.walk.target import Target
from monoskope.client.walk.task import ASK, Doubt, Task
from monoskope.protocol.payload import Recipes
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.walk.walk import Walk

_DOUBT = Doubt(
    "it may or may not have been generated {request}.",
    fix=f"{ASK} before you generate it again.",
    done="generated",
)


class Generated(Value, frozen=True):
    """A generated secret that a receipt proves."""

    uri: str
    hash: str
    """The whole secret's fingerprint, `fp1:…`; "" if the engine cannot be read and a lost write was found again."""
    values: dict[str, str]
    """Each key's fingerprint, in key order."""
    public_values: dict[str, str]
    """Each key pair's public half under its key, PEM, in key order; {} if a lost write was found and not read."""
    upstream_version: str
    """The version that is upstream now."""
    request_id: str
    """32 hex digits."""
    signer: str = ""
    """Who signed the request, as the store's own list says; "" where the store takes unsigned ones."""
    signer_key: str = ""
    """The key that signed it, `SHA256:…`."""


async def generate(walk: Walk, target: Target, recipes: Recipes, expect: Expect | str, notes: Notes) -> Generated:
    """Have one secret generated at one target. Raises as `Walk.run`."""
    kind, version = expectation(expect)
    task = Task(
        uri=target.uri,
        purpose=upload_pb2.PURPOSE_GENERATE,
        doubt=_DOUBT,
        expect=kind,
        expect_version=version,
        labels=notes.labels,
        expires_on=notes.expires_on,
        keep_labels=notes.keep_labels,
        keep_expires_on=notes.keep_expires_on,
        recipes=recipes,
    )
    result = await walk.run(task)
    receipt = result.receipt
    return Generated(
        uri=str(target.uri),
        hash=receipt.fingerprint,
        values=dict(receipt.values),
        public_values=dict(receipt.public_values),
        upstream_version=receipt.upstream_version,
        request_id=result.request_id.hex(),
        signer=receipt.signer,
        signer_key=receipt.signer_key,
    )
