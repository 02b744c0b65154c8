"""The certificate that m8 presents. A running m8 reads it again when its files change, so it needs no restart."""

from __future__ import annotations

import datetime as dt
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from monoskope.errors import Error, UsageError
from monoskope.http import CIPHERS
from monoskope.m8.settings import ServerSettings
from monoskope.settings import read_private
from monoskope.value import Unshared

ALPN = "http/1.1"
"""What m8 speaks, as TLS names it (RFC 7301)."""

_Stamp: TypeAlias = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class _Pair(Unshared):
    """What is presented: PEM of the certificates and of the key, and when the server's own one expires."""

    certificate: bytes
    key: bytes
    expires_at_ms: int

    def __repr__(self) -> str:
        return "<_Pair>"


class PresentedCertificate(Unshared):
    """The server's certificate and key, as the settings name them.

    They are looked at before each handshake. Connections that are open keep theirs.

    Raises:
        UsageError: a file is missing or not PEM, or the two do not belong together; names the setting.
        RefusedError: others can reach the key.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._pair = _read(settings)
        self._failure: Error | None = None
        self._context: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return "<PresentedCertificate>"

    @property
    def expires_at_ms(self) -> int:
        """When the certificate expires, milliseconds since 1970."""
        return self._pair.expires_at_ms

    @property
    def failure(self) -> Error | None:
        """Why the files cannot be used as they are now; the certificate of before is presented then."""
        return self._failure

    def context(self) -> ssl.SSLContext:
        """Return what the server presents: TLS 1.2 or newer; it follows this object.

        Raises:
            UsageError: the system's TLS library takes no such certificate; says why.
        """
        self._context = _context(self._settings)
        first = _context(self._settings)

        def follow(connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _first: ssl.SSLContext) -> None:
            self.refresh()
            if self._context is not None:
                connection.context = self._context

        first.sni_callback = follow
        return first

    def refresh(self) -> bool:
        """Read the files again if they have changed, and return whether another certificate is presented now."""
        with self._lock:
            return self._refresh()

    def _refresh(self) -> bool:
        # Looked at before they are read: a change in between is seen the next time.
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            found = _read(self._settings)
            context = None if self._context is None else _context(self._settings)
        except Error as error:
            # Perhaps one of the two files has been replaced, and the other will be.
            self._failure = error
            return False
        self._failure = None
        is_new = found != self._pair
        self._pair, self._context = found, context
        return is_new

    def _look(self) -> _Stamp:
        return tuple(_stamp(path) for path in (self._settings.tls_certificate, self._settings.tls_key))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is replaced or written to."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _context(settings: ServerSettings) -> ssl.SSLContext:
    """Return a context of the files as they are now. Raises `UsageError` if OpenSSL does not take them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols([ALPN])
    try:
        # Without a passphrase: OpenSSL would ask for it at the terminal.
        context.load_cert_chain(settings.tls_certificate, settings.tls_key, password="")
    except OSError as error:  # ssl.SSLError is one
        why = getattr(error, "reason", None) or error.strerror or "it cannot be used"
        raise UsageError(
            f"tls_certificate {settings.tls_certificate} cannot be presented: {why}.",
            fix="Name another certificate.",
        ) from None
    return context


def _read(settings: ServerSettings) -> _Pair:
    key_pem = read_private(settings.tls_key)
    certificate_pem = read_certificate_file(settings)
    certificate = _checked(settings, certificate_pem, key_pem)
    return _Pair(certificate_pem, key_pem, int(certificate.not_valid_after_utc.timestamp() * 1000))


def read_certificate_file(settings: ServerSettings) -> bytes:
    """Return the content of `tls_certificate`. Raises `UsageError` if it cannot be read."""
    try:
        return settings.tls_certificate.read_bytes()
    except OSError as error:
        raise UsageError(
            f"tls_certificate {settings.tls_certificate} cannot be read: {error.strerror}.", fix="Check the setting."
        ) from None


def _checked(settings: ServerSettings, certificate_pem: bytes, key_pem: bytes) -> x509.Certificate:
    """Return the server's own certificate. Raises an error that says what is wrong; OpenSSL would not say."""
    try:
        certificate = x509.load_pem_x509_certificates(certificate_pem)[0]
    except ValueError:
        raise UsageError(
            f"tls_certificate {settings.tls_certificate} holds no PEM certificate.", fix="Name another file."
        ) from None
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError):
        raise UsageError(
            f"tls_key {settings.tls_key} holds no PEM private key without a passphrase.", fix="Name another file."
        ) from None
    if key.public_key() != certificate.public_key():
        raise UsageError(
            f"tls_key {settings.tls_key} is not the key of tls_certificate {settings.tls_certificate}.",
            fix="Name the two files that belong together, the server's own certificate first in its file.",
        )
    if certificate.not_valid_after_utc < dt.datetime.now(dt.UTC):
        raise UsageError(
            f"tls_certificate {settings.tls_certificate} expired at {certificate.not_valid_after_utc:%Y-%m-%d}.",
            fix="Renew it: m8 tls renew, or where it came from if m8 did not make it.",
        )
    return certificate
