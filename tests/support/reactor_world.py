"""A reactor's parts around an engine in memory, without a network."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.events import ReactorEvent
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import RECEIPT, open_signed
from monoskope.protocol.payload import Payload, encode
from monoskope.protocol.receipt import Receipt, make_receipt, parse_receipt
from monoskope.protocol.request import Request
from monoskope.reactor.admission import Admission, SignatureGate
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.keys import KeyRules, OneTimeKeys
from monoskope.reactor.limits import Rates
from monoskope.reactor.link.appends import AppendRefusedError, CopyTokens
from monoskope.reactor.link.open_requests import OpenRequests
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.report.audit_log import AuditEntry
from monoskope.reactor.report.known_receipts import KnownReceipts
from monoskope.reactor.report.reporter import Reporter
from monoskope.reactor.settings import ReactorLimits, ReactorSettings
from monoskope.reactor.signers import Signers
from monoskope.reactor.signers.approvals import NOTHING_PRESENTED, Presented
from monoskope.reactor.timings import Timings
from monoskope.reactor.upstream.content import Upstream
from monoskope.reactor.upstream.first_look import FirstLooks
from monoskope.reactor.value_rules import ValueRule
from monoskope.reactor.work.copy_secret import Copier
from monoskope.reactor.work.delivery import DeliveredRequest
from monoskope.reactor.work.handle import Handler
from monoskope.reactor.work.lookup import Lookup, WriteAttempt
from monoskope.reactor.work.write import Writer
from monoskope.stores.driver import (
    StoreDriver,
)
from monoskope.uri import SecretUri, UriPrefix
from tests.support.memory_store import URI, MemoryConfig, MemoryStore
from tests.support.reactor_requests import EMPTY, SECRET, Sign, ask, outcome, seal

SEED = bytes(range(32))
K = bytes(range(32))
FAST = Timings(
    write_window=5.0,
    issuer_gone=0.05,
    settle=0.0,
    lookups=(0.0,),
    lookup_retry=0.0,
    lookup_tries=2,
    tick=0.02,
    connect=3.0,
    backoff_least=0.01,
    backoff_most=0.05,
    append_retry=0.01,
    linger=0.0,
    drain=3.0,
)
PATIENCE_S = 60.0
"""For what comes in a moment, and on a busy machine later."""


class Clock:
    """Monotonic seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def __call__(self) -> float:
        return self.time


class ListAudit:
    """An audit log in memory."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    def write(self, entry: AuditEntry) -> None:
        self.entries.append(entry)


@dataclass
class ListLog:
    """A log that takes everything, unless told otherwise, and tells the open requests at once."""

    events: list[ReactorEvent] = field(default_factory=list)
    expected: list[int] = field(default_factory=list)
    refusals: deque[str | None] = field(default_factory=deque)
    """For the next appends: m8's code, or None to take it."""
    before: list[Any] = field(default_factory=list)
    """Called, and removed, before the next append is taken."""
    away: asyncio.Event | None = None
    """If set: appends wait for it."""

    async def append(self, request_id: bytes, expected_version: int, event: ReactorEvent) -> int:
        del request_id
        self.expected.append(expected_version)
        if self.away is not None:
            await self.away.wait()
        if self.before:
            self.before.pop(0)()
        refusal = self.refusals.popleft() if self.refusals else None
        if refusal is not None:
            raise AppendRefusedError(refusal)
        self.events.append(event)
        return expected_version + 1


def settings(
    folder: Path,
    *,
    prefixes: tuple[str, ...] = ("memory://team-a",),
    limits: ReactorLimits | None = None,
    server: str = "localhost:1",
) -> ReactorSettings:
    """Return the settings of a reactor for the store `memory`."""
    return ReactorSettings(
        folder=folder,
        servers=(server,),
        ca_file=folder / "ca.crt",
        store="memory",
        prefixes=tuple(UriPrefix.parse(prefix) for prefix in prefixes),
        driver=MemoryStore,
        engine=MemoryConfig(),
        limits=limits or ReactorLimits(),
        log_file=None,
    )


