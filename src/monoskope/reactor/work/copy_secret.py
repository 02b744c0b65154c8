"""COPY: put what is upstream here, or some keys of it, elsewhere.

For the put this reactor is a client of m8 like any other. Its own settings say where it may copy to: store, identity of
that store, path pairs. m8 gives a token that can put at the destination and do nothing else, for some minutes. The
value is read, sealed for the destination's reactor under the configured identity, and erased. m8 and the user who asked
for the copy see a receipt of each store and no value.

Each step has a time limit, and the destination handles the put like any other. So a copy that m8 holds back replaces
nothing that came to the destination long after the request. Whatever goes wrong, the request ends with a receipt.

Copies have places of their own and hold no lock of a secret, so two stores that copy to one another never deadlock,
nor does a store that copies to itself: its own reactors handle the put as one more request.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monoskope import operating_log
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk.task import Progress, Result, Stage
from monoskope.errors import (
    ConflictError,
    Error,
    NotAuthorizedError,
    OutcomeUnknownError,
    ProtocolError,
    RateLimitedError,
    TimedOutError,
    UnavailableError,
)
from monoskope.protocol.open_receipt import put_request_id
from monoskope.protocol.outcomes import is_detail
from monoskope.protocol.payload import Payload
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.request import Request
from monoskope.reactor.copy_rules import CopyRule
from monoskope.reactor.identity.copy_key import NO_COPY_KEY, NOBODY_SIGNED, CopySigner, NoCopyKeyError
from monoskope.reactor.identity.fingerprint import Fingerprints
from monoskope.reactor.limits import FairPlaces, Guess
from monoskope.reactor.link.appends import CopyTokens
from monoskope.reactor.memory import forget
from monoskope.reactor.reasons import FailedError, Failure, ended_by
from monoskope.reactor.settings import ReactorSettings
from monoskope.reactor.upstream.content import Upstream
from monoskope.reactor.work.changes import check_content, check_source, copied_part
from monoskope.reactor.work.delivery import DeliveredRequest
from monoskope.stores.driver import NOTHING, DriverError
from monoskope.uri import SecretUri
from monoskope.value import Unshared

if TYPE_CHECKING:
    from monoskope.client import Expect

AT_ONCE = 8
"""How many copies one process makes at once; those of one subject at most half of what the others leave."""
TOKEN_S = 10.0
"""Seconds for m8 to answer the request for a token."""
KEY_S = 20.0
"""Seconds from sending STARTED in which the destination's key must have come."""
PUT_S = 90.0
"""Seconds for the put at the destination; the token is valid longer."""

THERE = "at the destination, {}"
"""The detail where the destination's signed receipt has one, which stands in the gap."""

_NO_CONTENT = bytes(32)


@dataclass(frozen=True, slots=True)
class CopyPut(Unshared):
    """One put at a destination."""

    settings: ReactorSettings
    identity: str
    """The identity of the destination's store, as configured."""
    token: str = field(repr=False)
    request_id: bytes
    """The id of the put's request."""
    destination: SecretUri
    expect: Expect | str
    key_within_s: float
    """Seconds in which the destination's key must come."""
    keep_labels: bool = False
    keep_expires_on: bool = False
    signed: bool = False
    """Whether a key of this reactor's own list signed the copy: only then `copy.key` signs the put."""


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """A copy that STARTED announces. It holds no value."""

    started: Receipt
    """The receipt that announces it."""
    key_by: float
    """Monotonic seconds by which the destination's key must have come."""
    start_by: None = None
    """No limit: a copy whose STARTED m8 records late still ends with a reason, and holds no value until then."""


PutThere = Callable[[CopyPut, Payload], Awaitable["Result | Failure"]]


