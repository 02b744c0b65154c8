"""How one server is reached: by which authorities its certificate counts, through which proxy, and by what transport.

What every transport promises stands here, and what its failures mean to the caller.
"""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

from google.protobuf.message import Message

from monoskope.client.http.methods import Method
from monoskope.errors import Error, IdentityChangedError, NotReachedError, ProtocolError, TimedOutError, UsageError
from monoskope.host_port import HostPort, has_port, is_host, parse_server
from monoskope.http import CIPHERS
from monoskope.http.client import destination as failures
from monoskope.http.client.destination import Proxy, Server
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


@functools.lru_cache(maxsize=4)
def trusting(roots: Roots) -> ssl.SSLContext:
    """Return a context for HTTPS to servers that they have signed. Raises `UsageError` if they are no certificates."""
    # Cached: to read a system's whole list takes 10 ms, and a client can have several servers.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_verify_locations(cadata=roots.pem.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError):
        raise roots.no_pem() from None
    return context


def trusting_nobody() -> ssl.SSLContext:
    """Return a context that takes any certificate: for what anybody may say, such as a bundle that is compared."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


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
        at = HostPort.parse(address if has_port(address) else f"{address}:1080")
    except UsageError:
        raise wrong from None
    if at.port == 0 or not is_host(at.host):
        raise wrong
    return Proxy(at.host, at.port, _basic(login, wrong) if login else "")


def _basic(login: str, wrong: UsageError) -> str:
    from base64 import b64encode  # noqa: PLC0415 - few proxies ask
    from urllib.parse import unquote  # noqa: PLC0415

    user, _, password = login.partition(":")
    try:
        return f"Basic {b64encode(f'{unquote(user)}:{unquote(password)}'.encode()).decode('ascii')}"
    except UnicodeError:
        raise wrong from None


R = TypeVar("R", bound=Message)

Metadata: TypeAlias = tuple[tuple[str, str], ...]
"""Names in lower case, and values: sent with a call."""

IDLE_S = 50.0
"""For how many seconds an idle connection can be used again: less than m8 waits before it ends one."""
HEAD_S = 30.0
"""How many seconds m8 has to begin a stream."""
LOOK_AFTER_S = 10.0
LOOK_S = 5.0
"""Where there is another server to go to: after how many seconds without an answer a client looks whether m8 still
stands, and how many seconds it gives m8 to say so. A server that stands still accepts connections and answers nothing,
and HTTP/1.1 has no pings."""
LOOK_AT = "/healthz"


class NotSentError(NotReachedError):
    """There was no connection, so nothing of the call was sent: it is safe to call elsewhere, whatever it does."""


class WrongAddressError(NotSentError):
    """The address leads to no m8: no host has that name, or what is there speaks no TLS. That does not mend itself."""


class TurnedAwayError(NotSentError):
    """m8 took the connection and ended it before TLS, as it does where too many come at once: nothing was sent."""


class StaleConnectionError(NotReachedError):
    """An idle connection ended when the call was sent on it. m8 may have seen the call."""


class Transport(Protocol):
    """The connections to one server. It dials at the first call, and sends each call once.

    Each method raises our errors alone:

        NotSentError: nothing of the call was sent. `TurnedAwayError` if the server ended the connection before TLS,
            `WrongAddressError` if the address leads to no m8.
        NotReachedError: the connection failed or broke; `StaleConnectionError` if it was an idle one that had ended.
        IdentityChangedError: the server's certificate does not verify.
        ProtocolError: the answer is no message of this protocol.
        TimedOutError: no answer came in time.
        Error: what m8 said, by its code.
    """

    async def call(
        self, method: Method[R], request: Message, timeout_s: float, metadata: Metadata, *, fresh: bool = False
    ) -> R:
        """Call a unary method; if `fresh`, on a new connection."""

    def stream(self, method: Method[R], request: Message, metadata: Metadata) -> AsyncGenerator[R]:
        """Yield what a method streams, until it ends."""

    async def close(self) -> None:
        """Close the connections; calls under way are cancelled."""


class Dialled:
    """One server of a list, as it is dialled.

    Args:
        name: `host:port`.
        roots: The authorities that may have signed its certificate; None if any will do.

    Raises:
        UsageError: the authorities are no certificates, or the environment names no usable proxy.
    """

    def __init__(self, name: str, roots: Roots | None) -> None:
        self.name = name
        self._roots = roots
        parsed = parse_server(name)
        found = proxy_for(parsed.host)
        self._variable, proxy = found if found is not None else ("", None)
        self.server = Server(parsed.host, parsed.port, trusting_nobody() if roots is None else trusting(roots), proxy)

    def stands_still(self) -> Error:
        """Return the error for a server that accepts connections and answers nothing."""
        return silent(self.name, NotReachedError)

    def failed(self, error: failures.ExchangeError, *, late: bool) -> Error:
        """Return what a failed exchange means to the caller. `late`: whether the caller's own time is over."""
        if isinstance(error, failures.UntrustedError) and error.certificate:
            return misnamed(self.name) if error.misnamed else self._untrusted()
        if isinstance(error, failures.MalformedError):
            return unreadable(self.name)
        if isinstance(error, failures.LateError) and (error.sent or late):
            return too_late(self.name)
        kind = NotReachedError
        if isinstance(error, failures.StaleError):
            kind = StaleConnectionError
        elif isinstance(error, failures.TurnedAwayError):
            kind = TurnedAwayError
        elif isinstance(error, failures.UnknownHostError | failures.UntrustedError):
            kind = WrongAddressError
        elif isinstance(error, failures.NotSentError | failures.LateError):
            kind = NotSentError
        return self._silent_behind(kind) if self._variable else silent(self.name, kind)

    def _untrusted(self) -> IdentityChangedError:
        assert self._roots is not None, "without a list every certificate will do"
        return IdentityChangedError(
            f"the certificate of {self.name} is not signed by an authority in {self._roots.source}, or expired.",
            fix="Name the CA file of this server with `ca_file`; "
            "if it is the right one, and `m8 doctor` there finds nothing wrong, someone may be intercepting.",
        )

    def _silent_behind(self, kind: type[NotReachedError]) -> NotReachedError:
        return kind(
            f"m8 does not answer at {self.name} through the proxy that {self._variable} names.",
            fix=f"Name the host of m8 in no_proxy to dial it directly, or correct {self._variable}.",
        )


