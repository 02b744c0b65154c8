"""Asking an issuer, over HTTPS alone: what is sent, which answers count, and what a provider says of itself.

The forms are those of OpenID Connect Discovery 1.0 and RFC 8414.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from monoskope.client.http.transport import Roots, find_roots, proxy_for, trusting
from monoskope.client.login.credential import IssuerAwayError
from monoskope.client.runtime import left
from monoskope.errors import Error, IdentityChangedError, ProtocolError, RefusedError, UsageError
from monoskope.host_port import is_host
from monoskope.http.client.blocking import BlockingPool
from monoskope.http.client.destination import ExchangeError, MalformedError, Server, UntrustedError
from monoskope.http.client.exchange import Answer
from monoskope.text import escape
from monoskope.value import Value

MOST_BODY = 262_144
"""Bytes of an answer at most."""
TIMEOUT_S = 10.0
"""Seconds for one request."""
_MOST_URL = 2_048
_MOST_SAID = 200


class OAuthError(Exception):
    """An issuer refuses, in the form of OAuth (RFC 6749, 5.2).

    Attributes:
        code: Such as `invalid_grant`, escaped.
        said: What it says besides, escaped; "" for nothing.
    """

    def __init__(self, code: str, said: str) -> None:
        super().__init__(code)
        self.code = escape(code[:60])
        self.said = escape(said[:_MOST_SAID])

    def refused(self, issuer: str) -> Error:
        """Return it as our error."""
        what = f"{self.code}: {self.said}" if self.said else self.code
        return RefusedError(
            f"the issuer {issuer} refuses the login ({what}).",
            fix="Ask who runs it whether the client, its scopes and its redirect addresses are registered there.",
        )


def origin_of(url: str) -> tuple[str, int] | None:
    """Return the host and the port of a URL of https; None for another, a malformed one, and one with a login."""
    if len(url) > _MOST_URL or not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
    except ValueError:
        return None
    if parts.scheme != "https" or parts.fragment or "@" in parts.netloc or "\\" in url or not is_host(host):
        return None
    return host, port


class Issuer:
    """One issuer.

    Args:
        url: Its issuer identifier.
        hosts: Hosts, or `host:port`, at which it may have endpoints besides its own.
        ca_file: PEM file with the authority that signs their certificates, "" for the system's.

    Raises:
        UsageError: the URL is none of https, or the authorities cannot be read.
    """

    def __init__(self, url: str, *, hosts: str = "", ca_file: str = "") -> None:
        origin = origin_of(url)
        if origin is None or urlsplit(url).query:
            raise UsageError(f"the issuer {escape(url[:200])!r} is not an https:// URL.", fix="Correct login_issuer.")
        self.url = url
        self._origin = origin
        self._hosts = frozenset(hosts.split())
        self._roots = find_roots(Path(ca_file) if ca_file else None, "")

    def __repr__(self) -> str:
        return f"<Issuer {self.url}>"

    def is_its(self, url: str) -> bool:
        """Whether a URL is one of https at the issuer's own host and port, or at a host that the settings name."""
        origin = origin_of(url)
        if origin is None:
            return False
        host, port = origin
        return origin == self._origin or f"{host}:{port}" in self._hosts or (port == 443 and host in self._hosts)

    def get(self, url: str) -> dict[str, Any]:
        """Return the JSON object at a URL of the issuer. Raises as `post`, but for `OAuthError`."""
        status, document = self._ask("GET", url, None)
        if status != 200:
            raise self._strange(url, f"HTTP {status}")
        return document

    def post(self, url: str, fields: dict[str, str]) -> dict[str, Any]:
        """Post a form to a URL of the issuer and return the JSON object that it answers with; {} for nothing.

        Raises:
            OAuthError: it refuses.
            IssuerAwayError: it does not answer, or with a failure of its own.
            IdentityChangedError: its certificate does not verify.
            ProtocolError: its answer is no JSON object, too large, or a redirect.
        """
        status, document = self._ask("POST", url, fields)
        if status == 200:
            return document
        code = document.get("error")
        if not isinstance(code, str):
            raise self._strange(url, f"HTTP {status}")
        said = document.get("error_description")
        raise OAuthError(code, said if isinstance(said, str) else "")

    def _ask(self, method: str, url: str, fields: dict[str, str] | None) -> tuple[int, dict[str, Any]]:
        host, _ = origin_of(url) or ("", 0)
        body = None if fields is None else urlencode(fields).encode("ascii")
        kind = () if body is None else (("content-type", "application/x-www-form-urlencoded"),)
        answer = request(method, url, (("accept", "application/json"), *kind), body, self._roots, named=host)
        if 300 <= answer.status < 400:
            raise self._strange(url, "a redirect, which is not followed")
        document = object_in(answer) if answer.body else {}
        if document is None:
            raise self._strange(url, f"HTTP {answer.status} and no JSON object")
        return answer.status, document

    def _strange(self, url: str, what: str) -> Error:
        host, _ = origin_of(url) or ("", 0)
        return ProtocolError(
            f"what the issuer's host {host} answers is not of OpenID Connect: {what}.", fix="Check login_issuer."
        )


