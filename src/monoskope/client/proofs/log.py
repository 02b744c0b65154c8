"""m8's log as the client sees it: its events, its checkpoint, and what it proves (docs/witnessed-log.md)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from monoskope.api.gateway.v1 import log_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.connection import CALL_TIMEOUT_S, LogUse
from monoskope.client.http import methods
from monoskope.client.known.demand import Demand
from monoskope.client.known.logs import LogPin
from monoskope.client.log.events import ShownEvents
from monoskope.client.log.judging import Judge
from monoskope.client.proofs import policy_of, verified
from monoskope.client.queries import request_id_bytes
from monoskope.client.results import moment
from monoskope.client.results.log import Event, Log, LogComparison, LogWitness, UploadProof
from monoskope.client.runtime import left, within
from monoskope.client.session import Session
from monoskope.errors import LogMismatchError, NotFoundError, NotYetError, ProtocolError, UsageError
from monoskope.protocol.approvers import counted_alone
from monoskope.protocol.tlog import upload_proof
from monoskope.protocol.tlog.forms import NoteError
from monoskope.protocol.tlog.note import Note, Policy
from monoskope.protocol.tlog.proof_file import ProofFile
from monoskope.protocol.wire import serialise
from monoskope.value import Value

PROOF_TIMEOUT_S = 30.0
"""Seconds for which the proof of a request is awaited: m8 signs for its callers within ten, or `checkpoint_every_s`."""
_PAUSE_S = 1.0

WITHOUT_WITNESSES = (
    "too few of m8's witnesses have cosigned a checkpoint that covers it, so the proof has no quorum: only m8 says"
    " since when it is there."
)
"""What a user is told whose settings demand no quorum, where m8's witnesses are away."""


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


