"""The client's questions about the witnessed log that end in a proof (docs/log-proofs.md)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from monoskope.client.connection import CALL_TIMEOUT_S
from monoskope.client.queries import request_id_bytes
from monoskope.client.runtime import Runtime, within

if TYPE_CHECKING:
    from monoskope.client.log_proofs.held import HeldLog
    from monoskope.client.results.log_proofs import LogComparison, UploadProof

PROOF_TIMEOUT_S = 30.0
"""Seconds for which the proof of a request is awaited: m8 signs for who asks within ten, or `checkpoint_every_s`."""


class Proving(ABC):
    """The part of `Client` that asks for proofs."""

    _runtime: Runtime

    async def get_upload_proof(
        self,
        request_id: str,
        *,
        timeout: float = PROOF_TIMEOUT_S,  # noqa: ASYNC109 - it decides the error
    ) -> UploadProof:
        """Return the proof of what became of a request, once it is checked. `content` of the result is the file.

        Args:
            request_id: 32 hex digits, as in the results.
            timeout: Seconds to wait for a checkpoint that covers the request's last event, and for everything. The
                answers that a first look needs have 30 seconds in any case.

        Raises:
            NotYetError: it is recorded, and no checkpoint covers it yet.
            LogMismatchError: the proof does not hold, or is of another tree than this client keeps.
            UsageError: no identity of the store is pinned.
            NotFoundError: there is no such request of the caller's, or m8's log is not witnessed.
        """
        content = request_id_bytes(request_id)
        with within(self._runtime, max(timeout, CALL_TIMEOUT_S)):
            return await self._held_log().upload_proof(content, self._pinned(), wait_s=timeout)

    async def compare_log(self, note: bytes) -> LogComparison:
        """Compare another person's note of the log with the one that this client keeps.

        Args:
            note: The signed note, as `monoctl get log` shows it.

        Raises:
            UsageError: it is not a note.
            LogMismatchError: it is of another log, or m8 does not prove that both are of one tree. Its `notes` are
                evidence.
        """
        return await self._held_log().compare(note)

    @abstractmethod
    def _held_log(self) -> HeldLog:
        """Return the log that this client keeps."""

    @abstractmethod
    def _pinned(self) -> Mapping[str, str]:
        """Return the pinned identity of each store of the server."""
