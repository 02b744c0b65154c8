"""Puts into Kubernetes Secrets through m8 and a reactor of their own; the cluster is a contract server of ours."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import User
from tests.conformance.kubernetes_harness import kubeconfig
from tests.conformance.kubernetes_server import KubernetesServer, server_tls
from tests.e2e.conftest import Team
from tests.e2e.ran import ok, refused

STORE = "cluster"


@pytest.fixture(scope="module")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KubernetesServer, bytes]]:
    """A server that runs on a thread of its own, since the tests wait for commands."""
    context, authority = server_tls(tmp_path_factory.mktemp("kubernetes"))
    server = KubernetesServer(context)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.bring_up(), loop).result(60)
    yield server, authority
    asyncio.run_coroutine_threadsafe(server.take_down(), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(60)
    loop.close()


@pytest.fixture(scope="module")
def store(
    cluster: Cluster, kubernetes: tuple[KubernetesServer, bytes], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    server, authority = kubernetes
    file = kubeconfig(Path(tmp_path_factory.mktemp("kube") / "config"), server.url, authority, {"token": "a-token"})
    engine: dict[str, object] = {"auth": {"method": "kubeconfig", "file": file}, "readable": True, "namespace": "apps"}
    cluster.make_reactor(STORE, "kubernetes", engine)
    cluster.join_store(STORE, key_of="reactor-vault")
    yield STORE
    cluster.reactors[f"reactor-{STORE}"].stop()


@pytest.fixture
def user(cluster: Cluster, team: Team, store: str) -> User:
    return cluster.add_user(f"kube-{team.name}", prefixes=[f"{store}://{team.name}", f"vault://{team.name}"])


def test_what_is_put_lies_in_a_secret_of_the_cluster(
    team: Team, user: User, kubernetes: tuple[KubernetesServer, bytes]
) -> None:
    uri = f"{STORE}://{team.name}"
    put = ok(team.put(uri, "--expect", "absent", "--kubernetes-label", "tier=backend", user=user)).json()
    there = kubernetes[0].secrets["apps", team.name]
    assert there["data"] == {"password": base64.b64encode(b"correct horse").decode()}
    assert there["metadata"]["labels"]["tier"] == "backend"
    assert there["metadata"]["uid"] in put["upstream_version"]
    assert ok(team.put(uri, user=user)).json()["outcome"] == "UNCHANGED"
    changed = ok(team.put(uri, "--expect", put["upstream_version"], value=b"other", user=user)).json()
    refused(team.put(uri, "--expect", put["upstream_version"], value=b"third", user=user), 6)
    assert ok(team.put(team.uri("vault"), value=b"other", user=user)).json()["hash"] == changed["hash"]


def test_a_path_that_no_secret_can_have_is_refused_and_named(team: Team, user: User) -> None:
    assert "UPSTREAM_REFUSED" in refused(team.put(f"{STORE}://{team.name}/a/b", user=user), 3)


def test_users_are_told_that_the_driver_is_experimental(user: User, store: str) -> None:
    kinds = ok(user.monoctl("get", "store-types", "-o", "json")).json()
    assert any(kind["type"] == "kubernetes" and kind["maturity"] == "experimental" for kind in kinds)