class ServerLog:
    """The log of one m8, held to what was seen of it before. Each method raises what m8 answers."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self) -> Log:
        """Look at m8's log now, and return what it shows.

        Raises:
            LogMismatchError: it does not fit what is known of it.
            NotFoundError: m8 shows no log.
            Error: as `Client.put_secret`.
        """
        looked = await self._session.watch.look()
        answer, verdict = looked.log()
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
            demanded=self._session.settings.log_quorum,
            quorum=answer.quorum,
            witnesses=tuple(map(LogWitness.of, answer.witnesses)),
            trouble=answer.trouble,
            quorum_trouble=answer.quorum_trouble,
            renewed_at=moment(answer.renewal.renewed_at_ms),
            renewal_reason=answer.renewal.reason,
            pinned_size=0 if looked.before is None else looked.before.size,
        )

    async def offered(self) -> OfferedLog:
        """Return the log that m8 shows in the place of the pinned one. Changes nothing.

        Raises:
            UsageError: no log is pinned, or m8 shows the pinned one.
            NotFoundError: m8 shows no log.
            LogMismatchError: its note is not signed by the keys that it shows, or the settings give other keys.
        """
        server = self._session.settings.server
        known = self._session.watch.known.pin(server)
        if known is None:
            raise UsageError(f"no log is pinned for {server}.", fix="The next command pins the one that it sees.")
        request = log_pb2.GetCheckpointRequest()
        connection = self._session.connection
        answer = await connection.call(methods.GET_CHECKPOINT, request, CALL_TIMEOUT_S, log=LogUse.NONE)
        if not answer.HasField("newest"):
            raise NotFoundError(f"m8 at {server} shows no checkpoint.", fix="Ask its administrator why.")
        # Any log can use this name. Where the settings give keys, no others are offered under it.
        shown = Judge(server, None, Demand(vkeys=self._session.settings.log_vkeys)).judge(answer, 0).pin
        if set(shown.vkeys) == set(known.vkeys):
            raise UsageError(
                f"{server} shows the log that is pinned: there is none to accept.",
                fix="If a command says that its log does not fit, ask your administrator why.",
            )
        return OfferedLog(known, shown, answer.renewal.reason, answer.renewal.last_note)

    async def accept(self, origin: str, *, vkeys: Sequence[str] = ()) -> Path:
        """Pin the log that m8 shows in the place of the one that was pinned, as after a renewal.

        Ask the administrator first, by another way than m8, whether the log was renewed, and why. What happened before
        is not held against m8 any more.

        Args:
            origin: The name of the new log, as the administrator says it.
            vkeys: Its two verifier keys, as the administrator says them, or as `offered` showed them to a person who
                compared them; () for those that m8 shows under that name, which any log could use.

        Returns:
            The path of a copy of the file from before.

        Raises:
            LogMismatchError: m8 shows another log.
            RefusedError: the administrator of this machine pins another log.
            Error: as `offered`.
        """
        offered, server = await self.offered(), self._session.settings.server
        if offered.shown.origin != origin:
            raise LogMismatchError(
                f"{server} shows the log {offered.shown.origin}, and you accept {origin}.",
                fix="Ask your administrator, by another way than m8, which is right.",
            )
        if vkeys and set(vkeys) != set(offered.shown.vkeys):
            raise LogMismatchError(
                f"{server} shows the log {origin} with other keys than those that you accept.",
                fix="Ask your administrator, by another way than m8, which keys are right.",
            )
        return self._session.watch.known.accept(server, offered.shown)

    async def compare(self, note: bytes) -> LogComparison:
        """Compare another person's note of the log with the one that this client knows.

        Args:
            note: The signed note, as `monoctl get log` shows it.

        Raises:
            UsageError: it is not a note.
            LogMismatchError: it is of another log, or m8 does not prove that both are of one tree. Its `notes` are
                evidence.
        """
        Note.parse(note)  # what is malformed is told before anything is asked
        pin, _ = await self._pin()
        policy = _policy(self._session, pin)
        other = Policy(policy.log, policy.witnesses).believe(note)
        await self._session.watch.check.check_one_log(pin, LogPin(pin.vkeys, note))
        return LogComparison.of(other, pin.size)

    async def upload_proof(self, request_id: str, *, timeout: float = PROOF_TIMEOUT_S) -> UploadProof:
        """Return the proof of what became of a request, once it is checked. `content` of the result is the file.

        Args:
            request_id: 32 hex digits, as in the results.
            timeout: Seconds to wait for a checkpoint that covers the request's last event, and for everything. The
                answers that a first look needs have 30 seconds in any case.

        Raises:
            NotYetError: it is recorded, and no checkpoint covers it yet.
            LogMismatchError: the proof does not hold, or is of another tree than this client knows.
            UsageError: no identity of the store is pinned.
            NotFoundError: there is no such request of the caller's, or m8's log is not witnessed.
        """
        content = request_id_bytes(request_id)
        with within(self._session.runtime, max(timeout, CALL_TIMEOUT_S)):
            pin, asks_witnesses = await self._pin()
            file = await self._best_file(content, asks_witnesses, timeout)
            proof = verified(file, _policy(self._session, pin), _identities(self._session))
            if proof.request_id != content.hex():
                raise LogMismatchError("m8 shows the proof of another request.", fix="Ask your administrator.")
            note = bytes(ProofFile.parse(file).note)
            await self._session.watch.check.check_one_log(pin, LogPin(pin.vkeys, note))
            return proof

    async def events(self, *, request_id: str = "", prefix: str = "") -> AsyncGenerator[Event]:
        """Yield the events in log order, of one request or below a URI prefix if given.

        Raises:
            LogMismatchError: m8 shows an event that is not what its log has there, or leaves out one that it may not.
        """
        against: list[ShownEvents] = []
        async for view in self._session.queries.events(request_id=request_id, prefix=prefix, told=against.append):
            yield Event.of(view, proven=against[0].proves(view))

    async def last_events(self, count: int, *, request_id: str = "", prefix: str = "") -> list[Event]:
        """Return the latest `count` events in log order, of one request or below a URI prefix if given.

        Raises:
            LogMismatchError: as `events`.
        """
        against: list[ShownEvents] = []
        queries = self._session.queries
        found = await queries.last_events(count, request_id=request_id, prefix=prefix, told=against.append)
        return [Event.of(view, proven=against[0].proves(view)) for view in found]

    async def watch_events(self, *, after: int = 0, prefix: str = "") -> AsyncGenerator[Event]:
        """Yield events as they happen, from the one after position `after` on, until the iteration is left.

        Raises:
            NotReachedError: the connection broke. Begin again after the last position that came.
        """
        async for view in self._session.queries.watch(after=after, prefix=prefix):
            yield Event.of(view, proven=False)

    async def _pin(self) -> tuple[LogPin, bool]:
        """Return what is known of the log now, and whether m8 asks witnesses."""
        answer, verdict = (await self._session.watch.look()).log()
        return verdict.pin, answer.quorum > 0

    async def _best_file(self, request_id: bytes, asks_witnesses: bool, wait_s: float) -> bytes:  # noqa: FBT001
        """Return a proof with the cosignatures of witnesses; one without where they are away and not demanded."""
        demanded = self._session.settings.log_quorum > 0
        try:
            return await _file(self._session, request_id, witnessed=demanded or asks_witnesses, wait_s=wait_s)
        except NotYetError:
            if demanded or not asks_witnesses:
                raise
        file = await _file(self._session, request_id, witnessed=False, wait_s=0)
        self._session.notify(WITHOUT_WITNESSES)
        return file


async def logged_receipt(session: Session, request_id: bytes) -> upload_pb2.Signed | None:
    """Return the receipt of a request as the pinned log proves it, by one call; None if there is no such proof.

    Raises `Error` if what m8 shows does not hold.
    """
    given = session.settings
    if (pin := session.watch.known.pin(given.server)) is None:
        return None
    file = await _file(session, request_id, witnessed=given.log_quorum > 0, wait_s=0)
    proof = upload_proof.UploadProof.parse(file)
    proven = proof.verify(_policy(session, pin), _identities(session))
    return proof.receipt if proven.request.request_id == request_id else None


def _policy(session: Session, pin: LogPin) -> Policy:
    given = session.settings
    return policy_of(pin.vkeys, given.log_witnesses, given.log_quorum)


def _identities(session: Session) -> dict[str, str]:
    """Return the pinned identity of each store of the server."""
    given = session.settings
    pins = session.known.read_with(given.server, given.store_identities)
    return {store: identity for (server, store), identity in pins.identities.items() if server == given.server}


async def _file(session: Session, request_id: bytes, *, witnessed: bool, wait_s: float) -> bytes:
    """Return the proof of the last event of a request, as a file. Nothing of it is verified here.

    Raises:
        NotYetError: no such checkpoint covers the event within `wait_s`.
        ProtocolError: the answer makes no proof.
    """
    runtime = session.runtime
    ends_at = runtime.now() + left(wait_s)
    while True:
        answer = await session.queries.upload_proof(request_id, witnessed=witnessed)
        if not answer.proof_later:
            return _file_of(answer)
        left_s = ends_at - runtime.now()
        if left_s <= 0:
            raise _not_yet(request_id, witnessed=witnessed)
        await runtime.sleep(min(_PAUSE_S, left_s))


def _file_of(answer: log_pb2.GetUploadProofResponse) -> bytes:
    evidence = answer.evidence
    evidence.DiscardUnknownFields()
    counted_alone(evidence)
    try:
        made = ProofFile(answer.index, tuple(answer.inclusion), Note.parse(answer.note), serialise(evidence))
        return bytes(ProofFile.parse(bytes(made)))
    except NoteError as error:
        raise ProtocolError(
            f"m8's answer makes no proof: {error.message}", fix="Check that the versions of server and client fit."
        ) from None


def _not_yet(request_id: bytes, *, witnessed: bool) -> NotYetError:
    by = " with the cosignatures of its witnesses" if witnessed else ""
    return NotYetError(
        f"request {request_id.hex()} is recorded, and no checkpoint of the log{by} covers it yet.",
        fix="Ask again in a minute; `monoctl get log` says when the log was signed last.",
    )
