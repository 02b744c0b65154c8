"""COPY: what is upstream here is put into another store, by this reactor as a client of m8 like any other.

Where to, the own settings say: store, its identity, path pairs. m8 gives a token that can put at the destination and
nothing else, for some minutes. The value is read, sealed for the destination's reactor under the configured identity,
and erased; m8 and whoever asked for the copy see a receipt of each store and no value.

A copy that m8 holds back replaces nothing that came to the destination long after it was asked for: each step has its
seconds, and the put is the destination's like any other. Whatever goes wrong, the request ends with a receipt.

Copies have places of their own and hold no secret's lock: two stores that copy to one another never wait in a circle.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from monoskope import operating_log
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Expect
from monoskope.client.purposes.put_copy import put_copy
from monoskope.client.task import Progress, Result, Stage
from monoskope.errors import ConflictError, Error, OutcomeUnknownError, ProtocolError, TimedOutError, UnavailableError
from monoskope.failpoints import failpoint
from monoskope.protocol.copy_request import put_request_id
from monoskope.protocol.payload import BadPayloadError, Payload
from monoskope.protocol.receipt import Receipt, make_receipt
from monoskope.protocol.request import Request
from monoskope.protocol.unshared import Unshared
from monoskope.reactor.identity.fingerprint import Fingerprints
from monoskope.reactor.keys import OneTimeKeys
from monoskope.reactor.limits.places import Places
from monoskope.reactor.link.appends import AppendRefusedError
from monoskope.reactor.link.copy_tokens import CopyTokens
from monoskope.reactor.memory.forget import forget
from monoskope.reactor.reasons import FailedError, reason_of
from monoskope.reactor.report.reporter import Offering
from monoskope.reactor.settings import Settings
from monoskope.reactor.upstream.content import Upstream
from monoskope.reactor.work.delivery import Sealed, open_nothing
from monoskope.reactor.work.lookup import failed
from monoskope.stores.driver import NOTHING, DriverError
from monoskope.uri import SecretUri

AT_ONCE = 8
"""Copies of one process; of one subject at most half of what the others leave."""
TOKEN_S = 10.0
"""Seconds for m8's answer to the question for a token."""
KEY_S = 20.0
"""Seconds from offering STARTED in which the destination's key must have come."""
PUT_S = 90.0
"""Seconds for the put at the destination; the token counts longer."""

_NO_CONTENT = bytes(32)
_EXPECTS = {
    upload_pb2.EXPECT_ANY: Expect.ANY,
    upload_pb2.EXPECT_ABSENT: Expect.ABSENT,
    upload_pb2.EXPECT_OVERWRITE: Expect.OVERWRITE,
}


@dataclass(frozen=True, slots=True)
class Job(Unshared):
    """One put at a destination."""

    settings: Settings
    identity: str
    """The destination store's, as configured."""
    token: str = field(repr=False)
    request_id: bytes
    """The put's."""
    destination: SecretUri
    expect: Expect | str
    key_within_s: float
    """Seconds in which the destination's key must come."""


@dataclass(slots=True)
class _Course:
    """How far one copy has come."""

    key_by: float
    """Monotonic seconds by which the destination's key must have come."""
    put: bool = False
    """Whether the put has begun, so that it may have been sent."""


PutThere = Callable[[Job, Payload], Awaitable["Result | upload_pb2.Reason"]]