@dataclass(slots=True)
class Copier:
    """Does the work of COPY requests."""

    settings: ReactorSettings
    upstream: Upstream
    tokens: CopyTokens
    begin_s: float
    """Seconds from the making of its key in which a copy must begin: its user has nothing to gather for it."""
    put: PutThere = field(default_factory=lambda: put_there)
    """Puts at the destination; tests replace it."""
    now: Callable[[], float] = time.monotonic
    places: FairPlaces = field(default_factory=lambda: FairPlaces(AT_ONCE))

    def plan(self, delivered: DeliveredRequest, arrived: float) -> CopyPlan:
        """Return the copy that STARTED is to announce.

        Args:
            delivered: The request.
            arrived: Monotonic seconds when it came, and began to wait for its place.

        Raises:
            FailedError: CONFLICT, m8 held the request back: since then others may have written at the destination;
                UPSTREAM_UNAVAILABLE, it waited for its place too long: its user's client asks anew.
        """
        now, begin_by = self.now(), delivered.born + self.begin_s
        if now > begin_by:
            held_back = arrived > begin_by
            raise FailedError(upload_pb2.REASON_CONFLICT if held_back else upload_pb2.REASON_UPSTREAM_UNAVAILABLE)
        return CopyPlan(delivered.receipt(upload_pb2.OUTCOME_STARTED, intent=_NO_CONTENT), now + KEY_S)

    async def copy(self, delivered: DeliveredRequest, plan: CopyPlan, guess: Guess) -> Receipt:
        """Copy as announced and return the receipt of that: COPIED, or FAILED for whatever went wrong.

        Content that is not the one that was approved is a `guess`.
        """
        request, sent = delivered.grant.request, False
        try:
            rule = self._rule(request)
            token = await self._token(request, plan)
            snapshot = await self.upstream.snapshot(request.uri)
            check_source(request, NOTHING if snapshot is None else snapshot.version)
            assert snapshot is not None, "something is here"
            payload = copied_part(request, snapshot.payload)
            fingerprints = self.upstream.fingerprint_key.fingerprints(payload)
            check_content(delivered.approved.change, fingerprints, guess)
            put = self._copy_put(delivered, rule, token, key_within_s=plan.key_by - self.now())
            sent = True
            there = await self.put(put, payload)
            return _copied(delivered, snapshot.version, fingerprints, there)
        except Exception as error:  # noqa: BLE001 - a library's defect must not leave the request without a receipt
            why = _ended_by(error, request, sent=sent)
            forget(error)
        return delivered.failed(why)

    def _rule(self, request: Request) -> CopyRule:
        """Return the rule under which to copy. Raises `FailedError` (UNSUPPORTED) if the settings have none."""
        assert request.destination is not None, "a COPY has a destination"
        rule = self.settings.copies_to(request.destination.store)
        if rule is None:
            raise FailedError(upload_pb2.REASON_UNSUPPORTED)
        return rule

    async def _token(self, request: Request, plan: CopyPlan) -> str:
        """Return m8's token for the put. However long m8 takes to answer, no value waits for it here.

        Raises:
            FailedError: NOT_FOUND, nothing is here; CONFLICT, another version than is to be copied;
                UPSTREAM_UNAVAILABLE, it comes too late; or as `CopyTokens.ask`.
            DriverError: the engine cannot be asked.
        """
        check_source(request, await self.upstream.driver.read_version(request.uri.path))
        token = await self.tokens.ask(request.request_id, within=TOKEN_S)
        if self.now() >= plan.key_by:
            raise FailedError(upload_pb2.REASON_UPSTREAM_UNAVAILABLE)
        return token

    def _copy_put(self, delivered: DeliveredRequest, rule: CopyRule, token: str, *, key_within_s: float) -> CopyPut:
        request = delivered.grant.request
        assert request.destination is not None, "a COPY has a destination"
        return CopyPut(
            self.settings,
            rule.identity,
            token,
            put_request_id(request.request_id),
            request.destination,
            _expect(request),
            key_within_s,
            request.keep_labels,
            request.keep_expires_on,
            signed=bool(delivered.signer),
        )


def _expect(request: Request) -> Expect | str:
    """Return what must be at the destination, as the client names it."""
    from monoskope.client import Expect  # noqa: PLC0415 - as in `put_there`

    expects = {
        upload_pb2.EXPECT_ANY: Expect.ANY,
        upload_pb2.EXPECT_ABSENT: Expect.ABSENT,
        upload_pb2.EXPECT_OVERWRITE: Expect.OVERWRITE,
    }
    return expects.get(request.expect, request.expect_version)


