"""What an approved change holds a request to besides who signed it: its keys, its content, and that it happens once.

Approvers saw the names of the keys that are sealed and, where the change has one, the fingerprint of what is put
(docs/protocol.md, Approvals). A change that names a fingerprint is never written uncompared.
"""

from __future__ import annotations

import hmac
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.change import Change
from monoskope.protocol.payload import BadPayloadError, Payload
from monoskope.protocol.receipt import MAX_RETRY_AFTER_S, Receipt
from monoskope.protocol.request import Request
from monoskope.reactor.identity.fingerprint import Fingerprints
from monoskope.reactor.limits import Guess, has_room
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.work.delivery import HandlingEnd, Receipted
from monoskope.stores.driver import NOTHING

MOST_DONE = 10_000
"""Changes of which one process remembers at once that it did them; those of one requester at most half of what the
others leave: who needs no approvals could use up all of them alone."""
DONE_BEFORE = "this change was done already; propose another one."
_NO_SUCH_KEY = "a key that is to be copied is not there."
_OTHER_CONTENT = "the content is not the one that was approved."
_NO_GUESS = "no guess is left to compare the content with the approved fingerprint."
_OTHER_KEY = "the change names a fingerprint under another fingerprint key than the store's."
_TOO_MANY = "this process remembers no more changes of this requester; the oldest end first."


def check_keys(change: Change | None, payload: Payload | None) -> None:
    """Raise `BadPayloadError` unless what was sealed has the keys that were approved, all of them and no others."""
    if change is not None and tuple(sorted(payload or ())) != change.keys:
        raise BadPayloadError


def check_content(change: Change | None, content: Fingerprints | None, guess: Guess) -> None:
    """Hold what is to be put against the fingerprint that was approved, if there is one; that it differs is a guess.

    Raises:
        FailedError: RATE_LIMITED, no guess is left; UNSUPPORTED, it is under another key; CONFLICT, it differs.
    """
    if change is None or not change.fingerprint:
        return
    assert content is not None, "the whole content of an UPLOAD and a COPY is known"
    if content.whole.rpartition(":")[0] != change.fingerprint.rpartition(":")[0]:
        raise FailedError(upload_pb2.REASON_UNSUPPORTED, detail=_OTHER_KEY)
    if not guess.may_compare:
        wait_s = math.ceil(guess.room_after_s)
        raise FailedError(upload_pb2.REASON_RATE_LIMITED, detail=_NO_GUESS, retry_after_s=wait_s)
    if not hmac.compare_digest(content.whole, change.fingerprint):
        guess.missed = True
        raise FailedError(upload_pb2.REASON_CONFLICT, detail=_OTHER_CONTENT)


def check_source(request: Request, version: str) -> None:
    """Raise `FailedError` unless `version` is what is to be copied: NOT_FOUND for nothing, CONFLICT for another one."""
    if version == NOTHING:
        raise FailedError(upload_pb2.REASON_NOT_FOUND)
    if request.source_version and version != request.source_version:
        raise FailedError(upload_pb2.REASON_CONFLICT, upstream_version=version)


def copied_part(request: Request, content: Payload) -> Payload:
    """Return what a COPY takes of `content`: the keys that it names, or all. The rest stands in no receipt.

    Raises `FailedError` (CONFLICT) if one of the keys is not there.
    """
    if not content.keys() >= set(request.keys):
        raise FailedError(upload_pb2.REASON_CONFLICT, detail=_NO_SUCH_KEY)
    return Payload({key: content[key] for key in request.keys}) if request.keys else content


@dataclass(slots=True)
class Execution:
    """A request that executes a change, until its end is known."""

    end: HandlingEnd | None = None

    @property
    def may_have_written(self) -> bool:
        """Whether the change counts as done: with success, and where nobody knows."""
        if not isinstance(self.end, Receipted):
            return False
        receipt = self.end.receipt
        return receipt.reason in {upload_pb2.REASON_UNSPECIFIED, upload_pb2.REASON_OUTCOME_UNKNOWN}


@dataclass(slots=True)
class DoneChanges:
    """The changes that this process did, or is about to do, and that have not ended. It remembers them, and no disk."""

    clock: Callable[[], float] = time.time
    """Seconds since 1970, as changes end by it."""
    _done: dict[bytes, tuple[int, str]] = field(default_factory=dict)
    """When each ends, and its requester, by its SHA-256."""

    @contextmanager
    def executing(self, change: Change | None, *newest: Receipt | None) -> Iterator[Execution]:
        """Let a change be executed while the block runs, and remember it unless nothing was written.

        What ends in an exception has told the engine nothing. What is cancelled counts as done.

        Args:
            change: What is executed; None for a request that executes none.
            newest: The newest receipts of the secret, as far as they are known.

        Raises:
            FailedError: CONFLICT, it was done before; RATE_LIMITED, there is no room to remember another one.
        """
        execution = Execution()
        if change is None:
            yield execution
            return
        sha256 = change.sha256
        if sha256 in self._done or any(one is not None and one.change_sha256 == sha256 for one in newest):
            raise FailedError(upload_pb2.REASON_CONFLICT, detail=DONE_BEFORE)
        self._make_room(change.requester)
        self._done[sha256] = change.not_after, change.requester
        try:
            yield execution
        except Exception:
            self._done.pop(sha256, None)
            raise
        if not execution.may_have_written:
            self._done.pop(sha256, None)

    def _make_room(self, requester: str) -> None:
        """Forget what has ended, where that is needed: `not_after` refuses it. Raises `FailedError` (RATE_LIMITED)."""
        if self._has_room(requester):
            return
        now = self.clock()
        self._done = {sha256: one for sha256, one in self._done.items() if one[0] >= now}
        if not self._has_room(requester):
            wait_s = min(MAX_RETRY_AFTER_S, math.floor(min(ends for ends, _ in self._done.values()) - now) + 1)
            raise FailedError(upload_pb2.REASON_RATE_LIMITED, detail=_TOO_MANY, retry_after_s=wait_s)

    def _has_room(self, requester: str) -> bool:
        own = sum(whose == requester for _, whose in self._done.values())
        return has_room(own, len(self._done) - own, MOST_DONE)
