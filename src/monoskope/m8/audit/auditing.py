"""Puts the sinks of one process together: what is checked at the start, and what runs beside it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

from monoskope.m8.audit.exporters import CallExporter, EventExporter, Teller, cursor_name, lease_s
from monoskope.m8.audit.lines import Sink, SinkState
from monoskope.m8.audit.sinks import FileSink, WebhookSink
from monoskope.m8.audit.syslog_sink import SyslogSink
from monoskope.m8.background.leased import Leased
from monoskope.m8.service.app import App
from monoskope.m8.sink_settings import ACCESS, EVENTS, FileTarget, SinkSettings, SyslogTarget, WebhookTarget


@contextlib.asynccontextmanager
async def auditing(
    app: App, settings: Sequence[SinkSettings], *, log_id: str
) -> AsyncIterator[list[Callable[[], Coroutine[Any, Any, None]]]]:
    """Yield what is to run beside a server, and release it after the block; from now on `app` tells of its calls.

    Args:
        app: The process.
        settings: Of its sinks.
        log_id: Names the log in each line of an event.

    Raises:
        UsageError, RefusedError: as `made`.
    """
    async with contextlib.AsyncExitStack() as stack:
        works: list[Callable[[], Coroutine[Any, Any, None]]] = []
        calls: list[CallExporter] = []
        for one in settings:
            sink = await asyncio.to_thread(made, one.target, app)
            stack.push_async_callback(sink.close)
            state = SinkState(one.name)
            _show(app, state)
            if EVENTS in one.lines:
                events = EventExporter(app, sink, state, log_id=log_id)
                works.append(Leased(app, cursor_name(one.name), events.run, ttl_s=lease_s(app.limits.tick_s)).run)
            if ACCESS in one.lines:
                calls.append(CallExporter(app, sink, state))
                works.append(calls[-1].run)
        if calls:
            teller = Teller(app, calls)
            app.tell_call, app.strangers.tell = teller.call, teller.strangers
        yield works


def _show(app: App, state: SinkState) -> None:
    """Let the metrics say how a sink does."""

    def lag() -> float:
        return max(0, app.feed.position - state.position) if state.is_exporting else 0

    gauges = app.meters.gauges
    gauges["m8_audit_exporting"].labels(state.name).set_function(lambda: state.is_exporting)
    gauges["m8_audit_lag_events"].labels(state.name).set_function(lag)
    gauges["m8_audit_failing_seconds"].labels(state.name).set_function(lambda: state.failing_s)


def made(target: FileTarget | SyslogTarget | WebhookTarget, app: App) -> Sink:
    """Return the sink of a target, once all of its files are found to be right. Blocks.

    Raises:
        UsageError: a file is missing, or holds something else.
        RefusedError: others can reach a file that is for m8 alone.
    """
    match target:
        case FileTarget():
            file = FileSink(target)
            file.check()
            return file
        case SyslogTarget():
            target.tls.context()
            return SyslogSink(target, host=socket.gethostname())
        case WebhookTarget():
            webhook = WebhookSink(target, clock=app.clock)
            webhook.check()
            return webhook
