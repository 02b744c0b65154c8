"""What the driver `barbican` makes of a real Barbican: versions, races, crashes, limits, and of impostors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from monoskope.protocol.payload import Payload, encode
from monoskope.stores.barbican import secrets
from monoskope.stores.barbican.config import NoLogin
from monoskope.stores.barbican.secrets import BarbicanStore
from monoskope.stores.driver import (
    NOTHING,
    CannotReadError,
    DriverError,
    OvertakenError,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)
from monoskope.testing.drivers.harness import NOT_TEXT, sized, tag
from monoskope.testing.drivers.harness import Path as Segments
from monoskope.testing.engines.barbican import Barbican
from monoskope.testing.engines.barbican_files import READ_ONLY
from tests.conformance.barbican_harness import BarbicanHarness
from tests.conformance.keystone_fake import served
from tests.support.failures import failure

VALUE = Payload({"k": b"v"})


@pytest.fixture
async def harness(barbican: Barbican, tmp_path: Path) -> AsyncIterator[BarbicanHarness]:
    made = BarbicanHarness(barbican, tmp_path, readable=True)
    async with made.stores:
        yield made


@pytest.fixture
async def store(harness: BarbicanHarness) -> BarbicanStore:
    opened: BarbicanStore = await harness.opened(keep_versions=3)
    return opened


@pytest.fixture
def path() -> Segments:
    return (f"t{tag()[:12]}", "db")


async def write(store: BarbicanStore, path: Segments, payload: Payload = VALUE) -> str:
    return await store.write(path, payload, replacing=None, write_tag=tag())


async def test_people_find_it_by_name(harness: BarbicanHarness, store: BarbicanStore, path: Segments) -> None:
    version = await write(store, path, Payload({"user": b"anna", "password": "Grüße".encode()}))
    assert json.loads(harness.barbican.payload(version)) == {"user": "anna", "password": "Grüße"}
    (listed,) = harness.barbican.named(harness.name(path))
    assert (listed["secret_type"], listed["content_types"]) == ("opaque", {"default": "text/plain"})


async def test_bytes_lie_there_as_bytes(harness: BarbicanHarness, store: BarbicanStore, path: Segments) -> None:
    payload = Payload({"k": NOT_TEXT})
    version = await write(store, path, payload)
    assert harness.barbican.payload(version, content_type="application/octet-stream") == encode(payload).rstrip()


@pytest.mark.parametrize("value", [b"s3cret", b" \n spaces \n", b"1", "秘密".encode(), NOT_TEXT, b"x" * 6_000])
async def test_under_the_layout_raw_the_payload_is_the_value(harness: BarbicanHarness, value: bytes) -> None:
    store = await harness.opened(layout="raw", raw_key="password")
    rule = store.capabilities.key_rule
    assert rule is not None
    assert rule.fullmatch("password")
    assert not rule.fullmatch("passwordx")
    path = (f"t{tag()[:12]}", "raw")
    version = await write(store, path, Payload({"password": value}))
    (listed,) = harness.barbican.named(harness.name(path))
    assert harness.barbican.payload(version, content_type=listed["content_types"]["default"]) == value
    snapshot = await store.read(path)
    assert snapshot is not None
    assert dict(snapshot.payload) == {"password": value}
    await failure(StoreRefusedError, write(store, path, VALUE), "exactly one key")
    assert await store.read_version(path) == version


async def test_what_people_wrote_otherwise_is_there_but_not_read(
    harness: BarbicanHarness, store: BarbicanStore, path: Segments
) -> None:
    theirs = harness.barbican.create(harness.name(path), "not JSON")
    assert await store.read_version(path) == theirs
    assert "not JSON" not in str(await failure(CannotReadError, store.read(path)))


async def test_old_versions_are_deleted(harness: BarbicanHarness, store: BarbicanStore, path: Segments) -> None:
    versions = [await write(store, path) for _ in range(5)]
    kept = [one["secret_ref"].rpartition("/")[2] for one in harness.barbican.named(harness.name(path))]
    assert kept == versions[-3:]
    assert await store.read_version(path) == versions[-1]


@pytest.mark.parametrize("replacing", ["", "a version"])
@pytest.mark.parametrize("destroy", [True, False])
async def test_nothing_is_compared(store: BarbicanStore, path: Segments, replacing: str, *, destroy: bool) -> None:
    version = await write(store, path)
    expected = replacing and version
    await failure(UnsupportedError, store.write(path, VALUE, replacing=expected, write_tag=tag()))
    await failure(UnsupportedError, store.delete(path, replacing=expected, destroy=destroy))
    assert await store.read_version(path) == version


async def test_a_longer_list_than_a_page_is_read_to_its_end(
    harness: BarbicanHarness, store: BarbicanStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`_` in a name is any character to Barbican, so that the list of one name holds others."""
    monkeypatch.setattr(secrets, "_PAGE", 10)
    first = f"t{tag()[:12]}"
    for number in range(25):
        harness.barbican.create(harness.name((f"{first}x{number:03}",)), "{}")
    version = await write(store, (f"{first}____",))
    assert await store.read_version((f"{first}____",)) == version
    assert await store.read_version((f"{first}_000",)) == NOTHING


