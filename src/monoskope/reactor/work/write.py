"""One check-and-set write: announced by STARTED, tried on the version that STARTED names, its end found out.

After a conflict ANY and OVERWRITE read and decide anew, as long as the key is young, so UPLOADED may name a later
version: the issuer's always names the one that was really replaced. Under an older key, what came after the key was
made is newer than the sealed secret: that is CONFLICT. Where the engine has no check-and-set, a look just before the
write takes its place.

An heir knows STARTED alone. If the issuer dies between two tries, its heir finds another version than STARTED names and
says OUTCOME_UNKNOWN rather than a wrong KEY_LOST. If it dies after a later try, its heir's UPLOADED names the version
that STARTED did (see `Lookup.written`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from monoskope import operating_log
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.failpoints import failpoint
from monoskope.protocol.grant import Grant
from monoskope.protocol.payload import Payload
from monoskope.protocol.receipt import Receipt, write_tag
from monoskope.reactor.admission import driver_options
from monoskope.reactor.identity.fingerprint import Fingerprints, digest_of
from monoskope.reactor.memory import forget
from monoskope.reactor.reasons import FailedError, Failure, ended_by, failed_by
from monoskope.reactor.timings import Timings
from monoskope.reactor.upstream.content import TRIES, Upstream
from monoskope.reactor.upstream.first_look import Age, Content
from monoskope.reactor.work.delivery import DeliveredRequest, Unknown, WriteEnd, Written
from monoskope.reactor.work.lookup import Lookup, PublicValues, WriteAttempt, deletion_digest, failed
from monoskope.stores.driver import NOTHING, DriverError, StoreConflictError, UnknownOutcomeError

_NO_CONTENT = bytes(32)
"""What an intent names instead of a content: of a deletion, of unknown content, of what must not be revealed."""
_WATCH_S = 1.0
"""Between two looks at whether a write that is under way still has the time that the loop's clock gives it."""
_TRIED_AGAIN = frozenset({upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_OVERWRITE})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WritePlan:
    """A write that STARTED announces. It holds no value."""

    attempt: WriteAttempt = field(repr=False)
    base: Content = field(repr=False)
    """What it is to replace: what STARTED names, or what was read after a conflict."""
    age: Age
    """Of the key."""
    deadline: float
    """Monotonic seconds by which it has ended: the window after STARTED was sent, within the key's lifetime."""
    settled_at: float
    """Monotonic seconds after which it can no longer be on its way."""

    @property
    def started(self) -> Receipt:
        """The receipt that announces it."""
        return self.attempt.started

    @property
    def start_by(self) -> float:
        """Monotonic seconds after which it is too late to begin."""
        return self.deadline

    def onto(self, base: Content) -> WritePlan:
        """Return the same write, to replace `base`."""
        return replace(self, base=base, attempt=replace(self.attempt, prior=_replaced(self.attempt.grant, base)))


