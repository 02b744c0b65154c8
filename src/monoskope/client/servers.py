"""The servers of a list: calls go to one of them until it fails, then to the next, and after the last to the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from monoskope.client.transport.base import Transport


class Servers:
    """Transports to several servers of one log. Each is made when it is first needed.

    Args:
        names: Each as it is dialled, at least one; the first is tried first.
        make: Makes the transport to one.
    """

    def __init__(self, names: Sequence[str], make: Callable[[str], Transport]) -> None:
        self.names = tuple(names)
        self._make = make
        self._made: dict[str, Transport] = {}
        self._at = 0

    @property
    def current(self) -> str:
        """The server to which the next call goes."""
        return self.names[self._at]

    @property
    def transport(self) -> Transport:
        """The transport to the current server."""
        server = self.current
        return self._made.get(server) or self._made.setdefault(server, self._make(server))

    def failed(self, server: str) -> None:
        """Go to the next server, unless another call has done so already."""
        at = self.names.index(server)
        if at == self._at:
            self._at = (at + 1) % len(self.names)

    async def close(self) -> None:
        """Close every transport; calls under way are cancelled."""
        for transport in list(self._made.values()):
            await transport.close()
        self._made.clear()
