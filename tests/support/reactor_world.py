"""What the reactor's tests share: an engine in memory, a log that records, and a client that seals."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import hashlib
import itertools
import secrets
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import msgspec
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.events import ReactorEvent
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import RECEIPT, SEALED_SECRET, labelled, open_signed
from monoskope.protocol.outcomes import State
from monoskope.protocol.payload import Payload, encode
from monoskope.protocol.receipt import Receipt, make_receipt, parse_receipt
from monoskope.protocol.request import Request, make_request
from monoskope.reactor.admission import Admission, SignatureGate
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.keys import KeyRules, OneTimeKeys
from monoskope.reactor.limits import Rates
from monoskope.reactor.link.appends import AppendRefusedError, CopyTokens
from monoskope.reactor.link.open_requests import OpenRequest, OpenRequests
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
    NOTHING,
    CannotReadError,
    Capabilities,
    DeletedVersion,
    Names,
    Snapshot,
    StoreConflictError,
    StoreDriver,
    UnsupportedError,
)
from monoskope.uri import SecretUri, UriPrefix
from tests.support.vectors import EXPECT_NOTHING

SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
SEED = bytes(range(32))
K = bytes(range(32))
EMPTY = hashlib.sha256(b"").digest()
URI = SecretUri.parse("memory://team-a/db")
SECRET = {"password": b"correct horse battery", "user": b"app"}
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


Sign = Callable[[Grant, bytes], bytes]
"""Signs a request: its grant, and the SHA-256 of what is sealed."""


class Clock:
    """Monotonic seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def __call__(self) -> float:
        return self.time


class MemoryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No settings."""


class MemoryStore(StoreDriver):
    """An engine in memory whose every call can be made to fail, or to be overtaken by somebody else's write."""

    kind = "memory"
    Config = MemoryConfig

    def __init__(self, *, kind: str = "memory", **capable: Any) -> None:
        """It can do everything but match what it can read, and what `capable` says, by the names of `Capabilities`."""
        self.kind = kind  # type: ignore[misc]
        can: dict[str, Any] = {each.name: True for each in dataclasses.fields(Capabilities) if each.type == "bool"}
        self._capabilities = Capabilities(131_072, **(can | {"matches": False} | capable))
        self.content: dict[tuple[str, ...], list[tuple[str, Payload, str]]] = defaultdict(list)
        self.aside: dict[tuple[str, ...], tuple[list[tuple[str, Payload, str]], str]] = {}
        """What was deleted so that it can come back, by path, with the name of the deletion."""
        self.failures: dict[str, deque[Any]] = defaultdict(deque)
        """By method: what its next calls do first. An exception is raised, a callable is called, None does nothing."""
        self.foreign: set[str] = set()
        """Names that the engine lists at every path, besides those of `content`."""
        self.calls: list[str] = []
        self.calls_at: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        self.options: list[object | None] = []
        self.destroyed: list[bool] = []
        self._number = 0

    @classmethod
    async def open(cls, config: MemoryConfig, *, state_dir: Path) -> Self:
        del config, state_dir
        return cls()

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def _begin(self, method: str, path: tuple[str, ...]) -> None:
        self.calls.append(method)
        self.calls_at[path].append(method)
        if self.failures[method]:
            failure = self.failures[method].popleft()
            if isinstance(failure, BaseException):
                raise failure
            if failure is not None:
                failure()

    def put(self, secret: Mapping[str, bytes], path: tuple[str, ...] = URI.path, tag: str = "") -> str:
        """Write past the reactor, as somebody else would, and return the version."""
        self._number += 1
        version = f"v{self._number}"
        self.aside.pop(path, None)
        self.content[path].append((version, Payload(secret), tag))
        return version

    def now(self, path: tuple[str, ...] = URI.path) -> str:
        return self.content[path][-1][0] if self.content[path] else NOTHING

    def check(self, path: tuple[str, ...], options: object | None) -> None:
        self._begin("check", path)
        self.options.append(options)

    async def read_version(self, path: tuple[str, ...]) -> str:
        self._begin("read_version", path)
        return self.now(path)

    async def write(
        self,
        path: tuple[str, ...],
        payload: Payload,
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        self.options.append(options)
        self._begin("write", path)
        if replacing is not None and replacing != self.now(path):
            raise StoreConflictError("it is another version.")
        version = self.put(payload, path, write_tag)
        self._begin("written", path)
        return version

    async def patch(
        self,
        path: tuple[str, ...],
        changes: Payload | None,
        remove: Sequence[str],
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        self.options.append(options)
        self._begin("patch", path)
        if not self.content[path] or replacing not in {None, self.now(path)}:
            raise StoreConflictError("it is another version.")
        kept = {key: value for key, value in self.content[path][-1][1].items() if key not in remove}
        version = self.put(kept | dict(changes or {}), path, write_tag)
        self._begin("patched", path)
        return version

    async def delete(self, path: tuple[str, ...], *, replacing: str | None, destroy: bool) -> None:
        self._begin("delete", path)
        if not self.content[path] or replacing not in {None, self.now(path)}:
            raise StoreConflictError("it is another version.")
        self.destroyed.append(destroy)
        self.set_aside(path, destroy=destroy)
        self._begin("deleted", path)

    def set_aside(self, path: tuple[str, ...] = URI.path, *, destroy: bool = False) -> None:
        """Delete past the reactor, as somebody else would."""
        versions, self.content[path] = self.content[path], []
        if not destroy:
            self.aside[path] = versions, f"deletion {len(self.calls)}"

    async def deleted_version(self, path: tuple[str, ...]) -> DeletedVersion | None:
        self._begin("deleted_version", path)
        return self._deleted(path)

    def _deleted(self, path: tuple[str, ...]) -> DeletedVersion | None:
        versions, deletion = self.aside.get(path, ([], ""))
        return DeletedVersion(versions[-1][0], deletion) if versions and not self.content[path] else None

    async def undelete(self, path: tuple[str, ...], deleted: DeletedVersion, *, write_tag: str) -> str:
        del write_tag
        self._begin("undelete", path)
        if self._deleted(path) != deleted:
            raise StoreConflictError("it is another version.")
        self.content[path], _ = self.aside.pop(path)
        self._begin("undeleted", path)
        return self.now(path)

    async def read_at(self, path: tuple[str, ...], version: str) -> Snapshot | None:
        self._begin("read_at", path)
        found = (payload for each, payload, _ in self.content[path] if each == version)
        payload = next(found, None)
        return None if payload is None else Snapshot(version, payload)

    async def find(self, path: tuple[str, ...], write_tag: str) -> str | None:
        self._begin("find", path)
        if not self._capabilities.write_tag:
            raise UnsupportedError("no tags.")
        return next((version for version, _, tag in reversed(self.content[path]) if tag == write_tag), None)

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        self._begin("read", path)
        if not self._capabilities.readable:
            raise CannotReadError("write-only.")
        if not self.content[path]:
            return None
        version, payload, _ = self.content[path][-1]
        return Snapshot(version, payload)

    async def matches(self, path: tuple[str, ...], payload: Payload) -> tuple[str, bool]:
        self._begin("matches", path)
        return self.now(path), bool(self.content[path]) and dict(self.content[path][-1][1]) == dict(payload)

    async def list_names(self, path: tuple[str, ...]) -> Names:
        self._begin("list_names", path)
        below = [place[len(path) :] for place, there in self.content.items() if there and place[: len(path)] == path]
        folders = {rest[0] for rest in below if len(rest) > 1}
        return Names({*self.foreign, *(rest[0] for rest in below if len(rest) == 1)}, folders)

    async def close(self) -> None:
        self.calls.append("close")


class Unversioned(MemoryStore):
    """An engine that shows what is there and nothing of how it came there."""

    def __init__(self, *, readable: bool = True) -> None:
        super().__init__(check_and_set=False, write_tag=False, readable=readable, soft_delete=False, versions=False)
        self._looks = itertools.count()

    def _seen(self, path: tuple[str, ...]) -> str:
        return f"seen{next(self._looks)}" if self.now(path) else NOTHING

    async def read_version(self, path: tuple[str, ...]) -> str:
        await super().read_version(path)
        return self._seen(path)

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        found = await super().read(path)
        return None if found is None else Snapshot(self._seen(path), found.payload)


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


def seal(grant: Grant, plaintext: bytes, *, info: bytes | None = None) -> bytes:
    """Return encapsulated key || ciphertext as a client makes it."""
    public = MLKEM768X25519PublicKey(
        mlkem.MLKEM768PublicKey.from_public_bytes(grant.public_key[:1184]),
        x25519.X25519PublicKey.from_public_bytes(grant.public_key[1184:]),
    )
    return SUITE.encrypt(plaintext, public, info=labelled(SEALED_SECRET, grant.content) if info is None else info)


def ask(
    purpose: upload_pb2.Purpose = upload_pb2.PURPOSE_UPLOAD,
    *,
    uri: SecretUri = URI,
    expect: upload_pb2.Expect | None = None,
    suites: tuple[int, ...] = (1,),
    **fields: Any,
) -> Request:
    default = upload_pb2.EXPECT_UNSPECIFIED if purpose in EXPECT_NOTHING else upload_pb2.EXPECT_ANY
    return make_request(
        request_id=secrets.token_bytes(16),
        purpose=purpose,
        uri=uri,
        expect=default if expect is None else expect,
        suites=suites,
        **fields,
    )


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


def outcome(receipt: Receipt) -> str:
    """Return the outcome of a receipt, and the reason of a failure."""
    text = upload_pb2.Outcome.Name(receipt.outcome).removeprefix("OUTCOME_")
    return f"{text} {upload_pb2.Reason.Name(receipt.reason).removeprefix('REASON_')}" if receipt.reason else text


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


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the garbage collector: what goes meanwhile goes by itself."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def rules(
    replica: bytes, key: FingerprintKey, *, lifetime_s: int = 300, max_plaintext: int = 131_072, alive: int = 1_000
) -> KeyRules:
    """Return the usual rules for grants."""
    return KeyRules(replica, lifetime_s, max_plaintext, key.key_id, alive)


def opened(request: Request, state: State = State.REQUESTED, version: int = 1) -> OpenRequest:
    """Return `request` as m8's events tell it."""
    return OpenRequest(request.request_id, version=version, state=state, request=request.content, subject="alice")


def payload_is_alive(marker: bytes) -> bool:
    """Whether a Payload that holds `marker` is still alive, garbage that only the collector would find included."""
    payloads = [found for found in gc.get_objects() if isinstance(found, Payload)]
    return any(marker in payload.values() for payload in payloads)