def away(host: str, why: str) -> IssuerAwayError:
    """Return the error for an issuer that does not answer."""
    return IssuerAwayError(
        f"the issuer's host {host} does not answer: {why}.",
        fix="Try again. If it stays so, ask the people who run the issuer.",
    )


def object_in(answer: Answer) -> dict[str, Any] | None:
    """Return the JSON object of an answer, None for what is none."""
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def request(
    method: str, url: str, headers: tuple[tuple[str, str], ...], body: bytes | None, roots: Roots, *, named: str
) -> Answer:
    """Send one request to a URL of https and return its answer.

    Raises:
        IssuerAwayError: no answer came.
        IdentityChangedError: the certificate does not verify.
        ProtocolError: the answer is none of HTTP, or too large.
        UsageError: the URL is none of https, the authorities are no certificates, or no usable proxy is named.
    """
    origin = origin_of(url)
    if origin is None:
        raise UsageError("an address of the issuer is not an https:// URL.", fix="Check login_issuer.")
    parts = urlsplit(url)
    found = proxy_for(origin[0])
    server = Server(*origin, trusting(roots), None if found is None else found[1])
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    line = BlockingPool(server)
    failure: Error
    try:
        # A new refresh token that is not waited for is lost, and the old one may count no more: that has its own time.
        timeout_s = TIMEOUT_S if method == "POST" else max(left(TIMEOUT_S), 0.001)
        answer = line.request(method, target, headers, body, timeout_s=timeout_s, most_body=MOST_BODY)
        if answer.status < 500 and answer.status != 429:
            return answer
        failure = away(named, f"it answers with HTTP {answer.status}")
    except UntrustedError as error:
        failure = _untrusted(named, roots) if error.certificate else away(named, "it does not speak TLS as it should")
    except MalformedError:
        failure = ProtocolError(f"what {named} answers is no HTTP, or too much.", fix="Check login_issuer.")
    except ExchangeError:
        failure = away(named, "there is no connection, or no answer in time")
    finally:
        line.close()
    # Raised out here so that nothing of the request hangs on it.
    raise failure


def _untrusted(host: str, roots: Roots) -> IdentityChangedError:
    return IdentityChangedError(
        f"the certificate of the issuer's host {host} is not signed by {roots.source}, or is for another name.",
        fix="Name the authority of the issuer with `monoctl config set login_ca_file FILE`, or ask who runs it.",
    )


_PATH = "/.well-known/openid-configuration"


class Provider(Value, frozen=True, kw_only=True):
    """The endpoints of a provider: each at the issuer's own host, or at one that the settings name."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    device_authorization_endpoint: str = ""
    """ "": it has no device flow."""
    revocation_endpoint: str = ""
    names_itself: bool = False
    """Whether it says who it is in the answer that the browser brings (RFC 9207)."""
    scopes: frozenset[str] | None = None
    """The scopes that it knows, None if it does not say."""


def discover(issuer: Issuer) -> Provider:
    """Ask an issuer for its endpoints.

    A document is the issuer's word, so it is held to what the user named: it must name that issuer itself, and no
    endpoint may lie elsewhere, or a code that one provider gave could be sent to another (a mix-up).

    Raises:
        ProtocolError: it names another issuer, an endpoint elsewhere, or none.
        Error: as `Issuer.get`.
    """
    document = issuer.get(issuer.url.rstrip("/") + _PATH)
    if document.get("issuer") != issuer.url:
        raise ProtocolError(
            f"what answers for the issuer {issuer.url} says that it is another one:"
            f" {escape(str(document.get('issuer'))[:200])!r}.",
            fix="Correct login_issuer: it must be that text exactly, a slash at its end included, if you trust it.",
        )
    scopes = document.get("scopes_supported")
    return Provider(
        issuer=issuer.url,
        authorization_endpoint=_endpoint(issuer, document, "authorization_endpoint"),
        token_endpoint=_endpoint(issuer, document, "token_endpoint"),
        jwks_uri=_endpoint(issuer, document, "jwks_uri"),
        device_authorization_endpoint=_endpoint(issuer, document, "device_authorization_endpoint", needed=False),
        revocation_endpoint=_endpoint(issuer, document, "revocation_endpoint", needed=False),
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        scopes=frozenset(map(str, scopes)) if isinstance(scopes, list) else None,
    )


def _endpoint(issuer: Issuer, document: dict[str, Any], name: str, *, needed: bool = True) -> str:
    value = document.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str):
        raise ProtocolError(f"the issuer {issuer.url} names no {name}.", fix="Check login_issuer.")
    if not issuer.is_its(value):
        raise ProtocolError(
            f"the issuer {issuer.url} names a {name} that is not at its own host: {escape(value[:200])!r}.",
            fix="If its operator says that this is right, name that host in login_hosts.",
        )
    return value
