"""One look at m8's log: the newest checkpoint is asked for, judged against what is known, and remembered.

It is longer than other files: one look is a loop of asking, judging and remembering, which are read together.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from monoskope.client.connection import CALL_TIMEOUT_S, Connection, LogUse
from monoskope.client.http import methods
from monoskope.client.known.logs import NAME, KnownLogs, LogPin, mismatch
from monoskope.client.runtime import within
from monoskope.client.settings import ClientSettings
from monoskope.errors import (
    AwayError,
    ConflictError,
    Error,
    LogMismatchError,
    NotFoundError,
    NotReachedError,
    RateLimitedError,
    TimedOutError,
    UnauthenticatedError,
    UnavailableError,
    UsageError,
    docs_page,
)
from monoskope.text import counted
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.api.gateway.v1 import log_pb2
    from monoskope.client.known.demand import Demand
    from monoskope.client.log.judging import Judge, Verdict

    _Seen = tuple[log_pb2.GetCheckpointResponse | None, Verdict | None]
    """What m8 shows, and what it is worth; None where m8 shows no log, and is held to none."""

UNPINNED_S = 5.0
"""How many seconds a checkpoint is awaited where m8 is held to nothing yet."""
_TRIES = 5
"""The log can grow between two answers, and hardly does so five times."""
_FIRST_PAUSE_S = 0.2
_MOST_PAUSE_S = 2.0
MOST_EVIDENCE = 64
"""Files with notes that do not fit are kept at most: an m8 that lies must not fill the disk of its users."""

FIRST = (
    "this is the first look at the log of {server}. It is pinned now: {origin}, {entries}. From now on m8 is held"
    f" to it ({docs_page('witnessed-log.md')})."
)
NOTHING_HELD = (
    "nothing is held against the log of {server}: this machine has no file for known_logs. Give log_vkeys together with"
    " log_witnesses and log_quorum."
)


class Looked(Value, frozen=True):
    """What a check found."""

    answer: log_pb2.GetCheckpointResponse | None = None
    """None where m8 shows no log, and is held to none."""
    verdict: Verdict | None = None
    before: LogPin | None = None
    """What was known before."""
    server: str = ""
    """Which server answered."""
    notices: tuple[str, ...] = ()
    """What the user should know."""

    def log(self) -> tuple[log_pb2.GetCheckpointResponse, Verdict]:
        """Return what m8 answered and what it shows. Raises `NotFoundError` if m8 shows no log."""
        if self.answer is None or self.verdict is None:
            raise NotFoundError(
                f"m8 at {self.server} keeps no log that can be checked.",
                fix=f"Ask its administrator for one ({docs_page('operate/witnessed-log.md')}).",
            )
        return self.answer, self.verdict


class LogCheck:
    """Looks at the log of one m8.

    Args:
        connection: To m8.
        settings: What is demanded, and how its user names the server.
        known: What is known of logs.
    """

    def __init__(self, connection: Connection, settings: ClientSettings, known: KnownLogs) -> None:
        self._connection = connection
        self._runtime = connection.runtime
        self._server = settings.server
        self._settings = settings
        self._known = known
        self.behind: LogMismatchError | None = None
        """What a look that is under way found so far: m8 is behind what it showed before, and may catch up."""

    async def run(self) -> Looked:
        """Ask, judge and remember; keep the notes that do not fit.

        Raises:
            LogMismatchError: the log does not fit.
            Error: m8 cannot be asked, or the file of known logs is malformed.
        """
        try:
            return await self._looked()
        except LogMismatchError as error:
            if error is not self.behind:
                self._keep_evidence(error)
            raise

    async def _looked(self) -> Looked:
        """Ask and judge, again where another process has changed the pins: every note that is known must be continued.

        So of two commands at once that are shown two histories, the second one notices.
        """
        pins = self._known.pins(self._server)
        before = pins[-1] if pins else None
        self._check_memory()
        notices: list[str] = []
        while True:
            answer, verdict = await self._continued(pins, self._judged)
            if verdict is None:
                return Looked(answer, before=before, server=self._connection.server)
            for pin in pins or (None,):
                notices += self._remembered(pin, verdict)
            pins = self._known.pins(self._server)
            if all(pin.checkpoint == verdict.pin.checkpoint for pin in pins):
                break
        notices += self._stale(verdict)
        return Looked(answer, verdict, before, self._connection.server, tuple(notices))

    async def _continued(self, pins: Sequence[LogPin], look: Callable[[LogPin | None], Awaitable[_Seen]]) -> _Seen:
        """Return what `look` finds for the largest pin, once it finds the same trees for all of them.

        Two trees that the same newest tree continues are beginnings of it, so the pins are of one log, though a proof
        from one to the other cannot be asked for.

        Raises:
            LogMismatchError: m8 shows two trees of one size.
            UnavailableError: the log grew between the answers each time.
        """
        for _ in range(_TRIES):
            found = [await look(pin) for pin in pins or (None,)]
            answer, verdict = found[-1]
            others = [one for _, one in found if one is not None]
            if verdict is None or all(one.trees == verdict.trees for one in others):
                return answer, verdict
            newest = verdict.newest.checkpoint
            if any(one.newest.checkpoint.size == newest.size and one.newest.checkpoint != newest for one in others):
                raise _two_trees(newest.size, *pins)
        raise UnavailableError("the log of m8 grew each time that it was looked at.", fix="Do it again.")

    async def check_one_log(self, mine: LogPin, other: LogPin) -> None:
        """Return if what this client knows and what another person was shown are of one log.

        Args:
            mine: What is pinned.
            other: What the other person was shown, believed by the keys of `mine`.

        Raises:
            LogMismatchError: they are not, or m8 does not show that they are; with both notes.
            UnavailableError: m8 does not answer.
        """
        if mine.size == other.size:
            if mine.checkpoint != other.checkpoint:
                raise _two_trees(mine.size, mine, other)
            return

        async def look(pin: LogPin | None) -> _Seen:
            assert pin is not None
            try:
                answer = await self._checkpoint(pin.size, CALL_TIMEOUT_S)
                return answer, self._judge(pin).judge(answer, int(time.time()))
            except (AwayError, NotReachedError):
                raise
            except (UnavailableError, LogMismatchError) as error:
                raise mismatch(
                    f"what m8 shows does not continue the {pin.size} entries of a note that its log signed:"
                    f" {error.message}",
                    mine,
                    other,
                ) from None

        await self._continued((mine, other), look)

    async def _judged(self, pin: LogPin | None) -> _Seen:
        """Return what m8 shows and what it is worth; None where m8 shows no log, and is held to none.

        It is asked again while its newest tree is ahead of what a demanded quorum saw: witnesses need a moment.
        """
        judge, runtime = self._judge(pin), self._runtime
        ends_at = runtime.now() + (CALL_TIMEOUT_S if judge.held else UNPINNED_S)
        pause_s = _FIRST_PAUSE_S
        while True:
            answer = await self._asked(0 if pin is None else pin.size, judge, ends_at)
            if answer is None or not (judge.held or answer.HasField("newest")):
                return answer, None
            verdict = judge.judge(answer, int(time.time()))
            if verdict.unseen is None:
                return answer, verdict
            self.behind = verdict.unseen
            if runtime.now() + pause_s >= ends_at:
                raise verdict.unseen
            await runtime.sleep(pause_s)
            pause_s = min(2 * pause_s, _MOST_PAUSE_S)

    def _check_memory(self) -> None:
        """Raise `UsageError` if a quorum is demanded, and nothing says of which log."""
        demand = self._demand()
        if demand.quorum and self._known.path is None and not demand.vkeys:
            raise UsageError(
                "a quorum of witnesses is demanded, and neither a file for known_logs nor log_vkeys is given.",
                fix="Give log_vkeys (MONOCTL_LOG_VKEYS), as `m8 log key` prints them.",
            )

    def _stale(self, verdict: Verdict) -> Sequence[str]:
        from monoskope.client.log.judging import STALE_S, age  # noqa: PLC0415 - while a call is under way

        now_s = int(time.time())
        if abs(now_s - verdict.newest_at_s) <= STALE_S:
            return ()
        return (f"the log of {self._server} {age(now_s, verdict.newest_at_s)}.",)

    def _judge(self, pin: LogPin | None) -> Judge:
        from monoskope.client.log.judging import Judge  # noqa: PLC0415 - while a call is under way

        return Judge(self._server, pin, self._demand())

    def _demand(self) -> Demand:
        from monoskope.client.known.demand import demand_of  # noqa: PLC0415 - as above

        given = self._settings
        return demand_of(given.log_vkeys, given.log_witnesses, given.log_quorum)

    def _remembered(self, pin: LogPin | None, verdict: Verdict) -> Sequence[str]:
        """Write down what was seen, and return what the user should know of that."""
        if verdict.pin == pin:
            return ()
        demand = self._demand()
        why = self._known.remember(self._server, verdict.pin, replaces=pin)
        if self._known.path is None:
            held = demand.vkeys and demand.quorum
            return () if held else (NOTHING_HELD.format(server=self._server),)
        if why:
            return (why,)
        if pin is None and self._known.pin(self._server) == verdict.pin:
            entries = counted(verdict.pin.size, "entry", "entries")
            return (FIRST.format(server=self._server, origin=verdict.pin.origin, entries=entries),)
        return ()

    async def _asked(self, size: int, judge: Judge, ends_at: float) -> log_pb2.GetCheckpointResponse | None:
        """Ask for the checkpoint, again while m8 is behind `size`; None if m8 is held to nothing and has none.

        An m8 that says that it has lost what it had signed is not asked again.

        Raises:
            LogMismatchError: m8 has none, or stays behind.
            Error: m8 cannot be asked.
        """
        pause_s = _FIRST_PAUSE_S
        while True:
            left_s = ends_at - self._runtime.now()
            try:
                return await self._checkpoint(size, left_s)
            except Error as error:
                if not judge.held:
                    return None
                if not isinstance(error, UnavailableError | ConflictError) or isinstance(error, NotReachedError):
                    raise _as_said(error, judge) from None
                shown = await self._shown(ends_at) if error.by_m8 else None
                if shown is not None:
                    judge.check_origin(shown)
                if error.by_m8:
                    self.behind = judge.behind(shown, error.message)
                    self._keep_evidence(self.behind)
                lost = isinstance(error, ConflictError)
                if lost or self._runtime.now() + pause_s >= ends_at:
                    raise (self.behind if error.by_m8 else None) or error from None
            await self._runtime.sleep(pause_s)
            pause_s = min(2 * pause_s, _MOST_PAUSE_S)

    async def _shown(self, ends_at: float) -> log_pb2.GetCheckpointResponse | None:
        """Return what m8 shows to a client that knows nothing, None if that cannot be had.

        A log that was rolled back or renewed can have fewer entries than are known. Its note is evidence, and says
        whether it is another log.
        """
        try:
            answer = await self._checkpoint(0, ends_at - self._runtime.now())
        except Error:
            return None
        return answer if answer.HasField("newest") else None

    async def _checkpoint(self, size: int, timeout_s: float) -> log_pb2.GetCheckpointResponse:
        """Ask for the newest checkpoints, with proofs from a tree of `size` entries."""
        from monoskope.api.gateway.v1 import log_pb2  # noqa: PLC0415 - while a call is under way

        request = log_pb2.GetCheckpointRequest(size=size)
        with within(self._runtime, timeout_s):
            return await self._connection.call(methods.GET_CHECKPOINT, request, timeout_s, log=LogUse.NONE)

    def _keep_evidence(self, error: LogMismatchError) -> None:
        """Keep notes that do not fit together in a file beside the known logs. They are printed in any case."""
        if len(error.notes) < 2 or self._known.path is None:
            return
        import hashlib  # noqa: PLC0415 - seldom needed

        from monoskope.settings import write_private  # noqa: PLC0415 - as above

        content = "\n".join(error.notes).encode("utf-8")
        path = self._known.path.with_name(f"{NAME}.evidence-{hashlib.sha256(content).hexdigest()[:16]}")
        try:
            if not path.exists():
                if sum(1 for _ in path.parent.glob(f"{NAME}.evidence-*")) >= MOST_EVIDENCE:
                    return
                write_private(path, content)
        except UsageError:
            return
        error.fix = f"{error.fix} The notes are kept in {path}."


def _as_said(error: Error, judge: Judge) -> Error:
    """Return what an answer without a checkpoint means where m8 is held to its log."""
    if isinstance(error, UnauthenticatedError | RateLimitedError | TimedOutError | NotReachedError):
        return error
    try:
        judge.missing(error.message)
    except LogMismatchError as missing:
        return missing


def _two_trees(size: int, *pins: LogPin) -> LogMismatchError:
    return mismatch(
        f"the log {pins[0].origin} has two different trees of {size} entries, both signed by it: it shows different"
        " logs to different people",
        *pins,
    )
