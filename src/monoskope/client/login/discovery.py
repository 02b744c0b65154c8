"""What an OpenID Connect provider says of itself, and which of it counts (OpenID Connect Discovery 1.0, RFC 8414)."""

from __future__ import annotations

from typing import Any

from monoskope.client.login.issuer import Issuer
from monoskope.errors import ProtocolError
from monoskope.text import escape
from monoskope.value import Value

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
