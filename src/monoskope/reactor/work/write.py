"""One check-and-set write: announced by STARTED, tried on the version that STARTED names, its end found out.

After a conflict ANY and OVERWRITE read and decide anew, as long as the key is young, so UPLOADED may name a later
version: the issuer's always names the one that was really replaced. Under an older key what came after the key's making
is newer than the sealed secret: that is CONFLICT. Where the engine has no check-and-set, a look just before the write
takes its place. An heir knows STARTED alone. If
the issuer dies between two tries it finds another version than that one, and says OUTCOME_UNKNOWN rather than a wrong
KEY_LOST; if it dies after a later try its heir's UPLOADED names the version that STARTED did (see `Lookup.written`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from monoskope import operating_log
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.failpoints import failpoint
from monoskope.protocol.grant import Grant
from monoskope.protocol.payload import Payload
from monoskope.protocol.receipt import Receipt, make_receipt, write_tag
from monoskope.reactor.admission.admission import driver_options
from monoskope.reactor.identity.fingerprint import Fingerprints, digest_of
from monoskope.reactor.memory.forget import forget
from monoskope.reactor.reasons import FailedError, reason_of
from monoskope.reactor.timings import Timings
from monoskope.reactor.upstream.content import TRIES, Age, Content, Upstream
from monoskope.reactor.work.delivery import Sealed
from monoskope.reactor.work.lookup import Attempt, Lookup, PublicValues, deleted, uploaded
from monoskope.stores.driver import DriverError, StoreConflictError, UnknownOutcomeError

_NO_CONTENT = bytes(32)
"""What an intent names instead of a content: of a deletion, of what is not known, of what must not be told."""
_WHOLE = frozenset({upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_GENERATE})
"""What is written does not depend on what was there."""
_TRIED_AGAIN = frozenset({upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_OVERWRITE})


@dataclass(slots=True)
class Write:
    """What is known of one write; it holds no value."""

    grant: Grant
    started: Receipt
    fingerprints: Fingerprints | None = field(repr=False)
    """Of what is to be there; None for a deletion, and for a patch of what is not known."""
    tag: bytes
    base: Content = field(repr=False)
    """What it is to replace: what STARTED names, or what was read after a conflict."""
    born: float
    """Monotonic seconds when the key was made."""
    young_until: float
    """Monotonic seconds until when what comes upstream meanwhile counts as concurrent."""
    deadline: float
    """Monotonic seconds by which it has ended: the window after STARTED was offered, within the key's lifetime."""
    settled_at: float
    """Monotonic seconds after which it can no longer be on its way."""
    version: int = 0
    """The stream's, STARTED included."""
    written: str = ""
    """The new upstream version, "" if the write did not happen or that is not known."""
    deleted: bool = False
    """Whether a deletion certainly happened."""
    failure: FailedError | None = None
    """Why it certainly did not happen."""
    begun: bool = False
    public_values: PublicValues = ()
    """Of what was generated."""

    @property
    def prior(self) -> str:
        """The version that it is to replace."""
        return self.base.version

    @property
    def attempt(self) -> Attempt:
        """What there is to look up."""
        return Attempt(self.grant, self.started, self.prior, self.fingerprints, self.public_values)


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes, within the window after STARTED."""

    upstream: Upstream
    lookup: Lookup
    timings: Timings
    now: Callable[[], float] = time.monotonic

    def prepare(self, sealed: Sealed, fingerprints: Fingerprints | None, *, base: Content, tells: bool = True) -> Write:
        """Return the write with its STARTED receipt; the window opens now.

        Without fingerprints it is a deletion, or a patch of what is not known. Where the window of guesses has no room,
        STARTED must not `tell` what is to be written: whoever looked for it upstream would tell a right guess from it.
        """
        grant, now = sealed.grant, self.now()
        key, tag = self.upstream.fingerprint_key, write_tag(grant.sha256, sealed.sha256)
        started = make_receipt(
            grant=grant,
            sealed_sha256=sealed.sha256,
            outcome=upload_pb2.OUTCOME_STARTED,
            prior_version=base.version,
            intent=key.intent(tag, digest_of(fingerprints.whole) if fingerprints and tells else _NO_CONTENT),
        )
        return Write(
            grant,
            started,
            fingerprints,
            tag,
            base,
            sealed.born,
            young_until=sealed.born + self.timings.young,
            # What its client is told holds: after the key's lifetime nothing is written.
            deadline=min(now + self.timings.write_window, sealed.born + grant.lifetime_s),
            settled_at=now + self.timings.settle,
        )

    def age_of(self, sealed: Sealed, *, late_look: bool) -> Age:
        """Return what counts as concurrent with the request that `sealed` is about."""
        return Age(sealed.born, sealed.born + self.timings.young, late_look=late_look, now=self.now)

    async def write(self, write: Write, payload: Payload | None) -> None:
        """Try to do what `write` is about with `payload`, and note in it how that ended."""
        request = write.grant.request
        again = request.purpose in _WHOLE and request.expect in _TRIED_AGAIN
        tries = TRIES if again else 1
        for left in reversed(range(tries)):
            try:
                failpoint("reactor.before-write")
                if self.now() >= write.deadline:
                    return
                async with asyncio.timeout(write.deadline - self.now()):
                    if await self._tried(write, payload, last=left == 0):
                        return
            except TimeoutError:
                return
            except Exception as error:  # noqa: BLE001 - what it left behind is looked up, as any unknown end
                operating_log.error("unforeseen", error, request_id=request.request_id.hex())
                forget(error)
                return

    async def _tried(self, write: Write, payload: Payload | None, *, last: bool) -> bool:
        """Try once; return whether that settles it or leaves its end unknown, so that it is not tried again."""
        write.begun, write.failure = True, None
        try:
            await self._act(write, payload)
            failpoint("reactor.after-write")
        except UnknownOutcomeError:
            return True
        except StoreConflictError:
            write.begun = False
        except DriverError as error:
            write.failure = FailedError(reason_of(error))
        if write.begun:
            return True
        return not await self._decided_anew(write) or last

    async def _act(self, write: Write, payload: Payload | None) -> None:
        driver, request = self.upstream.driver, write.grant.request
        if not driver.capabilities.check_and_set and self.now() >= write.young_until:
            await self._look_before(write)
        replacing = write.prior if driver.capabilities.check_and_set else None
        path, tag, options = request.uri.path, write.tag.hex(), driver_options(driver, request)
        if request.purpose == upload_pb2.PURPOSE_DELETE:
            await driver.delete(path, replacing=replacing, destroy=request.destroy)
            write.deleted = True
        elif request.purpose == upload_pb2.PURPOSE_PATCH:
            write.written = await driver.patch(
                path, payload, request.remove_keys, replacing=replacing, write_tag=tag, options=options
            )
        elif payload is not None:
            write.written = await driver.write(path, payload, replacing=replacing, write_tag=tag, options=options)

    async def _look_before(self, write: Write) -> None:
        """Raise `StoreConflictError` if something else is there than what is to be replaced, or `DriverError`."""
        if not self.upstream.is_same(write.base, await self.upstream.present(write.grant.request)):
            raise StoreConflictError("something else is there than when the key was made.")

    async def _decided_anew(self, write: Write) -> bool:
        """After a conflict: read the version and note it as the one to replace, or why there is nothing to try again.

        Content that is equal by now is written over all the same: after STARTED there is no UNCHANGED.
        """
        write.failure = FailedError(upload_pb2.REASON_CONFLICT)
        if self.now() >= write.young_until:
            return False
        request = write.grant.request
        try:
            now = await self.upstream.present(request)
            if request.purpose in _WHOLE:
                age = Age(write.born, write.young_until, now=self.now)
                now = await self.upstream.replaced(request, now, age, compare=False)
            self.upstream.check(request, now.version)
        except FailedError as error:
            write.failure = error
        except DriverError as error:
            write.failure = FailedError(reason_of(error))
        else:
            write.failure = FailedError(upload_pb2.REASON_CONFLICT, upstream_version=now.version)
            write.base = now
            return True
        return False

    async def ended(self, write: Write) -> Receipt:
        """Return the receipt of a write, looking up an end that is not known."""
        if write.deleted:
            return deleted(write.attempt)
        if write.written:
            return uploaded(write.attempt, write.written, write.fingerprints, write.public_values)
        if write.failure is not None:
            raise write.failure
        if not write.begun:
            raise FailedError(upload_pb2.REASON_KEY_LOST)
        began = self.now()
        for moment in self.timings.lookups:
            await asyncio.sleep(max(0.0, moment - (self.now() - began)))
            try:
                receipt = await self.lookup.written(write.attempt)
            except DriverError:
                continue
            if receipt is not None:
                return receipt
        await asyncio.sleep(max(0.0, write.settled_at - self.now()))
        return await self.lookup.settled(write.attempt)
