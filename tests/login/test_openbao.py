"""Logging in at OpenBao's own provider: code and PKCE, groups by a scope's template; no device flow, no refresh."""

from __future__ import annotations

import asyncio
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from monoskope.client import Client
from monoskope.client.login import renewing, starting
from monoskope.client.login.credential import Issued, Login
from monoskope.client.login.id_token import claims_of
from monoskope.client.login.starting import LoginSettings
from monoskope.client.runtime.blocking import BlockingRuntime, run
from monoskope.errors import UnauthenticatedError, UsageError
from monoskope.testing.engines.openbao import OpenBao
from tests.support import m8_of_issuer

_PROVIDER = "identity/oidc/provider/company"


@pytest.fixture(scope="module")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    """An OpenBao that knows anna, who is in the group platform, and the client monoctl."""
    with OpenBao(tmp_path_factory.mktemp("openbao")) as server:
        server.call("POST", "sys/auth/userpass", {"type": "userpass"})
        server.call("POST", "auth/userpass/users/anna", {"password": "any"})
        entity = server.call("POST", "auth/userpass/login/anna", {"password": "any"})["auth"]["entity_id"]
        server.call("POST", "identity/group", {"name": "platform", "member_entity_ids": [entity]})
        template = '{"groups": {{identity.entity.groups.names}}}'
        server.call("POST", "identity/oidc/scope/groups", {"template": template})
        server.call("POST", "identity/oidc/key/company", {"allowed_client_ids": "*", "algorithm": "ES256"})
        server.call(
            "POST",
            "identity/oidc/client/monoctl",
            {
                "redirect_uris": "http://127.0.0.1/callback",
                "assignments": "allow_all",
                "key": "company",
                "client_type": "public",
                "id_token_ttl": "1h",
            },
        )
        server.call("POST", _PROVIDER, {"allowed_client_ids": "*", "scopes_supported": "groups"})
        yield server


@pytest.fixture
def settings(openbao: OpenBao) -> LoginSettings:
    client_id = openbao.call("GET", "identity/oidc/client/monoctl")["data"]["client_id"]
    return LoginSettings(
        server="127.0.0.1:1",
        issuer=f"{openbao.address}/v1/{_PROVIDER}",
        client_id=client_id,
        audience=client_id,
        scopes="groups",
        ca_file=str(openbao.ca_file),
    )


def accepts(openbao: OpenBao, address: str) -> None:
    """Do what OpenBao's page does in the browser of anna, who has logged in there."""
    token = openbao.call("POST", "auth/userpass/login/anna", {"password": "any"})["auth"]["client_token"]
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
    answer = openbao.call("POST", f"{_PROVIDER}/authorize", query, token=token)
    back = urllib.parse.urlencode({"code": answer["code"], "state": answer["state"]})
    with urllib.request.urlopen(f"{query['redirect_uri']}?{back}", timeout=30) as page:
        assert page.status == 200


def test_a_login_at_openbao_names_the_person_and_the_groups(
    openbao: OpenBao, settings: LoginSettings, path: Path
) -> None:
    kept = starting.with_browser(settings, lambda address, _: accepts(openbao, address))
    starting.keep(path, kept)

    claims = claims_of(kept.id_token)
    assert claims["groups"] == ["platform"]
    assert (claims["aud"], claims["iss"]) == (settings.client_id, settings.issuer)
    assert len(claims["sub"]) == 36  # a UUID
    assert kept.refresh_token == ""

    async def exchange(token: str, kind: str) -> Issued:
        assert token == kept.id_token
        return Issued("m8's", 900.0)

    assert run(Login(path, "it").issue(exchange, BlockingRuntime(), refused="")).token == "m8's"
    starting.keep(path, structs.replace(kept, id_token_ends_at="1"))
    with pytest.raises(UnauthenticatedError) as caught:
        renewing.current(path, anew=False)
    assert caught.value.message == (
        f"your login at {settings.issuer} has ended: it has run out, and the issuer gave nothing to renew it with."
    )


async def test_a_group_of_openbao_has_the_rights_of_its_role_binding_until_the_login_is_used_up(
    openbao: OpenBao, settings: LoginSettings, path: Path, tmp_path: Path
) -> None:
    kept = await asyncio.to_thread(starting.with_browser, settings, lambda address, _: accepts(openbao, address))
    starting.keep(path, kept)
    serving = m8_of_issuer.serving(
        tmp_path, issuer=settings.issuer, audience=settings.client_id, ca_file=openbao.ca_file
    )
    async with serving as m8, Client(m8.dialled(path, kept.issuer)) as client:
        said = await client.access.who_am_i()
        assert (str(said.member), list(said.groups)) == (f"user:corp:{kept.subject}", ["group:corp:platform"])
        assert (await client.access.can_i("put", "vault://platform/db")).role_bindings == ("platform",)
        assert not (await client.access.can_i("put", "vault://other/db")).allowed
        await m8.running.tokens.revoke(said.token_id)
        with pytest.raises(UnauthenticatedError) as caught:
            await client.access.who_am_i()
    assert caught.value.message == (
        f"your login at {settings.issuer} has ended: m8's token has run out, and the issuer gave nothing to renew it"
        " with."
    )
    assert caught.value.fix == "Log in again: `monoctl login`."


def test_openbao_has_no_device_flow(settings: LoginSettings) -> None:
    with pytest.raises(UsageError) as caught:
        starting.with_device(settings, lambda _: None)
    assert caught.value.message == f"the issuer {settings.issuer} has no device flow."
