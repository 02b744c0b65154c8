"""Step 6 of docs/protocol.md: one sealed secret is opened, compared or written, and answered with a receipt.

`Handler._steps` walks the numbered parts of that step from top to bottom; every purpose enters there. Each frame that
holds the plaintext returns, or deletes it, before a receipt is sent; no exception outlives `Handler._end`. A write that
was announced counts as a guess until the engine says that it was written, whatever ends it (`reactor.limits`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.event_loop import KeyedLock
from monoskope.failpoints import failpoint
from monoskope.protocol.outcomes import WRITTEN, spelled
from monoskope.protocol.payload import Payload, encode
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.request import Request
from monoskope.reactor.admission import SignatureGate
from monoskope.reactor.identity.fingerprint import Fingerprints
from monoskope.reactor.keys import OneTimeKeys
from monoskope.reactor.limits import FairPlaces, Guess, Rates, Signer
from monoskope.reactor.link.appends import AppendRefusedError
from monoskope.reactor.memory import forget
from monoskope.reactor.reasons import FailedError, Failure, ended_by
from monoskope.reactor.report.reporter import Reporter
from monoskope.reactor.upstream.content import Upstream
from monoskope.reactor.upstream.first_look import Content, Found
from monoskope.reactor.value_rules import ValueRule
from monoskope.reactor.work.changes import DoneChanges, check_content, check_keys
from monoskope.reactor.work.copy_secret import Copier, CopyPlan
from monoskope.reactor.work.delivery import (
    Announced,
    DeliveredRequest,
    HandlingEnd,
    Receipted,
    Refused,
    TooLate,
    Written,
    open_delivered,
)
from monoskope.reactor.work.new_values import (
    TOO_LARGE,
    Generator,
    check_apart,
    check_fitting,
    earlier_content,
    public_halves,
    result_of,
)
from monoskope.reactor.work.without_writing import answer
from monoskope.reactor.work.write import WritePlan, Writer
from monoskope.traces import spans
from monoskope.uri import SecretUri


class Handler:
    """Handles requests, one at a time for each secret in this process."""

    def __init__(
        self,
        *,
        keys: OneTimeKeys,
        upstream: Upstream,
        writer: Writer,
        copier: Copier,
        reporter: Reporter,
        rates: Rates,
        gate: SignatureGate | None = None,
        rules: Sequence[ValueRule] = (),
        parallel: int = 32,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._upstream = upstream
        self._writer = writer
        self._copier = copier
        self._reporter = reporter
        self._rates = rates
        self._gate = gate or SignatureGate()
        self._rules = rules
        self._places = FairPlaces(parallel)
        self._locks: KeyedLock[SecretUri] = KeyedLock()
        self._generator = Generator()
        self._changes = DoneChanges()
        self._now = now

    async def handle(self, delivered: DeliveredRequest) -> bool:
        """Handle one request to its end; return whether m8 took its receipt: not if the stream ended otherwise."""
        with spans.Span("handle request", kind="consumer", parent=delivered.traceparent) as span:
            request = delivered.grant.request
            span.note("request_id", request.request_id.hex())
            span.note("store", request.uri.store)
            span.note("purpose", spelled(upload_pb2.Purpose, request.purpose))
            return await self._handle(delivered, span)

    async def _handle(self, delivered: DeliveredRequest, span: spans.Span) -> bool:
        end = await self._end(delivered)
        if isinstance(end, TooLate):
            # Nothing will be written: however long m8 takes, no other request has to wait for it.
            end = await self._recorded_too_late(delivered, end)
        if isinstance(end, Refused):
            return False
        span.note("outcome", spelled(upload_pb2.Outcome, end.receipt.outcome))
        # 10. The receipt goes out: by now the frames that held something secret have returned.
        return await self._reporter.end(delivered.grant, end.receipt, end.version)

    async def _end(self, delivered: DeliveredRequest) -> HandlingEnd:
        """Wait for the request's turn, walk the steps and return the end; every exception becomes a FAILED receipt."""
        request, arrived = delivered.grant.request, self._now()
        try:
            async with AsyncExitStack() as turn:
                with spans.Span("wait for turn"):
                    await turn.enter_async_context(self._turn(request))
                # 1. Whether it is signed and approved, where the grant requires that. If not, the key dies unused.
                signed = self._gate.authorize(
                    delivered.grant, delivered.sha256, delivered.signature, delivered.presented
                )
                delivered = delivered.signed_by(signed)
                newest = (delivered.newest, self._upstream.known.newest(request.uri))
                execution = turn.enter_context(self._changes.executing(delivered.approved.change, *newest))
                guess = turn.enter_context(self._guess(delivered))
                execution.end = await self._steps(delivered, guess, arrived)
                return execution.end
        except Exception as error:  # noqa: BLE001 - a defect must leave neither a value nor a request without an end
            # The engine was told nothing: `Writer` and `Copier` return ends and raise nothing.
            failure = ended_by(error, request, otherwise=upload_pb2.REASON_KEY_LOST)
            forget(error)
        finally:
            self._keys.forget(request.request_id)
        return Receipted(delivered.failed(failure), delivered.version)

    @asynccontextmanager
    async def _turn(self, request: Request) -> AsyncIterator[None]:
        """Hold the secret's lock. A COPY does not: two stores that copy to one another would wait for each other."""
        if request.purpose == upload_pb2.PURPOSE_COPY:
            yield
            return
        async with self._locks.held(request.uri):
            yield

    @contextmanager
    def _guess(self, delivered: DeliveredRequest) -> Iterator[Guess]:
        """Hold room for one guess, for what may write here or is held to a content; count what had to be signed.

        Raises `FailedError` (RATE_LIMITED) if the signer may not compare or put now.
        """
        request, signer = delivered.grant.request, delivered.signer
        if signer:
            self._rates.signed(request, Signer(signer))
        change = delivered.approved.change
        if delivered.first_look is None and not (change and change.fingerprint):
            yield Guess(may_compare=False)
            return
        with self._rates.guess(request.uri, Signer(signer) if signer else delivered.grant.subject) as guess:
            yield guess

    async def _steps(self, delivered: DeliveredRequest, guess: Guess, arrived: float) -> HandlingEnd:
        """Walk step 6 of docs/protocol.md, by its numbers; `_end` begins the first, `_handle` has the last."""
        request = delivered.grant.request
        async with self._places_for(request).held(delivered.grant.subject):
            # 1, continued. Await the version that was there when the key was made: no plaintext waits for the engine.
            with spans.Span("wait for first look"):
                first = None if delivered.first_look is None else await delivered.first_look.found()
            # 2. Take the key out of its table, check lengths and lifetime, open, drop the key, parse.
            with spans.Span("open"):
                payload = open_delivered(self._keys, delivered)
            # 3. What the engine could never take, and what the reactor's own rules do not allow, ends here.
            check_fitting(self._upstream.driver, request, payload, self._rules)
            check_apart(payload, request.remove_keys)
            change = delivered.approved.change
            check_keys(change, payload)
            # 4. COMPARE, VERIFY, IMPORT and LIST answer here.
            if not request.rules.writes:
                matches = self._upstream.driver.capabilities.matches
                sent, payload = self._fingerprints(payload), payload if matches else None
                return Receipted(await answer(self._upstream, delivered, sent, payload), delivered.version)
            if request.purpose == upload_pb2.PURPOSE_COPY:  # The put at its destination walks 5 and 6.
                plan: WritePlan | CopyPlan = self._copier.plan(delivered, arrived)
            else:
                # 5. `expect` not met is CONFLICT or UPSTREAM_CHANGED. Once it is met, GENERATE makes its values, and
                # ROLLBACK reads the earlier version.
                looks = False
                while True:
                    base = await self._expected(delivered, first, guess, looks=looks)
                    payload = await self._made(delivered) if payload is None else payload
                    may_compare = guess.may_compare and request.rules.compares
                    if may_compare and payload is not None and not request.rules.merges:
                        base = await self._upstream.matched(request.uri, base, payload)
                    after = self._after(request, payload, base)
                    same = may_compare and after and base.equals(after)
                    if looks or base.is_current or not same:
                        break
                    looks = True
                check_content(change, after, guess)
                # 6. Known equal content is UNCHANGED, if the engine was asked just now.
                if same and after:
                    return Receipted(_unchanged(delivered, base.version, after), delivered.version)
                plan = self._write_plan(delivered, payload, after, base, guess)
            # 7. Append STARTED, which names the version that is replaced. If it is refused, stop.
            announced = await self._announced(delivered, plan, guess)
            if not isinstance(announced, Announced):
                return announced
            # 8. Write with check-and-set on that version, in time. A COPY is put at its destination.
            if isinstance(plan, CopyPlan):
                receipt = await self._copier.copy(delivered, plan, guess)
                guess.written = receipt.outcome == upload_pb2.OUTCOME_COPIED
                return Receipted(receipt, announced.version)
            with spans.Span("write upstream"):
                end = await self._writer.write(plan, payload)
            del payload
        # 9. An unknown end is looked up. Everything secret is erased.
        receipt = await self._writer.receipt(plan, end)
        guess.written = isinstance(end, Written) and receipt.outcome in WRITTEN
        return Receipted(receipt, announced.version)

    def _places_for(self, request: Request) -> FairPlaces:
        """Return the places of which `request` needs one; it gives it back before its end is looked up."""
        return self._copier.places if request.purpose == upload_pb2.PURPOSE_COPY else self._places

    def _fingerprints(self, payload: Payload | None) -> Fingerprints | None:
        return None if payload is None else self._upstream.fingerprint_key.fingerprints(payload)

    async def _expected(
        self, delivered: DeliveredRequest, first: Found | None, guess: Guess, *, looks: bool
    ) -> Content:
        """Return what the write is to replace; raises as `Upstream.replaced` if it is not what the request expects."""
        assert first is not None, "a key that may write here has a first look"
        request, age = delivered.grant.request, self._writer.age_of(delivered, late_look=first.late)
        return await self._upstream.replaced(request, first.content, age, compare=guess.may_compare, looks=looks)

    async def _made(self, delivered: DeliveredRequest) -> Payload | None:
        """Return what this reactor is to write of its own, held against rules, engine and grant; None for nothing.

        Raises:
            FailedError: UNSUPPORTED, it does not fit; UPSTREAM_REFUSED, a rule is broken; or as `earlier_content`.
            DriverError: as `earlier_content`.
        """
        grant, request = delivered.grant, delivered.grant.request
        if request.to_version:
            payload = await earlier_content(self._upstream.driver, request)
        elif request.recipes:
            payload = await self._generator.generate(request.recipes, grant.subject, grant.max_plaintext)
        else:
            return None
        check_fitting(self._upstream.driver, request, payload, self._rules)
        if len(encode(payload)) > grant.max_plaintext:
            raise FailedError(upload_pb2.REASON_UNSUPPORTED, detail=TOO_LARGE)
        return payload

    def _after(self, request: Request, payload: Payload | None, base: Content) -> Fingerprints | None:
        """Return the fingerprints of what is to be there afterwards, None if they cannot be known."""
        if request.purpose == upload_pb2.PURPOSE_PATCH:
            return result_of(self._upstream.fingerprint_key, base, payload, request.remove_keys)
        if request.rules.undeletes:
            return self._upstream.from_receipt(request.uri, base.version)
        return self._fingerprints(payload)

    def _write_plan(
        self,
        delivered: DeliveredRequest,
        payload: Payload | None,
        after: Fingerprints | None,
        base: Content,
        guess: Guess,
    ) -> WritePlan:
        request = delivered.grant.request
        public_values = () if payload is None else public_halves(request.recipes, payload)
        reveals = guess.may_compare or not request.rules.compares
        return self._writer.plan(delivered, after, base=base, reveals=reveals, public_values=public_values)

    async def _announced(
        self, delivered: DeliveredRequest, plan: WritePlan | CopyPlan, guess: Guess
    ) -> Announced | Refused | TooLate:
        """Append STARTED; return what came of it. What comes too late goes on: m8 may still record it."""
        failpoint("reactor.before-started")
        guess.announced = True
        starting = asyncio.create_task(self._reporter.start(delivered.grant, plan.started, delivered.version))
        within = None if plan.start_by is None else max(0.0, plan.start_by - self._now())
        done, _ = await asyncio.wait({starting}, timeout=within)
        if not done:
            return TooLate(starting)
        # A refusal is looked at, not raised: its traceback would hold the frames of its callers, and the plaintext.
        if isinstance(starting.exception(), AppendRefusedError):
            return Refused()
        version = starting.result()
        failpoint("reactor.after-started")
        return Announced(version)

    async def _recorded_too_late(self, delivered: DeliveredRequest, end: TooLate) -> Receipted | Refused:
        """Wait until m8 has answered STARTED; nothing was written, and nothing will be."""
        try:
            version = await end.starting
        except AppendRefusedError:
            return Refused()
        return Receipted(delivered.failed(Failure(upload_pb2.REASON_KEY_LOST)), version)


def _unchanged(delivered: DeliveredRequest, version: str, there: Fingerprints) -> Receipt:
    return delivered.receipt(
        upload_pb2.OUTCOME_UNCHANGED, upstream_version=version, fingerprint=there.whole, values=there.values
    )
