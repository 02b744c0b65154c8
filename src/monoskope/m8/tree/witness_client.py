"""One witness, as m8 asks it: what it knows of this log, and one checkpoint at a time.

It is asked over HTTPS: TLS 1.2 or newer, no redirect, bounded answers, and a time for each exchange.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from monoskope.errors import UsageError
from monoskope.host_port import HttpsUrl
from monoskope.http.client.destination import ExchangeError, LateError, MalformedError, UntrustedError
from monoskope.http.client.exchange import Answer
from monoskope.http.client.trusted import Endpoint, TlsFiles
from monoskope.m8.log.tree_rows import Cosignature
from monoskope.m8.tree import submission
from monoskope.m8.tree.submission import (
    MOST_ANSWER,
    Conflict,
    Contradiction,
    Cosigned,
    Refusal,
    Verdict,
    judge,
    ours,
)
from monoskope.m8.tree.tree import Tree
from monoskope.m8.tree.witness_settings import WitnessSettings
from monoskope.protocol.tlog.checkpoint import Checkpoint, VerifierKey
from monoskope.protocol.tlog.note import Note
from monoskope.value import Value


class NoAnswerError(Exception):
    """There is no answer. Its text says why and what helps, in words for the operator.

    Attributes:
        late: Whether the time was over.
    """

    def __init__(self, why: str, *, late: bool = False) -> None:
        super().__init__(why)
        self.late = late


class Connection:
    """A connection to one address, kept and used again.

    Args:
        url: The prefix: what is asked for stands below it.
        ca_file: The authorities of its certificate, None for the system's.
        timeout_s: Seconds that an exchange may take in all.
    """

    def __init__(self, url: HttpsUrl, ca_file: Path | None, *, timeout_s: float) -> None:
        self._url = url
        self._endpoint = Endpoint(url.server, TlsFiles(ca_file), timeout_s=timeout_s, most_body=MOST_ANSWER)
        self.close = self._endpoint.close

    async def request(self, path: str, body: bytes | None = None) -> Answer:
        """Ask for what is at `path`, or send `body` there. Raises `NoAnswerError`."""
        headers = [("User-Agent", "m8")]
        if body is not None:
            headers.append(("Content-Type", "text/plain; charset=utf-8"))
        target = self._url.target.rstrip("/") + path
        try:
            # What it got twice, a witness answers with a conflict or with the same signature.
            return await self._endpoint.request("GET" if body is None else "POST", target, headers, body)
        except UntrustedError:
            why = (
                "is not trusted, or does not speak TLS. Set ca_file to the authority that signed its certificate, and "
                "the url to a name that is in it."
            )
        except LateError:
            raise NoAnswerError(
                f"{self._url.server} does not answer within {self._endpoint.timeout_s:g} s. Check that it runs, and "
                "the way to it. m8 asks again, at most twice a minute.",
                late=True,
            ) from None
        except MalformedError:
            why = (
                f"answers what is not HTTP/1.1, or more than {MOST_ANSWER:,} bytes. Check that the url is that of a "
                "witness."
            )
        except ExchangeError:
            why = "cannot be reached, or ends the connection. Check that it runs. m8 asks it again."
        except UsageError as error:
            raise NoAnswerError(f"{error.message} {error.fix}") from None
        raise NoAnswerError(f"{self._url.server} {why}")


EXCHANGE_S = 4.0
"""Seconds for one exchange with a witness."""

WHOLE_S = 6.0
"""Seconds for all exchanges about one checkpoint."""

LATE_PAUSE_S = 30.0
"""A witness that did not answer in time is left alone for so many seconds: the others are not to wait for it."""

_ABOVE = (
    "It says that it cosigned a checkpoint of position {size}, and this log has only come to {ours}: its answer does "
    "not count. {why}"
)
_OTHER = (
    "It says that this log does not continue the checkpoint which it cosigned last: its answer does not count. {why}"
)
_UNSHOWN = (
    "It shows no checkpoint that would prove it. If this m8 was put back from a backup, that is why: compare with "
    "log.checkpoint of each m8 and with users' known_logs. Else ask its operator what witnessctl list-logs says."
)
_UNSIGNED = (
    "What it shows was not signed by the keys of this log. Ask its operator whether it was told another log's keys."
)
_FITS = "What it shows fits to this log. m8 asks it again with its next checkpoint."


class Contradicted(Value, frozen=True):
    """It shows what this log's keys signed, and the log does not continue it."""

    verdict: Verdict
    checkpoint: Checkpoint
    note: bytes


