"""Changing some keys of a secret, on real parts: what is upstream afterwards, what is told, and who read what."""

from __future__ import annotations

import json

import pytest

from monoskope.testing.cluster import MOUNT, PREFIX, Cluster
from monoskope.testing.cluster.commands import Ran, User
from tests.e2e.conftest import Team
from tests.e2e.ran import UPLOADED, ok, refused, upstream

BOTH = pytest.mark.parametrize("store", ["vault", pytest.param("local", marks=pytest.mark.soak)])


def put(team: Team, uri: str, values: dict[str, str], *words: str) -> Ran:
    return ok(
        team.user.monoctl(
            "put", "secret", uri, *words, "--from-json", "-", "-o", "json", input=json.dumps(values).encode()
        )
    )


def patch(team: Team, *words: str, user: User | None = None, values: dict[str, str] | None = None) -> Ran:
    sources = [] if values is None else ["--from-json", "-"]
    return (user or team.user).monoctl(
        "patch", "secret", *words, *sources, "-o", "json", input=json.dumps(values or {}).encode()
    )


def holds(team: Team, uri: str, values: dict[str, str]) -> bool:
    ran = team.user.monoctl(
        "compare", "secret", uri, "--from-json", "-", "-o", "json", input=json.dumps(values).encode()
    )
    return ran.json()["equal"] is True


@pytest.mark.parametrize("store", ["vault", "local"])
def test_what_is_named_changes_and_the_rest_stays(team: Team, store: str) -> None:
    uri = team.uri(store)
    before = put(team, uri, {"host": "db1", "old": "x", "password": "one"}, "--label", "owner=anna").json()
    patched = ok(patch(team, uri, "--remove", "old", values={"password": "two", "port": "5432"}))
    after = patched.json()
    assert after["outcome"] == "UPLOADED"
    assert sorted(after["values"]) == ["host", "password", "port"]
    assert after["values"]["host"] == before["values"]["host"]
    assert after["values"]["password"] != before["values"]["password"]
    assert [event["type"] for event in team.events(patched)] == UPLOADED
    assert holds(team, uri, {"host": "db1", "password": "two", "port": "5432"})
    shown = ok(team.user.monoctl("get", "secret", uri, "-o", "json")).json()
    assert (shown["hash"], shown["labels"], shown["drifted"]) == (after["hash"], {"owner": "anna"}, False)
    versions = ok(team.user.monoctl("get", "secret", uri, "--versions", "-o", "json")).json()
    assert [row["upstream_version"] for row in versions] == [after["upstream_version"], before["upstream_version"]]
    upload = ok(team.user.monoctl("get", "upload", after["request_id"], "-o", "json")).json()
    assert (upload["purpose"], upload["outcome"]) == ("PATCH", "UPLOADED")


def test_a_patched_secret_has_the_hash_that_a_put_of_the_same_would_have(team: Team) -> None:
    put(team, team.uri("vault"), {"a": "1", "b": "2"})
    patched = ok(patch(team, team.uri("vault"), values={"b": "3"})).json()
    whole = put(team, team.uri("local"), {"a": "1", "b": "3"}).json()
    assert patched["hash"] == whole["hash"]


@BOTH
def test_keys_are_removed_without_anything_sealed(team: Team, store: str) -> None:
    uri = team.uri(store)
    put(team, uri, {"a": "1", "b": "2"})
    ok(patch(team, uri, "--remove", "b"))
    assert holds(team, uri, {"a": "1"})


@BOTH
def test_the_same_again_is_unchanged(team: Team, store: str) -> None:
    uri = team.uri(store)
    put(team, uri, {"a": "1", "b": "2"})
    first = ok(patch(team, uri, values={"a": "9"})).json()
    again = ok(patch(team, uri, values={"a": "9"})).json()
    assert (again["outcome"], again["upstream_version"]) == ("UNCHANGED", first["upstream_version"])


