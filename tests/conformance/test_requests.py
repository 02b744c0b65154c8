"""How many requests each driver sends its engine for each purpose, from the key to the receipt.

A put is a look when its key is made, and the write; an update of a KV version 2 engine looks once more between STARTED
and the write (docs/adr/0019-no-ghost-no-oracle.md). Where an engine is a folder, each call of its driver counts. A COPY
reads here and is a put at its destination.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.recipes import Recipe
from monoskope.stores.age.files import AgeStore
from monoskope.stores.aws.client import AwsClient
from monoskope.stores.driver import StoreDriver
from monoskope.stores.password_store.store import PassStore
from monoskope.stores.shared.http import EngineHttp
from monoskope.testing.drivers.harness import Harness
from monoskope.uri import SecretUri
from tests.conformance.age_harness import AgeHarness
from tests.conformance.aws_harness import ParameterStoreHarness, SecretsManagerHarness
from tests.conformance.barbican_harness import BarbicanHarness
from tests.conformance.kubernetes_harness import KubernetesHarness
from tests.conformance.pass_harness import PassHarness
from tests.conformance.vault_harness import Kv1Harness, VaultHarness
from tests.support.reactor_requests import ask
from tests.support.reactor_world import World

pytestmark = pytest.mark.usefixtures("aws_credentials")

FIGURES = """
                  vault  vault-kv1 aws-secretsmanager    aws-ssm   barbican kubernetes       pass        age
put                 2/2        3/3                3/3        4/4        5/5        3/3        2/2        2/2
update              3/3        3/3                4/4        4/4        6/5        3/3        2/2        2/2
same                2/2        2/3                2/2        2/2        3/2        2/2        2/2        2/2
over drift          4/3        3/3                5/4        4/4        6/5        4/3        4/2        3/2
generate            3/3        3/3                4/4        4/4        5/5        3/3        2/2        2/2
rollback            4/-        -/-                6/-        -/-        -/-        -/-        -/-        3/-
patch               4/4        -/-                6/-        -/-        -/-        4/4        -/-        3/-
delete              5/5        4/4                5/5        5/5        9/9        5/5        3/3        3/3
put, deleted        4/4        3/3                5/5        4/4        5/5        3/3        2/2        2/2
undelete            6/5        -/-                6/5        -/-        -/-        -/-        -/-        4/3
compare             1/1        1/-                1/1        2/1        2/1        1/1        1/1        1/1
verify              2/1        1/-                2/1        3/1        3/1        2/1        2/1        2/1
import              1/-        1/-                1/-        2/-        2/-        1/-        1/-        1/-
list                1/1        1/1                -/-        -/-        -/-        -/-        1/1        1/1
"""
"""Requests of a store that can be read / of a write-only one; - where it cannot do that."""


def _figures(driver: str, *, readable: bool) -> dict[str, int]:
    """Return the driver's column: requests by purpose."""
    head, *rows = (line.rsplit(maxsplit=8) for line in FIGURES.strip("\n").splitlines())
    column, side = head.index(driver) - len(head), 0 if readable else 1
    cells = {row[0].strip(): row[column].split("/")[side] for row in rows}
    return {purpose: int(cell) for purpose, cell in cells.items() if cell != "-"}


Make = Callable[..., Harness]
DRIVERS: dict[str, tuple[str, Make]] = {
    "vault": ("openbao", VaultHarness),
    "vault-kv1": ("openbao", Kv1Harness),
    "aws-secretsmanager": ("moto", SecretsManagerHarness),
    "aws-ssm": ("moto", ParameterStoreHarness),
    "barbican": ("barbican", BarbicanHarness),
    "kubernetes": (
        "kubernetes",
        lambda engine, folder, *, readable: KubernetesHarness(engine[0], engine[1], folder, readable=readable),
    ),
    "pass": ("gnupg", PassHarness),
    "age": ("tmp_path", lambda _, folder, *, readable: AgeHarness(folder, readable=readable)),
}
"""By driver: the fixture of its engine, and what opens it there."""

_VERBS = ("read_version", "read", "read_at", "write", "patch", "delete", "deleted_version", "undelete", "list_names")
COUNTED: dict[type, tuple[str, ...]] = {
    EngineHttp: ("exchange",),
    AwsClient: ("_ask",),
    AgeStore: _VERBS,
    PassStore: tuple(verb for verb in _VERBS if verb in vars(PassStore)),
}
"""What is called once for each request."""


