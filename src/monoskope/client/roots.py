"""The certificate authorities that may have signed the server's certificate: the ones given, or the system's."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from monoskope.errors import UsageError
from monoskope.value import Value

SYSTEM_FILE_VARIABLE = "SSL_CERT_FILE"
"""Names the system's file, as for OpenSSL and Python."""

_USUAL = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, BSD, Alpine
)
"""Where systems keep it. A Python that was built elsewhere looks for it where it was built."""


class Roots(Value, frozen=True):
    """Certificates in PEM form, and where they come from."""

    pem: bytes
    source: str
    """As a message names it, e.g. "the CA file ca.crt"."""

    def no_pem(self) -> UsageError:
        """Return the error for what holds no certificate."""
        return UsageError(f"{self.source} holds no PEM certificate.", fix="Copy it from the server: ca.crt.")


def find_roots(ca_file: Path | str | None, ca: str, environ: Mapping[str, str] = os.environ) -> Roots:
    """Return the certificates in `ca`, else those in `ca_file`, else the system's.

    The system's are those in the file that SSL_CERT_FILE names, else in OpenSSL's own file, else in the first of the
    usual places that there is.

    Raises:
        UsageError: the file cannot be read or holds no certificate, or the system has none. The first call reports a
            damaged certificate.
    """
    if ca:
        found = Roots(ca.encode("ascii", "replace"), "the CA certificate that was given as text")
    elif ca_file is not None:
        found = Roots(_read(Path(ca_file)), f"the CA file {ca_file}")
    else:
        path = _system_file(environ)
        found = Roots(_read(path), f"the system's list of authorities {path}")
    if b"-----BEGIN " not in found.pem:
        raise found.no_pem()
    return found


def _system_file(environ: Mapping[str, str]) -> Path:
    if environ.get(SYSTEM_FILE_VARIABLE):
        return Path(environ[SYSTEM_FILE_VARIABLE])
    places = (ssl.get_default_verify_paths().openssl_cafile, *_USUAL)
    found = next((Path(place) for place in places if Path(place).is_file()), None)
    if found is None:
        raise UsageError(
            "this system has no list of certificate authorities.",
            fix="Name the CA of the server with `ca_file`, or the system's list in SSL_CERT_FILE.",
        )
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the CA file {path} cannot be read: {error.strerror}.", fix="Copy it from the server: ca.crt."
        ) from None
