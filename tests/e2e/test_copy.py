"""Copying from store to store and within one, on real parts: OpenBao, age files, two reactors and m8 between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import Ran, User
from tests.e2e.conftest import Team
from tests.e2e.ran import BEGUN, ok, refused, theirs

VALUE = b"a value that is copied and never shown: 5d21"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster whose `vault` may copy to `local` and to itself below one team, and whose `local` nowhere."""
    with Cluster(tmp_path_factory.mktemp("copies")) as cluster:
        cluster.start()
        for to in ("local", "vault"):
            cluster.allow_copy("vault", to, source="copies-1", destination="copies-1")
        cluster.reactors["reactor-vault"].stop()
        cluster.wait_until_detached("vault", 0)
        cluster.start_reactor("vault")
        yield cluster


@pytest.fixture(scope="module")
def team(cluster: Cluster) -> Team:
    """A team below whose prefix copies are allowed."""
    name = "copies-1"
    user = cluster.add_user("copier", prefixes=[f"{store}://{name}" for store in ("vault", "local")])
    return Team(name, user, cluster)


def copy(team: Team, source: str, destination: str, *words: str, user: User | None = None) -> Ran:
    return (user or team.user).monoctl("copy", "secret", source, destination, *words, "-o", "json")


def shown(team: Team, uri: str) -> dict[str, object]:
    found: dict[str, object] = ok(team.user.monoctl("get", "secret", uri, "-o", "json")).json()
    return found


def test_a_secret_is_copied_and_both_hashes_are_equal(team: Team) -> None:
    source, destination = team.uri("vault", "a"), team.uri("local", "a")
    put = ok(team.put(source, value=VALUE)).json()
    done = ok(copy(team, source, destination))
    copied = done.json()
    assert (copied["outcome"], copied["hash"]) == ("UPLOADED", put["hash"])
    assert copied["upstream_version"] == put["upstream_version"]
    assert [event["type"] for event in team.events(done)] == [*BEGUN, "SecretCopied"]
    there = shown(team, destination)
    assert (there["hash"], there["subject"]) == (put["hash"], "copier")
    assert there["upstream_version"] == copied["destination_version"]
    assert ok(team.compare(destination, value=VALUE)).json()["equal"]
    upload = ok(team.user.monoctl("get", "upload", copied["request_id"], "-o", "json")).json()
    assert (upload["outcome"], upload["destination"]) == ("COPIED", destination)
    ok(team.user.monoctl("label", "secret", destination, "owner=anna"))
    again = ok(copy(team, source, destination)).json()
    assert again["outcome"] == "UNCHANGED"
    assert shown(team, destination)["labels"] == {"owner": "anna"}


KEYS = ("password", "url", "user")


def given(folder: Path, *keys: str) -> list[str]:
    """Return the words that give `keys` their values, from files."""
    for key in keys:
        (folder / key).write_text(f"the {key}")
    return [word for key in keys for word in ("--from-file", f"{key}={folder / key}")]


@pytest.mark.parametrize("store", ["local", "vault"])
def test_keys_that_are_named_arrive_alone_and_nothing_does_where_one_is_missing(
    team: Team, store: str, tmp_path: Path
) -> None:
    source, destination = team.uri("vault", f"k-{store}"), team.uri(store, f"k-{store}.next")
    put = ok(team.user.monoctl("put", "secret", source, *given(tmp_path, *KEYS), "-o", "json")).json()
    refused(copy(team, source, destination, "--key", "password", "--key", "other"), 6)
    refused(team.user.monoctl("get", "secret", destination, "-o", "json"), 4)
    done = ok(copy(team, source, destination, "--key", "url", "--key", "password")).json()
    assert done["values"] == {key: put["values"][key] for key in ("password", "url")}
    there = shown(team, destination)
    assert (there["hash"], there["upstream_version"]) == (done["hash"], done["destination_version"])
    compared = team.user.monoctl("compare", "secret", destination, *given(tmp_path, "password", "url"), "-o", "json")
    assert ok(compared).json()["equal"]
    ok(copy(team, source, destination, "--key", "user"))
    only = team.user.monoctl("compare", "secret", destination, *given(tmp_path, "user"), "-o", "json")
    assert ok(only).json()["equal"]


def test_a_store_copies_to_itself_both_ways_at_once(team: Team) -> None:
    """No request waits for another: a copy holds no secret's lock while its put, in the same reactor, wants one."""
    one, other = team.uri("vault", "m"), team.uri("vault", "n")
    ok(team.put(one, value=b"one"))
    ok(team.put(other, value=b"other"))
    ways = [(one, other), (other, one)] * 4
    with ThreadPoolExecutor(len(ways)) as pool:
        ran = list(pool.map(lambda way: copy(team, *way, "--overwrite"), ways))
    for done in ran:
        assert ok(done).json()["outcome"] in {"UPLOADED", "UNCHANGED"}


def test_m8_has_seen_no_value_and_the_token_of_the_copy_could_do_nothing_else(team: Team) -> None:
    source, destination = team.uri("vault", "b"), team.uri("local", "b")
    ok(team.put(source, value=VALUE))
    ok(copy(team, source, destination))
    for file in ("log.db", "m8.log"):
        assert VALUE not in (team.cluster.folder / "m8" / file).read_bytes()
    tokens = team.cluster.must("m8", "token", "list", "--dir", "m8", "-o", "json").json()
    (issued,) = [token for token in tokens if token["prefixes"] == [destination]]
    assert (issued["subject"], issued["rights"]) == ("copier", ["put"])


def test_what_is_expected_is_expected_at_the_destination(team: Team) -> None:
    source, destination = team.uri("vault", "c"), team.uri("local", "c")
    refused(copy(team, source, destination), 4)
    ok(team.put(source, value=b"1"))
    first = ok(copy(team, source, destination, "--expect", "absent")).json()
    ok(team.put(source, value=b"2"))
    refused(copy(team, source, destination, "--expect", "absent"), 6)
    ok(copy(team, source, destination, "--expect", first["destination_version"]))
    refused(copy(team, source, destination, "--expect", first["destination_version"], "--overwrite"), 2)


def test_the_sources_own_settings_say_where_it_may_go(team: Team) -> None:
    source = team.uri("vault", "d")
    ok(team.put(source, team.uri("local", "d"), value=b"1"))
    assert "not set up" in refused(copy(team, team.uri("local", "d"), team.uri("vault", "e")), 3)
    everywhere = team.cluster.add_user("everywhere", prefixes=["vault://", "local://"])
    refused(copy(team, source, "local://elsewhere/d", user=everywhere), 3)
    refused(copy(team, source, "vault://elsewhere/d", user=everywhere), 3)
    refused(copy(team, source, source), 2)
    described = ok(team.user.monoctl("describe", "secret-store", "vault", "-o", "json")).json()
    assert [reactor["copies_to"] for reactor in described["reactors"] if reactor["attached"]] == [["local", "vault"]]


def test_what_others_put_at_the_destination_stays(team: Team) -> None:
    theirs(team, path="g")
    copied = ok(copy(team, team.uri("vault", "g"), team.uri("local", "g"))).json()
    assert copied["hash"]
    lines = (team.cluster.folder / "reactor-vault" / "audit.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    found = [entry for entry in entries if entry["uri"] == team.uri("vault", "g")]
    assert [entry["outcome"] for entry in found] == ["GRANTED", "STARTED", "COPIED"]
    assert {entry["destination"] for entry in found} == {team.uri("local", "g")}
    assert [path.name for path in (team.cluster.folder / "reactor-vault").glob("copy-*")] == []