class Counter:
    """Counts the requests of all drivers."""

    def __init__(self) -> None:
        self.sent = 0

    def counts(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def counted(*arguments: Any, **more: Any) -> Any:
            self.sent += 1
            return await call(*arguments, **more)

        return counted


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    counter = Counter()
    for kind, calls in COUNTED.items():
        for call in calls:
            monkeypatch.setattr(kind, call, counter.counts(getattr(kind, call)))
    return counter


class Walks:
    """Walks requests about one secret, one after the other, and keeps how many requests each took."""

    def __init__(self, driver: StoreDriver, counter: Counter) -> None:
        self.uri = SecretUri.parse(f"store://team-a/{secrets.token_hex(8)}")
        self.found: dict[str, int] = {}
        self._world = World(driver, uri=self.uri)
        self._counter = counter

    async def walk(
        self, name: str, purpose: upload_pb2.Purpose, end: str, secret: Mapping[str, bytes] | None = None, **asked: Any
    ) -> Receipt:
        """Walk a request that comes to `end`; by default it may replace anything."""
        request = ask(purpose, **({"uri": self.uri} | asked))
        newest = self._world.known.newest(self.uri)
        self._world.now.time += 1.0
        self._counter.sent = 0
        receipt = await self._world.walk(request, secret or {}, newest=newest)
        assert (name, self._world.outcomes()[-1]) == (name, end)
        self.found[name] = self._counter.sent
        return receipt


UPLOAD = upload_pb2.PURPOSE_UPLOAD
OVERWRITE: dict[str, Any] = {"expect": upload_pb2.EXPECT_OVERWRITE}
FIRST, SECOND = {"password": b"first"}, {"password": b"second"}
RECIPES = (Recipe("password", "password", 24),)


@pytest.fixture
def harness(request: pytest.FixtureRequest, tmp_path: Path, name: str, *, readable: bool) -> Harness:
    engine, make = DRIVERS[name]
    return make(request.getfixturevalue(engine), tmp_path, readable=readable)


@pytest.mark.parametrize("readable", [True, False], ids=["readable", "write-only"])
@pytest.mark.parametrize("name", DRIVERS)
async def test_each_purpose_takes_as_many_requests_as_the_table_says(
    harness: Harness, counter: Counter, name: str, *, readable: bool
) -> None:
    driver = await harness.open()
    walks = Walks(driver, counter)
    try:
        await _writes(walks, driver, harness)
        await _deletions(walks, driver)
    finally:
        await driver.close()
    assert walks.found == _figures(name, readable=readable)


async def _writes(walks: Walks, driver: StoreDriver, harness: Harness) -> None:
    can = driver.capabilities
    known = can.readable or can.versions
    await walks.walk("put", UPLOAD, "UPLOADED", FIRST)
    second = await walks.walk("update", UPLOAD, "UPLOADED", SECOND, **({} if known else OVERWRITE))
    await walks.walk("same", UPLOAD, "UNCHANGED" if known else "UPLOADED", SECOND, **OVERWRITE)
    await walks.walk("generate", upload_pb2.PURPOSE_GENERATE, "UPLOADED", recipes=RECIPES, **OVERWRITE)
    if can.rollbackable:
        to = second.upstream_version
        await walks.walk("rollback", upload_pb2.PURPOSE_ROLLBACK, "ROLLED_BACK", to_version=to, **OVERWRITE)
    if can.patchable:
        await walks.walk("patch", upload_pb2.PURPOSE_PATCH, "UPLOADED", {"user": b"app"}, **OVERWRITE)
    if known:
        await walks.walk("compare", upload_pb2.PURPOSE_COMPARE, "DIFFERENT", FIRST)
        await walks.walk("verify", upload_pb2.PURPOSE_VERIFY, "IN_SYNC")
    if can.readable:
        await walks.walk("import", upload_pb2.PURPOSE_IMPORT, "IMPORTED")
    if can.listable:
        await walks.walk("list", upload_pb2.PURPOSE_LIST, "LISTED", uri=SecretUri.parse("store://team-a"))
    await harness.foreign_write(walks.uri.path, {"password": "by another hand"})
    await walks.walk("over drift", UPLOAD, "UPLOADED", SECOND, **OVERWRITE)


async def _deletions(walks: Walks, driver: StoreDriver) -> None:
    can = driver.capabilities
    if not (can.deletable or can.soft_delete):
        return
    delete: dict[str, Any] = {
        "purpose": upload_pb2.PURPOSE_DELETE,
        "end": "DELETED",
        "destroy": not can.soft_delete,
        **OVERWRITE,
    }
    await walks.walk("delete", **delete)
    if can.undeletable:
        await walks.walk("undelete", upload_pb2.PURPOSE_UNDELETE, "UNDELETED", **OVERWRITE)
        await walks.walk("delete", **delete)
    await walks.walk("put, deleted", UPLOAD, "UPLOADED", FIRST)
