"""What the page can have done: to secrets, with values and without, to their notes, and to pins."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import field

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.purposes import changes
from monoskope.errors import Error, UsageError
from monoskope.monoctl.console.operations import (
    Context,
    Expecting,
    Notes,
    Nothing,
    RecipeTexts,
    Texts,
    Timed,
    Words,
    engine_options,
    expected,
    several,
    single,
    tried,
)
from monoskope.monoctl.console.requests import Request, Text
from monoskope.monoctl.input.put_each import planned, put_each
from monoskope.monoctl.input.request_options import parse_day
from monoskope.monoctl.output.formats import Document
from monoskope.monoctl.output.listed import verify_listed
from monoskope.monoctl.output.views import preview
from monoskope.protocol.recipes import KINDS, Kind

if TYPE_CHECKING:
    from monoskope.client import Verification
    from monoskope.client.walk.checks import Preview


class OfUris(Timed, frozen=True):
    """About several secrets."""

    uris: Texts


class PutAsked(Notes, frozen=True, kw_only=True):
    """Where the values go, and what must be there."""

    uris: Texts
    each: bool = False
    dry_run: bool = False
    options: Words = field(default_factory=dict)


class PatchAsked(Expecting, frozen=True):
    """Which secrets get the values, and which keys they lose."""

    uris: Texts
    remove: tuple[Text, ...] = ()
    dry_run: bool = False
    options: Words = field(default_factory=dict)


async def names(_context: Context, _asked: Nothing, values: Mapping[str, bytes]) -> Document:
    """Answer the keys that the sources hold, in their order, and how many bytes each value has. Nothing is sent."""
    return {"keys": [{"key": key, "size": len(values[key])} for key in values]}


async def put(context: Context, asked: PutAsked, values: Mapping[str, bytes]) -> Document:
    """Put values at one URI or several, or with `each` one secret for each key."""
    client, uris, expect = context.client, list(asked.uris), expected(asked.expect)
    plan = planned(uris, values, each=asked.each, expect=expect)
    options, day = engine_options(asked.options), asked.day
    if asked.dry_run:
        return await _would(context, plan, lambda uri: client.preview_put(uri, plan[uri], expect=expect))
    send = functools.partial(client.put_secrets, expect=expect, options=options, labels=asked.labels, expires_on=day)
    work = put_each(send, plan, asked.timeout) if asked.each else send(uris, values, timeout=asked.timeout)
    return await several(context, work)


async def patch(context: Context, asked: PatchAsked, values: Mapping[str, bytes]) -> Document:
    """Set some keys, remove others, and leave the rest."""
    client, expect = context.client, expected(asked.expect, must_exist=True)
    options = engine_options(asked.options)
    changes(values, asked.remove)
    if asked.dry_run:
        would = functools.partial(client.preview_patch, values=values, remove=asked.remove, expect=expect)
        return await _would(context, asked.uris, would)
    work = client.patch_secrets(
        asked.uris, values, remove=asked.remove, expect=expect, options=options, timeout=asked.timeout
    )
    return await several(context, work)


async def compare(context: Context, asked: OfUris, values: Mapping[str, bytes]) -> Document:
    """Compare values with what stores hold. Nothing is written."""
    work = context.client.compare_secrets(asked.uris, values, timeout=asked.timeout)
    return await several(context, work, changes=False)


async def _would(context: Context, uris: Iterable[str], preview_of: Callable[[str], Awaitable[Preview]]) -> Document:
    """Return what would be sent to each, in rows."""

    async def seen() -> list[Preview | Error]:
        return [await tried(uri, preview_of(uri)) for uri in uris]

    return await several(context, seen(), preview, changes=False)


class GenerateAsked(Notes, frozen=True, kw_only=True):
    """Where, and what to make under each key."""

    uri: Text
    recipes: RecipeTexts


async def generate(context: Context, asked: GenerateAsked) -> Document:
    """Have a store's reactor make a secret; the answer has the public halves of key pairs."""
    expect, day = expected(asked.expect), asked.day
    work = context.client.generate_secret(
        asked.uri, asked.recipes, expect=expect, labels=asked.labels, expires_on=day, timeout=asked.timeout
    )
    return await single(context, asked.uri, work)


async def recipes(_context: Context, _asked: Nothing) -> Document:
    """Answer what reactors can make."""
    return {"kinds": [_kind(name, kind) for name, kind in KINDS.items()]}


def _kind(name: str, kind: Kind) -> Document:
    between = kind.sizes if isinstance(kind.sizes, range) else ()
    return {
        "name": name,
        "default": kind.default,
        "unit": kind.unit,
        "sizes": [] if between else list(kind.sizes),
        "least": between[0] if between else 0,
        "most": between[-1] if between else 0,
        "is_pair": kind.is_pair,
        "longest": kind.longest,
    }


class CopyAsked(Expecting, frozen=True):
    """From where to where, and which keys; none for all."""

    uri: Text
    destination: Text
    keys: tuple[Text, ...] = ()