class World:
    """A reactor's parts around a store, without a network."""

    def __init__(
        self,
        store: StoreDriver | None = None,
        *,
        timings: Timings = FAST,
        uri: SecretUri = URI,
        key: FingerprintKey | None = None,
        signers: Signers | None = None,
        now: Callable[[], float] | None = None,
        value_rules: Sequence[ValueRule] = (),
    ) -> None:
        self.value_rules = value_rules
        self.uri = uri
        self.now = Clock()
        self.reads = now or self.now
        """What keys and windows end by: `now`, which a test moves, or a clock of the test's own."""
        self.store = store or MemoryStore()
        self.identity = Identity(SEED, store=uri.store)
        self.key = key or FingerprintKey(K)
        self.replica = secrets.token_bytes(16)
        self.requests = OpenRequests()
        self.log = ListLog()
        self.audit = ListAudit()
        self.known = KnownReceipts(self.identity, now=self.reads)
        self.upstream = Upstream(self.store, self.key, self.known)
        self.looks = FirstLooks(self.upstream, within_s=timings.young, now=self.reads)
        self.gate = SignatureGate(signers, self.audit, now=self.reads)
        of_all = dataclasses.replace(
            rules(self.replica, self.key), requires_signature=self.gate.requires, approvals=self.gate.asks
        )
        self.keys = OneTimeKeys(self.identity, of_all, now=self.reads)
        self.reporter = Reporter(self.identity, self.log, self.requests, self.known, self.audit)
        self.lookup = Lookup(self.store, self.key, timings, self.replica)
        self.writer = Writer(self.upstream, self.lookup, timings, now=self.reads)
        self.rates = Rates(ReactorLimits(), now=self.now)
        nowhere, tokens = settings(Path("/nowhere")), CopyTokens()
        self.handler = self.handler_with(
            Copier(settings=nowhere, upstream=self.upstream, tokens=tokens, begin_s=timings.young, now=self.reads)
        )

    def handler_with(self, copier: Copier) -> Handler:
        return Handler(
            keys=self.keys,
            upstream=self.upstream,
            writer=self.writer,
            copier=copier,
            reporter=self.reporter,
            rates=self.rates,
            gate=self.gate,
            rules=self.value_rules,
            now=self.reads,
        )

    @property
    def memory(self) -> MemoryStore:
        assert isinstance(self.store, MemoryStore)
        return self.store

    def use_up_guesses(self) -> None:
        """Let alice's guesses of an hour be used up: from now on nothing is compared."""
        self.rates.limits = ReactorLimits(uploads_per_second=100, compares_per_hour_per_uri=1, compares_per_hour=1)
        with self.rates.guess(self.uri, "alice") as guess:
            guess.announced = True

    def sealed(
        self,
        request: Request | None = None,
        secret: Mapping[str, bytes] = SECRET,
        *,
        newest: Receipt | None = None,
        subject: str = "alice",
        sign: Sign | None = None,
        presented: Presented = NOTHING_PRESENTED,
    ) -> DeliveredRequest:
        """Return a secret that is sealed under a grant of this reactor, and signed where `sign` is given."""
        key = self.keys.grant(request or ask(uri=self.uri), subject, self.looks.begin)
        grant = key.grant
        nothing = not grant.request.rules.seals or not secret
        delivered = b"" if nothing else seal(grant, encode(Payload(secret)))
        digest = hashlib.sha256(delivered).digest()
        signature = b"" if sign is None else sign(grant, digest)
        return DeliveredRequest.from_bytes(
            key, delivered, digest, 3, signature=signature, presented=presented, newest=newest
        )

    async def walk(
        self,
        request: Request | None = None,
        secret: Mapping[str, bytes] = SECRET,
        *,
        newest: Receipt | None = None,
        sign: Sign | None = None,
    ) -> Receipt:
        """Walk one request to its end and return the receipt that m8 got, verified."""
        assert await self.handler.handle(self.sealed(request, secret, newest=newest, sign=sign))
        return self.receipt()

    def receipt(self, index: int = -1) -> Receipt:
        """Return a receipt that m8 got."""
        event = self.log.events[index]
        assert not isinstance(event, events_pb2.SecretUploadKeyProvided)
        return parse_receipt(open_signed(event.receipt, RECEIPT, self.identity.shown))

    def outcomes(self) -> list[str]:
        """Return what m8 got, in order: outcomes, and reasons of failures."""
        return [outcome(self.receipt(index)) for index in range(len(self.log.events))]

    async def taken_over(self, grant: Grant, *, sealed_sha256: bytes = EMPTY, **announced: Any) -> Receipt:
        """Return what a replica says of a request of which another, now dead, `announced` so much."""
        started = make_receipt(
            grant=grant, sealed_sha256=sealed_sha256, outcome=upload_pb2.OUTCOME_STARTED, **announced
        )
        return await self.lookup.settled(WriteAttempt(grant, started, started.prior_version))


async def looked() -> None:
    """Let the look at what is there, begun with the key, end."""
    for _ in range(60):
        await asyncio.sleep(0)


def admission(store: StoreDriver | None = None, of: ReactorSettings | None = None) -> Admission:
    """Return what says which requests get a key."""
    of = of or settings(Path("nowhere"))
    return Admission(of, store or MemoryStore(), Rates(of.limits, now=Clock()))


def refusal(by: Admission, request: Request) -> str:
    """Return the reason for which `request` gets no key, "" if it gets one."""
    try:
        by.admit(request, "alice")
    except FailedError as error:
        return upload_pb2.Reason.Name(error.reason).removeprefix("REASON_")
    return ""


def rules(
    replica: bytes, key: FingerprintKey, *, lifetime_s: int = 300, max_plaintext: int = 131_072, alive: int = 1_000
) -> KeyRules:
    """Return the usual rules for grants."""
    return KeyRules(replica, lifetime_s, max_plaintext, key.key_id, alive)
