"""Logging in at OpenBao's own provider: code and PKCE, groups by a scope's template; no device flow, no refresh."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from monoskope.client import Client
from monoskope.client.login import renewing, starting
from monoskope.client.login.credential import Issued, KeptLogin, Login
from monoskope.client.login.id_token import claims_of
from monoskope.client.login.starting import LoginSettings
from monoskope.client.runtime.blocking import BlockingRuntime, run
from monoskope.errors import UnauthenticatedError, UsageError
from monoskope.testing.engines.openbao import OpenBao
from monoskope.testing.engines.openbao_company import Company
from tests.support import m8_of_issuer


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Company, LoginSettings]]:
    """An OpenBao that knows anna, who is in the group platform, and the client monoctl."""
    with OpenBao(tmp_path_factory.mktemp("openbao")) as server:
        made = Company(server)
        made.create()
        made.hire("anna", "anna@example.org", group="platform")
        client = made.register("monoctl", "http://127.0.0.1/callback", public=True)
        ids = {"issuer": made.issuer, "client_id": client.id, "audience": client.id}
        yield made, LoginSettings(server="127.0.0.1:1", scopes="groups", ca_file=str(server.ca_file), **ids)


@pytest.fixture
def settings(company: tuple[Company, LoginSettings]) -> LoginSettings:
    return company[1]


@pytest.fixture
def kept(company: tuple[Company, LoginSettings], path: Path) -> KeptLogin:
    """anna's login."""
    provider, settings = company

    def accept(address: str, _: str) -> None:
        with urllib.request.urlopen(provider.browse(address, "anna"), timeout=30) as page:
            assert page.status == 200

    found = starting.with_browser(settings, accept)
    starting.keep(path, found)
    return found


def test_a_login_at_openbao_names_the_person_and_the_groups(
    kept: KeptLogin, settings: LoginSettings, path: Path
) -> None:
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
    kept: KeptLogin, settings: LoginSettings, path: Path, tmp_path: Path
) -> None:
    serving = m8_of_issuer.serving(
        tmp_path, issuer=settings.issuer, audience=settings.client_id, ca_file=Path(settings.ca_file)
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
