"""Every span of time that the protocol or the reactor names, in seconds."""

from __future__ import annotations

import msgspec


class Timings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[timings]` table of reactor.toml. The defaults are the figures of docs/protocol.md.

    Change them only in tests (docs/breakage.md): a store's replicas and m8 have to agree about them.
    """

    write_window: float = 30.0
    """From sending STARTED: the write has begun and ended within it."""
    young: float = 10.0
    """From a key's making: what comes upstream within it counts as concurrent, what comes later as newer."""
    issuer_gone: float = 10.0
    """An issuer whose session is gone for this long counts as dead."""
    settle: float = 60.0
    """From seeing STARTED: after it, a write whose end is unknown can no longer be on its way."""
    lookups: tuple[float, ...] = (0.0, 2.0, 8.0)
    """When a write's unknown end is looked up before `settle`, from the moment it became unknown."""
    lookup_retry: float = 10.0
    """Between two attempts to look up an end in an engine that does not answer."""
    lookup_tries: int = 6
    """How often that is attempted before the outcome is unknown for good."""
    tick: float = 1.0
    """Between two looks at expired keys and abandoned requests."""
    heartbeat: float = 3.0
    """Between heartbeats if m8 names no span; else a third of what it names."""
    health: float = 10.0
    """Between two looks at whether the engine would serve us; a request that fails brings the next one forward."""
    health_again: float = 1.0
    """The least time between two looks, and the time between them while the engine would not serve us."""
    connect: float = 10.0
    """From dialling to being attached."""
    backoff_least: float = 0.2
    """Before the first attempt to connect again; doubled each time, with jitter."""
    backoff_most: float = 15.0
    """Before any attempt to connect again."""
    append_retry: float = 1.0
    """Before an append that m8 could not take just now is sent again."""
    linger: float = 5.0
    """After SIGTERM: how long what was sealed for keys that were given is still taken."""
    drain: float = 30.0
    """How long work in flight may take to end after SIGTERM."""

    def check(self, *, testing: bool) -> None:
        """Raise `ValueError` for figures under which a write could come too late.

        Args:
            testing: Allow spans that parties with the protocol's figures do not expect.
        """
        if not testing:
            if self.write_window > PROTOCOL.write_window:
                raise ValueError("`timings.write_window` must be at most 30")
            if self.young > PROTOCOL.young:
                raise ValueError("`timings.young` must be at most 10")
            if self.settle < PROTOCOL.settle:
                raise ValueError("`timings.settle` must be at least 60")
            if self.issuer_gone < PROTOCOL.issuer_gone:
                raise ValueError("`timings.issuer_gone` must be at least 10")
        for field in self.__struct_fields__:
            values = self.lookups if field == "lookups" else (getattr(self, field),)
            if not all(0 <= value <= 3_600 for value in values):
                raise ValueError(f"`timings.{field}` must be from 0 to 3600")
        if not 0 < self.write_window < self.settle:
            raise ValueError("`timings.write_window` must be more than 0 and less than `settle`")


PROTOCOL = Timings()
"""The protocol's figures."""