async def test_too_long_a_name_is_refused_before_a_key_is_made(harness: BarbicanHarness, store: BarbicanStore) -> None:
    longest = ("x" * 128, "y" * (255 - len("team/m8/") - 129))
    store.check(longest, None)
    assert await write(store, longest)
    assert harness.barbican.named(harness.name(longest))
    with pytest.raises(StoreRefusedError, match="longer than 255"):
        store.check((longest[0], longest[1] + "y"), None)


async def test_of_two_writers_one_is_current_for_everybody_and_both_are_found(
    harness: BarbicanHarness, store: BarbicanStore, path: Segments
) -> None:
    other = await harness.opened()
    tags = [tag() for _ in range(3)]
    versions = await asyncio.gather(
        *(
            (store, other)[number % 2].write(path, Payload({"k": b"%d" % number}), replacing=None, write_tag=each)
            for number, each in enumerate(tags)
        )
    )
    current = await store.read_version(path)
    assert current == await other.read_version(path)
    assert current in versions
    assert [await other.find(path, each) for each in tags] == versions


async def test_a_crash_after_the_write_leaves_an_old_version_that_the_next_write_removes(
    harness: BarbicanHarness, store: BarbicanStore, path: Segments, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await write(store, path)
    reached = asyncio.Event()

    async def hang(*_: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(BarbicanStore, "_remove_old", hang)
        write_tag = tag()
        writing = asyncio.create_task(store.write(path, VALUE, replacing=None, write_tag=write_tag))
        await reached.wait()
        writing.cancel()
        await failure(asyncio.CancelledError, writing)
    assert len(harness.barbican.named(harness.name(path))) == 4
    assert await store.find(path, write_tag) == await store.read_version(path)
    await write(store, path)
    assert len(harness.barbican.named(harness.name(path))) == 3


async def test_a_deletion_that_breaks_off_leaves_the_current_version(
    harness: BarbicanHarness, store: BarbicanStore, path: Segments, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = [await write(store, path) for _ in range(3)]
    real, removed = BarbicanStore._remove, 0

    async def fail(self: BarbicanStore, entry: Any) -> None:
        nonlocal removed
        removed += 1
        if removed == 3:
            raise StoreUnavailableError("away.")
        await real(self, entry)

    with monkeypatch.context() as patch:
        patch.setattr(BarbicanStore, "_remove", fail)
        await failure(StoreUnavailableError, store.delete(path, replacing=None, destroy=True))
    assert await store.read_version(path) == versions[-1]
    await store.delete(path, replacing=None, destroy=True)
    assert await store.read_version(path) == NOTHING


async def test_what_is_written_while_it_is_deleted_stays(
    harness: BarbicanHarness, store: BarbicanStore, path: Segments, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(store, path)
    real, made = BarbicanStore._remove, ""

    async def slow(self: BarbicanStore, entry: Any) -> None:
        nonlocal made
        made = await asyncio.to_thread(harness.barbican.create, harness.name(path), "{}")
        await real(self, entry)

    with monkeypatch.context() as patch:
        patch.setattr(BarbicanStore, "_remove", slow)
        with pytest.raises(OvertakenError, match="stays; those before it were erased for good"):
            await store.delete(path, replacing=None, destroy=True)
    assert await store.read_version(path) == made


async def test_a_clock_that_went_back_does_not_hide_the_new_version(
    harness: BarbicanHarness, store: BarbicanStore, path: Segments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was there before the write and still sorts above it goes."""
    ahead = await write(store, path)
    real = BarbicanStore._entries

    async def skewed(self: BarbicanStore, path: Segments) -> list[Any]:
        return sorted(await real(self, path), key=lambda entry: (entry.id == ahead, entry))

    monkeypatch.setattr("monoskope.stores.barbican.values.BarbicanEntry.__lt__", lambda one, other: other.id == ahead)
    monkeypatch.setattr(BarbicanStore, "_entries", skewed)
    version = await write(store, path)
    assert await store.read_version(path) == version


async def test_what_the_server_takes_is_what_is_announced(store: BarbicanStore, path: Segments) -> None:
    """Measured: the largest payload that is announced fits; plain text fits up to the server's own limit."""
    assert store.capabilities.max_plaintext == 8_192
    assert await write(store, path, sized(8_192, b'"'))
    assert await write(store, path, Payload({"k": b"x" * 19_990}))
    await failure(StoreRefusedError, write(store, path, Payload({"k": b"x" * 20_001})), "larger")


async def test_a_server_that_takes_less_than_set_is_named(harness: BarbicanHarness, path: Segments) -> None:
    store = await harness.opened(max_secret_bytes=24_000)
    with pytest.raises(StoreRefusedError, match=r"larger than the engine takes.*max_secret_bytes"):
        await write(store, path, Payload({"k": b"x" * 20_500}))
    assert await store.read_version(path) == NOTHING


async def test_a_role_that_may_not_is_refused_at_the_start(harness: BarbicanHarness) -> None:
    auth = NoLogin(project_id=f"{READ_ONLY}1")
    await failure(StoreRefusedError, harness.opened(auth=auth), r"policy or a quota.*docs/stores/barbican\.md")


async def test_another_project_sees_nothing(harness: BarbicanHarness, store: BarbicanStore, path: Segments) -> None:
    await write(store, path)
    other = await harness.opened(auth=NoLogin(project_id="other"))
    assert await other.read_version(path) == NOTHING


async def test_a_foreign_authority_is_not_trusted(harness: BarbicanHarness, tmp_path: Path) -> None:
    async with served(tmp_path / "other", web.Application()) as (_, ca_file):
        await failure(StoreRefusedError, harness.opened(ca_file=ca_file), "certificate is not trusted")


async def test_a_ca_file_that_cannot_be_read_is_named(harness: BarbicanHarness) -> None:
    await failure(StoreRefusedError, harness.opened(ca_file="missing.pem"), r"missing\.pem")


class Impostor:
    """Lists nothing, and answers everything else, or everything, with one answer."""

    def __init__(self, status: int, body: bytes = b"", *, lists: bool = True) -> None:
        self.status, self.body, self.lists = status, body, lists
        self.asked: list[str] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.method == "GET" and self.lists:
            return web.json_response({"secrets": [], "total": 0})
        headers = {"Location": "/trap"} if 300 <= self.status < 400 else {}
        return web.Response(status=self.status, body=self.body, headers=headers)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{tail:.*}", self.handle)
        return app


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, b"", UnknownOutcomeError),
        (503, b"engine text", UnknownOutcomeError),
        (429, b"engine text", StoreUnavailableError),
        (400, b"engine text", StoreRefusedError),
        (401, b"engine text", StoreRefusedError),
        (403, b"engine text", StoreRefusedError),
        (404, b"engine text", StoreRefusedError),
        (409, b"engine text", StoreRefusedError),
        (413, b"engine text", StoreRefusedError),
        (302, b"engine text", StoreRefusedError),
        (201, b"", UnknownOutcomeError),
        (201, b'{"secret_ref":"engine text"}', UnknownOutcomeError),
        (201, b"[" * 100_000, UnknownOutcomeError),
        (201, b"x" * 9_000_000, UnknownOutcomeError),
    ],
)
async def test_what_an_answer_to_a_write_means(
    harness: BarbicanHarness, path: Segments, status: int, body: bytes, expected: type[DriverError]
) -> None:
    impostor = Impostor(status, body)
    async with served(harness.folder / "impostor", impostor.app()) as (address, ca_file):
        store = await harness.opened(address=address, ca_file=ca_file)
        caught = await failure(expected, write(store, path))
        await store.close()
    assert type(caught) is expected
    assert "engine text" not in str(caught)
    assert "/trap" not in impostor.asked


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, b"", StoreUnavailableError),
        (302, b"", StoreRefusedError),
        (404, b"engine text", StoreRefusedError),
        (200, b"engine text", StoreRefusedError),
        (200, b'{"secrets":"engine text","total":0}', StoreRefusedError),
    ],
)
async def test_what_is_not_barbican_is_refused_at_the_start(
    harness: BarbicanHarness, status: int, body: bytes, expected: type[DriverError]
) -> None:
    impostor = Impostor(status, body, lists=False)
    async with served(harness.folder / "impostor", impostor.app()) as (address, ca_file):
        caught = await failure(expected, harness.opened(address=address, ca_file=ca_file))
    assert "engine text" not in str(caught)
