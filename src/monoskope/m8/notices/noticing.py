"""Puts the notices of one process together: what is checked at the start, and what runs beside the server."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any

from monoskope.m8.audit.exporters import lease_s
from monoskope.m8.audit.lines import SinkState
from monoskope.m8.background.leased import Leased
from monoskope.m8.notice_settings import NoticeSettings, Recipient
from monoskope.m8.notices.notice import Message
from monoskope.m8.notices.notifier import Notifier
from monoskope.m8.service.app import App
from monoskope.m8.sink_settings import WebhookTarget


@contextlib.asynccontextmanager
async def noticing(
    app: App, settings: Sequence[NoticeSettings], *, log_id: str
) -> AsyncIterator[list[Callable[[], Coroutine[Any, Any, None]]]]:
    """Yield what is to run beside a server, and release it after the block.

    Args:
        app: The process.
        settings: Of its tables.
        log_id: Of the log.

    Raises:
        UsageError: a file is missing, or holds something else.
        RefusedError: others can reach a file that is for m8 alone.
    """
    async with contextlib.AsyncExitStack() as stack:
        works: list[Callable[[], Coroutine[Any, Any, None]]] = []
        for table in settings:
            notifiers, states = [], []
            for recipient in (lane for one in table.recipients for lane in one.lanes):
                deliver = await _delivering(table, recipient, app, stack)
                urgent = "urgent" if recipient.is_urgent else ""
                state = SinkState(" ".join(filter(None, (table.name, recipient.address, urgent))))
                notifiers.append(Notifier(app, recipient, deliver, state, log_id=log_id))
                states.append(state)
            _show(app, table.name, states)
            works.append(Leased(app, f"notices/{table.name}", _all(notifiers), ttl_s=lease_s(app.limits.tick_s)).run)
        yield works


def _all(notifiers: Sequence[Notifier]) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for notifier in notifiers:
                group.create_task(notifier.run())

    return run


async def _delivering(
    table: NoticeSettings, recipient: Recipient, app: App, stack: contextlib.AsyncExitStack
) -> Callable[[Message], Awaitable[None]]:
    """Return what hands a message to a recipient, once all of its files are found to be right."""
    # Its library is loaded only where notices are wanted.
    from monoskope.m8.notices.delivery import Caller, Mailbox  # noqa: PLC0415

    if isinstance(table.target, WebhookTarget):
        caller = Caller(table.target, clock=app.clock)
        stack.push_async_callback(caller.webhook.close)
        await asyncio.to_thread(caller.webhook.check)
        return caller.deliver
    mailbox = Mailbox(
        table.target, recipient.address, app.people.address, app.meters.notices_refused.labels(table.name).inc
    )
    await asyncio.to_thread(mailbox.check)
    return mailbox.deliver


def _show(app: App, name: str, states: Sequence[SinkState]) -> None:
    """Let the metrics say how a table does."""
    failing = app.meters.gauges["m8_notices_failing_seconds"].labels(name)
    failing.set_function(lambda: max((state.failing_s for state in states), default=0.0))
    app.meters.notices_sent.labels(name)
    app.meters.notices_refused.labels(name)


def summary(settings: Sequence[NoticeSettings]) -> str:
    """Return what tells whether two processes tell the same recipients the same, without naming any; "" for none."""
    recipients = [one for table in settings for one in table.recipients]
    told = sorted((one.table, one.address, sorted(one.about), one.gets_all) for one in recipients)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16] if told else ""
