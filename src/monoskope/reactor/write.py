"""One check-and-set write: announced by STARTED, tried on the version just read, its end found out.

STARTED names the version that was read before it. After a conflict ANY and OVERWRITE read and decide anew, so UPLOADED
may name a later one: the issuer's always names the version that was really replaced. An heir knows STARTED alone. If
the issuer dies between two tries it finds another version than that one, and says OUTCOME_UNKNOWN rather than a wrong
KEY_LOST; if it dies after a later try its heir's UPLOADED names the version that STARTED did (see `Lookup.written`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.failpoints import failpoint
from monoskope.protocol.grant import Grant
from monoskope.protocol.payload import Payload
from monoskope.protocol.receipt import Receipt, make_receipt, write_tag
from monoskope.reactor.admit import driver_options
from monoskope.reactor.fingerprint import Fingerprints, digest_of
from monoskope.reactor.lookup import Attempt, Lookup, PublicValues, deleted, uploaded
from monoskope.reactor.reasons import FailedError, reason_of
from monoskope.reactor.timings import Timings
from monoskope.reactor.upstream import TRIES, Upstream
from monoskope.stores.driver import DriverError, StoreConflictError, UnknownOutcomeError

_NO_CONTENT = bytes(32)
"""What the intent of a deletion names instead of a content, and that of a patch of what is not known."""
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
    prior: str
    """The version that it is to replace: the one that STARTED names, or the one read after a conflict."""
    offered: float
    """Monotonic seconds just before STARTED was offered."""
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

    def prepare(self, grant: Grant, sealed_sha256: bytes, fingerprints: Fingerprints | None, *, prior: str) -> Write:
        """Return the write with its STARTED receipt; the window opens now.

        Without fingerprints it is a deletion, or a patch of what is not known.
        """
        key, tag = self.upstream.fingerprint_key, write_tag(grant.sha256, sealed_sha256)
        started = make_receipt(
            grant=grant,
            sealed_sha256=sealed_sha256,
            outcome=upload_pb2.OUTCOME_STARTED,
            prior_version=prior,
            intent=key.intent(tag, digest_of(fingerprints.whole) if fingerprints else _NO_CONTENT),
        )
        return Write(grant, started, fingerprints, tag, prior, self.now())

    async def write(self, write: Write, payload: Payload | None, *, deadline: float) -> None:
        """Try to do what `write` is about with `payload`, and note in it how that ended."""
        request = write.grant.request
        again = request.purpose in _WHOLE and request.expect in _TRIED_AGAIN
        tries = TRIES if again else 1
        for left in reversed(range(tries)):
            failpoint("reactor.before-write")
            if self.now() >= deadline:
                return
            try:
                async with asyncio.timeout(deadline - self.now()):
                    if await self._tried(write, payload, last=left == 0):
                        return
            except TimeoutError:
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

    async def _decided_anew(self, write: Write) -> bool:
        """After a conflict: read the version and note it as the one to replace, or why there is nothing to try again.

        Content that is equal by now is written over all the same: after STARTED there is no UNCHANGED.
        """
        write.failure = FailedError(upload_pb2.REASON_CONFLICT)
        request = write.grant.request
        try:
            version = await self.upstream.driver.read_version(request.uri.path)
            self.upstream.check(request, version)
        except FailedError as error:
            write.failure = error
        except DriverError as error:
            write.failure = FailedError(reason_of(error))
        else:
            write.failure = FailedError(upload_pb2.REASON_CONFLICT, upstream_version=version)
            write.prior = version
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
        await asyncio.sleep(max(0.0, write.offered + self.timings.settle - self.now()))
        return await self.lookup.settled(write.attempt)
