"""Tells one recipient what there is to tell: each thing once or more, over restarts and several m8, not too often.

How far it has come stands in the log, as the note of a heartbeat. It is written after a message was taken. So a process
that is killed in between sends that message again, with the same id, and none is ever left out. One m8 process of a log
does this at a time, by a lease; one that stood still and comes back may send something again, too.

What is urgent is told as if to a recipient of its own, who waits for nothing else (`Recipient.lanes`).

A recipient gets at most `MOST` messages in an hour by the clock. What comes then waits until the hour is over, and is
one message: a digest. So is what comes in one look and does not fit into what is left of the hour. What a digest covers
is written before it is sent: one that is sent again covers the same.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
from msgspec.structs import replace

from monoskope import operating_log
from monoskope.errors import UnavailableError
from monoskope.failpoints import failpoint
from monoskope.m8.audit.exporters import STOPPED_S, delivered
from monoskope.m8.audit.lines import SinkState
from monoskope.m8.background.timekeeper import NOTICES
from monoskope.m8.notice_settings import Recipient
from monoskope.m8.notices import looking
from monoskope.m8.notices.notice import Message, Notice, message_id
from monoskope.m8.service.app import App
from monoskope.times import moment

MOST = 20
"""Messages that a recipient gets in an hour at most."""

LOOK_S = 10.0
"""Between two looks, at most, in seconds."""

SETTLE_S = 60.0
"""Before the first look at what stands: after a start of m8 its reactors come back."""

PAGE = 200
MOST_READ = 10_000
"""Events that one look reads at most."""

MOST_FOUND = 1_000
"""Notices after which a look reads no further."""

REMEMBERED = 64
"""Ids of notices that were sent last: none of them is sent again. Of one look at most `MOST` are sent before a kill."""

_HOUR_MS = 3_600_000
_KIND = "notices"


class Upto(msgspec.Struct, frozen=True):
    """How far something goes: the position of an event, and a day (YYYY-MM-DD)."""

    position: int
    day: str


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a recipient has come.

    Attributes:
        done: What it was told of.
        hour: The hour, counted from 1970, of which `sent` is.
        sent: Messages of that hour.
        recent: The ids of the notices that were sent last, the oldest first.
        standing: The keys of what stands, and was told.
        digest: What the digest covers that is being sent, None for none.
    """

    done: Upto
    hour: int = 0
    sent: int = 0
    recent: tuple[str, ...] = ()
    standing: dict[str, str] = {}
    digest: Upto | None = None

    def having_sent(self, ids: Sequence[str]) -> Progress:
        """Return it after a message with these notices."""
        return replace(self, sent=self.sent + 1, recent=(*self.recent, *ids)[-REMEMBERED:])


@dataclass(frozen=True, slots=True)
class Found:
    """What a look found.

    Attributes:
        notices: What is to be told, by id.
        upto: What was looked at.
        standing: The keys of all that stands.
        has_more: Whether there are later events.
    """

    notices: dict[str, Notice]
    upto: Upto
    standing: dict[str, str]
    has_more: bool


