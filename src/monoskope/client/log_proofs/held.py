"""Proofs and notes held against the log that this client keeps: both must be of one tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from monoskope.client.known_logs import LogPin
from monoskope.client.log_proofs.asking import ask
from monoskope.client.log_proofs.comparing import check_one_log
from monoskope.client.log_proofs.offline import policy_of, verified
from monoskope.client.log_watch import LogWatch
from monoskope.client.queries import Queries
from monoskope.client.results.log_proofs import LogComparison, UploadProof
from monoskope.client.settings import ClientSettings
from monoskope.errors import LogMismatchError, NotFoundError, NotYetError
from monoskope.protocol.tlog.note import Note
from monoskope.protocol.tlog.policy import Policy
from monoskope.protocol.tlog.proof_file import ProofFile

WITHOUT_WITNESSES = (
    "too few of m8's witnesses have cosigned a checkpoint that covers it, so the proof has no quorum: only m8 says"
    " since when it is there."
)
"""What a user is told whose settings demand no quorum, where m8's witnesses are away."""


class HeldLog:
    """The log that a client keeps, and what it demands of it.

    Args:
        watch: Looks at the newest checkpoint, and keeps it.
        queries: Where to ask.
        settings: What is demanded.
        notify: Told what the user should know.
    """

    def __init__(
        self, watch: LogWatch, queries: Queries, settings: ClientSettings, notify: Callable[[str], None]
    ) -> None:
        self._watch = watch
        self._queries = queries
        self._settings = settings
        self._notify = notify

    async def upload_proof(self, request_id: bytes, pins: Mapping[str, str], *, wait_s: float) -> UploadProof:
        """Return the proof of a request's last event, once it is checked.

        Args:
            request_id: 16 bytes.
            pins: Store to pinned identity.
            wait_s: Seconds to wait for a checkpoint that covers it.

        Raises:
            NotYetError: none covers it yet.
            LogMismatchError: the proof does not hold, or is of another tree than the one that this client keeps.
            UsageError: no identity of the store is pinned.
        """
        pin, asks_witnesses = await self._pin()
        policy = self._policy(pin)
        content = await self._asked(request_id, asks_witnesses, wait_s)
        proof = verified(content, policy, pins)
        if proof.request_id != request_id.hex():
            raise LogMismatchError("m8 shows the proof of another request.", fix="Ask your administrator.")
        await self._check(pin, bytes(ProofFile.parse(content).note))
        return proof

    async def compare(self, note: bytes) -> LogComparison:
        """Return what somebody else's note of this log says, once m8 has proven that it is of the same tree.

        Raises:
            NoteError: it is not a note of a log.
            LogMismatchError: it is of another log, or of another tree; with both notes.
        """
        Note.parse(note)  # what is malformed is told before anything is asked
        pin, _ = await self._pin()
        policy = self._policy(pin)
        other = Policy(policy.log, policy.witnesses).believe(note)
        await self._check(pin, note)
        return LogComparison.of(other, pin.size)

    async def _pin(self) -> tuple[LogPin, bool]:
        """Return what is known of the log now, and whether m8 asks witnesses."""
        looked = await self._watch.look()
        if looked.verdict is None or looked.answer is None:
            raise NotFoundError(
                "m8 shows no log that can be checked.", fix="Ask your administrator to run `m8 log init` on the server."
            )
        return looked.verdict.pin, looked.answer.quorum > 0

    def _policy(self, pin: LogPin) -> Policy:
        return policy_of(pin.vkeys, self._settings.log_witnesses, self._settings.log_quorum)

    async def _asked(self, request_id: bytes, asks_witnesses: bool, wait_s: float) -> bytes:  # noqa: FBT001
        demanded = self._settings.log_quorum > 0
        try:
            return await ask(self._queries, request_id, witnessed=demanded or asks_witnesses, wait_s=wait_s)
        except NotYetError:
            if demanded or not asks_witnesses:
                raise
        content = await ask(self._queries, request_id, witnessed=False, wait_s=0)
        self._notify(WITHOUT_WITNESSES)
        return content

    async def _check(self, pin: LogPin, note: bytes) -> None:
        await check_one_log(self._queries, self._watch, pin, LogPin(pin.vkeys, note))
