"""The m8 that a process dials: its servers, when certificates expire, and what the reactor says of itself there."""

from __future__ import annotations

import dataclasses
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UsageError
from monoskope.host_port import HostPort, parse_server
from monoskope.protocol.hello import check_capabilities
from monoskope.reactor.identity.store_identity import Identity
from monoskope.stores.driver import Capabilities

PATIENCE_S = 2.0
"""Seconds for the connection and the handshake in which m8's certificate is seen."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The m8 that this process dials, and what it says of itself there."""

    servers: tuple[str, ...]
    """Those of one log, each `host:port`; the first is dialled."""
    ca_file: Path
    identity: Identity
    replica: bytes
    fingerprint_key_id: str
    type: str
    announced: Callable[[], events_pb2.StoreCapabilities]
    """Returns the capabilities of the engine as m8 learns them: the lists of signers may have changed since the last
    login."""

    @property
    def server(self) -> str:
        """The server to dial now."""
        return self.servers[0]

    @property
    def address(self) -> HostPort:
        """The same, parsed: so it is signed at the login."""
        return parse_server(self.server)

    def next(self) -> Endpoint:
        """Return the same with the next server in the first place."""
        return dataclasses.replace(self, servers=(*self.servers[1:], self.servers[0]))


@dataclass(frozen=True, slots=True)
class Dialled:
    """The m8 that a reactor dials.

    Attributes:
        server: Returns the name of the server that is dialled now: after a break it may be the next of the list.
        ca_file: PEM file with the authorities that may have signed its certificate.
    """

    server: Callable[[], str]
    ca_file: Path

    def server_expires_at_s(self) -> float:
        """Return when the certificate that m8 shows expires, seconds since 1970; 0 if it cannot be seen now. Blocks.

        It is seen in a connection that ends after its handshake: that of the session does not show it.
        """
        at = parse_server(self.server())
        try:
            trust = ssl.create_default_context(cafile=self.ca_file)
            trust.set_alpn_protocols(["http/1.1"])
            with (
                socket.create_connection((at.host, at.port), timeout=PATIENCE_S) as plain,
                trust.wrap_socket(plain, server_hostname=at.host) as shown,
            ):
                certificate = shown.getpeercert()
        except OSError:
            return 0.0
        expires = None if certificate is None else certificate.get("notAfter")
        return ssl.cert_time_to_seconds(expires) if isinstance(expires, str) else 0.0

    def ca_expires_at_s(self) -> float:
        """Return when the first certificate in `ca_file` expires, seconds since 1970; 0 if none can be read. Blocks."""
        try:
            found = x509.load_pem_x509_certificates(self.ca_file.read_bytes())
        except (OSError, ValueError):
            return 0.0
        return min(one.not_valid_after_utc.timestamp() for one in found)


_ANNOUNCED_AS_THEY_ARE = {one.name for one in dataclasses.fields(Capabilities)} - {"key_rule", "matches", "versions"}
"""The capabilities that m8 learns under the name and with the value that a driver gives them."""


def announced(
    can: Capabilities,
    *,
    experimental: bool = False,
    copies_to: Iterable[str] = (),
    signatures: bool = False,
    approvals: int = 0,
    signers_sha256: bytes = b"",
) -> events_pb2.StoreCapabilities:
    """Return capabilities as they are announced to m8.

    Args:
        can: The driver's capabilities.
        experimental: Whether the driver says that it is experimental.
        copies_to: Stores to which the reactor may copy.
        signatures: Whether the reactor has `[signers]`.
        approvals: How many approvals it asks of anybody for anything at most.
        signers_sha256: The digest of its lists and entries, b"" without `[signers]`.

    Raises:
        UsageError: m8 would refuse them: they are larger than a reactor may announce, or their schema is not allowed.
    """
    capabilities = events_pb2.StoreCapabilities(
        experimental=experimental,
        key_rule="" if can.key_rule is None else can.key_rule.pattern,
        copies_to=sorted(copies_to),
        signatures=signatures,
        source_versions=can.readable and can.versions,
        copied_keys=can.readable,
        approvals=approvals,
        signers_sha256=signers_sha256,
        **{name: getattr(can, name) for name in _ANNOUNCED_AS_THEY_ARE},
    )
    try:
        check_capabilities(capabilities)
    except UsageError as error:
        raise UsageError(f"m8 would not let this reactor in: {error.message}", fix=error.fix) from None
    return capabilities
