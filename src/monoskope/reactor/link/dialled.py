"""When the certificates of the m8 that is dialled expire."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from monoskope.host_port import ServerName

PATIENCE_S = 2.0
"""Seconds for the connection and the handshake."""


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

        It is seen in a connection that ends after its handshake, because no transport shows it.
        """
        at = ServerName.parse(self.server())
        try:
            trust = ssl.create_default_context(cafile=self.ca_file)
            trust.set_alpn_protocols(["http/1.1" if at.scheme else "h2"])
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
