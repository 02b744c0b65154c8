"""From a login to a call at a whole m8: one provider, m8's own rules, and tokens that are renewed on the way."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monoskope import operating_log
from monoskope.client import Client, ClientSettings
from monoskope.client.login import starting
from monoskope.client.login.keeping import write
from monoskope.client.login.kept import Login
from monoskope.errors import UnauthenticatedError
from monoskope.host_port import HostPort
from monoskope.m8 import settings
from monoskope.m8.bootstrap import Running, build
from monoskope.m8.init import Plan, lay_out
from tests.support.openid_provider import CLIENT_ID, OpenIdProvider, User

RULES = """
[[issuers]]
name = "corp"
issuer = "{issuer}"
audience = "{audience}"
ca_file = "{ca}"

[[issuers.rules]]
match = {{}}
name_claim = "sub"
groups = "groups"
"""


def signed_in(provider: OpenIdProvider, address: str) -> None:
    """Fill in every form."""
    User(provider).sign_in(address)


@pytest.fixture
async def m8(tmp_path: Path, provider: OpenIdProvider) -> AsyncIterator[Running]:
    operating_log.set_up(io.StringIO())
    folder = lay_out(Plan(tmp_path / "m8", HostPort("127.0.0.1", 0), http_listen="127.0.0.1:0")).folder
    with (folder / "m8.toml").open("a", encoding="utf-8") as file:
        file.write(RULES.format(issuer=provider.issuer, audience=CLIENT_ID, ca=provider.ca_file))
    async with build(settings.load(folder)) as server:
        yield server


async def test_a_login_becomes_a_member_and_is_renewed_while_a_client_is_open(
    m8: Running, provider: OpenIdProvider, path: Path, tmp_path: Path
) -> None:
    given = provider.settings(scopes="groups")
    kept = await asyncio.to_thread(starting.with_browser, given, lambda address, _: signed_in(provider, address))
    starting.keep(path, kept)
    dialled = ClientSettings(
        server=f"https://{m8.http_address}", ca_file=tmp_path / "m8" / "ca.crt", credential=Login(path, kept.issuer)
    )
    async with Client(dialled) as client:
        first = await client.access.who_am_i()
        assert (str(first.member), client.subject) == ("user:corp:anna", "user:corp:anna")

        provider.change(clock_s=1)  # two ID tokens of one second can be the same, and m8 takes each once
        await m8.tokens.revoke(first.token_id)
        second = await client.access.who_am_i()  # refused once, renewed, and asked again
        assert second.token_id != first.token_id
        assert second.member == first.member
    assert provider.change()["grants"] == {"authorization_code": 1, "refresh_token": 1}

    write(path, kept)  # an ID token that m8 has exchanged already, without m8's own token
    async with Client(dialled) as client:
        with pytest.raises(UnauthenticatedError, match="no longer takes its refresh token"):
            await client.access.who_am_i()
