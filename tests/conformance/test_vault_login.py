"""Logging in to a real OpenBao, staying logged in, and what is said when that fails."""

from __future__ import annotations

import asyncio
import secrets
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from monoskope.errors import Error
from monoskope.stores.driver import NOTHING, StoreRefusedError, StoreUnavailableError
from monoskope.stores.shared.http import HttpAnswer
from monoskope.stores.vault.config import AppRole, TokenFile
from monoskope.stores.vault.kv2 import VaultStore
from monoskope.stores.vault.logins import STATE_FILE
from monoskope.testing.drivers.harness import tag
from monoskope.testing.engines.openbao import OpenBao
from monoskope.testing.engines.openbao_admin import OpenBaoError
from tests.conformance.vault_harness import VALUE, VaultHarness, audited, in_time, until
from tests.support.failures import failure


@pytest.fixture
async def harness(openbao: OpenBao, tmp_path: Path) -> AsyncIterator[VaultHarness]:
    made = VaultHarness(openbao, tmp_path, readable=False)
    async with made.stores:
        yield made


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder


def wrapped(harness: VaultHarness, token: str) -> AppRole:
    return AppRole(role_id=harness.bao.role_id(harness.role), wrapped_secret_id_file=harness.private(token))


async def test_a_wrapped_secret_id_is_unwrapped_once_and_kept_privately(harness: VaultHarness, state: Path) -> None:
    token = harness.bao.wrapped_secret_id(harness.role)
    config = harness.config(wrapped(harness, token))
    store = await VaultStore.open(config, state_dir=state)
    assert await store.write(("a",), VALUE, replacing=None, write_tag=tag())
    await store.close()
    assert stat.S_IMODE((state / STATE_FILE).stat().st_mode) == 0o600
    with pytest.raises(OpenBaoError, match="400"):
        harness.bao.call("POST", "sys/wrapping/unwrap", token=token)
    again = await VaultStore.open(config, state_dir=state)
    assert await again.read_version(("a",)) != NOTHING
    await again.close()


async def test_the_wrapping_file_may_be_removed_after_use(harness: VaultHarness, state: Path) -> None:
    auth = wrapped(harness, harness.bao.wrapped_secret_id(harness.role))
    await (await harness.opened(auth, state_dir=state)).close()
    harness.remove(str(auth.wrapped_secret_id_file))
    store = await harness.opened(auth, state_dir=state)
    assert await store.write(("a",), VALUE, replacing=None, write_tag=tag())


async def test_a_new_wrapping_token_replaces_the_kept_secret_id(harness: VaultHarness, state: Path) -> None:
    first = wrapped(harness, harness.bao.wrapped_secret_id(harness.role))
    await (await harness.opened(first, state_dir=state)).close()
    before = (state / STATE_FILE).read_bytes()
    second = wrapped(harness, harness.bao.wrapped_secret_id(harness.role))
    await (await harness.opened(second, state_dir=state)).close()
    assert (state / STATE_FILE).read_bytes() != before


async def test_a_used_wrapping_token_is_called_that(harness: VaultHarness, state: Path) -> None:
    token = harness.bao.wrapped_secret_id(harness.role)
    harness.bao.call("POST", "sys/wrapping/unwrap", token=token)
    caught = await failure(StoreRefusedError, harness.opened(wrapped(harness, token), state_dir=state), "used before")
    assert token not in str(caught)
    assert not (state / STATE_FILE).exists()


async def test_a_changed_wrapping_token_is_refused(harness: VaultHarness, state: Path) -> None:
    token = harness.bao.wrapped_secret_id(harness.role)
    changed = token[:-1] + ("A" if token[-1] != "A" else "B")
    await failure(StoreRefusedError, harness.opened(wrapped(harness, changed), state_dir=state), "changed")


async def test_a_swapped_wrapping_token_is_refused_and_not_used_up(harness: VaultHarness, state: Path) -> None:
    other = harness.bao.call("POST", "sys/wrapping/wrap", {"secret_id": "planted"}, wrap_ttl="60s")
    token = other["wrap_info"]["token"]
    await failure(StoreRefusedError, harness.opened(wrapped(harness, token), state_dir=state), "swapped")
    assert harness.bao.call("POST", "sys/wrapping/unwrap", token=token)["data"] == {"secret_id": "planted"}


async def test_a_damaged_state_file_is_named(harness: VaultHarness, state: Path) -> None:
    (state / STATE_FILE).write_bytes(b"{}")
    (state / STATE_FILE).chmod(0o600)
    auth = wrapped(harness, harness.bao.wrapped_secret_id(harness.role))
    await failure(StoreRefusedError, harness.opened(auth, state_dir=state), STATE_FILE)


async def test_a_wrong_secret_id_is_refused(harness: VaultHarness, state: Path) -> None:
    auth = AppRole(role_id=harness.bao.role_id(harness.role), secret_id_file=harness.private("wrong"))
    assert "wrong" not in str(await failure(StoreRefusedError, harness.opened(auth, state_dir=state), "AppRole login"))


@pytest.mark.parametrize("kind", ["secret id", "wrapping token", "token"])
async def test_a_credential_that_others_can_read_is_refused(harness: VaultHarness, state: Path, kind: str) -> None:
    file = harness.private("credential", mode=0o640)
    ways: dict[str, AppRole | TokenFile] = {
        "secret id": AppRole(role_id="r", secret_id_file=file),
        "wrapping token": AppRole(role_id="r", wrapped_secret_id_file=file),
        "token": TokenFile(token_file=file),
    }
    await failure(StoreRefusedError, harness.opened(ways[kind], state_dir=state), "chmod 600")


