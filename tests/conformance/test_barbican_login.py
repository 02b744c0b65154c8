"""How the driver `barbican` logs in at Keystone, which is a stand-in here, before a real Barbican."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.protocol.payload import Payload
from monoskope.settings import write_private
from monoskope.stores.barbican.config import ApplicationCredential, BarbicanConfig, Password
from monoskope.stores.barbican.secrets import BarbicanStore
from monoskope.stores.driver import NOTHING, StoreRefusedError, StoreUnavailableError
from monoskope.testing.drivers.harness import tag
from monoskope.testing.engines.barbican import Barbican
from tests.conformance.keystone_fake import Gate, served
from tests.support.failures import failure

SECRET = "correct-horse-battery-staple"
VALUE = Payload({"k": b"v"})


@pytest.fixture
def gate(barbican: Barbican) -> Gate:
    return Gate(barbican)


@pytest.fixture
async def config(gate: Gate, tmp_path: Path) -> AsyncIterator[BarbicanConfig]:
    write_private(tmp_path / "secret", f"{SECRET}\n".encode())
    async with served(tmp_path / "gate", gate.app()) as (address, ca_file):
        login = ApplicationCredential(
            auth_url=f"{address}/identity/v3", id="c0ffee", secret_file=str(tmp_path / "secret")
        )
        yield BarbicanConfig(address=f"{address}/key-manager", auth=login, ca_file=ca_file, readable=True)


async def opened(config: BarbicanConfig, **changes: Any) -> BarbicanStore:
    fields = {name: getattr(config, name) for name in config.__struct_fields__}
    return await BarbicanStore.open(BarbicanConfig(**(fields | changes)), state_dir=Path())


async def test_an_application_credential_is_sent_as_keystone_wants_it(gate: Gate, config: BarbicanConfig) -> None:
    store = await opened(config)
    version = await store.write(("login", tag()[:8]), VALUE, replacing=None, write_tag=tag())
    assert version != NOTHING
    await store.close()
    proof = {"id": "c0ffee", "secret": SECRET}
    assert gate.logins == [
        {"auth": {"identity": {"methods": ["application_credential"], "application_credential": proof}}}
    ]


def test_users_are_told_that_it_has_met_no_keystone() -> None:
    assert BarbicanStore.maturity == "experimental"


async def test_a_password_names_the_project_too(gate: Gate, config: BarbicanConfig) -> None:
    assert isinstance(config.auth, ApplicationCredential)
    auth = Password(
        auth_url=config.auth.auth_url, username="m8", password_file=config.auth.secret_file, project_id="p1"
    )
    await (await opened(config, auth=auth)).close()
    user = {"name": "m8", "domain": {"name": "Default"}, "password": SECRET}
    identity = {"methods": ["password"], "password": {"user": user}}
    assert gate.logins == [{"auth": {"identity": identity, "scope": {"project": {"id": "p1"}}}}]


async def test_a_token_that_died_is_replaced_once_for_all_who_wait(gate: Gate, config: BarbicanConfig) -> None:
    store = await opened(config)
    gate.tokens.clear()
    path = ("login", tag()[:8])
    await asyncio.gather(store.write(path, VALUE, replacing=None, write_tag=tag()), *[store.read(path)] * 1)
    assert len(gate.logins) == 2
    await store.close()


async def test_a_token_is_not_used_up_to_its_last_minute(gate: Gate, config: BarbicanConfig) -> None:
    gate.lease_s = 30.0
    store = await opened(config)
    await store.read_version(("login", "x"))
    assert len(gate.logins) == 2
    await store.close()


async def test_a_token_that_barbican_never_takes_is_a_refusal(gate: Gate, config: BarbicanConfig) -> None:
    store = await opened(config)
    gate.tokens = _Closed()
    with pytest.raises(StoreRefusedError, match="does not take the token"):
        await store.write(("login", "x"), VALUE, replacing=None, write_tag=tag())
    await store.close()


class _Closed(set[str]):
    def __contains__(self, _token: object) -> bool:
        return False


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refused_login_says_so_and_shows_no_secret(gate: Gate, config: BarbicanConfig, status: int) -> None:
    gate.status = status
    caught = await failure(StoreRefusedError, opened(config), "Keystone refused the login")
    text = "".join(traceback.TracebackException.from_exception(caught).format())
    assert SECRET not in text
    assert "keystone text" not in text


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_keystone_that_is_down_is_unavailable(gate: Gate, config: BarbicanConfig, status: int) -> None:
    store = await opened(config)
    gate.status = status
    gate.tokens.clear()
    await failure(StoreUnavailableError, store.write(("login", "x"), VALUE, replacing=None, write_tag=tag()))
    gate.status = 201
    assert await store.read_version(("login", tag()[:8])) == NOTHING
    await store.close()


@pytest.mark.parametrize("body", [{}, {"token": 1}, {"token": {"issued_at": "x", "expires_at": "y"}}])
async def test_what_is_not_keystone_is_refused(gate: Gate, config: BarbicanConfig, body: dict[str, Any]) -> None:
    gate.body = body
    await failure(StoreRefusedError, opened(config), "does not answer as Keystone does")


@pytest.mark.parametrize("content", ["", "two\nlines\n", "\x07"])
async def test_a_credential_is_one_line(config: BarbicanConfig, tmp_path: Path, content: str) -> None:
    write_private(tmp_path / "secret", content.encode(), replace=True)
    await failure(StoreRefusedError, opened(config), "one line of text")


async def test_a_credential_that_others_can_read_is_refused(config: BarbicanConfig, tmp_path: Path) -> None:
    (tmp_path / "secret").chmod(0o644)
    await failure(StoreRefusedError, opened(config), "0644")


async def test_a_closed_store_does_not_log_in_again(gate: Gate, config: BarbicanConfig) -> None:
    store = await opened(config)
    await store.close()
    await failure(StoreRefusedError, store.read_version(("login", "x")), "closed")
    assert len(gate.logins) == 1
