"""What is particular to KV version 1: no versions, text alone, and names instead of values for a write-only store."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import NOTHING, CannotReadError, StoreConflictError, StoreRefusedError, UnsupportedError
from monoskope.stores.vault.config import TokenFile
from monoskope.stores.vault.kv1 import VaultKv1Store
from monoskope.testing.drivers.harness import NOT_TEXT, tag
from monoskope.testing.engines.openbao import OpenBao
from monoskope.testing.engines.openbao_admin import OpenBaoError
from tests.conformance.vault_harness import PREFIX, VALUE, Kv1Harness
from tests.support.failures import failure

BOTH = pytest.mark.parametrize("readable", [True, False], ids=["readable", "write-only"])


async def opened(bao: OpenBao, folder: Path, *, readable: bool) -> VaultKv1Store:
    return await VaultKv1Store.open(Kv1Harness(bao, folder, readable=readable).config(), state_dir=folder)


async def write(store: VaultKv1Store, *path: str, payload: Payload = VALUE) -> str:
    return await store.write(path, payload, replacing=None, write_tag=tag())


@BOTH
async def test_a_name_is_not_taken_for_that_of_its_folder(openbao: OpenBao, tmp_path: Path, *, readable: bool) -> None:
    store = await opened(openbao, tmp_path, readable=readable)
    await write(store, "folder", "deeper", "secret")
    for path in (("folder",), ("folder", "deeper"), ("folder", "deep"), ("folder", "deeper", "secret", "below")):
        assert await store.read_version(path) == NOTHING
    assert await store.read_version(("folder", "deeper", "secret")) != NOTHING
    await store.close()


async def test_what_the_engine_holds_is_what_people_expect(openbao: OpenBao, tmp_path: Path) -> None:
    store = await opened(openbao, tmp_path, readable=True)
    values = {"password": "p", "ttl": "30m", "data": "d"}
    await write(store, "app", "db", payload=Payload({key: value.encode() for key, value in values.items()}))
    assert openbao.call("GET", f"old/{PREFIX}/app/db")["data"] == values
    await store.close()


async def test_a_value_that_is_not_text_is_refused_by_name(openbao: OpenBao, tmp_path: Path) -> None:
    store = await opened(openbao, tmp_path, readable=True)
    await failure(StoreRefusedError, write(store, "binary", payload=Payload({"raw": NOT_TEXT})), "raw")
    assert await store.read_version(("binary",)) == NOTHING
    await store.close()


@BOTH
async def test_deleting_is_for_good_and_only_on_demand(openbao: OpenBao, tmp_path: Path, *, readable: bool) -> None:
    store = await opened(openbao, tmp_path, readable=readable)
    path = ("to-delete", str(readable))
    await write(store, *path)
    await failure(UnsupportedError, store.delete(path, replacing=None, destroy=False), "for good")
    await failure(UnsupportedError, store.delete(path, replacing="put@1", destroy=True), "no versions")
    await store.delete(path, replacing=None, destroy=True)
    await failure(StoreConflictError, store.delete(path, replacing=None, destroy=True))
    await store.close()


async def test_a_store_that_is_not_to_delete_has_no_right_to(openbao: OpenBao, tmp_path: Path) -> None:
    harness = Kv1Harness(openbao, tmp_path, readable=True)
    harness.grant(VaultKv1Store.policy(harness.config(TokenFile(token_file="/x"), deletable=False), ((),)))
    careful = await VaultKv1Store.open(harness.config(deletable=False), state_dir=tmp_path)
    careless = await VaultKv1Store.open(harness.config(), state_dir=tmp_path)
    await write(careful, "kept")
    assert not careful.capabilities.deletable
    await failure(UnsupportedError, careful.delete(("kept",), replacing=None, destroy=True))
    await failure(StoreRefusedError, careless.delete(("kept",), replacing=None, destroy=True), "policy")
    assert await careful.read_version(("kept",)) != NOTHING
    await careful.close()
    await careless.close()


async def test_a_write_only_store_sees_names_and_no_value(openbao: OpenBao, tmp_path: Path) -> None:
    harness = Kv1Harness(openbao, tmp_path, readable=False)
    await harness.foreign_write(("theirs",), {"k": "v"})
    store = await VaultKv1Store.open(harness.config(), state_dir=tmp_path)
    assert await store.read_version(("theirs",)) != NOTHING
    await failure(CannotReadError, store.read(("theirs",)))
    token = openbao.token([harness.role])
    with pytest.raises(OpenBaoError, match="403"):
        openbao.call("GET", f"old/{PREFIX}/theirs", token=token)
    await store.close()


@BOTH
async def test_a_reactor_of_one_prefix_has_rights_there(openbao: OpenBao, tmp_path: Path, *, readable: bool) -> None:
    harness = Kv1Harness(openbao, tmp_path, readable=readable)
    harness.grant(VaultKv1Store.policy(harness.config(TokenFile(token_file="/x")), (("team-a",), ("team-b", "app"))))
    store = await VaultKv1Store.open(harness.config(), state_dir=tmp_path)
    for path in (("team-a",), ("team-a", "db"), ("team-b", "app"), ("team-b", "app", "x", "y")):
        await write(store, *path)
        assert await store.read_version(path) != NOTHING
    for path in (("team-ab",), ("team-b",), ("team-b", "other"), ("else",)):
        await failure(StoreRefusedError, write(store, *path), "policy")
    await store.close()
