"""End the requests whose issuer is gone, by what it signed alone (docs/protocol.md, When something breaks).

Before WRITING the end is KEY_LOST; the expected version stops an issuer that is merely slow. In WRITING the end is what
the engine shows, once STARTED was seen so long ago that no write can be on its way any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Error
from monoskope.failpoints import failpoint
from monoskope.protocol.grant import REPLICA_BYTES, Grant, parse_grant
from monoskope.protocol.hello import MAX_REPLICAS
from monoskope.protocol.identity import UPLOAD_GRANT, open_signed
from monoskope.protocol.outcomes import State
from monoskope.protocol.receipt import Receipt
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.link.open_requests import OpenRequest, OpenRequests
from monoskope.reactor.reasons import Failure
from monoskope.reactor.report.known_receipts import own_receipt
from monoskope.reactor.report.reporter import Reporter
from monoskope.reactor.timings import Timings
from monoskope.reactor.work.lookup import Lookup, WriteAttempt, failed
from monoskope.uri import SecretUri

MOST_GONE = 1_024
"""Replicas without a session that are noted at once, at most. Of one that is forgotten the absence begins anew."""

_RECOVERABLE = frozenset({State.GRANTED, State.UPLOADING, State.WRITING})


def own_grant(request: OpenRequest, identity: Identity) -> Grant | None:
    """Return the grant that m8 shows for `request` if this store's identity made it, and not a former one.

    What is done about it is signed by this identity: a former key, stolen later, must not get such a signature.
    """
    signed = request.grant
    if signed is None:
        return None
    if request.verified is None or request.verified[0] is not signed:
        request.verified = signed, _verified(request, signed, identity)
    return request.verified[1]


def _verified(request: OpenRequest, signed: upload_pb2.Signed, identity: Identity) -> Grant | None:
    try:
        grant = parse_grant(open_signed(signed, UPLOAD_GRANT, identity.shown))
    except Error:
        return None
    ours = grant.request.request_id == request.request_id and grant.request.uri.store == identity.store
    return grant if ours else None


@dataclass(frozen=True, slots=True)
class Peers:
    """The requests on which other replicas of the store work, as m8 says and their signed grants prove."""

    requests: OpenRequests
    identity: Identity
    replica: bytes
    """The id of this process."""

    def write(self, uri: SecretUri) -> bool:
        """Whether another replica gave a key for an unfinished request about `uri`."""
        grants = (own_grant(request, self.identity) for request in self.requests)
        return any(grant and grant.replica != self.replica and grant.request.uri == uri for grant in grants)


@dataclass(slots=True)
class Presence:
    """Which replicas of the store have a session, as m8 says, and since when the others have none."""

    now: Callable[[], float] = time.monotonic
    _here: set[bytes] = field(default_factory=set)
    _gone: dict[bytes, float] = field(default_factory=dict)

    def attached(self, replicas: Iterable[bytes]) -> None:
        """Start over: this process has a session again, and so have `replicas`."""
        self._here = set(replicas)
        self._gone.clear()

    def came(self, replica: bytes) -> None:
        """Note that a replica has a session. An honest m8 lets no more of them in than are noted."""
        if len(replica) == REPLICA_BYTES and len(self._here) < MAX_REPLICAS:
            self._here.add(replica)
            self._gone.pop(replica, None)

    def went(self, replica: bytes) -> None:
        """Note that a replica's session ended."""
        self._here.discard(replica)
        if len(replica) == REPLICA_BYTES:
            self._gone[replica] = self.now()
            while len(self._gone) > MOST_GONE:
                del self._gone[next(iter(self._gone))]

    def gone_for(self, replica: bytes) -> float:
        """Return for how many seconds `replica` is known to have no session, 0.0 if it has one."""
        if replica in self._here:
            return 0.0
        return self.now() - self._gone.setdefault(replica, self.now())

    def prune(self, needed: set[bytes]) -> None:
        """Forget the absence of replicas that no unfinished request names."""
        for replica in self._gone.keys() - needed:
            del self._gone[replica]


@dataclass(frozen=True, slots=True)
class Recovery:
    """Finds abandoned requests and ends them."""

    identity: Identity
    replica: bytes
    """The id of this process. A request of its own on which it no longer works is abandoned, too."""
    presence: Presence
    lookup: Lookup
    reporter: Reporter
    timings: Timings
    now: Callable[[], float] = time.monotonic

    def abandoned(self, request: OpenRequest, *, keeps_key: bool) -> Grant | None:
        """Return the verified grant of `request` if it is time to end it, else None.

        Args:
            request: A request on which this process does not work.
            keeps_key: Whether this process still has its key.
        """
        grant = own_grant(request, self.identity) if request.state in _RECOVERABLE else None
        if grant is None:
            return None
        gone = self._gone_for(request, grant.replica, keeps_key=keeps_key) >= self.timings.issuer_gone
        if request.state is State.WRITING:
            gone = gone and self.now() - request.started_seen >= self.timings.settle
        return grant if gone else None

    def _gone_for(self, request: OpenRequest, replica: bytes, *, keeps_key: bool) -> float:
        if replica != self.replica:
            return self.presence.gone_for(replica)
        # Our own session may break and come back. We can go on as long as we have the key.
        if keeps_key:
            request.idle_since = None
            return 0.0
        if request.idle_since is None:
            request.idle_since = self.now()
        return self.now() - request.idle_since

    async def end(self, request: OpenRequest, grant: Grant) -> bool:
        """End an abandoned request; return whether m8 took our receipt."""
        version = request.version
        failpoint("reactor.before-recovery")
        if request.state is not State.WRITING:
            lost = failed(grant, b"", Failure(upload_pb2.REASON_KEY_LOST), replica=self.replica)
            return await self.reporter.end(grant, lost, version)
        started = self._started(request, grant)
        if started is None:
            return False
        return await self.reporter.end(grant, await self._settled(grant, started), version)

    async def _settled(self, grant: Grant, started: Receipt) -> Receipt:
        return await self.lookup.settled(WriteAttempt(grant, started, started.prior_version))

    def _started(self, request: OpenRequest, grant: Grant) -> Receipt | None:
        """Return the STARTED receipt if it is about `grant`, and made by this store's identity and not a former one."""
        signed = request.started
        if signed is None or signed.identity_key != self.identity.public_key:
            return None
        receipt = own_receipt(signed, self.identity)
        if receipt is None or receipt.outcome != upload_pb2.OUTCOME_STARTED:
            return None
        if receipt.grant_sha256 != grant.sha256 or receipt.uri != grant.request.uri:
            return None
        if bool(receipt.signer) != grant.signature_required:
            return None  # A process without `[signers]` announced it, and verified no signature.
        asked = grant.request
        if (receipt.change_sha256, receipt.break_glass) != (asked.change_sha256, asked.break_glass):
            return None  # A process announced it that knows no approvals.
        return receipt
