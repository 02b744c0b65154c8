"""A real OpenBao and Barbican, real GnuPG keys and an emulator of AWS: one a worker, made once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from monoskope.stores.vault.kv2 import VaultStore
from monoskope.testing.engines.barbican import Barbican
from monoskope.testing.engines.gnupg import Keys, keys
from monoskope.testing.engines.mariadb import MariaDb
from monoskope.testing.engines.moto import CREDENTIALS, Moto
from monoskope.testing.engines.openbao import OpenBao
from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.engines.rabbitmq import RabbitMq
from monoskope.testing.engines.redis import Redis
from tests.conformance.account_harness import DATABASE
from tests.conformance.kubernetes_server import KubernetesServer, server_tls
from tests.conformance.vault_harness import VaultHarness
from tests.support.engines import OLDEST, postgres_programs, postgres_versions


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    with OpenBao(tmp_path_factory.mktemp("openbao")) as bao:
        bao.enable_kv()
        bao.call("POST", "sys/mounts/old", {"type": "kv", "options": {"version": "1"}})
        bao.enable_approle()
        bao.call("POST", "sys/namespaces/dept", {})
        bao.call("POST", "dept/sys/namespaces/team", {})
        bao.call("POST", "dept/team/sys/mounts/deep/er/kv", {"type": "kv", "options": {"version": "2"}})
        bao.call("POST", "dept/team/sys/auth/approle", {"type": "approle"})
        yield bao


@pytest.fixture
async def harness(openbao: OpenBao, tmp_path: Path) -> AsyncIterator[VaultHarness]:
    made = VaultHarness(openbao, tmp_path, readable=True)
    async with made.stores:
        yield made


@pytest.fixture
async def store(harness: VaultHarness) -> VaultStore:
    opened: VaultStore = await harness.opened()
    return opened


@pytest.fixture(scope="session")
def barbican(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Barbican]:
    with Barbican(tmp_path_factory.mktemp("barbican")) as server:
        yield server


@pytest.fixture(scope="session", params=postgres_versions(OLDEST))
def accounts(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """A PostgreSQL of the oldest version, in `make soak` of the newest, too, which logs all that it is told."""
    settings = {"log_statement": "all", "log_min_duration_statement": "0"}
    with Postgres(fsync=False, settings=settings, installed=postgres_programs(request.param)) as server:
        server.create_database(DATABASE)
        server.sql(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")  # least rights: not even those of everybody
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    with MariaDb() as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMq]:
    with RabbitMq() as server:
        yield server


@pytest.fixture(scope="session")
def redis_nodes() -> Iterator[tuple[Redis, Redis]]:
    """One that takes writes, and its replica."""
    with Redis() as primary, Redis(primary) as replica:
        yield primary, replica


@pytest.fixture(scope="session")
def gnupg() -> Iterator[Keys]:
    with keys() as made:
        yield made


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with Moto(tmp_path_factory.mktemp("moto")) as emulator:
        yield emulator


@pytest.fixture
def aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest_asyncio.fixture
async def kubernetes(tmp_path: Path) -> AsyncIterator[tuple[KubernetesServer, bytes]]:
    """A contract server for Kubernetes' API, and the authority that signed its certificate."""
    context, authority = server_tls(tmp_path)
    async with KubernetesServer(context) as server:
        yield server, authority
