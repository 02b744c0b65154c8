"""Labels and the day of expiry, edited without a value. They are m8's word: no store signs them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import field

from monoskope.api.gateway.v1 import views_pb2
from monoskope.errors import UsageError
from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.operations.changing.results import single
from monoskope.monoctl.console.operations.fields import Text, Words
from monoskope.monoctl.console.operations.operation import Request
from monoskope.monoctl.input.request_options import parse_day
from monoskope.monoctl.output.formats import Document


class LabelAsked(Request, frozen=True):
    """Labels to set, and names of labels to remove."""

    uri: Text
    set: Words = field(default_factory=dict)
    remove: tuple[Text, ...] = ()


class ExpireAsked(Request, frozen=True):
    """The day: YYYY-MM-DD, or 90d from today; "" removes it."""

    uri: Text
    on: Text


async def label(desk: Desk, asked: LabelAsked) -> Document:
    """Set and remove labels; the others stay."""
    if twice := set(asked.set) & set(asked.remove):
        raise UsageError(f"label {min(twice)!r} is to be set and removed.", fix="Do one of them.")
    edits: Mapping[str, str | None] = {**asked.set, **dict.fromkeys(asked.remove)}
    return await single(desk, asked.uri, desk.client.edit_notes(asked.uri, edits), _edited)


async def expire(desk: Desk, asked: ExpireAsked) -> Document:
    """Note when a secret expires."""
    day = parse_day(asked.on) if asked.on else ""
    return await single(desk, asked.uri, desk.client.edit_notes(asked.uri, expires_on=day), _edited)


def _edited(view: views_pb2.Secret) -> Document:
    return {"uri": view.uri, "outcome": "EDITED", "request_id": ""}
