"""A company's OIDC provider, played by OpenBao's own: people with a password and an e-mail address, and clients.

It is a real provider (authorization code with PKCE); what is played is the person at the browser, who is one call.
"""

from __future__ import annotations

import base64
import json
import secrets
import ssl
import urllib.parse
import urllib.request
from dataclasses import dataclass, field

from monoskope.testing.engines.openbao_admin import Admin

_KEY = "company"


@dataclass(frozen=True, slots=True)
class OidcClient:
    """A program that the provider knows.

    Attributes:
        id: Its client id, which is the audience of its ID tokens.
        secret: Its client secret, "" of a public one.
        redirect_uri: Where the browser brings the code.
    """

    id: str
    secret: str = field(repr=False)
    redirect_uri: str


class Company:
    """The provider `company` of a server.

    Args:
        bao: The server, which runs. To `browse` its address is enough.
    """

    def __init__(self, bao: Admin) -> None:
        self._bao = bao
        self._clients: list[str] = []

    def create(self) -> None:
        """Lay it out, without people and clients."""
        self._bao.call("POST", "sys/auth/company", {"type": "userpass"})
        self._bao.call("POST", f"identity/oidc/key/{_KEY}", {"allowed_client_ids": ["*"], "algorithm": "ES256"})
        template = '{"email": {{identity.entity.metadata.email}}}'
        self._bao.call("POST", "identity/oidc/scope/email", {"template": template})
        template = '{"name": {{identity.entity.name}}}'
        self._bao.call("POST", "identity/oidc/scope/profile", {"template": template})
        template = '{"groups": {{identity.entity.groups.names}}}'
        self._bao.call("POST", "identity/oidc/scope/groups", {"template": template})

    @property
    def issuer(self) -> str:
        """What the claim `iss` of its tokens says."""
        return f"{self._bao.address}/v1/identity/oidc/provider/company"

    def hire(self, name: str, email: str, *, group: str = "") -> None:
        """Let a person log in, who then has this e-mail address, and is alone in a group if that is named."""
        self._bao.call("POST", f"auth/company/users/{name}", {"password": _password(name)})
        entity = self._bao.call("POST", "identity/entity", {"name": name, "metadata": {"email": email}})["data"]["id"]
        accessor = self._bao.call("GET", "sys/auth")["data"]["company/"]["accessor"]
        alias = {"name": name, "canonical_id": entity, "mount_accessor": accessor}
        self._bao.call("POST", "identity/entity-alias", alias)
        if group:
            self._bao.call("POST", "identity/group", {"name": group, "member_entity_ids": [entity]})

    def register(self, name: str, redirect_uri: str, *, public: bool = False) -> OidcClient:
        """Make a client, with a secret or a public one, and return it."""
        body = {"redirect_uris": [redirect_uri], "assignments": ["allow_all"], "key": _KEY, "id_token_ttl": "5m"}
        body |= {"client_type": "public" if public else "confidential"}
        self._bao.call("POST", f"identity/oidc/client/{name}", body)
        made = self._bao.call("GET", f"identity/oidc/client/{name}")["data"]
        self._clients.append(made["client_id"])
        provider = {"allowed_client_ids": self._clients, "issuer": self._bao.address}
        provider |= {"scopes_supported": ["email", "groups", "profile"]}
        self._bao.call("POST", "identity/oidc/provider/company", provider)
        return OidcClient(made["client_id"], made.get("client_secret", ""), redirect_uri)

    def browse(self, url: str, name: str) -> str:
        """Be the browser of a person who opens the link to the login page and logs in; return where it goes next."""
        asked = urllib.parse.urlsplit(url).query
        login = self._bao.call("POST", f"auth/company/login/{name}", {"password": _password(name)}, token="")
        path = f"identity/oidc/provider/company/authorize?{asked}"
        given = self._bao.call("GET", path, token=login["auth"]["client_token"])
        redirect = urllib.parse.parse_qs(asked)["redirect_uri"][0]
        return f"{redirect}?{urllib.parse.urlencode({'code': given['code'], 'state': given['state']})}"

    def id_token(self, client: OidcClient, name: str) -> str:
        """Return an ID token that the provider gives to `client` for a person who logged in there."""
        asked = {"client_id": client.id, "response_type": "code", "scope": "openid email"}
        asked |= {"redirect_uri": client.redirect_uri, "state": "s", "nonce": secrets.token_hex(8)}
        redirect = self.browse(f"{self.issuer}/authorize?{urllib.parse.urlencode(asked)}", name)
        code = urllib.parse.parse_qs(urllib.parse.urlsplit(redirect).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": client.redirect_uri}
        basic = base64.b64encode(f"{client.id}:{client.secret}".encode()).decode()
        request = urllib.request.Request(
            f"{self.issuer}/token", urllib.parse.urlencode(form).encode(), {"Authorization": f"Basic {basic}"}
        )
        context = ssl.create_default_context(cafile=self._bao.ca_file)
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return str(json.load(answer)["id_token"])


def _password(name: str) -> str:
    return f"the password of {name}"
