"""Step 6 of the walk: one sealed secret is opened, compared or written, and answered with a receipt.

In docs/protocol.md's order: what was upstream when the key was made is awaited; the key leaves its table, lengths and
lifetime, open, the key dies, parse; COMPARE answers; UPLOAD and PATCH: expectation, known content, STARTED (stop if
refused), check-and-set write, unknown ends looked up, erase, receipt. The plaintext lives only in frames that have
returned before a receipt is offered; no exception outlives `_answer`. A write that was announced counts as a guess
until it is proven written, whatever ends it (`monoskope.reactor.limits.rates`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.failpoints import failpoint
from monoskope.keyed_lock import KeyedLock
from monoskope.protocol.grant import Grant
from monoskope.protocol.outcomes import WRITTEN
from monoskope.protocol.payload import BadPayloadError, Payload, encode
from monoskope.protocol.receipt import Receipt, make_receipt
from monoskope.protocol.request import Request
from monoskope.reactor.identity.fingerprint import Fingerprints
from monoskope.reactor.keys import OneTimeKeys
from monoskope.reactor.limits.places import Places
from monoskope.reactor.limits.rates import Guess, Rates
from monoskope.reactor.link.appends import AppendRefusedError
from monoskope.reactor.memory.forget import forget
from monoskope.reactor.reasons import FailedError, ended_by
from monoskope.reactor.report.reporter import Offering
from monoskope.reactor.upstream.content import Age, Content, Upstream, differences
from monoskope.reactor.work.delivery import Sealed, open_nothing
from monoskope.reactor.work.fitting import check_fitting
from monoskope.reactor.work.generate import Generator, public_halves
from monoskope.reactor.work.import_secret import import_secret
from monoskope.reactor.work.lookup import failed
from monoskope.reactor.work.patch import check_apart, result_of
from monoskope.reactor.work.verify import verify
from monoskope.reactor.work.write import Write, Writer
from monoskope.uri import SecretUri


class Handler:
    """Walks requests, one at a time for each secret in this process."""

    def __init__(
        self,
        *,
        keys: OneTimeKeys,
        upstream: Upstream,
        writer: Writer,
        offering: Offering,
        rates: Rates,
        parallel: int = 32,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._upstream = upstream
        self._writer = writer
        self._offering = offering
        self._rates = rates
        self._places = Places(parallel)
        self._locks: KeyedLock[SecretUri] = KeyedLock()
        self._generator = Generator()
        self._now = now

    async def handle(self, sealed: Sealed) -> bool:
        """Walk one request to its end; return whether m8 took its receipt: not if the stream ended otherwise."""
        async with self._locks.held(sealed.grant.request.uri):
            answer = await self._answer(sealed)
        if isinstance(answer, asyncio.Task):
            # Nothing will be written: however long m8 takes, no other request has to wait for it.
            answer = await self._too_late(sealed, answer)
        if answer is None:
            return False
        receipt, version = answer
        return await self._offering.end(sealed.grant, receipt, version)

    async def _too_late(self, sealed: Sealed, starting: asyncio.Task[int]) -> tuple[Receipt, int] | None:
        """Return the receipt of a write whose STARTED came too late; None if it was refused after all."""
        try:
            version = await starting
        except AppendRefusedError:
            return None
        return _failed(sealed, upload_pb2.REASON_KEY_LOST), version

    async def _answer(self, sealed: Sealed) -> tuple[Receipt, int] | asyncio.Task[int] | None:
        """Return the receipt, and the version of the stream on which it is offered.

        None if STARTED was refused; the task that offers it if it is too late to write.
        """
        version = sealed.version
        done: Receipt | Write | asyncio.Task[int] | None = None
        try:
            if sealed.first_look is None:
                async with self._places.held(sealed.grant.subject):
                    return await self._looked(sealed), version
            with self._rates.guess(sealed.grant.request.uri, sealed.grant.subject) as guess:
                async with self._places.held(sealed.grant.subject):
                    done = await self._upload(sealed, guess)
                if done is None or isinstance(done, asyncio.Task):
                    return done
                if isinstance(done, Receipt):
                    return done, version
                version = done.version
                # An end that is not known is waited for without a place: others go on.
                receipt = await self._writer.ended(done)
                guess.written = receipt.outcome in WRITTEN
                return receipt, version
        except Exception as error:  # noqa: BLE001 - a defect must leave neither a value nor a request without an end
            reason, upstream_version = ended_by(error, sealed.grant.request, written=isinstance(done, Write))
            forget(error)
        finally:
            self._keys.forget(sealed.grant.request.request_id)
        return _failed(sealed, reason, version=upstream_version), version

    async def _looked(self, sealed: Sealed) -> Receipt:
        """Return the receipt of a request that only looks."""
        match sealed.grant.request.purpose:
            case upload_pb2.PURPOSE_COMPARE:
                return await self._compare(sealed)
            case upload_pb2.PURPOSE_VERIFY:
                open_nothing(self._keys, sealed)
                return await verify(self._upstream, sealed.grant, sealed.sha256, sealed.newest)
            case _:
                open_nothing(self._keys, sealed)
                return await import_secret(self._upstream, sealed.grant, sealed.sha256)

    def _open(self, sealed: Sealed) -> Payload:
        request_id = sealed.grant.request.request_id
        if not sealed.sha256:
            self._keys.forget(request_id)
            raise BadPayloadError
        failpoint("reactor.before-open")
        payload = self._keys.open(request_id, sealed.encapsulated_key, sealed.ciphertext)
        failpoint("reactor.after-open")
        check_fitting(self._upstream.driver, sealed.grant.request, payload)
        return payload

    async def _compare(self, sealed: Sealed) -> Receipt:
        sent = self._upstream.fingerprint_key.of(self._open(sealed))
        content = await self._upstream.compared(sealed.grant.request)
        if content.fingerprints is None:
            raise FailedError(upload_pb2.REASON_CANNOT_READ, upstream_version=content.version)
        found = differences(sent, content.fingerprints)
        return make_receipt(
            grant=sealed.grant,
            sealed_sha256=sealed.sha256,
            outcome=upload_pb2.OUTCOME_DIFFERENT if found else upload_pb2.OUTCOME_EQUAL,
            upstream_version=content.version,
            differences=found,
        )

    async def _prepared(self, sealed: Sealed, guess: Guess) -> Receipt | tuple[Payload | None, Write]:
        """Return what is to be written, None if nothing was sealed, and the write; or the receipt if none is needed."""
        request = sealed.grant.request
        assert sealed.first_look is not None, "a key that may write has a first look"
        # Before anything is opened: no plaintext waits for the engine.
        first = await sealed.first_look.found()
        age = self._writer.age_of(sealed, late_look=first.late)
        if request.purpose == upload_pb2.PURPOSE_GENERATE:
            return await self._generated(sealed, first.content, age)
        payload = self._opened(sealed)
        base = await self._upstream.replaced(request, first.content, age, compare=guess.may_compare)
        if request.purpose == upload_pb2.PURPOSE_DELETE:
            return None, self._writer.prepare(sealed, None, base=base)
        fingerprints = self._after(request, payload, base)
        if guess.may_compare and fingerprints is not None and base.equals(fingerprints):
            await self._upstream.check_still(request, base)
            return unchanged(sealed.grant, sealed.sha256, base.version, fingerprints)
        return payload, self._writer.prepare(sealed, fingerprints, base=base, tells=guess.may_compare)

    def _opened(self, sealed: Sealed) -> Payload | None:
        """Return what was sealed, None for nothing, as the purpose wants it."""
        match sealed.grant.request.purpose:
            case upload_pb2.PURPOSE_DELETE:
                open_nothing(self._keys, sealed)
                return None
            case upload_pb2.PURPOSE_PATCH:
                return self._open_changes(sealed)
            case _:
                return self._open(sealed)

    def _after(self, request: Request, payload: Payload | None, content: Content) -> Fingerprints | None:
        """Return the fingerprints of what is to be there afterwards, None if they cannot be known."""
        key = self._upstream.fingerprint_key
        if request.purpose == upload_pb2.PURPOSE_PATCH:
            return result_of(key, content, payload, request.remove_keys)
        return None if payload is None else key.of(payload)

    def _open_changes(self, sealed: Sealed) -> Payload | None:
        """A patch that only drops keys may seal nothing."""
        request = sealed.grant.request
        if request.remove_keys and not sealed.encapsulated_key and not sealed.ciphertext:
            open_nothing(self._keys, sealed)
            check_fitting(self._upstream.driver, request, None)
            return None
        changes = self._open(sealed)
        check_apart(changes, request.remove_keys)
        return changes

    async def _generated(self, sealed: Sealed, first: Content, age: Age) -> tuple[Payload, Write]:
        """Make what is to be written: never the same twice, so nothing is compared with what is there."""
        request = sealed.grant.request
        open_nothing(self._keys, sealed)
        base = await self._upstream.replaced(request, first, age, compare=False)
        payload = await self._generator.generate(request.recipes, sealed.grant.subject)
        check_fitting(self._upstream.driver, request, payload)
        if len(encode(payload)) > sealed.grant.max_plaintext:
            raise FailedError(upload_pb2.REASON_UNSUPPORTED)
        write = self._writer.prepare(sealed, self._upstream.fingerprint_key.of(payload), base=base)
        write.public_values = public_halves(request.recipes, payload)
        return payload, write

    async def _upload(self, sealed: Sealed, guess: Guess) -> Receipt | Write | asyncio.Task[int] | None:
        """Return an UNCHANGED receipt, or the write that was tried, its plaintext erased.

        None if m8 refused STARTED; the task that still offers it if there is no time left to write.
        """
        prepared = await self._prepared(sealed, guess)
        if isinstance(prepared, Receipt):
            return prepared
        payload, write = prepared
        del prepared
        failpoint("reactor.before-started")
        guess.announced = True
        starting = asyncio.create_task(self._offering.start(sealed.grant, write.started, sealed.version))
        done, _ = await asyncio.wait({starting}, timeout=max(0.0, write.deadline - self._now()))
        if not done:
            # m8 is away. What cannot be written any more is not kept; STARTED may still land, so it goes on.
            return starting
        # A refusal is looked at, not raised: its traceback and this frame would hold each other, and the plaintext.
        if isinstance(starting.exception(), AppendRefusedError):
            return None
        write.version = starting.result()
        failpoint("reactor.after-started")
        await self._writer.write(write, payload)
        return write


def _failed(sealed: Sealed, reason: upload_pb2.Reason, *, version: str = "") -> Receipt:
    """The process that made the key says so: it is the one that its grant names."""
    return failed(sealed.grant, sealed.sha256, reason, replica=sealed.grant.replica, version=version)


def unchanged(grant: Grant, sealed_sha256: bytes, version: str, fingerprints: Fingerprints) -> Receipt:
    """Return the receipt of content that was there already, under `version`."""
    return make_receipt(
        grant=grant,
        sealed_sha256=sealed_sha256,
        outcome=upload_pb2.OUTCOME_UNCHANGED,
        upstream_version=version,
        fingerprint=fingerprints.whole,
        values=fingerprints.values,
    )