class Silent(Value, frozen=True):
    """It gave no cosignature. `trouble` says why and what helps."""

    trouble: str


Result = Cosignature | Contradicted | Silent


class Witness:
    """Asks one witness.

    Args:
        settings: Which.
        clock: Milliseconds since 1970.
    """

    def __init__(self, settings: WitnessSettings, clock: Callable[[], int]) -> None:
        self.key = settings.key
        self._clock = clock
        self._submission = Connection(settings.url, settings.ca_file, timeout_s=EXCHANGE_S)
        self._monitoring = Connection(settings.monitoring_url, settings.ca_file, timeout_s=EXCHANGE_S)
        self._known = 0
        """The size that it told last."""
        self._late_at = float("-inf")
        self._last = Silent("It was not asked yet.")

    async def close(self) -> None:
        """End the connections."""
        await self._submission.close()
        await self._monitoring.close()

    async def cosign(self, note: Note, tree: Tree, keys: Sequence[VerifierKey]) -> Result:
        """Ask it to cosign a note with the log's own signatures, whose public keys are `keys`.

        Raises:
            UnavailableError: the log fails.
        """
        if time.monotonic() - self._late_at < LATE_PAUSE_S:
            return self._last
        try:
            async with asyncio.timeout(WHOLE_S):
                return await self._cosign(note, tree, keys)
        except TimeoutError:
            self._leave_alone(f"It does not answer within {WHOLE_S:g} s. m8 asks again, at most twice a minute.")
        except NoAnswerError as error:
            if error.late:
                self._leave_alone(str(error))
            else:
                self._last = Silent(str(error))
        return self._last

    async def published(self, origin: str) -> bytes:
        """Return the checkpoint of the log `origin` that it shows, b"" if it shows none or does not answer."""
        try:
            answer = await self._monitoring.request(submission.monitoring_path(origin))
        except NoAnswerError:
            return b""
        return answer.body if answer.status == 200 else b""

    def _leave_alone(self, trouble: str) -> None:
        self._late_at = time.monotonic()
        self._last = Silent(trouble)

    async def _cosign(self, note: Note, tree: Tree, keys: Sequence[VerifierKey]) -> Result:
        checkpoint = Checkpoint.parse(note.text)
        answer = await self._submit(note, checkpoint, tree)
        if isinstance(answer, Conflict) and answer.size <= checkpoint.size:
            self._known = answer.size
            answer = await self._submit(note, checkpoint, tree)
        match answer:
            case Cosigned(cosignature):
                self._known = checkpoint.size
                return cosignature
            case Refusal(trouble):
                return Silent(trouble)
            case Contradiction():
                return await self._look(_OTHER, tree, keys)
            case Conflict(size) if size > checkpoint.size:
                return await self._look(_ABOVE.format(size=size, ours=checkpoint.size, why="{why}"), tree, keys)
            case Conflict():
                return Silent("Another program submits checkpoints of this log. If that is another m8, this passes.")

    async def _submit(self, note: Note, checkpoint: Checkpoint, tree: Tree) -> submission.Answer:
        old = self._known if self._known <= checkpoint.size else 0
        proof = await tree.consistency(old, checkpoint.size) if old else ()
        answer = await self._submission.request("/add-checkpoint", submission.body(old, proof, note))
        return submission.read(
            answer.status,
            answer.header("content-type"),
            answer.body,
            key=self.key,
            checkpoint=checkpoint,
            now_s=self._clock() // 1000,
        )

    async def _look(self, what: str, tree: Tree, keys: Sequence[VerifierKey]) -> Result:
        """Look at what it shows: only a note that this log's keys signed stops the signing, and never its word."""
        content = await self.published(keys[0].name)
        if not content:
            return Silent(what.format(why=_UNSHOWN))
        found = ours(content, keys)
        if found is None:
            return Silent(what.format(why=_UNSIGNED))
        verdict = await judge(found[1], tree)
        if verdict is Verdict.PART:
            return Silent(what.format(why=_FITS))
        return Contradicted(verdict, found[1], bytes(found[0]))