class VerifyAsked(Timed, frozen=True):
    """What to verify: these, or all below a prefix ("" for all that the caller may see)."""

    uris: tuple[Text, ...] = ()
    prefix: Text | None = None


class DeleteAsked(Expecting, frozen=True):
    """What to delete, and what the user typed to confirm it."""

    uris: Texts
    typed: Text
    destroy: bool = False


class UndeleteAsked(Expecting, frozen=True):
    """What to bring back."""

    uris: Texts


class RollbackAsked(Expecting, frozen=True):
    """Which version is to be there again."""

    uri: Text
    to: Text


async def copy(context: Context, asked: CopyAsked) -> Document:
    """Have a reactor copy a secret to another place."""
    expect = expected(asked.expect)
    work = context.client.copy_secret(
        asked.uri, asked.destination, keys=asked.keys, expect=expect, timeout=asked.timeout
    )
    return await single(context, asked.uri, work)


async def import_(context: Context, asked: OfUris) -> Document:
    """Adopt secrets that others put into an engine."""
    work = context.client.import_secrets(asked.uris, timeout=asked.timeout)
    return await several(context, work)


async def verify(context: Context, asked: VerifyAsked) -> Document:
    """See whether stores still hold what was put. With a prefix, m8's list is compared with what it listed before."""
    if bool(asked.uris) == (asked.prefix is not None):
        raise UsageError("`uris` and `prefix` are both given, or neither is.", fix="Give one of them.")
    notes: list[str] = []

    async def work() -> Sequence[Verification | Error]:
        if asked.prefix is None:
            return await context.client.verify_secrets(asked.uris, timeout=asked.timeout)
        found = await verify_listed(context.client, (asked.prefix,) if asked.prefix else (), asked.timeout)
        notes.extend([*found.warnings, *found.notes])
        return found.results

    return await several(context, work(), notes=notes)


async def delete(context: Context, asked: DeleteAsked) -> Document:
    """Delete secrets, if the user typed what confirms it."""
    expect = expected(asked.expect, must_exist=True)
    await _check_typed(context, asked)
    work = context.client.delete_secrets(asked.uris, expect=expect, destroy=asked.destroy, timeout=asked.timeout)
    return await several(context, work)


async def _check_typed(context: Context, asked: DeleteAsked) -> None:
    """Raise `UsageError` unless the user typed the full URI, or of several how many there are."""
    count = len(asked.uris)
    wanted = f"delete {count} secrets" if count > 1 else await context.client.full_uri(asked.uris[0])
    if asked.typed != wanted:
        raise UsageError(
            "what you typed does not confirm the deletion; nothing was deleted.", fix=f"To confirm, type: {wanted}"
        )


async def undelete(context: Context, asked: UndeleteAsked) -> Document:
    """Bring back what was deleted last."""
    work = context.client.undelete_secrets(
        asked.uris, expect=expected(asked.expect, must_exist=True), timeout=asked.timeout
    )
    return await several(context, work)


async def rollback(context: Context, asked: RollbackAsked) -> Document:
    """Bring back an earlier version."""
    work = context.client.rollback_secret(asked.uri, asked.to, expect=expected(asked.expect), timeout=asked.timeout)
    return await single(context, asked.uri, work)


class LabelAsked(Request, frozen=True):
    """Labels to set, and names of labels to remove."""

    uri: Text
    set: Words = field(default_factory=dict)
    remove: tuple[Text, ...] = ()


class ExpireAsked(Request, frozen=True):
    """The day: YYYY-MM-DD, or 90d from today; "" removes it."""

    uri: Text
    on: Text


async def label(context: Context, asked: LabelAsked) -> Document:
    """Set and remove labels; the others stay."""
    if twice := set(asked.set) & set(asked.remove):
        raise UsageError(f"label {min(twice)!r} is to be set and removed.", fix="Do one of them.")
    edits: Mapping[str, str | None] = {**asked.set, **dict.fromkeys(asked.remove)}
    return await single(context, asked.uri, context.client.edit_notes(asked.uri, edits), _edited)


async def expire(context: Context, asked: ExpireAsked) -> Document:
    """Note when a secret expires."""
    day = parse_day(asked.on) if asked.on else ""
    return await single(context, asked.uri, context.client.edit_notes(asked.uri, expires_on=day), _edited)


def _edited(view: views_pb2.Secret) -> Document:
    return {"uri": view.uri, "outcome": "EDITED", "request_id": ""}


class Agreed(Request, frozen=True):
    """A store, and the identity that the user compared."""

    store: Text
    identity: Text


async def pin(context: Context, asked: Agreed) -> Document:
    """Pin the identity that the user compared. Raises `IdentityChangedError` if m8 shows, or the pin is, another."""
    pinned = await context.client.stores.trust(asked.store, asked.identity)
    # Receipts of this store can be checked now.
    context.tell_of_secrets()
    return {"store": asked.store, "identity": pinned}
