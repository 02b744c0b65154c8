"""The certificate authorities that may have signed the server's certificate: the ones given, or the system's.

The proxy through which a server is reached, by the environment variables that curl reads, too.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from monoskope.errors import UsageError
from monoskope.host_port import HostPort, is_host
from monoskope.http.client.destination import Proxy
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


VARIABLES = ("https_proxy", "HTTPS_PROXY")
"""Name the proxy, the first that is set: `http://host:port`, with `user:password@` before the host if it asks."""
_EXCEPT = ("no_proxy", "NO_PROXY")
"""Name the hosts that are dialled directly, with commas between them; a name stands for all names below it, too."""
_SCHEME = "http://"


def proxy_for(host: str, environ: Mapping[str, str] = os.environ) -> tuple[str, Proxy] | None:
    """Return the variable that names a proxy for `host`, and the proxy; None to dial it directly.

    Raises:
        UsageError: the variable names no proxy that can be used.
    """
    name = next((name for name in VARIABLES if environ.get(name)), None)
    if name is None or _is_exempt(host, next((environ[one] for one in _EXCEPT if environ.get(one)), "")):
        return None
    return name, _parsed(name, environ[name])


def _is_exempt(host: str, exempt: str) -> bool:
    names = [name.strip().lower().lstrip(".") for name in exempt.split(",")]
    return "*" in names or any(name and (host == name or host.endswith(f".{name}")) for name in names)


def _parsed(name: str, text: str) -> Proxy:
    # It is not shown: it may hold a password.
    wrong = UsageError(f"{name} names no proxy that can be used.", fix="Write http://host:port, or unset it.")
    rest = text if "://" not in text else text[len(_SCHEME) :] if text.lower().startswith(_SCHEME) else ""
    login, _, address = rest.rstrip("/").rpartition("@")
    try:
        at = HostPort.parse(address if _has_port(address) else f"{address}:1080")
    except UsageError:
        raise wrong from None
    if at.port == 0 or not is_host(at.host):
        raise wrong
    return Proxy(at.host, at.port, _basic(login, wrong) if login else "")


def _has_port(address: str) -> bool:
    return ":" in address.rpartition("]")[2]


def _basic(login: str, wrong: UsageError) -> str:
    from base64 import b64encode  # noqa: PLC0415 - few proxies ask
    from urllib.parse import unquote  # noqa: PLC0415

    user, _, password = login.partition(":")
    try:
        return f"Basic {b64encode(f'{unquote(user)}:{unquote(password)}'.encode()).decode('ascii')}"
    except UnicodeError:
        raise wrong from None