class Copier:
    """Walks COPY requests.

    Args:
        begin_s: Seconds from the making of its key in which a copy must begin: nothing has to be gathered for it.
        put: Puts at the destination; `put_there` but in tests.
        now: Monotonic seconds.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        keys: OneTimeKeys,
        upstream: Upstream,
        offering: Offering,
        tokens: CopyTokens,
        begin_s: float,
        put: PutThere | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._upstream = upstream
        self._offering = offering
        self._tokens = tokens
        self._begin_s = begin_s
        self._put = put or put_there
        self._now = now
        self._places = Places(AT_ONCE)

    async def handle(self, sealed: Sealed) -> bool:
        """Walk one request to its end; return whether m8 took its receipt: not if the stream ended otherwise."""
        arrived = self._now()
        async with self._places.held(sealed.grant.subject):
            answer = await self._answer(sealed, waited_s=self._now() - arrived)
        return answer is not None and await self._offering.end(sealed.grant, *answer)

    async def _answer(self, sealed: Sealed, *, waited_s: float) -> tuple[Receipt, int] | None:
        """Return the receipt, and the version of the stream on which it is offered; None if STARTED was refused."""
        version, course = sealed.version, _Course(key_by=self._now() + KEY_S)
        try:
            self._begin(sealed, waited_s)
            failpoint("reactor.before-started")
            version = await self._offering.start(sealed.grant, _started(sealed), version)
            failpoint("reactor.after-started")
            return await self._copied(sealed, course), version
        except AppendRefusedError:
            return None
        except Exception as error:  # noqa: BLE001 - a library's defect must not leave the request without a receipt
            reason = _ended_by(error, sealed.grant.request, course)
            forget(error)
        return failed(sealed.grant, sealed.sha256, reason, replica=sealed.grant.replica), version

    def _begin(self, sealed: Sealed, waited_s: float) -> None:
        """Take the key out of its table. Refuse a request that m8 held back: since then others may have written."""
        age_s = open_nothing(self._keys, sealed)
        if age_s > self._begin_s:
            # A request that waited for its place here alone is asked for anew by its user's client.
            held_back = age_s - waited_s > self._begin_s
            raise FailedError(upload_pb2.REASON_CONFLICT if held_back else upload_pb2.REASON_UPSTREAM_UNAVAILABLE)

    async def _copied(self, sealed: Sealed, course: _Course) -> Receipt:
        version, fingerprints, there = await self._moved(sealed.grant.request, course)
        if isinstance(there, int):
            raise FailedError(there)
        if there.receipt.fingerprint != fingerprints.whole:
            raise FailedError(upload_pb2.REASON_OUTCOME_UNKNOWN)
        return make_receipt(
            grant=sealed.grant,
            sealed_sha256=sealed.sha256,
            outcome=upload_pb2.OUTCOME_COPIED,
            upstream_version=version,
            fingerprint=fingerprints.whole,
            values=fingerprints.values,
            destination=there.signed,
            destination_grant=there.grant,
        )

    async def _moved(self, request: Request, course: _Course) -> tuple[str, Fingerprints, Result | upload_pb2.Reason]:
        """Return the version read here, its fingerprints, and what became of it there. The value stays in here."""
        assert request.destination is not None, "a COPY has a destination"
        rule = self._settings.copies_to(request.destination.store)
        if rule is None:
            raise FailedError(upload_pb2.REASON_UNSUPPORTED)
        driver, path = self._upstream.driver, request.uri.path
        if await driver.read_version(path) == NOTHING:
            raise FailedError(upload_pb2.REASON_CONFLICT)
        # However long m8 takes to answer, no value waits for it here.
        token = await self._tokens.ask(request.request_id, within=TOKEN_S)
        if self._now() >= course.key_by:
            raise FailedError(upload_pb2.REASON_UPSTREAM_UNAVAILABLE)
        snapshot = await driver.read(path)
        if snapshot is None:
            raise FailedError(upload_pb2.REASON_CONFLICT)
        fingerprints = self._upstream.fingerprint_key.of(snapshot.payload)
        job = Job(
            self._settings,
            rule.identity,
            token,
            put_request_id(request.request_id),
            request.destination,
            _EXPECTS.get(request.expect, request.expect_version),
            course.key_by - self._now(),
        )
        course.put = True
        return snapshot.version, fingerprints, await self._put(job, snapshot.payload)


async def put_there(job: Job, payload: Payload) -> Result | upload_pb2.Reason:
    """Put `payload` at the destination, pinned to the configured identity alone; return the result or the reason."""
    stages: set[Stage] = set()

    def observe(progress: Progress) -> None:
        stages.add(progress.stage)

    try:
        return await put_copy(
            job.destination,
            payload,
            server=job.settings.server,
            ca_file=job.settings.ca_file,
            token=job.token,
            identity=job.identity,
            request_id=job.request_id,
            expect=job.expect,
            key_within_s=job.key_within_s,
            timeout_s=PUT_S,
            observe=observe,
        )
    except Error as error:
        reason = _reason(error)
        forget(error)
    except Exception as error:  # noqa: BLE001 - what m8 answers can stumble over anything, libraries included
        reason = _unexpected(error, job.request_id, sent=Stage.SENT in stages)
        forget(error)
    return reason


def _ended_by(error: Exception, request: Request, course: _Course) -> upload_pb2.Reason:
    """Return the reason for which a copy ends."""
    match error:
        case BadPayloadError():
            return upload_pb2.REASON_BAD_PAYLOAD
        case FailedError():
            return error.reason
        case DriverError():
            return reason_of(error)
        case _:
            return _unexpected(error, request.request_id, sent=course.put)


def _unexpected(error: Exception, request_id: bytes, *, sent: bool) -> upload_pb2.Reason:
    """Return the reason for an exception that nobody foresaw, and report it by its type and place."""
    operating_log.error("copy stopped", error, request_id=request_id.hex())
    return upload_pb2.REASON_OUTCOME_UNKNOWN if sent else upload_pb2.REASON_UPSTREAM_UNAVAILABLE


def _reason(error: Error) -> upload_pb2.Reason:
    match error:
        case OutcomeUnknownError():
            return upload_pb2.REASON_OUTCOME_UNKNOWN
        case ConflictError():
            return upload_pb2.REASON_CONFLICT
        case UnavailableError() | TimedOutError() | ProtocolError():
            return upload_pb2.REASON_UPSTREAM_UNAVAILABLE
        case _:
            return upload_pb2.REASON_UPSTREAM_REFUSED


def _started(sealed: Sealed) -> Receipt:
    return make_receipt(
        grant=sealed.grant,
        sealed_sha256=sealed.sha256,
        outcome=upload_pb2.OUTCOME_STARTED,
        intent=_NO_CONTENT,
    )
