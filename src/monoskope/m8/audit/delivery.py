"""Delivers one batch, for as long as it takes: a sink that fails is asked again, later and later."""

from __future__ import annotations

import asyncio

from monoskope import operating_log
from monoskope.m8.audit.sink import Batch, DeliveryError, Sink, SinkState

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""Between two tries; each pause is twice the one before."""


async def delivered(sink: Sink, batch: Batch, state: SinkState) -> None:
    """Return when `sink` has taken `batch`.

    The operating log says when that begins to fail, and when it works again.
    """
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            await sink.deliver(batch)
        except DeliveryError as error:
            if state.failed(batch.kind):
                operating_log.get().error(
                    "audit lines are not taken", sink=state.name, message=error.message, fix=error.fix
                )
        except Exception as error:  # noqa: BLE001  a defect here must not end m8: it is reported, and tried again
            if state.failed(batch.kind):
                operating_log.error("audit lines are not taken", error, sink=state.name)
        else:
            if failed_s := state.took(batch.kind):
                operating_log.get().info("audit lines are taken again", sink=state.name, seconds=round(failed_s))
            return
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
