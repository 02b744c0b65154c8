"""Holds m8 to its log: looks at the newest checkpoint beside a command's first call (docs/witnessed-log.md).

A check begins together with a call that is made anyway, and costs no round trip of its own. Nothing is sealed, and no
answer is given to a caller, before it has ended. What comes of a request that was sent is reported whatever the log is
like: calls about it neither begin a check nor wait for one.
"""

from __future__ import annotations

import _thread
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from monoskope.client.connection import CALL_TIMEOUT_S, Connection
from monoskope.client.http import methods
from monoskope.client.http.errors import again
from monoskope.client.known.logs import NAME, KnownLogs, LogPin
from monoskope.client.runtime import Task, left, within
from monoskope.client.settings import ClientSettings
from monoskope.counted import counted
from monoskope.errors import (
    AwayError,
    ConflictError,
    Error,
    LogMismatchError,
    NotReachedError,
    RateLimitedError,
    TimedOutError,
    UnauthenticatedError,
    UnavailableError,
    UsageError,
    docs_page,
)
from monoskope.times import now_ms
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.api.gateway.v1 import log_pb2
    from monoskope.client.known.demand import Demand
    from monoskope.client.log.judging import Judge, Verdict
    from monoskope.protocol.tlog.checkpoint import Checkpoint

    _Seen = tuple[log_pb2.GetCheckpointResponse | None, Verdict | None]
    """What m8 shows, and what it is worth; None where m8 shows no log, and is held to none."""

AGAIN_AFTER_S = 10.0
"""A check counts for so many seconds: m8 makes checkpoints no more often."""
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


