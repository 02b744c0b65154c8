"""Old and new versions side by side: what works, what fails and says why, and that nothing hangs or is lost.

`ALIKE` and `BY_MIXTURE` are the table: how each step ends in each mixture, and a part of what it says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.connection import Connection
from monoskope.client.queries import Queries
from monoskope.settings import write_private
from tests.crash.logbook import Logbook, Request
from tests.e2e.ran import ok, refused
from tests.e2e.versions import (
    MIXTURES,
    NEW,
    OLD,
    STORES,
    Mixture,
    World,
    Worlds,
    request_id,
    unpack,
    without_later_settings,
)

pytestmark = pytest.mark.soak


class End(NamedTuple):
    """How a step ends: its exit code, and a part of what it prints."""

    code: int
    says: str


ALIKE = {
    "put": End(0, "UPLOADED"),
    "put again": End(0, "UNCHANGED"),
    "put --overwrite": End(0, "UPLOADED"),
    "patch": End(0, "UPLOADED"),
    "generate": End(0, "UPLOADED"),
    "put with a label": End(0, "UPLOADED"),
    "put without one": End(0, "UPLOADED"),
    "compare equal": End(0, '"equal": true'),
    "compare different": End(12, '"equal": false'),
    "verify": End(0, "IN_SYNC"),
    "import": End(0, "IMPORTED"),
    "compare the copy": End(0, '"equal": true'),
    "delete": End(0, "DELETED"),
    "get secrets": End(0, "db"),
    "get secret": End(0, "fp1:"),
    "get secret --versions": End(0, "IMPORTED"),
    "get upload, of the copy": End(0, "COPIED"),
}
"""The same in every mixture. The copy is made in every one."""

_DONE = End(0, "UPLOADED")
_OLDER = End(9, "it, or m8, is older than this client")
_NOT_READ = End(9, "content is not in its one serialised form")

BY_MIXTURE = {
    # A new client wants the destination's grant, which old reactors do not show and old m8s do not take. An old client
    # cannot read it, and without it believes a copy as it always did.
    "copy": {
        Mixture(OLD, OLD, NEW): _OLDER,
        Mixture(OLD, NEW, OLD): _DONE,
        Mixture(OLD, NEW, NEW): _OLDER,
        Mixture(NEW, OLD, OLD): _DONE,
        Mixture(NEW, OLD, NEW): _OLDER,
        Mixture(NEW, NEW, OLD): _NOT_READ,
    },
    # KEY_LOST after STARTED. A new client begins anew only if the process that made the key is named. An old client
    # begins anew as it always did, unless there is that name, which it cannot read.
    "lost": {
        Mixture(OLD, OLD, NEW): _OLDER,
        Mixture(OLD, NEW, OLD): _DONE,
        Mixture(OLD, NEW, NEW): _OLDER,
        Mixture(NEW, OLD, OLD): _DONE,
        Mixture(NEW, OLD, NEW): _OLDER,
        Mixture(NEW, NEW, OLD): _NOT_READ,
    },
}
BY_MIXTURE["get secret, with its labels"] = {
    # A new client keeps them, by sending them again where a part is old. An old one erases what it does not send.
    mixture: End(0, '"owner": "anna"' if mixture.monoctl == NEW else '"labels": {}')
    for mixture in MIXTURES
}
BY_MIXTURE["get upload, of what was lost"] = {
    mixture: End(0, "KEY_LOST") if end.code else _DONE for mixture, end in BY_MIXTURE["lost"].items()
}
STEPS = [*ALIKE, *BY_MIXTURE]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    """Both clusters, after every mixture was walked."""
    source = unpack(tmp_path_factory.mktemp("old"))
    worlds = Worlds()
    try:
        worlds.run(tmp_path_factory.mktemp("versions"), source)
        yield worlds
    finally:
        worlds.close()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("mixture", MIXTURES, ids=str)
def test_each_step_ends_as_the_table_says(worlds: Worlds, mixture: Mixture, step: str) -> None:
    end = ALIKE.get(step) or BY_MIXTURE[step][mixture]
    ran = worlds.ended[mixture][step]
    assert ran.code == end.code, (ran.out, ran.err)
    assert end.says in ran.out + ran.err


@pytest.mark.parametrize("mixture", MIXTURES, ids=str)
def test_every_step_was_taken_in_every_mixture_by_the_right_code(worlds: Worlds, mixture: Mixture) -> None:
    assert sorted(worlds.ended[mixture]) == sorted(STEPS)
    grants = [one.upload.grant for one in in_log(worlds, mixture, mixture.uri("b", "db")).values()]
    assert {grant.lifetime_s for grant in grants if grant} == {300 if mixture.reactors == OLD else 60}
    lost = next(iter(in_log(worlds, mixture, mixture.uri("b", "lost")).values()))
    assert lost.upload.grant is not None
    assert lost.receipt is not None
    assert lost.reason == upload_pb2.REASON_KEY_LOST
    newer = (mixture.m8, mixture.reactors) == (NEW, NEW)
    assert lost.receipt.replica == (lost.upload.grant.replica if newer else b"")


def in_log(worlds: Worlds, mixture: Mixture, uri: str) -> dict[str, Request]:
    return Logbook(worlds.by_m8[mixture.m8].cluster.folder / "m8").requests(uri)


@pytest.mark.parametrize("m8", [OLD, NEW])
def test_no_request_is_left_behind_and_the_log_is_whole(worlds: Worlds, m8: str) -> None:
    assert worlds.by_m8[m8].pending() == dict.fromkeys(STORES, 0)
    worlds.by_m8[m8].cluster.must("m8", "events", "verify", "--dir", "m8")


def test_stores_whose_reactors_differ_copy_to_one_another(worlds: Worlds) -> None:
    world = worlds.by_m8[NEW]
    ok(world.run(NEW, "copy", "secret", Mixture(NEW, NEW, OLD).uri("a", "db"), "old-b://t/new/crossed"))
    ran = world.run(NEW, "copy", "secret", Mixture(NEW, OLD, NEW).uri("a", "db"), "new-b://t/new/crossed")
    assert "older than this client" in refused(ran, 9)
    assert "the reactor of store 'old-a' updated" in ran.err


# --- one and the same m8, before and after ---


def shown(worlds: Worlds, m8: str) -> list[dict[str, Any]]:
    """Everything that m8 shows of secrets, their versions and requests of each kind of end, receipts among it."""
    walked = [ended for mixture, ended in worlds.ended.items() if mixture.m8 == m8]
    requests = [request_id(ended[step]) for ended in walked for step in ("put", "copy", "lost", "delete")]
    return [json_format.MessageToDict(one) for one in asyncio.run(_shown(worlds.by_m8[m8], requests))]


async def _shown(world: World, requests: list[str]) -> list[Message]:
    cluster = world.cluster
    connection = Connection(cluster.server, cluster.folder / "m8" / "ca.crt", world.user.token_file.read_text().strip())
    queries = Queries(connection)
    try:
        secrets = [one async for one in queries.secrets()]
        versions = [version for one in secrets async for version in queries.secret_versions(one.uri)]
        return [*secrets, *versions, *[await queries.upload(request) for request in requests]]
    finally:
        await connection.close()


def restart(world: World, version: str) -> None:
    """Let m8 be of another version."""
    world.become(world.cluster.m8, version)
    if version == NEW:
        world.cluster.must("m8", "migrate", "--dir", "m8")
    world.cluster.start_m8()


def test_what_an_old_m8_kept_a_new_one_shows_and_goes_on_with(worlds: Worlds) -> None:
    world = worlds.by_m8[OLD]
    before = shown(worlds, OLD)
    restart(world, NEW)
    after = shown(worlds, OLD)
    for new, old in zip(after, before, strict=True):
        assert new | old == new
    outcomes = {one.get("outcome") for one in after}
    assert {f"OUTCOME_{name}" for name in ("UPLOADED", "DELETED", "IMPORTED", "COPIED", "FAILED")} <= outcomes


def test_reactors_are_updated_under_settings_of_before(worlds: Worlds) -> None:
    """`lifetime_s = 300` stands in that reactor's settings, and m8's were written by an old m8."""
    world, uri = worlds.by_m8[OLD], "old-a://t/new/updated"
    if world.cluster.environments["m8"]:
        restart(world, NEW)
    for store in ("old-a", "old-b"):
        part = world.cluster.reactors[f"reactor-{store}"]
        part.environment.pop("MONOSKOPE_FAILPOINTS", None)
        world.become(part, NEW)
        world.cluster.start_reactor(store)
    ok(world.run(NEW, "put", "secret", uri, "--from-file", "password=-", value=b"1"))
    ok(world.run(NEW, "copy", "secret", uri, "old-b://t/new/updated"))
    grants = [one.upload.grant for one in Logbook(world.cluster.folder / "m8").requests(uri).values()]
    assert [grant.lifetime_s for grant in grants if grant] == [300, 300]


def test_an_m8_that_is_rolled_back_refuses_the_log_and_harms_nothing(worlds: Worlds) -> None:
    world = worlds.by_m8[NEW]
    before = shown(worlds, NEW)
    settings = world.cluster.folder / "m8" / "m8.toml"
    of_now = settings.read_bytes()
    world.cluster.m8.stop()
    world.become(world.cluster.m8, OLD)
    without_later_settings(settings, "http_listen", "operations_listen")
    for words in (("serve",), ("readmodels", "rebuild"), ("events", "verify")):
        ran = world.cluster.run("m8", *words, "--dir", "m8")
        assert (ran.code, "this m8 knows 1" in ran.err) == (2, True), ran.err
    write_private(settings, of_now, replace=True)
    world.become(world.cluster.m8, NEW)
    world.cluster.start_m8()
    assert shown(worlds, NEW) == before
