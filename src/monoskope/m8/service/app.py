"""What the services share: the log, the limits, and who is calling."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monoskope.errors import RefusedError
from monoskope.event_loop import KeyedLock
from monoskope.m8.credentials.tokens import Tokens
from monoskope.m8.domain.aggregates import Aggregates
from monoskope.m8.domain.principal import Principal
from monoskope.m8.issuers.verifying import Issuers
from monoskope.m8.limits.connections import Connections, Handshakes
from monoskope.m8.limits.logins import Exchanges, Logins
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.limits.subjects import CallPlaces, Pace, PutLimit, Quota, RequestLimit
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.metrics import Meters, RequestMeter
from monoskope.m8.readmodels.documents import Documents
from monoskope.m8.service.call_notes import Strangers, TellCall, current_note
from monoskope.m8.service.feed import Feed
from monoskope.m8.service.people import People
from monoskope.m8.tree.witnessed_log import WitnessedLog

if TYPE_CHECKING:
    from monoskope.m8.service.session import ServerSession


def ticks_ms() -> float:
    """Milliseconds of a monotonic clock."""
    return time.monotonic() * 1000


@dataclass
class App:
    """One m8 process, as its services see it.

    Attributes:
        log: The event log, opened with `readmodels.documents.project`.
        authenticate: Turns a JWT into a principal, with what role bindings give now, or raises `UnauthenticatedError`.
        names: `host:port` names by which this server may be dialled; may be set until it is started.
        clock: Milliseconds since 1970.
        audience: The audience of this server's tokens.
        version: Of m8.
        ticks: Milliseconds of a monotonic clock, by which spans of time are measured.
        tokens: The credentials of this server, None if it issues none.
        issuers: Whose tokens are exchanged for such credentials.
        certificate_expires_at_ms: Returns when the server's certificate expires, milliseconds since 1970; 0 for none.
        meters: The metrics of this process.
        tell_call: Takes note of each call that has ended, None where no access lines are wanted.
        replica: Names this process among those of its log: the key of its heartbeats, and the holder of its leases.
        leases: The leases that it holds.
        news: Set when `leases` has changed.
    """

    log: EventLog
    authenticate: Callable[[str], Awaitable[Principal]]
    names: Collection[str]
    clock: Callable[[], int]
    audience: str
    version: str
    limits: ServerLimits = field(default_factory=ServerLimits)
    challenge: Callable[[], bytes] = lambda: secrets.token_bytes(32)
    ticks: Callable[[], float] = ticks_ms
    tokens: Tokens | None = None
    issuers: Issuers = field(default_factory=Issuers)
    certificate_expires_at_ms: Callable[[], int] = lambda: 0
    meters: Meters = field(default_factory=Meters)
    tell_call: TellCall | None = None
    log_is_writable: bool = field(default=True, init=False)
    """False from a write that the database refused until one succeeds."""
    is_draining: bool = field(default=False, init=False)
    """Whether this process stops."""
    replica: str = field(default_factory=lambda: f"m8/{secrets.token_hex(16)}")
    leases: set[str] = field(default_factory=set)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    looks: KeyedLock[str] = field(default_factory=KeyedLock, init=False)
    """Held by store while a call checks whether its engine answers."""
    listing: KeyedLock[str] = field(default_factory=KeyedLock, init=False)
    """Held by subject while a page is made for it."""
    sessions: dict[str, ServerSession] = field(default_factory=dict, init=False)
    """Those of the reactors that this process serves, by their keys."""
    sealed: dict[bytes, tuple[bytes, bytes]] = field(default_factory=dict, init=False, repr=False)
    """The sealed bytes of calls that are under way, after their SHA-256, by request, until their reactor has them."""

    def __post_init__(self) -> None:
        most, meters, seconds = self.limits, self.meters, time.monotonic
        self.aggregates = Aggregates(self.log) if self.tokens is None else self.tokens.aggregates
        self.documents = documents = Documents(self.log)
        self.witnessed = WitnessedLog(self.log, self.clock)
        self.request_limit = RequestLimit(lambda subject: documents.counted(subject, self.clock()), most.open_per_user)
        self.handshakes = Handshakes(most.handshakes, most.handshakes_each, seconds, meters.handshakes_refused.inc)
        self.connections = Connections(
            most.connections, most.connections_each, admit=self.handshakes.admit, proved=self.handshakes.know
        )
        self.logins = Logins(most.failed_logins, most.failed_logins_each, seconds)
        self.pace = Pace(most.reactor_messages, seconds)
        self.people = People(self.log, self.ticks)
        self.exchanges = Exchanges(most.failed_logins, most.failed_logins_each, seconds)
        self.quota = Quota(most.recorded_bytes_per_user_per_day, self.clock)
        self.put_limit = PutLimit(
            documents.owns,
            an_hour=most.puts_per_hour_per_user,
            an_hour_of=most.puts_per_hour_of,
            secrets=most.secrets_per_user,
            clock=self.clock,
            refused=meters.puts_refused.inc,
        )
        self.watching = CallPlaces(
            "watchers", of_subject=most.watchers_per_user, in_all=most.watchers, of_token=most.watchers_per_token
        )
        self.waiting = CallPlaces("calls that wait", of_subject=most.waiting_per_user, in_all=most.waiting)
        self.sending = CallPlaces("uploads under way", of_subject=most.sending_per_user, in_all=most.sending)
        self.strangers = Strangers(self.clock, tick_s=most.tick_s)
        self.requests = RequestMeter(meters)
        self.feed = Feed(self.log, backlog=most.backlog, saw=self.requests.saw)

    def prove(self, peer: str) -> None:
        """Note that the caller of the current task's call, at `peer`, has shown who it is."""
        self.connections.prove(peer)
        if (noted := current_note.get()) is not None:
            noted.is_proven = True

    def issuing(self) -> Tokens:
        """Return what issues credentials. Raises `RefusedError` if this server issues none."""
        if self.tokens is None:
            raise RefusedError("this server issues no tokens.", fix="Ask another m8 server.")
        return self.tokens


@dataclass(frozen=True, slots=True)
class Stranger:
    """Who calls a method that needs no token, and how long the answer may take."""

    peer: str
    """As `host_port.peer_name` names it."""
    wait_s: float
    """As of a `Caller`."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and how long the answer may take."""

    principal: Principal
    wait_s: float
    """Seconds that are left, less a margin for the way back; at most `ServerLimits.longest_wait_s`."""
