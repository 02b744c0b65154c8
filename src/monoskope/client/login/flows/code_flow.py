"""The authorization code flow with PKCE, free of I/O (RFC 6749, 7636, 9207 and OpenID Connect Core 1.0)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from monoskope.client.login.discovery import Provider
from monoskope.errors import Error, RefusedError
from monoskope.text import escape
from monoskope.value import Unshared

_MOST_QUERY = 8_192


class NotOursError(Exception):
    """What came is no answer to this login: it may be anybody's, and the login goes on."""


class CodeFlow(Unshared):
    """One login. All that it makes up is new: state, nonce and verifier are each 32 random bytes.

    Attributes:
        nonce: What the ID token must repeat.
        verifier: What proves to the issuer that the code was meant for us (RFC 7636).

    Args:
        provider: The provider.
        client_id: What it calls us.
        scopes: What to ask for.
    """

    def __init__(self, provider: Provider, *, client_id: str, scopes: str) -> None:
        self._provider = provider
        self._client_id = client_id
        self._scopes = scopes
        self._state = secrets.token_urlsafe(32)
        self.nonce = secrets.token_urlsafe(32)
        self.verifier = secrets.token_urlsafe(32)

    def __repr__(self) -> str:
        return f"<CodeFlow at {self._provider.issuer}>"

    def address(self, redirect_uri: str) -> str:
        """Return the address that the user's browser is to open."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode("ascii")).digest()).rstrip(b"=")
        fields = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": self._scopes,
            "state": self._state,
            "nonce": self.nonce,
            "code_challenge": challenge.decode("ascii"),
            "code_challenge_method": "S256",
        }
        if "offline_access" in self._scopes.split():
            # Without it no refresh token may be given (OpenID Connect Core 1.0, 11).
            fields["prompt"] = "consent"
        endpoint = self._provider.authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(fields)}"

    def code(self, query: str) -> str:
        """Return the code in the query of the address to which the browser was sent.

        Raises:
            NotOursError: its state is not this login's.
            RefusedError: the issuer refuses, or another issuer answers.
        """
        pairs = parse_qsl(query, keep_blank_values=True) if len(query) <= _MOST_QUERY else []
        fields = dict(pairs)
        if len(fields) != len(pairs) or not hmac.compare_digest(fields.get("state", "").encode(), self._state.encode()):
            raise NotOursError
        self._check_issuer(fields)
        if "error" in fields:
            said = f"{fields['error'][:60]}: {fields.get('error_description', '')[:200]}".rstrip(": ")
            raise RefusedError(
                f"the issuer {self._provider.issuer} refuses the login ({escape(said)}).",
                fix="Log in again, or ask the people who run the issuer.",
            )
        if not fields.get("code"):
            raise NotOursError
        return fields["code"]

    def _check_issuer(self, fields: Mapping[str, str]) -> None:
        """Refuse the answer of another issuer, whose code must not be sent to this one (RFC 9207, 2.4)."""
        named = fields.get("iss")
        failure: Error | None = None
        if named is None and self._provider.names_itself:
            failure = RefusedError(
                f"the answer does not say that it is from the issuer {self._provider.issuer}, which always says so.",
                fix="Do not log in there. Ask the people who run the issuer.",
            )
        elif named not in {None, self._provider.issuer}:
            failure = RefusedError(
                f"the answer is from another issuer: {escape(str(named)[:200])!r}.",
                fix="Do not log in there. Ask the people who run the issuer.",
            )
        if failure is not None:
            raise failure