@BOTH
def test_nothing_is_not_found_and_a_key_that_is_not_there_a_conflict(team: Team, store: str) -> None:
    uri = team.uri(store)
    assert "nothing to patch" in refused(patch(team, uri, values={"a": "1"}), 4)
    first = put(team, uri, {"a": "1", "b": "2"}).json()
    assert "lacks a key" in refused(patch(team, uri, "--remove", "c", values={"a": "9"}), 6)
    second = ok(patch(team, uri, values={"a": "2"})).json()
    refused(patch(team, uri, "--expect", first["upstream_version"], values={"a": "3"}), 6)
    ok(patch(team, uri, "--expect", second["upstream_version"], values={"a": "3"}))
    assert "no key would be left" in refused(patch(team, uri, "--remove", "a", "--remove", "b"), 3)
    assert holds(team, uri, {"a": "3", "b": "2"})


def test_what_others_wrote_is_changed_only_when_asked(team: Team) -> None:
    place = f"{PREFIX}/{team.name}/db"
    ok(team.cluster.run_bao("kv", "put", f"-mount={MOUNT}", place, "theirs=1", "password=x"))
    said = patch(team, team.uri("vault"), values={"password": "y"}).err.splitlines()[-1]
    assert "`overwrite`" in json.loads(said)["error"]["fix"]
    ok(patch(team, team.uri("vault"), "--overwrite", values={"password": "y"}))
    assert upstream(team.cluster, team) == {"password": "y", "theirs": "1"}


def test_several_are_patched_at_once_and_each_answer_is_its_own(team: Team) -> None:
    put(team, team.uri("vault"), {"a": "1"})
    ran = patch(team, team.uri("vault"), team.uri("local"), values={"a": "2"})
    assert ran.code == 16
    assert [(row["uri"], row["outcome"]) for row in ran.json()] == [
        (team.uri("vault"), "UPLOADED"),
        (team.uri("local"), "FAILED"),
    ]
    assert ran.json()[1]["reason"] == "NOT_FOUND"
    assert team.uri("local") in ran.err


def test_an_engine_merges_for_a_reactor_that_can_read_nothing(cluster: Cluster) -> None:
    """And where no receipt tells what was there, none tells the hash of the whole."""
    cluster.make_vault_reactor("blind", readable=False)
    cluster.join_store("blind", key_of="reactor-local")
    user = cluster.add_user("user-of-blind", prefixes=["blind://blind"])
    team = Team("blind", user, cluster)
    before = put(team, "blind://blind/db", {"a": "1", "b": "2"}).json()
    after = ok(patch(team, "blind://blind/db", "--remove", "b", values={"c": "3"})).json()
    assert (sorted(after["values"]), after["values"]["a"]) == (["a", "c"], before["values"]["a"])
    assert upstream(cluster, team) == {"a": "1", "c": "3"}
    again = ok(patch(team, "blind://blind/db", values={"c": "3"})).json()
    assert again["outcome"] == "UNCHANGED"
    place = f"{PREFIX}/blind/theirs"
    ok(cluster.run_bao("kv", "put", f"-mount={MOUNT}", place, "x=1"))
    unknown = ok(patch(team, "blind://blind/theirs", "--overwrite", values={"y": "2"})).json()
    assert (unknown["outcome"], unknown["hash"], unknown["values"]) == ("UPLOADED", "", {})
    assert upstream(cluster, team, "theirs") == {"x": "1", "y": "2"}


def test_a_store_that_cannot_patch_gets_no_request(cluster: Cluster) -> None:
    """Its reactor announced so: an age store without an identity."""
    cluster.make_local_reactor("sealed")
    file = cluster.folder / "reactor-sealed" / "reactor.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text("\n".join(line for line in text.splitlines() if "identity_file" not in line), encoding="utf-8")
    cluster.join_store("sealed", key_of="reactor-local")
    user = cluster.add_user("user-of-sealed", prefixes=["sealed://sealed"])
    team = Team("sealed", user, cluster)
    put(team, "sealed://sealed/db", {"a": "1"})
    before = [event["position"] for event in ok(user.monoctl("get", "events", "-o", "json")).json()]
    assert "cannot change some keys" in refused(patch(team, "sealed://sealed/db", values={"a": "2"}), 3)
    assert [event["position"] for event in ok(user.monoctl("get", "events", "-o", "json")).json()] == before
