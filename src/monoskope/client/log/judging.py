"""Whether what m8 shows of its log fits what is known of it: without I/O, and with evidence where it does not."""

from __future__ import annotations

from typing import NoReturn

from monoskope.api.gateway.v1 import log_pb2
from monoskope.client.known.demand import Demand, log_keys
from monoskope.client.known.logs import LogPin, mismatch
from monoskope.errors import LogMismatchError
from monoskope.protocol.tlog.checkpoint import COVERED_S, Checkpoint
from monoskope.protocol.tlog.forms import LogProofError, NoteError
from monoskope.protocol.tlog.merkle import verify_consistency
from monoskope.protocol.tlog.note import Believed, LogKeys, Note, Policy
from monoskope.text import counted, escape
from monoskope.times import rfc3339
from monoskope.value import Value

STALE_S = 7_200
"""A checkpoint whose newest time is older is told of."""
MOST_ENTRIES = 2**40
"""No log can have come to more: at 10,000 events a second it takes three years. A client that pinned a larger one would
accept nothing of the log any more."""
_MOST_REASON = 500
"""Characters of m8's reason for a renewal that are shown."""


class Verdict(Value, frozen=True):
    """What m8 shows of its log, and that it fits."""

    pin: LogPin
    """What is known of the log now, and acted on. Where a quorum is demanded, the quorum saw what is new in it."""
    newest: Believed
    witnessed: Believed | None
    """The newest checkpoint with a quorum: the caller's where one is demanded, else m8's."""
    newest_at_s: int
    """The time that says how old all this is: a quorum's where one is demanded, else the log's own."""
    unseen: LogMismatchError | None = None
    """What to tell if it stays so: that the newest tree is too far ahead of what the demanded quorum saw."""

    @property
    def trees(self) -> tuple[Checkpoint, Checkpoint | None]:
        """The newest tree, and the newest witnessed one."""
        return self.newest.checkpoint, None if self.witnessed is None else self.witnessed.checkpoint


