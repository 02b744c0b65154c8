"""What the page is shown of its user: a member's rights, a login and how long it lasts, and all role bindings."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from monoskope.client.login.file import KeptLogin, Login
from monoskope.client.login.renewing import write
from monoskope.testing.scripted.client import token
from tests.unit.monoctl.console.operations.knowing_m8 import AtConsole, at_console

ISSUER = "https://login.example.org"


async def test_of_a_member_it_says_what_each_role_binding_gives(page: AtConsole) -> None:
    me = await page.ask("whoami")
    assert me["groups"] == ["group:corp:ops"]
    assert me["may"] == [{"prefix": "vault://app", "rights": ["put"], "role_binding": "apps"}]


@pytest.mark.parametrize(("refresh_token", "login"), [("r", "renewed"), ("", "once")])
async def test_it_says_whether_a_login_is_renewed(tmp_path: Path, refresh_token: str, login: str) -> None:
    given = {"server": "m8:1", "issuer": ISSUER, "client_id": "c", "audience": "c", "refresh_token": refresh_token}
    write(tmp_path / "login", KeptLogin(token=token("alice"), token_ends_at=f"{time.time() + 900:.0f}", **given))
    async with at_console(tmp_path, credential=Login(tmp_path / "login", ISSUER)) as page:
        me = await page.ask("whoami")
    assert (me["subject"], me["credential"], me["login"]) == ("alice", f"the login at {ISSUER}", login)


async def test_a_token_that_was_given_is_no_login(page: AtConsole) -> None:
    me = await page.ask("whoami")
    assert (me["credential"], me["login"]) == ("the token that was given", "")


async def test_role_bindings_are_shown(page: AtConsole) -> None:
    first, second = (await page.ask("role-bindings"))["role_bindings"]
    assert (first["name"], first["role"], first["prefix"], first["rights"]) == ("admins", "administrator", "", [])
    assert (second["members"], second["prefix"], second["rights"]) == (["group:corp:ops"], "vault://app", ["put"])
