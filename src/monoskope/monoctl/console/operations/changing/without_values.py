"""What is done to secrets without a value: copy, import, verify, delete, and what brings them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from monoskope.errors import Error, UsageError
from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.operations.changing.results import several, single
from monoskope.monoctl.console.operations.fields import TIMEOUT_S, Seconds, Text, Texts, expected
from monoskope.monoctl.console.operations.operation import Request
from monoskope.monoctl.output import done
from monoskope.monoctl.output.formats import Document
from monoskope.monoctl.output.listed import verify_listed

if TYPE_CHECKING:
    from monoskope.client import Verification


class CopyAsked(Request, frozen=True):
    """From where to where."""

    uri: Text
    destination: Text
    expect: Text = "any"
    timeout: Seconds = TIMEOUT_S


class ImportAsked(Request, frozen=True):
    """What to adopt."""

    uris: Texts
    timeout: Seconds = TIMEOUT_S


class VerifyAsked(Request, frozen=True):
    """What to verify: these, or all below a prefix ("" for all that the caller may see)."""

    uris: tuple[Text, ...] = ()
    prefix: Text | None = None
    timeout: Seconds = TIMEOUT_S


class DeleteAsked(Request, frozen=True):
    """What to delete, and what the user typed to confirm it."""

    uris: Texts
    typed: Text
    expect: Text = "any"
    destroy: bool = False
    timeout: Seconds = TIMEOUT_S


class UndeleteAsked(Request, frozen=True):
    """What to bring back."""

    uris: Texts
    expect: Text = "any"
    timeout: Seconds = TIMEOUT_S


class RollbackAsked(Request, frozen=True):
    """Which version is to be there again."""

    uri: Text
    to: Text
    expect: Text = "any"
    timeout: Seconds = TIMEOUT_S


async def copy(desk: Desk, asked: CopyAsked) -> Document:
    """Have a reactor copy a secret into another store."""
    work = desk.client.copy_secret(asked.uri, asked.destination, expect=expected(asked.expect), timeout=asked.timeout)
    return await single(desk, asked.uri, work, done.copied)


async def import_(desk: Desk, asked: ImportAsked) -> Document:
    """Adopt secrets that others put into an engine."""
    work = desk.client.import_secrets(asked.uris, timeout=asked.timeout)
    return await several(desk, work, done.imported)


async def verify(desk: Desk, asked: VerifyAsked) -> Document:
    """See whether stores still hold what was put. With a prefix, m8's list is compared with what it listed before."""
    if bool(asked.uris) == (asked.prefix is not None):
        raise UsageError("`uris` and `prefix` are both given, or neither is.", fix="Give one of them.")
    notes: list[str] = []

    async def work() -> Sequence[Verification | Error]:
        if asked.prefix is None:
            return await desk.client.verify_secrets(asked.uris, timeout=asked.timeout)
        found = await verify_listed(desk.client, (asked.prefix,) if asked.prefix else (), asked.timeout)
        notes.extend([*found.warnings, *found.notes])
        return found.results

    return await several(desk, work(), done.verified, notes=notes)


async def delete(desk: Desk, asked: DeleteAsked) -> Document:
    """Delete secrets, if the user typed what confirms it."""
    expect = expected(asked.expect, must_exist=True)
    await _check_typed(desk, asked)
    work = desk.client.delete_secrets(asked.uris, expect=expect, destroy=asked.destroy, timeout=asked.timeout)
    return await several(desk, work, done.deleted)


async def _check_typed(desk: Desk, asked: DeleteAsked) -> None:
    """Raise `UsageError` unless the user typed the full URI, or of several how many there are."""
    count = len(asked.uris)
    wanted = f"delete {count} secrets" if count > 1 else await desk.client.full_uri(asked.uris[0])
    if asked.typed != wanted:
        raise UsageError(
            "what you typed does not confirm the deletion; nothing was deleted.", fix=f"To confirm, type: {wanted}"
        )


async def undelete(desk: Desk, asked: UndeleteAsked) -> Document:
    """Bring back what was deleted last."""
    work = desk.client.undelete_secrets(
        asked.uris, expect=expected(asked.expect, must_exist=True), timeout=asked.timeout
    )
    return await several(desk, work, done.undeleted)


async def rollback(desk: Desk, asked: RollbackAsked) -> Document:
    """Bring back an earlier version."""
    work = desk.client.rollback_secret(asked.uri, asked.to, expect=expected(asked.expect), timeout=asked.timeout)
    return await single(desk, asked.uri, work, done.rolled_back)
