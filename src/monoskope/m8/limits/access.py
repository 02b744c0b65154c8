"""How many connections, handshakes and failed logins m8 takes of who has not logged in: `[limits]` of `m8.toml`."""

from __future__ import annotations

import msgspec

from monoskope.errors import UsageError

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
