"""The client's view of m8's log, and what a user does when that log was renewed (docs/witnessed-log.md)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from monoskope.api.gateway.v1 import log_pb2
from monoskope.client import methods
from monoskope.client.connection import CALL_TIMEOUT_S, Connection
from monoskope.client.known_logs import LogPin
from monoskope.client.log_watch import LogWatch, Looked
from monoskope.client.settings import ClientSettings
from monoskope.errors import LogMismatchError, NotFoundError, UsageError, docs_page
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.results.shown_log import Log


class OfferedLog(Value, frozen=True):
    """A log that m8 shows in the place of the one that is pinned."""

    known: LogPin
    """What is pinned."""
    shown: LogPin
    """What m8 shows. Its note is signed by the keys that it shows with it, and by nothing that was known before."""
    reason: str
    """Why the log was renewed, as m8 says; "" if it says nothing of it."""
    last_note: bytes
    """The last note of the former log, as m8 says; b"" if it says nothing."""


class Witnessed(ABC):
    """The part of `Client` that looks at m8's log."""

    settings: ClientSettings

    async def get_log(self) -> Log:
        """Look at m8's log now, and return what it shows.

        Raises:
            LogMismatchError: it does not fit what is known of it.
            NotFoundError: m8 shows no log.
            Error: as `put_secret`.
        """
        from monoskope.client.results.shown_log import Log, LogWitness  # noqa: PLC0415 - a put does not need it
        from monoskope.client.results.words import moment  # noqa: PLC0415 - as above

        looked = await self._looked()
        answer, verdict = looked.answer, looked.verdict
        if answer is None or verdict is None:
            raise NotFoundError(
                f"m8 at {looked.server} keeps no log that can be checked.",
                fix=f"Ask its administrator for one ({docs_page('operate/witnessed-log.md')}).",
            )
        newest, witnessed = verdict.newest, verdict.witnessed
        return Log(
            server=looked.server,
            origin=newest.checkpoint.origin,
            vkeys=verdict.pin.vkeys,
            size=newest.checkpoint.size,
            note=bytes(newest.note).decode("utf-8"),
            signed_at=moment(newest.signed_at_s * 1000),
            witnessed_size=0 if witnessed is None else witnessed.checkpoint.size,
            witnessed_note="" if witnessed is None else bytes(witnessed.note).decode("utf-8"),
            newest_at=moment(verdict.newest_at_s * 1000),
            demanded=self.settings.log_quorum,
            quorum=answer.quorum,
            witnesses=tuple(map(LogWitness.of, answer.witnesses)),
            trouble=answer.trouble,
            quorum_trouble=answer.quorum_trouble,
            renewed_at=moment(answer.renewal.renewed_at_ms),
            renewal_reason=answer.renewal.reason,
            pinned_size=0 if looked.before is None else looked.before.size,
        )

    async def offered_log(self) -> OfferedLog:
        """Return the log that m8 shows in the place of the pinned one. Changes nothing.

        Raises:
            UsageError: no log is pinned, or m8 shows the pinned one.
            NotFoundError: m8 shows no log.
            LogMismatchError: its note is not signed by the keys that it shows, or the settings give other keys.
        """
        from monoskope.client.log.judging import Demand, Judge  # noqa: PLC0415 - a put does not need it

        server, known = self.settings.server, self._held().known.pin(self.settings.server)
        if known is None:
            raise UsageError(f"no log is pinned for {server}.", fix="The next command pins the one that it sees.")
        request = log_pb2.GetCheckpointRequest()
        answer = await self._connection().call_unwatched(methods.GET_CHECKPOINT, request, CALL_TIMEOUT_S)
        if not answer.HasField("newest"):
            raise NotFoundError(f"m8 at {server} shows no checkpoint.", fix="Ask its administrator why.")
        # Anybody can use a log's name. Where the settings give keys, no others are offered under it.
        shown = Judge(server, None, Demand(vkeys=self.settings.log_vkeys)).judge(answer, 0).pin
        if set(shown.vkeys) == set(known.vkeys):
            raise UsageError(
                f"{server} shows the log that is pinned: there is none to accept.",
                fix="If a command says that its log does not fit, ask your administrator why.",
            )
        renewal = answer.renewal
        return OfferedLog(known, shown, renewal.reason, renewal.last_note)

    async def accept_log(self, origin: str, *, vkeys: Sequence[str] = ()) -> Path:
        """Pin the log that m8 shows in the place of the one that was pinned, as after a renewal.

        Ask the administrator first, by another way than m8, whether the log was renewed, and why. What happened before
        is not held against m8 any more.

        Args:
            origin: The name of the new log, as the administrator says it.
            vkeys: Its two verifier keys, as the administrator says them, or as `offered_log` showed them to a person
                who compared them; () for those that m8 shows under that name, which any log could use.

        Returns:
            Where the file as it was is kept.

        Raises:
            LogMismatchError: m8 shows another log.
            RefusedError: the administrator of this machine pins another log.
            Error: as `offered_log`.
        """
        offered = await self.offered_log()
        if offered.shown.origin != origin:
            raise LogMismatchError(
                f"{self.settings.server} shows the log {offered.shown.origin}, and you accept {origin}.",
                fix="Ask your administrator, by another way than m8, which is right.",
            )
        if vkeys and set(vkeys) != set(offered.shown.vkeys):
            raise LogMismatchError(
                f"{self.settings.server} shows the log {origin} with other keys than those that you accept.",
                fix="Ask your administrator, by another way than m8, which keys are right.",
            )
        return self._held().known.accept(self.settings.server, offered.shown)

    async def _looked(self) -> Looked:
        return await self._held().look()

    def _held(self) -> LogWatch:
        watch = self._connection().watch
        assert isinstance(watch, LogWatch)
        return watch

    @abstractmethod
    def _connection(self) -> Connection:
        """The open connection."""
