"""The `[timings]` table of `m8.toml`: spans of time that only tests change."""

from __future__ import annotations

import msgspec

from monoskope.m8.domain.upload import Deadlines
from monoskope.m8.service.server_limits import ServerLimits


class ServerTimings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[timings]` table, in seconds. The defaults are the protocol's; change them in tests alone.

    Attributes:
        requested: A request that no reactor answers ends after this time.
        granted_grace: A grant that nobody uses ends this long after its lifetime.
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
