"""Puts through m8 and reactors that run as in production, into a real Barbican and password store, into AWS's stores on
moto, an emulator, and into Kubernetes Secrets on a contract server of ours.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import User
from monoskope.testing.engines import gnupg
from monoskope.testing.engines.barbican import Barbican
from monoskope.testing.engines.gnupg import ANNA, Keys
from monoskope.testing.engines.moto import CREDENTIALS, Moto
from tests.conformance.kubernetes_harness import kubeconfig
from tests.conformance.kubernetes_server import KubernetesServer, server_tls
from tests.e2e.conftest import Team
from tests.e2e.ran import ok, refused


@dataclass(frozen=True, slots=True)
class Engine:
    """A store's engine.

    Attributes:
        lies_there: Returns what the engine itself holds of a team's secret `db`, of a Kubernetes Secret of the team's.
    """

    kind: str
    settings: dict[str, object]
    lies_there: Callable[[str], Any] = field(repr=False)


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with Moto(tmp_path_factory.mktemp("moto")) as emulator:
        # It loads a service at its first call, which may take longer than a reactor waits.
        emulator.client("secretsmanager").list_secrets()
        emulator.client("ssm").describe_parameters()
        yield emulator


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
def barbican(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Barbican]:
    with Barbican(tmp_path_factory.mktemp("barbican")) as server:
        yield server


@pytest.fixture(scope="module")
def keys() -> Iterator[Keys]:
    with gnupg.keys() as made:
        yield made


def in_barbican(server: Barbican) -> Engine:
    def lies_there(team: str) -> Any:
        (found,) = [one for one in server.call("GET", "secrets?limit=100")["secrets"] if team in one["name"]]
        return json.loads(server.payload(found["secret_ref"].rpartition("/")[2]))

    login = {"method": "none", "project_id": server.project}
    settings = {"address": server.address, "ca_file": str(server.ca_file), "auth": login, "readable": True}
    return Engine("barbican", settings, lies_there)


def in_password_store(keys: Keys, folder: Path) -> Engine:
    (folder / ".gpg-id").write_text(f"{ANNA}\n", encoding="ascii")

    def lies_there(team: str) -> Any:
        return {"password": keys.gpg("--decrypt", data=(folder / team / "db.gpg").read_bytes()).decode().rstrip("\n")}

    return Engine("pass", {"folder": str(folder), "gpg_home": str(keys.public)}, lies_there)


AT_AWS: dict[str, object] = {"region": "eu-central-1", "readable": True, "deletable": True}


def in_secrets_manager(moto: Moto) -> Engine:
    def lies_there(team: str) -> Any:
        return json.loads(moto.client("secretsmanager").get_secret_value(SecretId=f"m8/{team}/db")["SecretString"])

    return Engine("aws-secretsmanager", AT_AWS | {"endpoint_url": moto.url}, lies_there)


def in_parameter_store(moto: Moto) -> Engine:
    def lies_there(team: str) -> Any:
        there = moto.client("ssm").get_parameter(Name=f"/m8/{team}/db", WithDecryption=True)["Parameter"]
        assert there["Type"] == "SecureString"
        return json.loads(there["Value"])

    return Engine("aws-ssm", AT_AWS | {"endpoint_url": moto.url}, lies_there)


def in_kubernetes(server: KubernetesServer, authority: bytes, folder: Path) -> Engine:
    def lies_there(team: str) -> Any:
        data = server.secrets["apps", team]["data"]
        return {name: base64.b64decode(value).decode() for name, value in data.items()}

    login = {"method": "kubeconfig", "file": kubeconfig(folder / "config", server.url, authority, {"token": "a-token"})}
    return Engine("kubernetes", {"auth": login, "readable": True, "namespace": "apps"}, lies_there)


STORES = ("barbican", "pass", "sm", "ssm", "cluster")


@pytest.fixture(scope="module")
def engines(  # noqa: PLR0917 - one fixture an engine
    cluster: Cluster,
    barbican: Barbican,
    keys: Keys,
    moto: Moto,
    kubernetes: tuple[KubernetesServer, bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Engine]]:
    """Each store's engine, with a reactor. AWS's credentials are in a profile, where its SDK looks."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    profile = "".join(f"{name.lower()} = {CREDENTIALS[name]}\n" for name in names)
    (cluster.folder / ".aws").mkdir()
    write_private(cluster.folder / ".aws" / "credentials", f"[default]\n{profile}".encode())
    made = (
        in_barbican(barbican),
        in_password_store(keys, tmp_path_factory.mktemp("password-store")),
        in_secrets_manager(moto),
        in_parameter_store(moto),
        in_kubernetes(*kubernetes, tmp_path_factory.mktemp("kube")),
    )
    found = dict(zip(STORES, made, strict=True))
    for store, engine in found.items():
        cluster.make_reactor(store, engine.kind, engine.settings)
        cluster.join_store(store, key_of="reactor-vault")
    yield found
    for store in STORES:
        cluster.reactors[f"reactor-{store}"].stop()


