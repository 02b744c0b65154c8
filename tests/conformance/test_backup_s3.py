"""Backups in an S3-compatible store. The one that is met here is moto, an emulator."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from monoskope.archive import places, s3
from monoskope.errors import AlreadyExistsError, NotFoundError, RefusedError, UnavailableError, UsageError
from monoskope.exit_codes import ExitCode
from monoskope.host_port import HostPort
from monoskope.m8.init import Plan, lay_out
from monoskope.testing.engines.moto import CREDENTIALS, Moto
from tests.conformance.s3_proxy import Cuts, cutting
from tests.support.m8_command import m8

SIZE = 12 * 1_048_576
PLACE = "s3://backups/m8/1.age"

pytestmark = pytest.mark.usefixtures("aws_credentials")


@pytest.fixture
def store(moto: Moto) -> Iterator[Any]:
    """The emulator's own client, with an empty bucket."""
    client = moto.client("s3")
    client.create_bucket(Bucket="backups", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield client
    for found in client.list_objects_v2(Bucket="backups").get("Contents", []):
        client.delete_object(Bucket="backups", Key=found["Key"])
    client.delete_bucket(Bucket="backups")


@pytest.fixture
async def proxy(moto: Moto) -> AsyncIterator[Cuts]:
    async with cutting(moto.url) as cuts:
        yield cuts


async def put(url: str, content: bytes, place: str = PLACE) -> None:
    async with places.written(place, endpoint_url=url) as target:
        await asyncio.to_thread(in_pieces, target, content)


def in_pieces(target: places.Target, content: bytes) -> None:
    for start in range(0, len(content), 65_552):
        target.write(content[start : start + 65_552])


async def get(url: str, place: str = PLACE) -> bytes:
    async with places.read(place, endpoint_url=url) as source:
        return await asyncio.to_thread(lambda: b"".join(iter(lambda: source.read(65_536), b"")))


def unfinished(store: Any) -> list[Any]:
    return list(store.list_multipart_uploads(Bucket="backups").get("Uploads", []))


def objects(store: Any) -> list[str]:
    return [found["Key"] for found in store.list_objects_v2(Bucket="backups").get("Contents", [])]


async def test_a_backup_goes_up_in_parts_and_comes_down_the_same(store: Any, moto: Moto) -> None:
    content = os.urandom(SIZE)
    await put(moto.url, content)
    assert store.head_object(Bucket="backups", Key="m8/1.age")["ETag"].endswith('-2"')
    assert await get(moto.url) == content
    with pytest.raises(AlreadyExistsError):
        await put(moto.url, b"other")
    assert await get(moto.url) == content
    await put(moto.url, b"", "s3://backups/empty")
    assert await get(moto.url, "s3://backups/empty") == b""


async def test_a_connection_that_breaks_is_made_again(store: Any, proxy: Cuts) -> None:
    content = os.urandom(SIZE)
    proxy.up_after, proxy.left = 1_000_000, 1
    await put(proxy.url, content)
    assert proxy.made == 1
    proxy.up_after, proxy.down_after, proxy.left = 1 << 60, 3_000_000, 2
    assert await get(proxy.url) == content
    assert proxy.made == 3


async def test_an_upload_that_cannot_go_on_leaves_nothing(
    store: Any, proxy: Cuts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_TRIES", 2)
    proxy.up_after = 1_000_000
    with pytest.raises(UnavailableError, match="connection broke 2 times"):
        await put(proxy.url, os.urandom(SIZE))
    assert proxy.made >= 2
    assert objects(store) == []
    assert unfinished(store) == []


async def test_whoever_stops_in_the_middle_leaves_nothing(store: Any, moto: Moto) -> None:
    async def work() -> None:
        async with places.written(PLACE, endpoint_url=moto.url) as target:
            await asyncio.to_thread(in_pieces, target, os.urandom(SIZE))
            assert len(unfinished(store)) == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await work()
    assert objects(store) == []
    assert unfinished(store) == []


async def test_a_missing_bucket_or_object_is_named(store: Any, moto: Moto) -> None:
    with pytest.raises(NotFoundError, match="no bucket elsewhere"):
        await put(moto.url, b"x", "s3://elsewhere/key")
    with pytest.raises(NotFoundError, match=r"m8/1\.age does not exist"):
        await get(moto.url)


@contextlib.asynccontextmanager
async def answering(status: int, code: str) -> AsyncIterator[str]:
    """A store that answers everything so."""

    async def answer(_request: web.Request) -> web.Response:
        text = f"<Error><Code>{code}</Code><Message>AKIA-of-somebody is not allowed</Message></Error>"
        return web.Response(status=status, text=text, content_type="application/xml")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_store_that_denies_is_not_quoted() -> None:
    async with answering(403, "AccessDenied") as url:
        with pytest.raises(RefusedError, match="refuses these credentials") as caught:
            await put(url, b"x")
        assert "AKIA" not in str(caught.value)
        with pytest.raises(RefusedError):
            await get(url)


async def test_without_credentials_it_says_so(moto: Moto, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(RefusedError, match="finds none"):
        await get(moto.url)


@pytest.mark.parametrize(
    ("place", "url"),
    [
        ("s3://", ""),
        ("s3://bucket", ""),
        ("s3://bucket/", ""),
        ("s3://Bucket/key", ""),
        ("s3://bucket/key", "http://example.com"),
        ("s3://bucket/key", "https://user:secret@example.com"),
        ("s3://bucket/key", "ftp://127.0.0.1"),
    ],
)
def test_a_place_that_is_none_is_refused(place: str, url: str) -> None:
    with pytest.raises(UsageError) as caught:
        s3.parse_place(place, url)
    assert "secret@" not in str(caught.value)


def test_m8_backs_up_to_such_a_store_and_restores_from_it(
    store: Any, moto: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        lay_out(Plan(folder=tmp_path / name, listen=HostPort("127.0.0.1", 0)))

    def done(*arguments: str, code: int = 0) -> str:
        return m8(*arguments, home=tmp_path, env=CREDENTIALS, code=code).stdout

    done("token", "create", "--dir", "a", "--role", "administrator", "--subject", "ann")
    recipient = done("backup", "key", "identity").strip()
    url = ("--endpoint-url", moto.url)
    made = done("backup", "create", PLACE, "--dir", "a", "--recipient", recipient, *url)
    assert f"{PLACE} holds 1 event and" in made
    assert "holds: 1 event," in done("backup", "verify", PLACE, "--identity", "identity", *url)
    assert "ann" in done("backup", "restore", PLACE, "--dir", "b", "--identity", "identity", *url)
    done("backup", "create", PLACE, "--dir", "a", "--recipient", recipient, *url, code=ExitCode.ALREADY_EXISTS)
