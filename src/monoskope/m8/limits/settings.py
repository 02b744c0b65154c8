"""The limits and timings of one m8 process, free of what enforces them: settings and commands read them, too.

`[limits]` of `m8.toml` says how many connections, handshakes and failed logins m8 takes of peers that have not logged
in; `[timings]` is for tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from monoskope.errors import UsageError
from monoskope.m8.domain.deadlines import Deadlines

_MOST_CONNECTIONS = 2_000
"""The default. So many connections take about 600 MB: TLS has a buffer of 256 KiB for each."""

_MANY_FILES = 1_048_576


def open_files() -> int:
    """Return how many files this process may open, at most 1,048,576."""
    try:
        import resource  # noqa: PLC0415 - not on Windows, which has no such limit
    except ImportError:
        return _MANY_FILES
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MANY_FILES if soft == resource.RLIM_INFINITY else min(soft, _MANY_FILES)


class AccessLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[limits]` table: limits for peers that have not logged in.

    Attributes:
        connections: How many may be open at a time; 0 for at most 2,000, and at most so many that they take three
            quarters of the files that the process may open (`ulimit -n`).
        connections_per_address: How many one address may have; 0 for a quarter of all.
        handshakes: How many TLS handshakes may begin in a second, on average; three times as many at
            once. All addresses without a login before may have half of them together, and each address from which a
            login succeeded half of them, as a load balancer or NAT with many users behind it.
        handshakes_per_address: Those of one address from which no login succeeded; in IPv6 of the first 64 bits.
        failed_logins: How many logins of reactors may fail in a second; then further logins are refused.
        failed_logins_per_address: Those of one address.
    """

    connections: int = 0
    connections_per_address: int = 0
    handshakes: int = 100
    handshakes_per_address: int = 10
    failed_logins: int = 20
    failed_logins_per_address: int = 10

    def __post_init__(self) -> None:
        for name in ("connections", "connections_per_address"):
            if not (getattr(self, name) == 0 or 16 <= getattr(self, name) <= 100_000):
                raise ValueError(f"`{name}` must be 0, or from 16 to 100000")
        for name in ("handshakes", "handshakes_per_address"):
            if not 2 <= getattr(self, name) <= 100_000:
                raise ValueError(f"`{name}` must be from 2 to 100000")
        for name in ("failed_logins", "failed_logins_per_address"):
            if not 1 <= getattr(self, name) <= 10_000:
                raise ValueError(f"`{name}` must be from 1 to 10000")

    def within(self, files: int) -> tuple[int, int]:
        """Return how many connections there may be at a time, in all and of one address.

        Args:
            files: How many files the process may open.

        Raises:
            UsageError: `connections` needs more files than that.
        """
        most = files - files // 4
        connections = self.connections or min(most, _MOST_CONNECTIONS)
        if connections > most:
            raise UsageError(
                f"m8.toml: connections = {connections} is too much for a process that may open {files} files.",
                fix=f"Allow it more (ulimit -n, LimitNOFILE=), or at most {most} connections.",
            )
        return connections, min(connections, self.connections_per_address or max(16, connections // 4))


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
    backlog: int = 1_000
    """How many events a reactor or a watcher may be behind."""
    open_per_user: int = 100
    """Requests of one subject that have not ended, at most."""
    open_changes_per_user: int = 100
    """Changes that one subject proposed and that are open, at most."""
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
