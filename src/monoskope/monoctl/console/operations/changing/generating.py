"""Secrets that a reactor makes by itself, so that nobody sees them."""

from __future__ import annotations

from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.operations.changing.results import single
from monoskope.monoctl.console.operations.fields import TIMEOUT_S, Notes, Nothing, Seconds, Text, Words, expected
from monoskope.monoctl.output import done
from monoskope.monoctl.output.formats import Document
from monoskope.protocol.payload import KINDS, Kind


class GenerateAsked(Notes, frozen=True, kw_only=True):
    """Where, and what to make under each key: "password:32"."""

    uri: Text
    recipes: Words
    expect: Text = "any"
    timeout: Seconds = TIMEOUT_S


async def generate(desk: Desk, asked: GenerateAsked) -> Document:
    """Have a store's reactor make a secret; the answer has the public halves of key pairs."""
    expect, day = expected(asked.expect), asked.day
    work = desk.client.generate_secret(
        asked.uri, asked.recipes, expect=expect, labels=asked.labels, expires_on=day, timeout=asked.timeout
    )
    return await single(desk, asked.uri, work, done.generated)


async def recipes(_desk: Desk, _asked: Nothing) -> Document:
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
    }
