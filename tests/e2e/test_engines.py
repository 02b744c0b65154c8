"""Puts into a real Barbican and a real password store, through m8 and reactors that run as they do in production."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import User
from monoskope.testing.engines import gnupg
from monoskope.testing.engines.barbican import Barbican
from monoskope.testing.engines.gnupg import ANNA, Keys
from tests.e2e.conftest import Team
from tests.e2e.ran import ok

STORES = ("barbican", "pass")


@pytest.fixture(scope="module")
def keys() -> Iterator[Keys]:
    with gnupg.keys() as made:
        yield made


@pytest.fixture(scope="module")
def barbican(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Barbican]:
    with Barbican(tmp_path_factory.mktemp("barbican")) as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("password-store")
    (made / ".gpg-id").write_text(f"{ANNA}\n", encoding="ascii")
    return made


@pytest.fixture(scope="module")
def stores(cluster: Cluster, barbican: Barbican, keys: Keys, folder: Path) -> Iterator[None]:
    engines: dict[str, dict[str, object]] = {
        "barbican": {
            "address": barbican.address,
            "ca_file": str(barbican.ca_file),
            "auth": {"method": "none", "project_id": barbican.project},
            "readable": True,
        },
        "pass": {"folder": str(folder), "gpg_home": str(keys.public)},
    }
    for store, engine in engines.items():
        cluster.make_reactor(store, store, engine)
        cluster.join_store(store, key_of="reactor-vault")
    yield
    for store in STORES:
        cluster.reactors[f"reactor-{store}"].stop()


@pytest.fixture
def user(cluster: Cluster, team: Team, stores: None) -> User:
    prefixes = [f"{store}://{team.name}" for store in (*STORES, "vault")]
    return cluster.add_user(f"engines-{team.name}", prefixes=prefixes)


def test_what_is_put_lies_in_barbican(team: Team, user: User, barbican: Barbican) -> None:
    uri = team.uri("barbican")
    put = ok(team.put(uri, user=user)).json()
    found = [one for one in barbican.call("GET", "secrets?limit=100")["secrets"] if team.name in one["name"]]
    assert len(found) == 1
    identifier = found[0]["secret_ref"].rpartition("/")[2]
    assert json.loads(barbican.payload(identifier)) == {"password": "correct horse"}
    assert ok(team.put(uri, user=user)).json()["outcome"] == "UNCHANGED"
    ok(team.compare(uri, value=b"correct horse", user=user))
    assert ok(team.put(team.uri("vault"), user=user)).json()["hash"] == put["hash"]


def test_what_is_put_lies_in_the_password_store(team: Team, user: User, keys: Keys, folder: Path) -> None:
    uri = team.uri("pass")
    put = ok(team.put(uri, user=user)).json()
    sealed = (folder / team.name / "db.gpg").read_bytes()
    assert keys.gpg("--decrypt", data=sealed) == b"correct horse\n"
    assert ok(team.put(uri, user=user)).json()["outcome"] == "UNCHANGED"
    assert ok(team.put(team.uri("vault"), user=user)).json()["hash"] == put["hash"]
