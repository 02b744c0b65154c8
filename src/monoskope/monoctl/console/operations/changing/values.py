"""What is done with values that the page sends: the names in them, put, patch and compare."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import field

from monoskope.client.purposes.patch import changes
from monoskope.errors import Error
from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.operations.changing.results import several
from monoskope.monoctl.console.operations.fields import (
    TIMEOUT_S,
    Notes,
    Nothing,
    Seconds,
    Text,
    Texts,
    Words,
    engine_options,
    expected,
)
from monoskope.monoctl.console.operations.operation import Request
from monoskope.monoctl.input.put_each import planned, put_each
from monoskope.monoctl.output import done
from monoskope.monoctl.output.formats import Document
from monoskope.monoctl.output.views import preview

if TYPE_CHECKING:
    from monoskope.client.walk.checks import Preview


class PutAsked(Notes, frozen=True, kw_only=True):
    """Where the values go, and what must be there."""

    uris: Texts
    expect: Text = "any"
    each: bool = False
    dry_run: bool = False
    options: Words = field(default_factory=dict)
    timeout: Seconds = TIMEOUT_S


class PatchAsked(Request, frozen=True):
    """Which secrets get the values, and which keys they lose."""

    uris: Texts
    remove: tuple[Text, ...] = ()
    expect: Text = "any"
    dry_run: bool = False
    options: Words = field(default_factory=dict)
    timeout: Seconds = TIMEOUT_S


class CompareAsked(Request, frozen=True):
    """What to compare with the values."""

    uris: Texts
    timeout: Seconds = TIMEOUT_S


async def names(_desk: Desk, _asked: Nothing, values: Mapping[str, bytes]) -> Document:
    """Answer the keys that the sources hold, in their order, and how many bytes each value has. Nothing is sent."""
    return {"keys": [{"key": key, "size": len(values[key])} for key in values]}


async def put(desk: Desk, asked: PutAsked, values: Mapping[str, bytes]) -> Document:
    """Put values at one URI or several, or with `each` one secret for each key."""
    client, uris, expect = desk.client, list(asked.uris), expected(asked.expect)
    plan = planned(uris, values, each=asked.each, expect=expect)
    options, day = engine_options(asked.options), asked.day
    if asked.dry_run:
        return await _would(
            desk, ((uri, functools.partial(client.preview_put, uri, plan[uri], expect=expect)) for uri in plan)
        )
    send = functools.partial(client.put_secrets, expect=expect, options=options, labels=asked.labels, expires_on=day)
    work = put_each(send, plan, asked.timeout) if asked.each else send(uris, values, timeout=asked.timeout)
    return await several(desk, work, done.put)


async def patch(desk: Desk, asked: PatchAsked, values: Mapping[str, bytes]) -> Document:
    """Set some keys, remove others, and leave the rest."""
    client, expect = desk.client, expected(asked.expect, must_exist=True)
    options = engine_options(asked.options)
    changes(values, asked.remove)
    if asked.dry_run:
        would = functools.partial(client.preview_patch, remove=asked.remove, expect=expect)
        return await _would(desk, ((uri, functools.partial(would, uri, values)) for uri in asked.uris))
    work = client.patch_secrets(
        asked.uris, values, remove=asked.remove, expect=expect, options=options, timeout=asked.timeout
    )
    return await several(desk, work, done.put)


async def compare(desk: Desk, asked: CompareAsked, values: Mapping[str, bytes]) -> Document:
    """Compare values with what stores hold. Nothing is written."""
    work = desk.client.compare_secrets(asked.uris, values, timeout=asked.timeout)
    return await several(desk, work, done.comparison, changes=False)


async def _would(desk: Desk, previews: Iterable[tuple[str, Callable[[], Awaitable[Preview]]]]) -> Document:
    """Return what would be sent to each, in rows."""

    async def seen() -> list[Preview | Error]:
        found: list[Preview | Error] = []
        for uri, would in previews:
            try:
                found.append(await would())
            except Error as error:
                error.uri = error.uri or uri
                found.append(error)
        return found

    return await several(desk, seen(), preview, changes=False)
