"""The m8 that a process dials, and what it says of itself there."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UsageError
from monoskope.host_port import ServerName
from monoskope.reactor.identity.store_identity import Identity


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The m8 that this process dials, and what it says of itself there."""

    servers: tuple[str, ...]
    """Those of one log, each `host:port` for gRPC or `https://host:port` for a WebSocket; the first is dialled."""
    ca_file: Path
    identity: Identity
    replica: bytes
    fingerprint_key_id: str
    type: str
    announced: events_pb2.StoreCapabilities
    """The capabilities of the engine, as m8 learns them."""

    @property
    def server(self) -> str:
        """The server to dial now, as the settings name it."""
        return self.servers[0]

    @property
    def name(self) -> ServerName:
        """The same, parsed. Its address is signed at the login."""
        return ServerName.parse(self.server)

    def next(self) -> Endpoint:
        """Return the same with the next server in the first place."""
        return dataclasses.replace(self, servers=(*self.servers[1:], self.servers[0]))


def roots(ca_file: Path) -> bytes:
    """Return the certificates under which m8 is trusted. Raises `UsageError` if they cannot be read."""
    try:
        return ca_file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the certificate file {ca_file} cannot be read: {error.strerror}.", fix="Correct `ca_file`."
        ) from None