def too_late(server: str) -> TimedOutError:
    """Return the error for an answer that did not come in time."""
    return TimedOutError(f"m8 at {server} did not answer in time.", fix="Try again, or raise the timeout.")


def unreadable(server: str) -> ProtocolError:
    """Return the error for an answer that does not parse."""
    return ProtocolError(
        f"m8 at {server} sent an answer that is not a message of this protocol.",
        fix="Check that the versions of server and client fit. "
        "If they fit, someone may be changing messages on the way.",
    )


def misnamed(server: str) -> IdentityChangedError:
    """Return the error for a certificate that is for other names."""
    return IdentityChangedError(
        f"the certificate of {server} does not carry that name.",
        fix="Dial the server by a name in its certificate, or have one made for this one: m8 tls renew.",
    )


def silent(server: str, kind: type[NotReachedError]) -> NotReachedError:
    """Return the error, of the given kind, for an address at which m8 does not answer."""
    if issubclass(kind, WrongAddressError):
        return kind(
            f"there is no m8 at {server}: no host has this name, or what answers there does not speak TLS.",
            fix="Check `server`: it is the name and the port of `listen` in m8.toml.",
        )
    if issubclass(kind, TurnedAwayError):
        return kind(
            f"{server} ended the connection as soon as it was there.",
            fix="m8 does so where too many come at once: try again in some seconds, and if many clients share your "
            "address, let an operator raise `handshakes` in m8.toml. Else check that m8 runs behind this address.",
        )
    return kind(
        f"m8 does not answer at {server}.",
        fix="Check that m8 runs (`m8 dev` starts one on this machine), and that this is the address of its `listen`. "
        "Or name another with `server`.",
    )
