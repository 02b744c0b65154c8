"""Connections to a server that an operator's settings name: whom they trust, and what they show."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

from monoskope.errors import Error, UsageError
from monoskope.host_port import HostPort
from monoskope.http.client.destination import ExchangeError
from monoskope.http.client.exchange import Answer
from monoskope.http.client.pool import Headers, Pool, Server
from monoskope.settings import read_private


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Whom m8 trusts, and what it shows; None for the system's authorities, and for no certificate."""

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return what connections are made with: TLS 1.2 or newer, with the server's name checked. Blocks.

        Raises:
            UsageError: a file cannot be read, or holds something else.
            RefusedError: others can reach the private key.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError):
            raise UsageError(
                f"the certificates in {self.ca_file} cannot be read.", fix="Name a readable PEM file as ca_file."
            ) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate_file is not None and self.key_file is not None:
            try:
                read_private(self.key_file)
                # A key that asks for a passphrase would otherwise ask on a terminal.
                context.load_cert_chain(self.certificate_file, self.key_file, password="")
            except (OSError, ssl.SSLError, ValueError):
                raise UsageError(
                    f"{self.certificate_file} and {self.key_file} are no pair that can be read.",
                    fix="Name a certificate and its private key, both PEM, the key without a passphrase.",
                ) from None
        return context


class Endpoint:
    """One connection to a server, kept and used again. It dials at the first request.

    Args:
        server: Where it is.
        tls: Whom to trust. The files are read again after a failure: they may have been renewed.
        timeout_s: Seconds that an exchange may take in all.
        most_body: Bytes of an answer's body at most.
    """

    def __init__(self, server: HostPort, tls: TlsFiles, *, timeout_s: float, most_body: int) -> None:
        self._server = server
        self._tls = tls
        self.timeout_s = timeout_s
        self._most_body = most_body
        self._pool: Pool | None = None

    async def request(self, method: str, target: str, headers: Headers, body: bytes | None = None) -> Answer:
        """Send one request and return its answer. It is sent once more where an idle connection ended before it.

        Raises:
            ExchangeError: as `Pool.request`.
            Error: as `TlsFiles.context`.
        """
        try:
            if self._pool is None:
                context = await asyncio.to_thread(self._tls.context)
                self._pool = Pool(Server(self._server.host, self._server.port, context), most_connections=1)
            most_s, most_body = self.timeout_s, self._most_body
            return await self._pool.request(
                method, target, headers, body, timeout_s=most_s, most_body=most_body, repeat=True
            )
        except (ExchangeError, Error):
            await self.close()
            raise

    async def close(self) -> None:
        """End the connection. Safe to call twice."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()
