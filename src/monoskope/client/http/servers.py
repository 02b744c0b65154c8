"""The servers of one m8: which of them counts now, and the transport to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monoskope.client.http.transport import Transport, find_roots
from monoskope.client.runtime import Runtime
from monoskope.errors import Error, IdentityChangedError, NotReachedError, ProtocolError

_ABOUT_THE_SERVER = (NotReachedError, IdentityChangedError, ProtocolError)
"""What is wrong where another server was meant, or its authority is not named."""


class Servers:
    """The servers of one log. The first counts until it fails, then the next one.

    Args:
        names: `host:port` of each, in the order in which they are tried.
        ca_file: As `Connection`.
        ca: As `Connection`.
        runtime: How transports wait.
        source: What chose the servers, which errors name; "" for the caller.

    Raises:
        UsageError: the file cannot be read or holds no certificate.
    """

    def __init__(
        self, names: Sequence[str], ca_file: Path | str | None, *, ca: str, runtime: Runtime, source: str
    ) -> None:
        self.names = tuple(names)
        self._at = 0
        self._roots = find_roots(ca_file, ca)
        self._runtime = runtime
        self._source = source
        self.transports: dict[str, Transport] = {}
        """By the server's name: those that were needed so far."""

    @property
    def current(self) -> str:
        """The name of the server that counts now."""
        return self.names[self._at]

    def transport(self) -> Transport:
        """Return the transport to the server that counts, which is made at its first use."""
        server = self.current
        return self.transports.get(server) or self.transports.setdefault(server, self._dial(server))

    def _dial(self, server: str) -> Transport:
        has_others = len(self.names) > 1
        # One of the two is imported: it takes time.
        if self._runtime.blocks:
            from monoskope.client.http.blocking import BlockingTransport  # noqa: PLC0415

            return BlockingTransport(server, self._roots, has_others=has_others, sent=self._runtime.sent)
        from monoskope.client.http.on_asyncio import HttpTransport  # noqa: PLC0415

        return HttpTransport(server, self._roots, has_others=has_others)

    def failed(self, server: str) -> None:
        """Let the next server count, unless another call that failed did that."""
        at = self.names.index(server)
        if at == self._at:
            self._at = (at + 1) % len(self.names)

    def name_source(self, error: Error) -> None:
        """Let an error about what answers at a server, or does not, say what chose the server."""
        if self._source and not error.by_m8 and isinstance(error, _ABOUT_THE_SERVER):
            error.fix = f"{error.fix} The server comes from {self._source}.".lstrip()

    async def close(self) -> None:
        """Close all transports."""
        for transport in list(self.transports.values()):
            await transport.close()
        self.transports.clear()
