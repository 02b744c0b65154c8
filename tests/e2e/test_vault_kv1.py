"""A store on KV version 1, all the way: what is recognised, what is refused, and what a restart remembers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monoskope.testing.cluster import PREFIX, Cluster
from monoskope.testing.cluster.commands import User
from tests.e2e.conftest import Team
from tests.e2e.ran import ok, refused

STORE, MOUNT = "elder", "elder"


@pytest.fixture(scope="module")
def elder(cluster: Cluster) -> Iterator[str]:
    cluster.bao.call("POST", f"sys/mounts/{MOUNT}", {"type": "kv", "options": {"version": "1"}})
    cluster.make_vault_reactor(STORE, readable=True, kind="vault-kv1", mount=MOUNT)
    cluster.join_store(STORE, key_of="reactor-vault")
    yield STORE
    cluster.reactors[f"reactor-{STORE}"].stop()


@pytest.fixture
def user(cluster: Cluster, team: Team, elder: str) -> User:
    return cluster.add_user(f"{elder}-{team.name}", prefixes=[f"{elder}://{team.name}"])


def test_put_again_change_compare_verify_delete(cluster: Cluster, team: Team, user: User, elder: str) -> None:
    uri, place = team.uri(elder), f"{MOUNT}/{PREFIX}/{team.name}/db"
    first = ok(team.put(uri, user=user)).json()
    assert first["upstream_version"].startswith("put@")
    assert cluster.bao.call("GET", place)["data"] == {"password": "correct horse"}

    cluster.reactors[f"reactor-{elder}"].stop()
    cluster.wait_until_detached(elder, 0)
    cluster.start_reactor(elder)
    again = ok(team.put(uri, user=user)).json()
    assert (again["outcome"], again["upstream_version"]) == ("UNCHANGED", first["upstream_version"])

    assert ok(team.put(uri, value=b"battery", user=user)).json()["outcome"] == "UPLOADED"
    ok(team.compare(uri, value=b"battery", user=user))
    ok(user.monoctl("verify", "secret", uri, "-o", "json"))

    cluster.bao.call("POST", place, {"password": "somebody else's"})
    assert user.monoctl("verify", "secret", uri, "-o", "json").code != 0
    refused(team.put(uri, value=b"staple", user=user), 6)
    ok(team.put(uri, "--overwrite", value=b"staple", user=user))
    for words in (("--expect", "absent"), ("--expect", first["upstream_version"])):
        refused(team.put(uri, *words, value=b"x", user=user), 3)

    refused(user.monoctl("delete", "secret", uri, "--yes", "-o", "json"), 3)
    ok(user.monoctl("delete", "secret", uri, "--yes", "--destroy", "-o", "json"))
    listed = cluster.run_bao("kv", "get", f"-mount={MOUNT}", f"{PREFIX}/{team.name}/db")
    assert listed.code != 0


def test_its_layout_and_what_it_cannot_do_are_shown(user: User, elder: str) -> None:
    described = ok(user.monoctl("describe", "secret-store", elder, "-o", "json")).json()
    assert described["type"] == "vault-kv1"
    assert "version 1" in described["layout"]
    assert all("check_and_set" not in one["capabilities"] for one in described["reactors"])
