"""What the driver `vault` makes of a real OpenBao's answers, of its silence, and of impostors."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from monoskope.protocol.payload import MAX_PADDED, Payload
from monoskope.stores.driver import (
    NOTHING,
    CannotReadError,
    DriverError,
    StoreConflictError,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)
from monoskope.stores.vault.kv1 import VaultKv1Store
from monoskope.stores.vault.kv2 import VaultStore
from monoskope.stores.vault.versions import Current
from monoskope.testing.drivers.harness import NOT_TEXT, sized, tag
from monoskope.testing.drivers.harness import Path as Segments
from monoskope.testing.engines import openbao_files
from monoskope.testing.engines.openbao import OpenBao
from tests.conformance.keystone_fake import served
from tests.conformance.vault_harness import BASE64, PREFIX, VALUE, Kv1Harness, VaultHarness, until
from tests.faults.table import FAULTS
from tests.support.failures import failure


@pytest.fixture
def path() -> Segments:
    return (f"t{os.urandom(6).hex()}", "db")


async def write(store: VaultStore, path: Segments, replacing: str | None, payload: Payload = VALUE) -> str:
    return await store.write(path, payload, replacing=replacing, write_tag=tag())


@pytest.mark.parametrize("how", ["delete", "destroy"])
async def test_a_deleted_version_is_nothing_and_can_be_written_over(
    harness: VaultHarness, store: VaultStore, path: Segments, how: str
) -> None:
    place = harness.engine_path(path)
    old = await write(store, path, NOTHING)
    harness.bao.call("POST", f"secret/{how}/{place}", {"versions": [1]})
    assert await store.read_version(path) == NOTHING
    assert await store.read(path) is None
    await failure(StoreConflictError, write(store, path, old))
    new = await write(store, path, NOTHING)
    assert new.startswith("2@")
    await failure(StoreConflictError, write(store, path, NOTHING))


async def test_a_deletion_to_come_is_not_one(harness: VaultHarness, store: VaultStore, path: Segments) -> None:
    harness.bao.call("POST", f"secret/metadata/{harness.engine_path(path)}", {"delete_version_after": "1h"})
    version = await write(store, path, NOTHING)
    assert await store.read_version(path) == version
    assert await write(store, path, version)


async def test_flagging_keeps_other_metadata(harness: VaultHarness, store: VaultStore, path: Segments) -> None:
    place = f"secret/metadata/{harness.engine_path(path)}"
    harness.bao.call("POST", place, {"custom_metadata": {"owner": "team"}})
    await store.write(path, Payload({"k": NOT_TEXT}), replacing=NOTHING, write_tag=tag(), options=BASE64)
    assert harness.bao.call("GET", place)["data"]["custom_metadata"] == {"owner": "team", "m8_binary": "base64"}


async def test_text_alone_sets_no_flag(harness: VaultHarness, store: VaultStore, path: Segments) -> None:
    await store.write(path, VALUE, replacing=NOTHING, write_tag=tag(), options=BASE64)
    assert harness.bao.call("GET", f"secret/metadata/{harness.engine_path(path)}")["data"]["custom_metadata"] is None


async def test_what_could_be_either_is_not_read(harness: VaultHarness, store: VaultStore, path: Segments) -> None:
    version = await store.write(path, Payload({"k": NOT_TEXT}), replacing=NOTHING, write_tag=tag(), options=BASE64)
    await failure(CannotReadError, store.read(path), "text or base64")
    await write(store, path, version, Payload({"k": b"gIEA/w=="}))
    await failure(CannotReadError, store.read(path), "text or base64")


async def test_without_the_right_to_flag_bytes_are_refused(openbao: OpenBao, tmp_path: Path, path: Segments) -> None:
    harness = VaultHarness(openbao, tmp_path, readable=True, binary=False)
    store = await VaultStore.open(harness.config(binary=True), state_dir=tmp_path)
    with pytest.raises(StoreRefusedError, match="flag a path"):
        await store.write(path, Payload({"k": NOT_TEXT}), replacing=NOTHING, write_tag=tag(), options=BASE64)
    assert await store.read_version(path) == NOTHING
    await store.close()


async def test_base64_is_refused_before_a_key_is_made(openbao: OpenBao, tmp_path: Path, path: Segments) -> None:
    harness = VaultHarness(openbao, tmp_path, readable=True, binary=False)
    store = await VaultStore.open(harness.config(), state_dir=tmp_path)
    with pytest.raises(StoreRefusedError, match="base64"):
        store.check(path, BASE64)
    store.check(path, None)
    await store.close()


@pytest.mark.parametrize(
    "values", [{"k": 1}, {"k": 1.0}, {"k": None}, {"k": {"a": "b"}}, {"a/b": "v"}, {}, {"..x": "v"}]
)
async def test_what_is_no_secret_of_ours_is_not_read(
    harness: VaultHarness, store: VaultStore, path: Segments, values: dict[str, object]
) -> None:
    harness.bao.call("POST", f"secret/data/{harness.engine_path(path)}", {"data": values})
    await failure(CannotReadError, store.read(path))
    assert await write(store, path, await store.read_version(path))


async def test_a_store_set_to_the_protocols_limit_takes_it(harness: VaultHarness, path: Segments) -> None:
    store = await harness.opened(max_plaintext=MAX_PADDED)
    payload = sized(store.capabilities.max_plaintext, b"\x01")
    await write(store, path, NOTHING, payload)
    snapshot = await store.read(path)
    assert snapshot is not None
    assert snapshot.payload == payload


async def patch(
    store: VaultStore, path: Segments, replacing: str | None, payload: Payload | None = VALUE, *remove: str
) -> str:
    return await store.patch(path, payload, remove, replacing=replacing, write_tag=tag(), options=BASE64)


async def test_a_patch_leaves_foreign_values(harness: VaultHarness, store: VaultStore, path: Segments) -> None:
    place = f"secret/data/{harness.engine_path(path)}"
    theirs = {"number": 1.5, "none": None, "nested": {"a": [1, {"b": None}]}, "a/b": "v"}
    harness.bao.call("POST", place, {"data": theirs})
    await patch(store, path, None)
    assert harness.bao.call("GET", place)["data"]["data"] == {**theirs, "k": "v"}


async def test_a_patch_flags_bytes_too(harness: VaultHarness, store: VaultStore, path: Segments) -> None:
    version = await write(store, path, NOTHING)
    with pytest.raises(StoreRefusedError, match="only text"):
        await store.patch(path, Payload({"b": NOT_TEXT}), [], replacing=version, write_tag=tag())
    assert await store.read_version(path) == version
    await patch(store, path, version, Payload({"b": NOT_TEXT}))
    found = harness.bao.call("GET", f"secret/data/{harness.engine_path(path)}")["data"]
    assert found["data"] == {"k": "v", "b": "gIEA/w=="}
    assert found["metadata"]["custom_metadata"] == {"m8_binary": "base64"}


@pytest.mark.parametrize("how", ["delete", "destroy"])
async def test_no_patch_undeletes(harness: VaultHarness, store: VaultStore, path: Segments, how: str) -> None:
    version = await write(store, path, NOTHING)
    harness.bao.call("POST", f"secret/{how}/{harness.engine_path(path)}", {"versions": [1]})
    for replacing in (version, None, NOTHING):
        await failure(StoreConflictError, patch(store, path, replacing))
    assert await store.read_version(path) == NOTHING


@pytest.mark.parametrize("how", ["written", "deleted"])
async def test_what_happens_between_look_and_patch_is_a_conflict(
    harness: VaultHarness, store: VaultStore, path: Segments, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = await write(store, path, NOTHING)
    looked = store._current

    async def overtaken(path: Segments) -> Current:
        current = await looked(path)
        monkeypatch.undo()
        if how == "written":
            await harness.foreign_write(path, {"k": "theirs"})
        else:
            harness.bao.call("POST", f"secret/delete/{harness.engine_path(path)}", {"versions": [1]})
        return current

    monkeypatch.setattr(store, "_current", overtaken)
    await failure(StoreConflictError, patch(store, path, version))
    snapshot = await store.read(path)
    assert (snapshot is not None) is (how == "written")
    assert snapshot is None or dict(snapshot.payload) == {"k": b"theirs"}


@pytest.mark.parametrize("destroy", [False, True])
async def test_of_two_that_delete_one_version_at_the_same_time_the_engine_tells_neither(
    harness: VaultHarness, store: VaultStore, path: Segments, monkeypatch: pytest.MonkeyPatch, *, destroy: bool
) -> None:
    """It deletes without check-and-set, and answers both alike. Who looks after that finds nothing to delete."""
    other = await harness.opened()
    version = await write(store, path, NOTHING)
    looked = store._current

    async def overtaken(path: Segments) -> Current:
        current = await looked(path)
        monkeypatch.undo()
        await other.delete(path, replacing=version, destroy=destroy)
        return current

    monkeypatch.setattr(store, "_current", overtaken)
    await store.delete(path, replacing=version, destroy=destroy)
    assert await store.read_version(path) == NOTHING
    for one in (store, other):
        await failure(StoreConflictError, one.delete(path, replacing=version, destroy=destroy))


async def test_without_the_right_to_patch_nothing_changes(harness: VaultHarness, path: Segments) -> None:
    harness.grant(harness.policy(patchable=False))
    store = await harness.opened()
    version = await write(store, path, NOTHING)
    await failure(StoreRefusedError, patch(store, path, version, Payload({"b": b"x"})), "policy")
    assert await store.read_version(path) == version


async def test_a_store_that_is_not_set_to_patch_does_not(harness: VaultHarness, path: Segments) -> None:
    store = await harness.opened(patchable=False)
    assert not store.capabilities.patchable
    version = await write(store, path, NOTHING)
    await failure(UnsupportedError, patch(store, path, version))
    assert await store.read_version(path) == version


async def test_a_mount_that_demands_check_and_set_is_served(harness: VaultHarness) -> None:
    harness.bao.enable_kv("strict")
    harness.bao.call("POST", "strict/config", {"cas_required": True})
    harness.grant(harness.policy(mount="strict"))
    store = await harness.opened(mount="strict")
    versions = [await write(store, ("a",), None) for _ in range(2)]
    versions.append(await patch(store, ("a",), None, Payload({"b": b"x"})))
    assert [version.split("@")[0] for version in versions] == ["1", "2", "3"]


async def test_what_the_policy_does_not_grant_is_refused(harness: VaultHarness, path: Segments) -> None:
    store = await harness.opened(prefix="elsewhere")
    for attempt in (store.read_version(path), store.read(path), write(store, path, NOTHING), write(store, path, None)):
        await failure(StoreRefusedError, attempt, "policy")


async def test_a_mount_that_is_not_there_is_named(harness: VaultHarness) -> None:
    await failure(StoreRefusedError, harness.opened(mount="nowhere"), "nowhere")


async def test_a_mount_of_another_kind_is_refused(harness: VaultHarness) -> None:
    old = Kv1Harness(harness.bao, harness.folder, readable=True)
    with pytest.raises(StoreRefusedError, match="not KV version 2") as caught:
        await VaultStore.open(old.config(), state_dir=harness.folder)
    assert "vault-kv1" in str(caught.value.fix)
    await failure(StoreRefusedError, VaultKv1Store.open(harness.config(), state_dir=harness.folder), "not KV version 1")


async def test_a_certificate_of_another_authority_is_refused(harness: VaultHarness, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    openbao_files.make_certificate(tmp_path / "other")
    with pytest.raises(StoreRefusedError, match="certificate is not trusted"):
        await harness.opened(ca_file=str(tmp_path / "other" / openbao_files.CA))


async def test_a_certificate_for_another_name_is_refused(harness: VaultHarness) -> None:
    address = harness.bao.address.replace("127.0.0.1", "127.0.0.2")
    await failure(DriverError, harness.opened(address=address), r"certificate is not trusted|does not answer")


async def test_a_ca_file_that_cannot_be_read_is_named(harness: VaultHarness) -> None:
    await failure(StoreRefusedError, harness.opened(ca_file="missing.pem"), r"missing\.pem")


async def test_no_proxies_are_used(harness: VaultHarness, monkeypatch: pytest.MonkeyPatch, path: Segments) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    store = await harness.opened()
    assert await write(store, path, NOTHING)


async def test_a_sealed_engine_is_unavailable(harness: VaultHarness, store: VaultStore, path: Segments) -> None:
    harness.bao.call("PUT", "sys/seal")
    try:
        await failure(StoreUnavailableError, store.read_version(path), "sealed")
        await failure(StoreUnavailableError, write(store, path, NOTHING), "sealed")
        await failure(StoreUnavailableError, harness.opened(auth=store._config.auth))
    finally:
        harness.bao.restart()
    assert await store.read_version(path) == NOTHING


async def test_a_write_without_an_answer_is_of_unknown_outcome(harness: VaultHarness, path: Segments) -> None:
    store = await harness.opened(timeout_s=2.0)
    await store.read_version(path)
    with FAULTS["stop"].breaks(harness.bao), pytest.raises(UnknownOutcomeError):
        await write(store, path, NOTHING)


async def test_a_write_cut_off_is_of_unknown_end(harness: VaultHarness, store: VaultStore, path: Segments) -> None:
    await store.read_version(path)
    try:
        with FAULTS["stop"].breaks(harness.bao):
            attempt = asyncio.create_task(write(store, path, NOTHING))
            await until_received(int(harness.bao.address.rpartition(":")[2]))
            harness.bao.kill()
            await failure(UnknownOutcomeError, attempt)
    finally:
        harness.bao.start()


async def until_received(port: int) -> None:
    """Wait until bytes lie unread at a listener that has been stopped."""

    def lie_there() -> bool:
        found = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        here = [queues for _, local, _, _, queues, *_ in found if int(local.rpartition(":")[2], 16) == port]
        return any(int(queues.rpartition(":")[2], 16) > 0 for queues in here)

    await until(lie_there)


class Impostor:
    """A tiny TLS server: logins as an engine would answer them, all below `secret/` as told (as no real one does)."""

    def __init__(self, status: int, body: bytes = b"", location: str = "", *, metadata: bytes = b"") -> None:
        self.status, self.body, self.location, self.metadata = status, body, location, metadata
        self.asked: list[str] = []

    async def handle(self, request: web.Request) -> web.Response:
        await request.read()
        self.asked.append(request.path)
        if request.path == "/v1/auth/token/lookup-self":
            return web.json_response({"data": {"ttl": 0, "renewable": False}})
        if request.path == "/v1/sys/internal/ui/mounts/secret":
            return web.json_response({"data": {"type": "kv", "options": {"version": "2"}, "path": "secret/"}})
        if self.metadata and request.path.startswith("/v1/secret/metadata/"):
            return web.Response(body=self.metadata)
        headers = {"Location": self.location} if self.location else {}
        return web.Response(status=self.status, body=self.body, headers=headers)


@asynccontextmanager
async def impersonated(harness: VaultHarness, impostor: Impostor) -> AsyncIterator[VaultStore]:
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{tail:.*}", impostor.handle)
    async with served(harness.folder / "impostor", app) as (address, ca_file):
        yield await harness.opened(harness.token_file("anything"), address=address, ca_file=ca_file)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(harness: VaultHarness, path: Segments, status: int) -> None:
    impostor = Impostor(status, location="/v1/secret/trap")
    async with impersonated(harness, impostor) as store:
        for attempt in (store.read_version(path), store.read(path), write(store, path, NOTHING)):
            await failure(StoreRefusedError, attempt, "redirect")
    assert not any("trap" in asked for asked in impostor.asked)
    assert sum("/secret/data/" in asked for asked in impostor.asked) == 2


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, b"", UnknownOutcomeError),
        (502, b"<html>", UnknownOutcomeError),
        (503, b'{"errors":["no backend"]}', UnknownOutcomeError),
        (504, b"", UnknownOutcomeError),
        (503, b'{"errors":["Vault is sealed"]}', StoreUnavailableError),
        (429, b'{"errors":["slow down"]}', StoreUnavailableError),
        (403, b'{"errors":["engine text"]}', StoreRefusedError),
        (404, b'{"errors":["engine text"]}', StoreRefusedError),
        (405, b'{"errors":["engine text"]}', StoreRefusedError),
        (307, b"", StoreRefusedError),
        (413, b"engine text", StoreRefusedError),
        (200, b"", UnknownOutcomeError),
        (200, b'{"data":{"version":"engine text"}}', UnknownOutcomeError),
        (204, b"", UnknownOutcomeError),
        (200, b"x" * 9_000_000, UnknownOutcomeError),
    ],
)
async def test_what_an_answer_to_a_write_or_a_patch_means(
    harness: VaultHarness, path: Segments, status: int, body: bytes, expected: type[DriverError]
) -> None:
    metadata = b'{"data":{"current_version":1,"versions":{"1":{"created_time":"2026-01-01T00:00:00Z"}}}}'
    async with impersonated(harness, Impostor(status, body, metadata=metadata)) as store:
        for attempt in (write(store, path, None), patch(store, path, None)):
            caught = await failure(expected, attempt)
            assert type(caught) is expected
            assert "engine text" not in str(caught)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, b"", StoreUnavailableError),
        (503, b"", StoreUnavailableError),
        (400, b"", StoreRefusedError),
        (200, b"not json", StoreRefusedError),
        (200, b"[1]", StoreRefusedError),
        (200, b'{"data":{"current_version":1,"versions":{}}}', StoreRefusedError),
        (200, b'{"data":{"current_version":1,"versions":{"1":{"created_time":"<engine text>"}}}}', StoreRefusedError),
        (200, b"[" * 100_000, StoreRefusedError),
    ],
)
async def test_what_an_answer_to_a_look_means(
    harness: VaultHarness, path: Segments, status: int, body: bytes, expected: type[DriverError]
) -> None:
    async with impersonated(harness, Impostor(status, body)) as store:
        caught = await failure(expected, store.read_version(path))
    assert "engine text" not in str(caught)


def test_the_prefix_bounds_the_policy(harness: VaultHarness) -> None:
    token = harness.bao.token([harness.role])
    harness.bao.call("POST", f"secret/data/{PREFIX}/inside", {"data": {"k": "v"}}, token=token)
    assert harness.bao.bao("kv", "put", "-mount=secret", "outside", "k=v", token=token).returncode != 0


@pytest.mark.parametrize("kind", [VaultHarness, Kv1Harness])
async def test_a_reactor_of_one_prefix_lists_there(openbao: OpenBao, tmp_path: Path, kind: type[VaultHarness]) -> None:
    harness = kind(openbao, tmp_path, readable=True)
    app, other = (f"app-{os.urandom(4).hex()}", f"other-{os.urandom(4).hex()}")
    for path in ((app, "db"), (app, "web", "tls"), (other, "db")):
        await harness.foreign_write(path, {"k": "v"})
    harness.grant(harness.driver.policy(harness.config(harness.token_file("x")), ((app,),)))
    store = await harness.open()
    found = await store.list_names((app,))
    assert (set(found.names), set(found.folders)) == ({"db"}, {"web"})
    assert set((await store.list_names((app, "web"))).names) == {"tls"}
    for outside in ((other,), (app + "x",)):
        await failure(StoreRefusedError, store.list_names(outside), "policy")
    await store.close()


@pytest.mark.parametrize("kind", [VaultHarness, Kv1Harness])
async def test_without_the_setting_nothing_lists(openbao: OpenBao, tmp_path: Path, kind: type[VaultHarness]) -> None:
    harness = kind(openbao, tmp_path, readable=True)
    store = await harness.driver.open(harness.config(listable=False), state_dir=tmp_path)
    assert not store.capabilities.listable
    await failure(UnsupportedError, store.list_names(("app",)))
    await store.close()
    harness.grant(harness.policy(listable=False))
    granted = await harness.open()
    await failure(StoreRefusedError, granted.list_names(("app",)), "policy")
    await granted.close()


async def test_names_that_are_no_segments_are_listed(harness: VaultHarness, store: VaultStore, path: Segments) -> None:
    """Whoever asked the driver has to look at them."""
    harness.bao.call("POST", f"secret/data/{harness.engine_path((path[0], 'caf%C3%A9%20x'))}", {"data": {"k": "v"}})
    assert set((await store.list_names(path[:1])).names) == {"caf\u00e9 x"}


async def test_a_flagged_path_is_read_in_both_ways_and_others_in_one(store: VaultStore, path: Segments) -> None:
    text = Payload({"k": b"gIEA/w=="})
    await write(store, path, NOTHING, text)
    found = await store.read_either(path)
    assert found is not None
    assert (dict(found.payload), found.either) == (dict(text), frozenset())
    await store.write(path, Payload({"k": NOT_TEXT, "t": b"t"}), replacing=None, write_tag=tag(), options=BASE64)
    found = await store.read_either(path)
    assert found is not None
    assert found.either == {"k"}
    await failure(CannotReadError, store.read(path), "text or base64")
