"""The limits and timings of one m8 process, free of what enforces them: settings and commands read them, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from monoskope.m8.domain.upload import Deadlines
from monoskope.m8.service.feed import BACKLOG


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Times in seconds, and sizes. The defaults are those of the protocol; only tests shorten them."""

    hello_s: float = 5.0
    """From the challenge to the reactor's login."""
    connections: int = 768
    """How many may be open at a time."""
    connections_each: int = 192
    """Those of one address."""
    handshakes: float = 100.0
    """How many TLS handshakes may begin in a second."""
    handshakes_each: float = 10.0
    """Those of one address from which no login succeeded."""
    failed_logins: float = 20.0
    """How many logins of reactors may fail in a second; then logins are refused unread."""
    failed_logins_each: float = 10.0
    """Those of one address."""
    reactor_messages: float = 1_000.0
    """Messages of one store's reactors that are handled in a second; what comes faster waits."""
    silence_s: float = 10.0
    """A session in which the reactor sends nothing for this long is closed."""
    heartbeat_s: int = 3
    """How often reactors are asked to send a heartbeat."""
    longest_wait_s: float = 60.0
    """The longest time that a call waits."""
    backlog: int = BACKLOG
    """How many events a reactor or a watcher may be behind."""
    open_per_user: int = 100
    """Requests of one subject that have not ended, at most."""
    recorded_bytes_per_user_per_day: int = 1_073_741_824
    """Bytes that are recorded for one subject in a day (UTC), at most."""
    puts_per_hour_per_user: int = 2_000
    """Puts that one subject begins in an hour, at most; 0 for any number."""
    puts_per_hour_of: Mapping[str, int] = field(default_factory=dict)
    """The same of single subjects."""
    secrets_per_user: int = 0
    """Secrets that are there and that one subject changed last, at most; 0 for any number."""
    watchers_per_token: int = 8
    """Calls of `WatchEvents` with one token at once, at most."""
    watchers_per_user: int = 16
    """The same of one subject."""
    watchers: int = 1_000
    """The same in all."""
    waiting_per_user: int = 1_000
    """Calls of one subject that wait for something, or could, at most."""
    waiting: int = 10_000
    """The same in all."""
    sending_per_user: int = 200
    """Calls of one subject that hold sealed bytes, a megabyte at worst, while they wait, at most."""
    sending: int = 500
    """The same in all."""
    deadlines: Deadlines = field(default_factory=Deadlines)
    tick_s: float = 1.0
    """Between two checks of the timekeeper."""
    stall_s: float = 5.0
    """Missed heartbeats do not count after a pause this long between two checks: none could arrive."""
    not_ready_s: float = 0.0
    """A process that stops says for so long that it is not ready, and still takes calls."""
    drain_s: float = 2.0
    """Then calls under way may take so long to end."""
    verify_every_s: float = 0.0
    """m8 verifies by itself each secret whose newest receipt is older than this; 0 for never."""


class ServerTimings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[timings]` table, in seconds. The defaults are the protocol's; change them in tests alone.

    Attributes:
        requested: A request that no reactor answers ends after this time.
        granted_grace: A grant that is not used ends this long after its lifetime.
        issuer_gone: A reactor that sent no heartbeat for this long is gone.
        silence: A session in which the reactor sends nothing for this long is closed.
        heartbeat: How often reactors send a heartbeat, whole seconds.
        tick: The time between two checks of all this.
        stall: Missed heartbeats do not count after a pause this long between two checks.
        wait: A call that waits is answered after this time at the latest.
    """

    requested: float = 60.0
    granted_grace: float = 60.0
    issuer_gone: float = 10.0
    silence: float = 10.0
    heartbeat: int = 3
    tick: float = 1.0
    stall: float = 5.0
    wait: float = 60.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not 0 < getattr(self, name) <= 3_600:
                raise ValueError(f"`{name}` must be more than 0 and at most 3600")
        if not self.heartbeat < self.silence <= self.issuer_gone:
            raise ValueError("`heartbeat` must be less than `silence`, and that at most `issuer_gone`")

    @property
    def limits(self) -> ServerLimits:
        """These settings as the services and the timekeeper use them."""
        return ServerLimits(
            silence_s=self.silence,
            heartbeat_s=self.heartbeat,
            longest_wait_s=self.wait,
            deadlines=Deadlines(self.requested, self.granted_grace, self.issuer_gone),
            tick_s=self.tick,
            stall_s=self.stall,
        )