@dataclass(frozen=True, slots=True)
class _Conflict:
    """Something else is there than what was to be replaced, and stays."""

    detail: str = ""
    """What was done to the version before it (`OvertakenError`), "" for nothing."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes, within the window after STARTED."""

    upstream: Upstream
    lookup: Lookup
    timings: Timings
    now: Callable[[], float] = time.monotonic

    def age_of(self, delivered: DeliveredRequest, *, late_look: bool = False) -> Age:
        """Return the age of the request's key: what counts as concurrent with the request."""
        return Age(delivered.born, delivered.born + self.timings.young, late_look=late_look, now=self.now)

    def plan(
        self,
        delivered: DeliveredRequest,
        fingerprints: Fingerprints | None,
        *,
        base: Content,
        reveals: bool,
        public_values: PublicValues = (),
    ) -> WritePlan:
        """Return the write with its STARTED receipt; the window opens now.

        Args:
            delivered: The request.
            fingerprints: Of what is to be there; None for a deletion, and for what is not known.
            base: What is to be replaced, or for UNDELETE what is to come back.
            reveals: Whether STARTED may name what is to be written. Not where the window of guesses has no room: a look
                for it upstream would show a right guess.
            public_values: Of what was generated.
        """
        grant, now = delivered.grant, self.now()
        request, prior = grant.request, _replaced(grant, base)
        whole = digest_of(fingerprints.whole) if fingerprints and reveals else _NO_CONTENT
        if base.deleted is not None:
            whole = deletion_digest(base.deleted)
        started = delivered.receipt(
            upload_pb2.OUTCOME_STARTED,
            prior_version=prior,
            intent=self.upstream.fingerprint_key.intent(write_tag(grant.sha256, delivered.sha256), whole),
            restored_version=base.version if request.rules.undeletes else request.to_version,
        )
        return WritePlan(
            WriteAttempt(grant, started, prior, fingerprints, public_values),
            base,
            self.age_of(delivered),
            # Clients are told that nothing is written after the key's lifetime.
            deadline=min(now + self.timings.write_window, delivered.born + grant.lifetime_s),
            settled_at=now + self.timings.settle,
        )

    async def write(self, plan: WritePlan, payload: Payload | None) -> WriteEnd:
        """Try to write `payload` as `plan` says; after a conflict try again where that is allowed. Return the end.

        It raises nothing: once STARTED is recorded, the caller could not tell whether the engine has written.
        """
        try:
            return await self._tries(plan, payload)
        except Exception as error:  # noqa: BLE001 - what it left behind is looked up, as any unknown end
            _log_and_forget(plan, error)
        return Unknown(plan.attempt)

    async def _tries(self, plan: WritePlan, payload: Payload | None) -> WriteEnd:
        request = plan.attempt.grant.request
        again = request.rules.replaces and request.expect in _TRIED_AGAIN
        end = Failure(upload_pb2.REASON_KEY_LOST)
        for _ in range(TRIES if again else 1):
            failpoint("reactor.before-write")
            if self.now() >= plan.deadline:
                break
            tried = await self._in_time(plan, self._tried(plan, payload), otherwise=Unknown(plan.attempt))
            if not isinstance(tried, _Conflict):
                return tried
            end = Failure(upload_pb2.REASON_CONFLICT, detail=tried.detail or end.detail)
            anew = await self._in_time(plan, self._decided_anew(plan), otherwise=end)
            if isinstance(anew, Failure):
                return anew._replace(detail=end.detail or anew.detail)
            plan, end = anew, end._replace(upstream_version=anew.attempt.prior)
        return end

    async def _in_time(self, plan: WritePlan, step: Awaitable[T], *, otherwise: T) -> T:
        """Return what `step` returns; `otherwise` if it does not end by the deadline or fails unexpectedly."""
        try:
            async with asyncio.timeout(plan.deadline - self.now()) as limit:
                watch = asyncio.create_task(self._watch(limit, plan.deadline))
                try:
                    return await step
                finally:
                    watch.cancel()
        except TimeoutError:
            pass
        except Exception as error:  # noqa: BLE001 - what it left behind is looked up, as any unknown end
            _log_and_forget(plan, error)
        return otherwise

    async def _watch(self, limit: asyncio.Timeout, deadline: float) -> None:
        """Bring `limit` forward where the loop's own clock stood still, because the machine was suspended or paused."""
        loop = asyncio.get_running_loop()
        while not limit.expired():
            await asyncio.sleep(_WATCH_S)
            at = loop.time() + deadline - self.now()
            if not limit.expired() and at < (limit.when() or at) - _WATCH_S:
                limit.reschedule(max(loop.time(), at))

    async def _tried(self, plan: WritePlan, payload: Payload | None) -> WriteEnd | _Conflict:
        """Try once."""
        try:
            end = await self._act(plan, payload)
            failpoint("reactor.after-write")
        except UnknownOutcomeError:
            return Unknown(plan.attempt)
        except StoreConflictError as error:
            return _Conflict(error.told)
        except DriverError as error:
            return failed_by(error).failure
        return end

    async def _act(self, plan: WritePlan, payload: Payload | None) -> WriteEnd:
        """Have the driver write. Raises `DriverError`."""
        driver, request = self.upstream.driver, plan.attempt.grant.request
        if not driver.capabilities.check_and_set and not plan.age.is_young:
            await self._look_before(plan)
        replacing = plan.base.version if driver.capabilities.check_and_set else None
        path, tag, options = request.uri.path, plan.attempt.tag.hex(), driver_options(driver, request)
        if request.purpose == upload_pb2.PURPOSE_DELETE:
            await driver.delete(path, replacing=replacing, destroy=request.destroy)
            return Written(plan.attempt, NOTHING)
        if request.purpose == upload_pb2.PURPOSE_UNDELETE:
            assert plan.base.deleted is not None, "what is not deleted is CONFLICT before"
            version = await driver.undelete(path, plan.base.deleted, write_tag=tag)
        elif request.purpose == upload_pb2.PURPOSE_PATCH:
            version = await driver.patch(
                path, payload, request.remove_keys, replacing=replacing, write_tag=tag, options=options
            )
        else:
            assert payload is not None, "something was sealed, made or read"
            version = await driver.write(path, payload, replacing=replacing, write_tag=tag, options=options)
        return Written(plan.attempt, version) if version else Unknown(plan.attempt)

    async def _look_before(self, plan: WritePlan) -> None:
        """Raise `StoreConflictError` if something else is there than what is to be replaced, or `DriverError`."""
        if not self.upstream.is_same(plan.base, await self.upstream.present(plan.attempt.grant.request)):
            raise StoreConflictError("something else is there than when the key was made.")

    async def _decided_anew(self, plan: WritePlan) -> WritePlan | Failure:
        """After a conflict: return the write onto what is there now, or why it must not be tried again.

        Content that is equal by now is written over all the same: after STARTED there is no UNCHANGED.
        """
        if not plan.age.is_young:
            return Failure(upload_pb2.REASON_CONFLICT)
        request = plan.attempt.grant.request
        try:
            if request.rules.replaces:
                now = await self.upstream.replaced(request, plan.base, plan.age, compare=False, looks=True)
            else:
                now = await self.upstream.present(request)
                self.upstream.check(request, now.version)
        except FailedError as error:
            return error.failure
        except DriverError as error:
            return failed_by(error).failure
        return plan.onto(now)

    async def receipt(self, plan: WritePlan, end: WriteEnd) -> Receipt:
        """Return the receipt of a write that came to `end`, looking up an end that is not known."""
        grant = plan.attempt.grant
        try:
            if isinstance(end, Written):
                return await self.lookup.finished(end.attempt, end.version)
            if isinstance(end, Unknown):
                return await self._looked_up(end.attempt, plan.settled_at)
        except Exception as error:  # noqa: BLE001 - the engine may have written: the request needs an end all the same
            end = ended_by(error, grant.request, otherwise=upload_pb2.REASON_OUTCOME_UNKNOWN)
            forget(error)
        return failed(grant, plan.started.sealed_sha256, end, replica=grant.replica)

    async def _looked_up(self, attempt: WriteAttempt, settled_at: float) -> Receipt:
        began = self.now()
        for moment in self.timings.lookups:
            await asyncio.sleep(max(0.0, moment - (self.now() - began)))
            try:
                receipt = await self.lookup.written(attempt)
            except DriverError:
                continue
            if receipt is not None:
                return receipt
        await asyncio.sleep(max(0.0, settled_at - self.now()))
        return await self.lookup.settled(attempt)


def _replaced(grant: Grant, base: Content) -> str:
    """Return the version that the write replaces: UNDELETE brings `base` back, and replaces nothing."""
    return NOTHING if grant.request.rules.undeletes else base.version


def _log_and_forget(plan: WritePlan, error: Exception) -> None:
    operating_log.error("unforeseen", error, request_id=plan.attempt.grant.request.request_id.hex())
    forget(error)
