"""`/.well-known/monoskope`: the file that the administrator published, byte for byte, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.errors import UsageError
from monoskope.host_port import HostPort
from monoskope.http.messages import Head, Response
from monoskope.m8 import settings
from monoskope.m8.bootstrap import build
from monoskope.m8.http.application import HttpApplication
from monoskope.m8.http.pages import Published
from monoskope.m8.init import lay_out
from monoskope.m8.operations import Endpoints
from monoskope.protocol.bundle import WELL_KNOWN
from monoskope.settings import write_private
from tests.support.bundles import SERVER, a_bundle
from tests.support.log_lines import capture_logs
from tests.support.m8_world import World

NAMES = ("localhost:7443", SERVER.upper())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "bundle.json"
    path.write_bytes(bytes(a_bundle()))
    return path


async def asked(world: World, published: Published | None, method: str = "GET", path: str = WELL_KNOWN) -> Response:
    """What a stranger without a credential is answered."""
    door = HttpApplication(world.app, Endpoints(world.app), published=published)
    found = await door.accept(Head(method, path, "", (), "192.0.2.1:1"))
    assert isinstance(found, Response)
    return found


async def test_exactly_the_bytes_of_the_file_are_served_and_a_change_counts_at_once(world: World, file: Path) -> None:
    published = Published(file)
    published.check(NAMES)
    answered = await asked(world, published)
    assert (answered.status, answered.body) == (200, file.read_bytes())
    assert (await asked(world, published, "POST")).status == 405

    file.with_suffix(".new").write_bytes(bytes(a_bundle(contact="Ben")))
    file.with_suffix(".new").replace(file)
    assert (await asked(world, published)).body == bytes(a_bundle(contact="Ben"))


async def test_nothing_is_there_unless_it_is_published_and_no_stranger_fills_the_log(world: World, file: Path) -> None:
    nowhere = await asked(world, None, path="/.well-known/nothing")
    assert nowhere.status == 404
    for method in ("GET", "POST"):
        assert await asked(world, None, method) == nowhere

    published = Published(file)
    published.check(NAMES)
    for spoilt in (b"{}", bytes(a_bundle(servers=("other.example.org:7443",)))):
        file.write_bytes(spoilt)
        with capture_logs() as lines:
            assert [await asked(world, published) for _ in range(3)] == [nowhere] * 3
        assert [(line["event"], line["error"]) for line in lines] == [("bundle", "UsageError")]
    file.unlink()
    assert await asked(world, published) == nowhere


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{}", "is no bundle"),
        (bytes(a_bundle())[:-1], "one form"),
        (bytes(a_bundle()) * 100, "more than 65,536 bytes"),
        (bytes(a_bundle(servers=("other.example.org:7443",))), "`names` of m8 are localhost:7443, m8.example.org:7443"),
        (None, "cannot be read: No such file"),
    ],
)
def test_what_is_no_bundle_of_this_m8_stops_its_start(file: Path, content: bytes | None, says: str) -> None:
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=says):
        Published(file).check(NAMES)


async def test_m8_does_not_serve_with_the_bundle_of_another_one(tmp_path: Path) -> None:
    made = lay_out(tmp_path / "m8", HostPort("127.0.0.1", 0)).folder
    (made / "bundle.json").write_bytes(bytes(a_bundle()))
    toml = made / "m8.toml"
    write_private(toml, b'bundle = "bundle.json"\n' + toml.read_bytes(), replace=True)
    with pytest.raises(UsageError, match=r"is for m8\.example\.org:7443, and `names` of m8 are 127\.0\.0\.1:"):
        async with build(settings.load(made)):
            pass