class Judge:
    """Judges the answers of one m8.

    Args:
        server: How its user names it.
        pin: What is known of its log, None at first contact.
        demand: What the settings demand.

    Raises:
        LogMismatchError: the settings give other keys than those that are known.
        UsageError: the keys that are known, or the demand, are malformed.
    """

    def __init__(self, server: str, pin: LogPin | None, demand: Demand) -> None:
        self._server = server
        self._pin = pin
        self._demand = demand
        given = log_keys(demand.vkeys) if demand.vkeys else None
        known = log_keys(pin.vkeys) if pin is not None else None
        if given is not None and known is not None and given != known:
            raise LogMismatchError(
                f"the log of {server} that is pinned is {known.origin}, and the settings give other keys (of"
                f" {given.origin}).",
                fix="Ask your administrator which are right. If the log was renewed: `monoctl accept-log`.",
            )
        self._log = known or given
        self._known = Checkpoint.parse(Note.parse(pin.note).text) if pin is not None and pin.note else None

    @property
    def held(self) -> bool:
        """Whether m8 is held to anything: then a checkpoint that is missing is as bad as a wrong one.

        A quorum that is demanded holds it at first contact, too.
        """
        return self._log is not None or self._demand.quorum > 0

    def judge(self, answer: log_pb2.GetCheckpointResponse, now_s: int) -> Verdict:
        """Return what an answer to `GetCheckpoint` with the size of the pin shows.

        Raises:
            LogMismatchError: it does not fit; with the notes that show it.
        """
        if not answer.HasField("newest"):
            self.missing("it shows none" + (f": {_said(answer.trouble)}" if answer.trouble else ""))
        log = self._log or self._shownlog_keys(answer)
        self._check_origin(answer, log.origin)
        newest = self._believed(answer.newest, Policy(log))
        if self._known is not None and newest.checkpoint.size < self._known.size:
            self._fail(
                f"{self._server} shows its log with {newest.checkpoint.size} entries, and it showed {self._known.size}"
                " before: it was rolled back, or you are shown an old copy",
                answer.newest,
            )
        witnessed = self._witnessed(answer, log, newest)
        at_s = self._newest_at_s(newest, witnessed)
        if self._demand.quorum and abs(now_s - at_s) > STALE_S:
            self._fail(f"the log of {self._server} {age(now_s, at_s)}", answer.witnessed)
        unseen = self._unseen(answer, newest, witnessed, now_s - at_s)
        return Verdict(self._remembered(log, newest, witnessed), newest, witnessed, at_s, unseen)

    def missing(self, why: str) -> NoReturn:
        """Raise the error for a checkpoint that is missing, in m8's words or ours."""
        pinned = "" if self._log is None else f"; it is held to the log {self._log.origin}"
        pinned += "" if self._known is None else f", of which it showed {self._known.size} entries before"
        self._fail(f"{self._server} shows no checkpoint of its log that counts ({why.rstrip('.')}){pinned}")

    def _shownlog_keys(self, answer: log_pb2.GetCheckpointResponse) -> LogKeys:
        """Return the keys that m8 shows: they are believed at first contact alone."""
        try:
            return log_keys(tuple(answer.vkeys))
        except NoteError as error:
            self._fail(f"the keys that {self._server} shows for its log do not count: {error.message}", answer.newest)

    def check_origin(self, answer: log_pb2.GetCheckpointResponse) -> None:
        """Raise `LogMismatchError` if an answer shows another log than the one to which m8 is held."""
        if self._log is not None:
            self._check_origin(answer, self._log.origin)

    def behind(self, answer: log_pb2.GetCheckpointResponse | None, said: str) -> LogMismatchError:
        """Return the error for an m8 that does not come to the size that it showed before.

        Args:
            answer: What it shows to a client that knows nothing, None if that is not known.
            said: Why it shows no more, in its words.
        """
        before = "" if self._known is None else f" ({self._known.size} entries)"
        return self._mismatch(
            f"{self._server} does not show its log as far as it did before{before}: it was rolled back, or this is an"
            f" old copy. {said}",
            None if answer is None else answer.newest,
        )

    def _check_origin(self, answer: log_pb2.GetCheckpointResponse, pinned: str) -> None:
        try:
            origin = Checkpoint.parse(Note.parse(answer.newest.note).text).origin
        except NoteError:
            return  # which is told when the note is read for what it says
        if origin == pinned:
            return
        said = ""
        if answer.HasField("renewal"):
            when = rfc3339(answer.renewal.renewed_at_ms)
            said = f" m8 says that the log was renewed at {when}, and why: “{_said(answer.renewal.reason)}”."
        error = self._mismatch(
            f"{self._server} shows the log {escape(origin)}, and the one that is pinned is {pinned}.{said}",
            answer.newest,
        )
        error.fix = (
            "Ask your administrator, by another way than m8, whether the log was renewed, and why. Only then run"
            " `monoctl accept-log`: what happened before is not held against m8 any more."
        )
        raise error

    def _believed(self, shown: log_pb2.ProvenCheckpoint, policy: Policy) -> Believed:
        """Return the checkpoint of a note that continues what is known. Raises `LogMismatchError`."""
        try:
            found = policy.believe(shown.note, counted=b"" if self._pin is None else self._pin.note)
        except (NoteError, LogProofError) as error:
            self._fail(f"the note that {self._server} shows of its log does not count: {error.message}", shown)
        if found.checkpoint.size > MOST_ENTRIES:
            self._fail(
                f"{self._server} shows its log with {found.checkpoint.size} entries, which no log can have", shown
            )
        self._check_continues(found.checkpoint, shown)
        return found

    def _check_continues(self, found: Checkpoint, shown: log_pb2.ProvenCheckpoint) -> None:
        known = self._known
        if known is None:
            return
        if known.size == found.size and known.root != found.root:
            self._fail(
                f"the log of {self._server} has two different trees of {known.size} entries, both signed by it, so it"
                " shows different logs to different people",
                shown,
            )
        old, new = (known, found) if known.size <= found.size else (found, known)
        try:
            verify_consistency(old.size, old.root, new.size, new.root, tuple(shown.consistency))
        except LogProofError as error:
            self._fail(
                f"what {self._server} shows of its log ({found.size} entries) does not continue what it showed before"
                f" ({known.size}): {error.message}",
                shown,
            )

    def _witnessed(self, answer: log_pb2.GetCheckpointResponse, log: LogKeys, newest: Believed) -> Believed | None:
        demand = self._demand
        policy = Policy(log, demand.witnesses, demand.quorum)
        if not answer.HasField("witnessed"):
            if demand.quorum:
                self.missing(f"none has the cosignatures of {demand.quorum} of your witnesses")
            return None
        found = self._believed(answer.witnessed, policy)
        if found.checkpoint.size > newest.checkpoint.size:
            self._fail(
                f"the newest checkpoint that {self._server} shows is older than the witnessed one", answer.newest
            )
        if found.checkpoint.size == newest.checkpoint.size and found.checkpoint != newest.checkpoint:
            raise mismatch(
                f"the log of {self._server} has two different trees of {found.checkpoint.size} entries, both signed by"
                " it",
                answer.witnessed.note,
                answer.newest.note,
            )
        return found

    def _newest_at_s(self, newest: Believed, witnessed: Believed | None) -> int:
        """Return a time that no fewer than a quorum of the witnesses must have agreed to; the log's own without one."""
        if not self._demand.quorum or witnessed is None:
            return newest.signed_at_s
        return sorted((at_s for _, at_s in witnessed.cosigned), reverse=True)[self._demand.quorum - 1]

    def _unseen(
        self, answer: log_pb2.GetCheckpointResponse, newest: Believed, witnessed: Believed | None, age_s: int
    ) -> LogMismatchError | None:
        """Return that the newest tree is ahead of what a demanded quorum saw `age_s` ago, None if not by too much."""
        if not self._demand.quorum or witnessed is None or age_s <= COVERED_S:
            return None
        ahead = newest.checkpoint.size - witnessed.checkpoint.size
        if not ahead:
            return None
        return self._mismatch(
            f"{self._server} shows {counted(ahead, 'entry', 'entries')} of its log that your witnesses have not"
            f" cosigned, and they cosigned last {age_s} s ago, more than {COVERED_S} s: the witnesses are away, or m8"
            " does not show them its log, or the clock of this machine is wrong",
            answer.newest,
        )

    def _remembered(self, log: LogKeys, newest: Believed, witnessed: Believed | None) -> LogPin:
        # Nothing proves that the newest tree continues the witnessed one: what a quorum is demanded of is the latter.
        shown = witnessed if self._demand.quorum and witnessed is not None else newest
        if self._pin is not None and self._known is not None and self._known.size >= shown.checkpoint.size:
            return self._pin
        return LogPin((str(log.ed25519), str(log.ml_dsa_44)), bytes(shown.note))

    def _fail(self, what: str, shown: log_pb2.ProvenCheckpoint | None = None) -> NoReturn:
        raise self._mismatch(what, shown) from None

    def _mismatch(self, what: str, shown: log_pb2.ProvenCheckpoint | None) -> LogMismatchError:
        known = () if self._pin is None else (self._pin,)
        return mismatch(what, *known, b"" if shown is None else shown.note)


def age(now_s: int, at_s: int) -> str:
    """Return how old what was signed last is, as the end of a sentence about a log."""
    hours = abs(now_s - at_s) / 3600
    if at_s > now_s:
        return f"was signed {hours:.1f} h in the future: the clock of this machine is wrong, or that of the signers"
    return f"was signed last {hours:.1f} h ago, more than 2 h: it may be an old copy"


def _said(text: str) -> str:
    return escape(text[:_MOST_REASON])
