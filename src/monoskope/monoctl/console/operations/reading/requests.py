"""Requests and events, as m8 recorded them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.log.events import ShownEvents
from monoskope.client.queries import EventFilter, request_id_bytes
from monoskope.client.walk.reasons import error_for
from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.operations.fields import TIMEOUT_S, Text
from monoskope.monoctl.console.operations.operation import Request
from monoskope.monoctl.console.operations.reading.shown import proof
from monoskope.monoctl.output import views
from monoskope.monoctl.output.formats import Document
from monoskope.monoctl.output.report import failure
from monoskope.protocol.events import request_id_of
from monoskope.protocol.receipt import Receipt


class UploadAsked(Request, frozen=True):
    """One request."""

    request_id: Text
    wait: bool = False


class EventsAsked(Request, frozen=True):
    """The latest events, or the latest ones before a position of the log."""

    prefix: Text = ""
    actor: Text = ""
    request_id: Text = ""
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100
    before: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0


async def upload(desk: Desk, asked: UploadAsked) -> Document:
    """Answer one request. Only a receipt says how it ended; of a failed one, `failure` says why and what to do."""
    content = request_id_bytes(asked.request_id)
    answer = await desk.client.queries.upload_answer(content, wait=asked.wait, timeout_s=TIMEOUT_S)
    checked = await desk.client.proofs.upload(answer, content)
    return (
        views.upload(answer.upload, checked.receipt)
        | proof(checked)
        | {"failure": _failure(answer.upload, checked.receipt)}
    )


def _failure(view: views_pb2.SecretUpload, receipt: Receipt | None) -> Document | None:
    if receipt is None or receipt.outcome != upload_pb2.OUTCOME_FAILED:
        return None
    error = error_for(
        receipt.reason,
        view.uri,
        view.purpose,
        upstream_version=receipt.upstream_version,
        retry_after_s=receipt.retry_after_s,
        detail=receipt.detail,
    )
    return failure(error)


async def events(desk: Desk, asked: EventsAsked) -> Document:
    """Answer the latest events, the newest first."""
    wanted = EventFilter(actor=asked.actor, before=asked.before)
    against: list[ShownEvents] = []
    found = await desk.client.queries.last_events(
        asked.limit, request_id=asked.request_id, prefix=asked.prefix, wanted=wanted, told=against.append
    )
    return {"events": [event(view, proven=against[0].proves(view)) for view in reversed(found)]}


def event(view: views_pb2.EventSummary, *, proven: bool = False) -> Document:
    """Return `Event`: as `monoctl get events` shows it, with the request that it is of."""
    request_id = request_id_of(view.stream)
    return views.event(view, proven=proven) | {"request_id": "" if request_id is None else request_id.hex()}


def happened(desk: Desk, view: views_pb2.EventSummary) -> None:
    """Take note of an event that m8 has recorded now: for the kept secrets, and for every page."""
    desk.secrets.saw(view)
    desk.tell({"kind": "event", "event": event(view)})