class LogWatch:
    """The checks of one client. Its promises are those of `connection.Watch`.

    Args:
        connection: To m8.
        settings: What is demanded, and how its user names the server.
        system: The administrator's file of known logs.
        notify: Told what the user should know, once.
        clock: Milliseconds since 1970.
    """

    def __init__(
        self,
        connection: Connection,
        settings: ClientSettings,
        *,
        system: Path,
        notify: Callable[[str], None],
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._connection = connection
        self._runtime = connection.runtime
        self._server = settings.server
        self._settings = settings
        self._told: set[str] = set()
        self._notify = notify
        self._clock = clock
        self.known = KnownLogs(settings.known_logs_path, system=system, servers=settings.servers)
        """What is known of logs."""
        self._guard = _thread.allocate_lock()
        """Held while the state below changes: the calls of several threads may begin and end a check."""
        self._check: Task[Looked] | None = None
        """What is under way."""
        self._failed: Error | None = None
        self._behind: LogMismatchError | None = None
        """What a check that is under way found so far: m8 is behind what it showed before, and may catch up."""
        self._counts_until = -float("inf")
        self._looked: Looked | None = None

    def begin(self) -> None:
        """Begin a check if one is due."""
        with self._guard:
            if self._check is None and (self._failed is not None or self._runtime.now() >= self._counts_until):
                self._start()

    def doubt(self) -> None:
        """Let a check be due."""
        self._counts_until = -float("inf")

    async def fits(self, ends_at: float) -> None:
        """Wait for the check that was begun.

        Raises:
            LogMismatchError: the log does not fit.
            UnavailableError: m8 is held to its log, and did not show it in time.
            Error: it cannot be asked, or the file of known logs is malformed.
        """
        check = self._check
        if check is None:
            if self._failed is not None:
                raise again(self._failed)
            return
        try:
            looked = await check.result(ends_at - self._runtime.now())
        except TimeoutError:
            raise (self._late() if self._behind is None else again(self._behind)) from None
        except Error as error:
            with self._guard:
                if self._check is check:
                    # What is remembered is never raised itself: it would keep the frames of callers, and their values.
                    self._check, self._failed, self._behind = None, again(error), None
            raise
        for sentence in self._settled(check, looked):
            self._notify(sentence)

    async def look(self, timeout_s: float = CALL_TIMEOUT_S) -> Looked:
        """Check now, and return what was found. Raises as `fits`."""
        with self._guard:
            check = self._start()
        await self.fits(self._runtime.now() + left(timeout_s))
        return await check.result(left(timeout_s))

    async def tree(self) -> Checkpoint | None:
        """Return the newest checkpoint that is pinned, None where m8 shows no log. Raises as `fits`."""
        from monoskope.protocol.tlog.checkpoint import Checkpoint  # noqa: PLC0415 - few ask for it
        from monoskope.protocol.tlog.note import Note  # noqa: PLC0415 - as above

        if self._looked is None or self._runtime.now() >= self._counts_until:
            await self.look()
        verdict = None if self._looked is None else self._looked.verdict
        return None if verdict is None else Checkpoint.parse(Note.parse(verdict.pin.note).text)

    def _start(self) -> Task[Looked]:
        """Begin a check. It has its own time: other calls than the one that began it wait for it, too."""
        with within(self._runtime, None):
            self._check = self._runtime.start(self._checked())
        return self._check

    async def close(self) -> None:
        """Cancel a check that is under way."""
        check, self._check = self._check, None
        if check is not None:
            check.cancel()

    def _settled(self, check: Task[Looked], looked: Looked) -> list[str]:
        """Note that a check has ended well, and return what the user should know and was not told."""
        with self._guard:
            if self._check is not check:
                return []
            self._check, self._failed, self._behind = None, None, None
            self._looked = looked
            self._counts_until = self._runtime.now() + AGAIN_AFTER_S
            new = [sentence for sentence in looked.notices if sentence not in self._told]
            self._told.update(new)
            return new

    def _late(self) -> UnavailableError:
        return UnavailableError(
            f"m8 at {self._server} did not show its log in time, and it is held to it; nothing was sealed or sent.",
            fix="Try again later. If it stays so, ask your administrator.",
        )

    async def _checked(self) -> Looked:
        """Ask, judge and remember; keep the notes that do not fit."""
        try:
            return await self._looked_at()
        except LogMismatchError as error:
            if error is not self._behind:
                self._keep_evidence(error)
            raise

    async def _looked_at(self) -> Looked:
        """Ask and judge, again where another process has changed the pins: every note that is known must be continued.

        So of two commands at once that are shown two histories, the second one notices.
        """
        pins = self.known.pins(self._server)
        before = pins[-1] if pins else None
        self._check_memory()
        notices: list[str] = []
        while True:
            answer, verdict = await self._continued(pins, self._judged)
            if verdict is None:
                return Looked(answer, before=before, server=self._connection.server)
            for pin in pins or (None,):
                notices += self._remembered(pin, verdict)
            pins = self.known.pins(self._server)
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
                return answer, self._judge(pin).judge(answer, self._clock() // 1000)
            except (AwayError, NotReachedError):
                raise
            except (UnavailableError, LogMismatchError) as error:
                raise _mismatch(
                    f"what m8 shows does not continue the {pin.size} entries of a note that its log signed:"
                    f" {error.message}",
                    (mine, other),
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
            verdict = judge.judge(answer, self._clock() // 1000)
            if verdict.unseen is None:
                return answer, verdict
            self._behind = verdict.unseen
            if runtime.now() + pause_s >= ends_at:
                raise verdict.unseen
            await runtime.sleep(pause_s)
            pause_s = min(2 * pause_s, _MOST_PAUSE_S)

    def _check_memory(self) -> None:
        """Raise `UsageError` if a quorum is demanded, and nothing says of which log."""
        demand = self._demand()
        if demand.quorum and self.known.path is None and not demand.vkeys:
            raise UsageError(
                "a quorum of witnesses is demanded, and neither a file for known_logs nor log_vkeys is given.",
                fix="Give log_vkeys (MONOCTL_LOG_VKEYS), as `m8 log key` prints them.",
            )

    def _stale(self, verdict: Verdict) -> Sequence[str]:
        from monoskope.client.log.judging import STALE_S, age  # noqa: PLC0415 - while a call is under way

        now_s = self._clock() // 1000
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
        why = self.known.remember(self._server, verdict.pin, replaces=pin)
        if self.known.path is None:
            held = demand.vkeys and demand.quorum
            return () if held else (NOTHING_HELD.format(server=self._server),)
        if why:
            return (why,)
        if pin is None and self.known.pin(self._server) == verdict.pin:
            entries = counted(verdict.pin.size, "entry", "entries")
            return (FIRST.format(server=self._server, origin=verdict.pin.origin, entries=entries),)
        return ()

    async def _asked(self, size: int, judge: Judge, ends_at: float) -> log_pb2.GetCheckpointResponse | None:
        """Ask for the checkpoint, again while m8 is away, or behind `size`; None if m8 is held to nothing and has none.

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
                if not isinstance(error, UnavailableError | ConflictError):
                    raise _as_said(error, judge) from None
                shown = await self._shown(ends_at) if error.by_m8 else None
                if shown is not None:
                    judge.check_origin(shown)
                if error.by_m8:
                    self._behind = judge.behind(shown, error.message)
                    self._keep_evidence(self._behind)
                lost = isinstance(error, ConflictError)
                if lost or self._runtime.now() + pause_s >= ends_at:
                    raise (self._behind if error.by_m8 else None) or error from None
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
        return await self._connection.call_unwatched(methods.GET_CHECKPOINT, request, timeout_s)

    def _keep_evidence(self, error: LogMismatchError) -> None:
        """Keep notes that do not fit together in a file beside the known logs. They are printed in any case."""
        if len(error.notes) < 2 or self.known.path is None:
            return
        import hashlib  # noqa: PLC0415 - seldom needed

        from monoskope.settings import write_private  # noqa: PLC0415 - as above

        content = "\n".join(error.notes).encode("utf-8")
        path = self.known.path.with_name(f"{NAME}.evidence-{hashlib.sha256(content).hexdigest()[:16]}")
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
    except LogMismatchError as mismatch:
        return mismatch


def _two_trees(size: int, *pins: LogPin) -> LogMismatchError:
    return _mismatch(
        f"the log {pins[0].origin} has two different trees of {size} entries, both signed by it: it shows different"
        " logs to different people",
        pins,
    )


def _mismatch(what: str, pins: Iterable[LogPin]) -> LogMismatchError:
    """Return the error with the notes of all pins, the client's own first."""
    from monoskope.client.log.judging import ASK  # noqa: PLC0415 - seldom needed

    error = LogMismatchError(f"{what.rstrip('.')}.", fix=ASK)
    error.notes = tuple(pin.note.decode() for pin in pins)
    return error
