"""Stores come, go and move on, on real parts: activation, the default store, a new identity, two reactors of one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import User
from tests.e2e.conftest import Team
from tests.e2e.ran import UPLOADED, ok, refused


@pytest.fixture(scope="module")
def spare(cluster: Cluster) -> Iterator[str]:
    cluster.make_local_reactor("spare")
    cluster.join_store("spare", key_of="reactor-vault")
    yield "spare"
    cluster.reactors["reactor-spare"].stop()


@pytest.fixture
def user(cluster: Cluster, team: Team, spare: str) -> User:
    return cluster.add_user(f"spare-{team.name}", prefixes=[f"{spare}://{team.name}", f"vault://{team.name}"])


def test_a_deactivated_store_takes_nothing_until_it_is_activated(team: Team, user: User, spare: str) -> None:
    admin, uri = team.cluster.administrator, team.uri(spare)
    ok(admin.monoctl("deactivate", "secret-store", spare))
    assert "deactivated" in refused(team.put(uri, user=user), 3)
    described = ok(user.monoctl("describe", "secret-store", spare, "-o", "json")).json()
    assert described["active"] is False
    ok(admin.monoctl("activate", "secret-store", spare))
    ok(team.put(uri, user=user))


def test_a_new_default_store_is_used_only_by_whoever_agrees(team: Team, user: User, spare: str) -> None:
    admin = team.cluster.administrator
    ok(admin.monoctl("set-default", "secret-store", spare))
    try:
        assert "default" in refused(team.put(f"{team.name}/db", user=user), 5)
        put = ok(team.put(f"{team.name}/db", "--default-store", spare, user=user))
        assert put.json()["uri"] == team.uri(spare)
        assert ok(team.put(f"{team.name}/db", user=user)).json()["outcome"] == "UNCHANGED"
    finally:
        ok(admin.monoctl("set-default", "secret-store", "vault"))


def test_only_administrators_change_stores(team: Team, user: User, spare: str) -> None:
    for words in (("deactivate", "secret-store", spare), ("set-default", "secret-store", spare)):
        refused(user.monoctl(*words, "-o", "json"), 3)


def test_a_stores_name_is_taken_for_ever(team: Team, spare: str) -> None:
    words = ("create", "secret-store", spare, "--type", "vault", "--identity", f"SHA256:{'B' * 42}A", "-o", "json")
    refused(team.cluster.administrator.monoctl(*words), 11)


def test_a_store_without_a_reactor_is_unavailable_and_works_again_after_a_restart(
    team: Team, user: User, spare: str
) -> None:
    cluster = team.cluster
    put = ok(team.put(team.uri(spare), user=user)).json()
    cluster.reactors["reactor-spare"].stop()
    cluster.wait_until_detached(spare, 0)
    refused(team.put(team.uri(spare), "--retry-for", "0", value=b"other", user=user), 7)
    cluster.start_reactor(spare)
    again = ok(team.put(team.uri(spare), user=user)).json()
    assert again["outcome"] == "UNCHANGED"
    assert again["hash"] == put["hash"]


def test_a_proven_new_identity_is_followed_and_pinned(team: Team, user: User, spare: str) -> None:
    cluster = team.cluster
    ok(team.put(team.uri(spare), value=b"before", user=user))
    old = cluster.identities[spare]
    cluster.reactors["reactor-spare"].stop()
    new = cluster.must("m8", "reactor", "rotate-identity", "reactor-spare", "--yes").out.split()[-1]
    cluster.start_reactor(spare)
    cluster.identities[spare] = new
    put = ok(team.put(team.uri(spare), value=b"after", user=user))
    assert f"{old} is followed by {new}, which is pinned now" in put.err
    assert f" spare {new}\n" in user.known_stores.read_text()
    assert old not in user.known_stores.read_text()
    assert ok(team.put(team.uri(spare), value=b"later", user=user)).err == ""
    # What was given before the rotation still fits: signed steps lead from it to the pin. Another identity does not.
    ok(team.put(team.uri(spare), "--store-identity", f"{spare}={old}", value=b"again", user=user))
    other = cluster.identities["vault"]
    message = refused(team.put(team.uri(spare), "--store-identity", f"{spare}={other}", user=user), 5)
    assert f"{new} is pinned, you gave {other}" in message


def test_m8_restarts_with_everything_it_knew(team: Team) -> None:
    put = ok(team.put(team.uri("local"))).json()
    team.cluster.m8.kill()
    team.cluster.start_m8()
    assert ok(team.user.monoctl("get", "secret", team.uri("local"), "-o", "json")).json()["hash"] == put["hash"]
    ok(team.put(team.uri("vault"), team.uri("local"), value=b"after the restart"))


def test_a_path_outside_the_reactors_prefixes_is_refused_and_nothing_is_there(cluster: Cluster, team: Team) -> None:
    cluster.make_local_reactor("narrow")
    folder = cluster.folder / "reactor-narrow"
    file = folder / "reactor.toml"
    file.write_text(file.read_text().replace('prefixes = [\n    "",\n]', f'prefixes = ["{team.name}/app"]'))
    assert f'prefixes = ["{team.name}/app"]' in file.read_text()
    reactor = cluster.join_store("narrow", key_of="reactor-vault")
    user = cluster.add_user(f"narrow-{team.name}", prefixes=[f"narrow://{team.name}"])
    for path in ("app", "app/db"):
        ok(team.put(f"narrow://{team.name}/{path}", user=user))
    for path in ("apps/db", "other", "App/db"):
        assert "does not allow this" in refused(team.put(f"narrow://{team.name}/{path}", user=user), 3)
    places = {str(entry.relative_to(folder / "secrets")) for entry in (folder / "secrets").rglob("*@")}
    assert places == {f"{team.name}/app@", f"{team.name}/app/db@"}
    reactor.stop()


SECOND = "reactor-vault-2"


@pytest.fixture(scope="module")
def pair(cluster: Cluster) -> Iterator[Cluster]:
    """A second reactor of the store `vault`, with the same identity and fingerprint key."""
    cluster.make_vault_reactor("vault", folder=SECOND, readable=True)
    cluster.share_fingerprint_key("reactor-vault", SECOND)
    cluster.start_reactor("vault", folder=SECOND)
    yield cluster
    cluster.reactors[SECOND].stop()
    cluster.start_reactor("vault")


def test_of_two_replicas_one_wins_each_request_and_both_serve(pair: Cluster, team: Team) -> None:
    with ThreadPoolExecutor(2) as pool:
        puts = list(pool.map(lambda number: ok(team.put(team.uri("vault", f"n{number}"))), range(6)))
    for put in puts:
        events = team.events(put)
        assert [event["type"] for event in events] == UPLOADED
        assert events[1]["actor"] == events[3]["actor"] == events[4]["actor"]
    assert len(pair.attached("vault")) == 2


def test_a_request_is_not_lost_when_a_replica_leaves_cleanly(pair: Cluster, team: Team) -> None:
    pair.reactors["reactor-vault"].stop()
    ok(team.put(team.uri("vault", "after")))
    assert subprocess.list2cmdline(pair.reactors["reactor-vault"].arguments).endswith("run reactor-vault")
    assert pair.reactors["reactor-vault"].pid is None