class Notifier:
    """Tells one recipient.

    Args:
        app: The process.
        recipient: Whom.
        deliver: Returns when the recipient has taken a message; raises `DeliveryError`.
        state: What is noted of it.
        log_id: Of the log.
    """

    def __init__(
        self,
        app: App,
        recipient: Recipient,
        deliver: Callable[[Message], Awaitable[None]],
        state: SinkState,
        *,
        log_id: str,
    ) -> None:
        self._app = app
        self._recipient = recipient
        self._deliver = deliver
        self._state = state
        self._log_id = log_id
        self._place = progress_key(recipient)
        self._began = app.ticks()

    async def run(self) -> None:
        """Tell until cancelled. Only what holds the lease calls this."""
        self._began = self._app.ticks()
        try:
            while True:
                try:
                    has_more = await self.look()
                    await asyncio.sleep(0 if has_more else min(LOOK_S, 10 * self._app.limits.tick_s))
                except UnavailableError:  # the log does not answer, of which other parts of m8 tell
                    await asyncio.sleep(self._app.limits.tick_s)
                except Exception as error:  # noqa: BLE001  a defect here must not end m8
                    if self._state.failed(_KIND):
                        operating_log.error("notices stop", error, sink=self._state.name)
                    await asyncio.sleep(STOPPED_S)
        finally:
            self._state.forget(_KIND)

    async def look(self) -> bool:
        """Look once, tell what there is to tell, and return whether there is more. Raises `UnavailableError`."""
        known = await self._progress()
        hour = self._app.clock() // _HOUR_MS
        if known.hour == hour and known.sent >= MOST:
            return False
        was_full = known.sent >= MOST
        if known.hour != hour:
            known = replace(known, hour=hour, sent=0)
        found = await self._find(known)
        if known.digest is not None:
            known = await self._digest(known, found)
        elif len(found.notices) > MOST - known.sent or (was_full and len(found.notices) > 1):
            known = await self._write(replace(known, digest=found.upto))
            known = await self._digest(known, found)
        else:
            for key, notice in found.notices.items():
                known = await self._tell(known, key, [notice], [key])
        ended = replace(known, done=found.upto, standing=found.standing)
        if ended != known:
            await self._write(ended)
        return found.has_more

    async def _digest(self, known: Progress, found: Found) -> Progress:
        """Send what is found as one message, which has the same id as long as it covers the same."""
        if found.notices:
            covered = msgspec.json.encode([known.done, known.digest]).decode()
            name = message_id(self._log_id, self._recipient, f"digest {self._place} {covered}")
            known = await self._tell(known, name, list(found.notices.values()), list(found.notices))
        return replace(known, digest=None)

    async def _tell(self, known: Progress, name: str, notices: list[Notice], ids: list[str]) -> Progress:
        message = Message(name, self._app.clock(), notices)
        await delivered(partial(self._deliver, message), self._state, _KIND, what="notices")
        failpoint("m8.notices.after-delivery")
        self._app.meters.notices_sent.labels(self._recipient.table).inc()
        known = known.having_sent(ids)
        # A digest is over with what it covers, in one write; this one would be half of it.
        return known if known.digest is not None else await self._write(known)

    async def _find(self, known: Progress) -> Found:
        stop = known.digest
        notices, position, has_more = await self._of_events(known.done.position, stop)
        today = stop.day if stop is not None else self._today()
        notices += await looking.of_days(
            self._app.log, dt.date.fromisoformat(known.done.day), dt.date.fromisoformat(today)
        )
        stands = dict(known.standing)
        if self._app.ticks() - self._began >= SETTLE_S * 1000:
            now = await looking.standing(self._app)
            notices += [notice for name, notice in now.items() if name not in stands]
            stands = {name: stands.get(name, notice.name) for name, notice in now.items()}
        mine = ((self._id(notice), notice) for notice in notices if notice.is_for(self._recipient))
        new = {name: notice for name, notice in mine if name not in known.recent}
        return Found(new, Upto(position, max(today, known.done.day)), stands, has_more)

    async def _of_events(self, position: int, stop: Upto | None) -> tuple[list[Notice], int, bool]:
        notices: list[Notice] = []
        end = position + MOST_READ if stop is None else stop.position
        while position < end and len(notices) < MOST_FOUND:
            events = await self._app.log.read(after=position, limit=min(PAGE, end - position))
            if not events:
                return notices, position, False
            notices += await looking.of_events(self._app, events)
            position = events[-1].position
        return notices, position, True

    async def _progress(self) -> Progress:
        """Return how far the recipient has come: at first, to the end of the log and today."""
        head = await self._app.log.head()
        body = (await self._app.log.beat_notes()).get(self._place)
        if body is None:
            return await self._write(Progress(Upto(head, self._today())))
        known = msgspec.json.decode(body, type=Progress)
        if known.done.position > head:  # a backup was restored
            return await self._write(replace(known, done=replace(known.done, position=head), digest=None))
        tomorrow = (dt.date.fromisoformat(self._today()) + dt.timedelta(days=1)).isoformat()
        if known.done.day > tomorrow:  # the clock was ahead, and what comes until then would be left out
            return await self._write(replace(known, done=replace(known.done, day=self._today()), digest=None))
        return known

    async def _write(self, known: Progress) -> Progress:
        await self._app.log.beat(self._place, self._app.clock(), msgspec.json.encode(known))
        return known

    def _today(self) -> str:
        return moment(self._app.clock()).date().isoformat()

    def _id(self, notice: Notice) -> str:
        return message_id(self._log_id, self._recipient, notice.name)


def progress_key(recipient: Recipient) -> str:
    """Return the key, among the heartbeats, under which it stands how far a recipient has come."""
    lane = "/urgent" if recipient.is_urgent else ""
    return f"{NOTICES}{recipient.table}/{hashlib.sha256(recipient.address.encode()).hexdigest()[:16]}{lane}"
