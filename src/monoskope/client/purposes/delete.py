"""What takes content away and brings it back: delete, undelete and roll back. Nothing is sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.queries import Queries
from monoskope.client.walk.checks import Wanted
from monoskope.client.walk.given import Expect, expectation, expected
from monoskope.client.walk.results import Deletion, Rollback, Undeletion
from monoskope.client.walk.target import Target, check_restores
from monoskope.client.walk.task import Task
from monoskope.errors import UsageError
from monoskope.protocol.request import is_version

if TYPE_CHECKING:
    from monoskope.client.walk.walk import Walk

_MARK = "@"
"""In most engines a version's text is a number or an id, this, and what tells it from others of that number."""


def to_delete(expect: Expect | str) -> Wanted:
    """Return what is to be checked before the first of several deletions."""
    return Wanted(upload_pb2.PURPOSE_DELETE, expect=expected(expect)[0])


async def delete(walk: Walk, target: Target, expect: Expect | str, *, destroy: bool) -> Deletion:
    """Delete the secret at one target. Raises as `Walk.run`."""
    kind, version = expected(expect)
    task = Task(
        uri=target.uri,
        purpose=upload_pb2.PURPOSE_DELETE,
        expect=kind,
        expect_version=version,
        destroy=destroy,
    )
    return Deletion.of(task, await walk.run(task), destroyed=destroy)


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
    task = Task(uri=target.uri, purpose=upload_pb2.PURPOSE_UNDELETE, expect=kind, expect_version=version)
    return Undeletion.of(task, await walk.run(task))


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
    """Write the content of an earlier version again at one target.

    Raises as `Walk.run`, and `RefusedError` where no key is asked for.
    """
    check_restores(target.store, target.uri, "rollbackable")
    kind, version = expectation(expect)
    task = Task(
        uri=target.uri,
        purpose=upload_pb2.PURPOSE_ROLLBACK,
        expect=kind,
        expect_version=version,
        to_version=to if _MARK in to else await _whole(to, target, queries),
    )
    return Rollback.of(task, await walk.run(task))