async def test_a_revoked_login_is_made_anew_once_for_all_that_need_it(harness: VaultHarness, state: Path) -> None:
    store = await harness.opened(state_dir=state)
    harness.bao.call("POST", "sys/leases/revoke-prefix/auth/approle/login", {})
    before = audited(harness.bao, "auth/approle/login")
    written = await asyncio.gather(
        *(store.write((f"s{n}",), VALUE, replacing=None, write_tag=tag()) for n in range(10))
    )
    assert all(written)
    assert audited(harness.bao, "auth/approle/login") == before + 1


async def test_a_login_that_reaches_its_end_of_life_is_made_anew(harness: VaultHarness, state: Path) -> None:
    harness.bao.create_role(harness.role, [harness.role], token_ttl="1s", token_max_ttl="2s")
    store = await harness.opened(state_dir=state)
    before = audited(harness.bao, "auth/approle/login")
    await until(lambda: audited(harness.bao, "auth/approle/login") > before)
    assert await store.write(("a",), VALUE, replacing=None, write_tag=tag())


async def test_a_login_is_renewed_before_it_expires(harness: VaultHarness, state: Path) -> None:
    async def renewed(ttl_s: int) -> bool:
        harness.bao.create_role(harness.role, [harness.role], token_ttl=f"{ttl_s}s", token_max_ttl="1h")
        store = await harness.opened(state_dir=state)
        logins, renewals = (audited(harness.bao, path) for path in ("auth/approle/login", "auth/token/renew-self"))
        await until(lambda: audited(harness.bao, "auth/token/renew-self") >= renewals + 3)
        assert await store.write(("a",), VALUE, replacing=None, write_tag=tag())
        again = audited(harness.bao, "auth/approle/login") - logins
        await store.close()
        return again == 0

    await in_time(renewed)


async def test_closing_gives_the_login_back(harness: VaultHarness, state: Path) -> None:
    store = await harness.opened(state_dir=state)
    before = audited(harness.bao, "auth/token/revoke-self")
    await store.close()
    assert audited(harness.bao, "auth/token/revoke-self") == before + 1
    await failure(Error, store.read_version(("a",)), "closed")


async def test_a_token_from_a_file_is_used_and_read_again_when_it_dies(harness: VaultHarness, state: Path) -> None:
    first = harness.bao.token([harness.role])
    auth = TokenFile(token_file=harness.private(first))
    store = await harness.opened(auth, state_dir=state)
    assert await store.write(("a",), VALUE, replacing=None, write_tag=tag())
    harness.bao.call("POST", "auth/token/revoke", {"token": first})
    await failure(StoreRefusedError, store.read_version(("a",)), "token_file")
    second = harness.bao.token([harness.role])
    harness.private(f"{second}\n", file=auth.token_file)
    assert await store.read_version(("a",)) != NOTHING
    await store.close()
    assert harness.bao.call("GET", "auth/token/lookup-self", token=second)["data"]["ttl"] > 0


async def test_a_dead_token_in_the_file_is_refused(harness: VaultHarness, state: Path) -> None:
    auth = TokenFile(token_file=harness.private("s.nonsense"))
    await failure(StoreRefusedError, harness.opened(auth, state_dir=state), "token_file")


def expiring(store: VaultStore, revoke: Callable[[], object]) -> None:
    """Have `revoke` called between the look of a write and the write itself."""
    request = store._session.request

    async def asked(method: str, path: str, **rest: Any) -> HttpAnswer:
        if rest.get("writes"):
            revoke()
        return await request(method, path, **rest)

    store._session.request = asked  # type: ignore[method-assign]


async def test_a_login_that_dies_in_mid_write_is_made_anew_and_the_write_happens_once(
    harness: VaultHarness, state: Path
) -> None:
    store = await harness.opened(state_dir=state)
    path = ("mid-write", secrets.token_hex(6))
    first = await store.write(path, VALUE, replacing=NOTHING, write_tag=tag())
    expiring(store, lambda: harness.bao.call("POST", "sys/leases/revoke-prefix/auth/approle/login", {}))
    second = await store.write(path, VALUE, replacing=first, write_tag=tag())
    assert [first.split("@")[0], second.split("@")[0]] == ["1", "2"]
    assert await store.read_version(path) == second


async def test_credentials_that_are_gone_in_mid_write_refuse_it_and_nothing_is_written(
    harness: VaultHarness, state: Path
) -> None:
    token = harness.bao.token([harness.role])
    auth = harness.token_file(token)
    store = await harness.opened(auth, state_dir=state)
    path = ("mid-write", secrets.token_hex(6))
    first = await store.write(path, VALUE, replacing=NOTHING, write_tag=tag())
    expiring(store, lambda: harness.bao.call("POST", "auth/token/revoke", {"token": token}))
    caught = await failure(StoreRefusedError, store.write(path, VALUE, replacing=first, write_tag=tag()), "token_file")
    assert token not in str(caught)
    harness.private(harness.bao.token([harness.role]), file=auth.token_file)
    assert await store.read_version(path) == first


async def test_an_engine_that_goes_while_a_login_is_renewed_leaves_no_doubt(harness: VaultHarness, state: Path) -> None:
    store = await harness.opened(state_dir=state)
    path = ("mid-write", secrets.token_hex(6))

    def revoke_and_seal() -> None:
        harness.bao.call("POST", "sys/leases/revoke-prefix/auth/approle/login", {})
        harness.bao.call("PUT", "sys/seal")

    expiring(store, revoke_and_seal)
    try:
        await failure(StoreUnavailableError, store.write(path, VALUE, replacing=NOTHING, write_tag=tag()))
    finally:
        harness.bao.restart()
    assert await store.read_version(path) == NOTHING
