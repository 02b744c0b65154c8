"""From a login to a call at a whole m8: one provider, m8's own rules, and tokens that are renewed on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monoskope.client import Client
from monoskope.client.login import starting
from monoskope.client.login.credential import IssuerAwayError, KeptLogin, read
from monoskope.client.login.id_token import claims_of
from monoskope.client.login.renewing import write
from monoskope.errors import UnauthenticatedError
from monoskope.m8.issuers import keys
from tests.support import m8_of_issuer
from tests.support.m8_of_issuer import M8
from tests.support.openid_provider import CLIENT_ID, OpenIdProvider, User


@pytest.fixture
async def m8(tmp_path: Path, provider: OpenIdProvider) -> AsyncIterator[M8]:
    async with m8_of_issuer.serving(
        tmp_path, issuer=provider.issuer, audience=CLIENT_ID, ca_file=provider.ca_file
    ) as serving:
        yield serving


async def logged_in(provider: OpenIdProvider, path: Path) -> KeptLogin:
    def show(address: str, _: str) -> None:
        User(provider).sign_in(address)

    kept = await asyncio.to_thread(starting.with_browser, provider.settings(scopes="groups"), show)
    starting.keep(path, kept)
    return kept


async def test_a_login_becomes_a_member_and_is_renewed_while_a_client_is_open(
    m8: M8, provider: OpenIdProvider, path: Path
) -> None:
    kept = await logged_in(provider, path)
    dialled = m8.dialled(path, kept.issuer)
    async with Client(dialled) as client:
        first = await client.access.who_am_i()
        assert (str(first.member), client.subject) == ("user:corp:anna", "user:corp:anna")
        assert (list(first.groups), [str(one.prefix) for one in first.rights]) == (
            ["group:corp:platform"],
            ["vault://platform"],
        )

        now = read(path)
        assert now is not None
        assert claims_of(now.token)["jti"] == first.token_id  # by which `monoctl logout` revokes it

        provider.change(clock_s=1)  # two ID tokens of one second can be the same, and m8 takes each once
        await m8.running.tokens.revoke(first.token_id)
        second = await client.access.who_am_i()  # refused once, renewed, and asked again
        assert second.token_id != first.token_id
        assert second.member == first.member
    assert provider.change()["grants"] == {"authorization_code": 1, "refresh_token": 1}

    write(path, kept)  # an ID token that m8 has exchanged already, without m8's own token
    async with Client(dialled) as client:
        with pytest.raises(UnauthenticatedError, match="no longer takes its refresh token"):
            await client.access.who_am_i()


async def test_an_issuer_that_is_down_or_has_new_keys_stops_no_call_that_does_not_need_it(
    m8: M8, provider: OpenIdProvider, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "RETRY_S", 0.0)
    kept = await logged_in(provider, path)
    async with Client(m8.dialled(path, kept.issuer)) as client:
        first = await client.access.who_am_i()
        provider.change(down=True)
        assert (await client.access.who_am_i()).token_id == first.token_id
        await m8.running.tokens.revoke(first.token_id)
        with pytest.raises(IssuerAwayError, match="does not answer"):
            await client.access.who_am_i()

        provider.change(down=False, rotate=True, clock_s=1)
        second = await client.access.who_am_i()  # by an ID token that the new key has signed
        assert (second.member, second.token_id != first.token_id) == (first.member, True)