def _copied(delivered: DeliveredRequest, version: str, fingerprints: Fingerprints, there: Result | Failure) -> Receipt:
    """Return the COPIED receipt.

    Raises:
        FailedError: the reason for which the put failed there, with what the destination's receipt says beside it;
            OUTCOME_UNKNOWN if it has another hash there.
    """
    if isinstance(there, Failure):
        unsigned = NO_COPY_KEY if delivered.signer else NOBODY_SIGNED
        detail = unsigned if there.reason == upload_pb2.REASON_UNSUPPORTED else there.detail
        raise FailedError(there.reason, detail=detail)
    if there.receipt.fingerprint != fingerprints.whole:
        raise FailedError(upload_pb2.REASON_OUTCOME_UNKNOWN)
    return delivered.receipt(
        upload_pb2.OUTCOME_COPIED,
        upstream_version=version,
        fingerprint=fingerprints.whole,
        values=fingerprints.values,
        destination=there.signed,
        destination_grant=there.grant,
    )


async def put_there(put: CopyPut, payload: Payload) -> Result | Failure:
    """Put `payload` at the destination, pinned to the configured identity alone; return the result or why not."""
    from monoskope.client.purposes.copy import put_copy  # noqa: PLC0415 - a client takes memory, and few copy

    stages: set[Stage] = set()

    def observe(progress: Progress) -> None:
        stages.add(progress.stage)

    try:
        return await put_copy(
            put.destination,
            payload,
            servers=put.settings.servers,
            ca_file=put.settings.ca_file,
            token=put.token,
            identity=put.identity,
            request_id=put.request_id,
            expect=put.expect,
            key_within_s=put.key_within_s,
            timeout_s=PUT_S,
            keep_labels=put.keep_labels,
            keep_expires_on=put.keep_expires_on,
            signer=CopySigner(put.settings.folder, signed=put.signed),
            observe=observe,
        )
    except Error as error:
        detail = THERE.format(error.detail) if error.detail else ""
        failure = Failure(_reason(error), detail=detail if is_detail(detail) else "")
        forget(error)
    except Exception as error:  # noqa: BLE001 - an answer of m8 may raise anything, from a library too
        failure = Failure(_unexpected(error, put.request_id, sent=Stage.SENT in stages))
        forget(error)
    return failure


def _ended_by(error: Exception, request: Request, *, sent: bool) -> Failure:
    """Return how a copy ends; `sent` says whether the put may have been sent."""
    if isinstance(error, FailedError | DriverError):
        return ended_by(error, request, otherwise=upload_pb2.REASON_KEY_LOST)
    return Failure(_unexpected(error, request.request_id, sent=sent))


def _unexpected(error: Exception, request_id: bytes, *, sent: bool) -> upload_pb2.Reason:
    """Return the reason for an unexpected exception, and log its type and place."""
    operating_log.error("copy stopped", error, request_id=request_id.hex())
    return upload_pb2.REASON_OUTCOME_UNKNOWN if sent else upload_pb2.REASON_UPSTREAM_UNAVAILABLE


def _reason(error: Error) -> upload_pb2.Reason:
    """Return the reason with which a put that raised `error` ends its COPY."""
    if isinstance(error, NoCopyKeyError):
        operating_log.get().warning("copy not signed", message=error.message, fix=error.fix)
    found = (reason for kind, reason in _REASONS.items() if isinstance(error, kind))
    return next(found, upload_pb2.REASON_UPSTREAM_REFUSED)


_REASONS: dict[type[Error], upload_pb2.Reason] = {
    NoCopyKeyError: upload_pb2.REASON_UNSUPPORTED,
    NotAuthorizedError: upload_pb2.REASON_NOT_AUTHORIZED,
    OutcomeUnknownError: upload_pb2.REASON_OUTCOME_UNKNOWN,
    ConflictError: upload_pb2.REASON_CONFLICT,
    RateLimitedError: upload_pb2.REASON_RATE_LIMITED,
    UnavailableError: upload_pb2.REASON_UPSTREAM_UNAVAILABLE,
    TimedOutError: upload_pb2.REASON_UPSTREAM_UNAVAILABLE,
    ProtocolError: upload_pb2.REASON_UPSTREAM_UNAVAILABLE,
}
"""By the error of the put; every other one is UPSTREAM_REFUSED."""
