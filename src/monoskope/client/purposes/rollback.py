"""Roll a secret back: nothing is sealed, and a receipt says that the content of an earlier version is there again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.queries import Queries
from monoskope.client.walk.given import Expect, expectation
from monoskope.client.walk.target import Target, check_restores
from monoskope.client.walk.task import ASK, Doubt, Task
from monoskope.errors import UsageError
from monoskope.protocol.request import is_version
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.walk.walk import Walk

_MARK = "@"
"""In most engines a version's text is a number or an id, this, and what tells it from others of that number."""
_DOUBT = Doubt(
    "it may or may not have been rolled back {request}.",
    fix=f"{ASK} before you roll it back again.",
    done="restored",
)


class Rollback(Value, frozen=True):
    """A rollback that a receipt proves."""

    uri: str
    hash: str
    """The whole secret's fingerprint, `fp1:…`; "" if a lost write was found again and could not be read."""
    values: dict[str, str]
    """Each key's fingerprint, in key order."""
    upstream_version: str
    """The version that is upstream now, a new one."""
    prior_version: str
    """The version that was replaced, "" for nothing."""
    restored_version: str
    """The version whose content is there again."""
    request_id: str
    """32 hex digits."""
    signer: str = ""
    """Who signed the request, as the store's own list says; "" where the store takes unsigned ones."""
    signer_key: str = ""
    """The key that signed it, `SHA256:…`."""


def checked_version(to: str) -> str:
    """Return `to`. Raises `UsageError` if it can be no version."""
    if not is_version(to):
        raise UsageError(
            "the version to roll back to is not valid: 1 to 256 printable ASCII characters without spaces.",
            fix="Copy it from what `monoctl get secret --versions` shows.",
        )
    return to


async def _whole(to: str, target: Target, queries: Queries) -> str:
    """Return the one version that m8 lists whose text has `to` before its mark; `to` itself if it lists none.

    A wrong answer does no harm: the reactor compares the whole text with what the engine says.

    Raises:
        UsageError: there are several, as where numbers restarted.
    """
    listed = [view.upstream_version async for view in queries.secret_versions(str(target.uri))]
    found = sorted({each for each in listed if each.partition(_MARK)[0] == to})
    if len(found) > 1:
        raise UsageError(f"{target.uri} had several versions {to}.", fix=f"Name one in full: {', '.join(found)}.")
    return found[0] if found else to


async def rollback(walk: Walk, target: Target, to: str, expect: Expect | str, queries: Queries) -> Rollback:
    """Roll the secret at one target back. Raises as `Walk.run`, and `RefusedError` where no key is asked for."""
    check_restores(target.store, target.uri, "rollbackable")
    kind, version = expectation(expect)
    whole = to if _MARK in to else await _whole(to, target, queries)
    task = Task(
        uri=target.uri,
        purpose=upload_pb2.PURPOSE_ROLLBACK,
        doubt=_DOUBT,
        expect=kind,
        expect_version=version,
        to_version=whole,
    )
    result = await walk.run(task)
    receipt = result.receipt
    return Rollback(
        uri=str(target.uri),
        hash=receipt.fingerprint,
        values=dict(receipt.values),
        upstream_version=receipt.upstream_version,
        prior_version=receipt.prior_version,
        restored_version=receipt.restored_version,
        request_id=result.request_id.hex(),
        signer=receipt.signer,
        signer_key=receipt.signer_key,
    )