@pytest.fixture
def user(cluster: Cluster, team: Team, engines: dict[str, Engine]) -> User:
    prefixes = [f"{store}://{team.name}" for store in (*engines, "vault")]
    return cluster.add_user(f"engines-{team.name}", prefixes=prefixes)


def uri_in(team: Team, store: str) -> str:
    """The URI of the team's secret; of a Kubernetes Secret the path is a namespace and a name, or a name."""
    return f"{store}://{team.name}" if store == "cluster" else team.uri(store)


@pytest.mark.parametrize("store", STORES)
def test_what_is_put_lies_in_the_engine(team: Team, user: User, engines: dict[str, Engine], store: str) -> None:
    uri = uri_in(team, store)
    put = ok(team.put(uri, user=user)).json()
    assert engines[store].lies_there(team.name) == {"password": "correct horse"}
    assert ok(team.put(uri, user=user)).json()["outcome"] == "UNCHANGED"
    if store != "pass":  # it was given no secret key
        ok(team.compare(uri, value=b"correct horse", user=user))
    assert ok(team.put(team.uri("vault"), user=user)).json()["hash"] == put["hash"]


@pytest.mark.parametrize("store", ["sm", "cluster"])
def test_a_version_of_the_engine_can_be_expected(team: Team, user: User, store: str) -> None:
    uri = uri_in(team, store)
    put = ok(team.put(uri, "--expect", "absent", user=user)).json()
    ok(team.put(uri, "--expect", put["upstream_version"], value=b"other", user=user))
    refused(team.put(uri, "--expect", put["upstream_version"], value=b"third", user=user), 6)
    ok(team.compare(uri, value=b"other", user=user))


def test_a_deletion_in_secrets_manager_is_scheduled_and_can_be_put_over(team: Team, user: User, moto: Moto) -> None:
    uri, name = team.uri("sm"), f"m8/{team.name}/db"
    put = ok(team.put(uri, user=user)).json()
    there = moto.client("secretsmanager").describe_secret(SecretId=name)
    assert put["upstream_version"].partition("@")[0] in there["VersionIdsToStages"]
    ok(user.monoctl("delete", "secret", uri, "--yes", "-o", "json"))
    assert moto.client("secretsmanager").describe_secret(SecretId=name)["DeletedDate"]
    ok(team.put(uri, "--expect", "absent", value=b"again", user=user))


def test_what_parameter_store_does_not_take_is_refused_and_what_others_put_stays(
    team: Team, user: User, moto: Moto
) -> None:
    uri, name, people = team.uri("ssm"), f"/m8/{team.name}/db", moto.client("ssm")
    put = ok(team.put(uri, user=user)).json()
    assert put["upstream_version"].startswith("1@")
    refused(team.put(uri, "--expect", "absent", user=user), 3)
    refused(team.put(uri, value=b"x" * 5_000, user=user), 3)
    people.put_parameter(Name=name, Value='{"password":"theirs"}', Type="SecureString", Overwrite=True)
    refused(team.put(uri, value=b"mine", user=user), 6)
    ok(team.put(uri, "--overwrite", value=b"mine", user=user))
    ok(user.monoctl("delete", "secret", uri, "--destroy", "--yes", "-o", "json"))
    with pytest.raises(people.exceptions.ParameterNotFound):
        people.get_parameter(Name=name)


def test_a_name_that_aws_does_not_take_is_refused_before_a_key_is_made(team: Team, user: User) -> None:
    """With the prefix of the store and the team's the parameter would have seventeen levels."""
    deep = "/".join(["x"] * 15)
    refused(team.put(team.uri("ssm", deep), user=user), 3)
    ok(team.put(team.uri("sm", deep), user=user))


def test_kubernetes_labels_are_set_a_path_of_no_secret_is_named_and_the_driver_is_experimental(
    team: Team, user: User, kubernetes: tuple[KubernetesServer, bytes]
) -> None:
    put = ok(team.put(uri_in(team, "cluster"), "--kubernetes-label", "tier=backend", user=user)).json()
    there = kubernetes[0].secrets["apps", team.name]["metadata"]
    assert there["labels"]["tier"] == "backend"
    assert there["uid"] in put["upstream_version"]
    assert "UPSTREAM_REFUSED" in refused(team.put(f"cluster://{team.name}/a/b", user=user), 3)
    kinds = ok(user.monoctl("get", "store-types", "-o", "json")).json()
    assert any(kind["type"] == "kubernetes" and kind["maturity"] == "experimental" for kind in kinds)
