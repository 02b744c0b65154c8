"""The decision record's walk on real parts, through the programs that people use."""

from __future__ import annotations

import base64
import json

import pytest

from tests.e2e.conftest import Team
from tests.e2e.ran import UPLOADED, ok, refused, theirs, upstream

UNCHANGED = [*UPLOADED[:3], "SecretUploaded"]
COMPARED = [*UPLOADED[:3], "SecretCompared"]


def test_the_events_of_an_upload_are_those_of_the_record_in_its_order(team: Team) -> None:
    put = ok(team.put(team.uri("vault")))
    events = team.events(put)
    assert [event["type"] for event in events] == UPLOADED
    assert [event["version"] for event in events] == [1, 2, 3, 4, 5]
    positions = [int(str(event["position"])) for event in events]
    assert positions == sorted(set(positions))
    by = [str(event["actor"]) for event in events]
    assert by[0] == by[2] == team.user.name
    assert by[1] == by[3] == by[4]
    assert by[1].startswith("reactor/vault/")
    assert upstream(team.cluster, team) == {"password": "correct horse"}


def test_several_stores_at_once_give_one_hash(team: Team) -> None:
    first, second = ok(team.put(team.uri("vault"), team.uri("local"))).json()
    assert {first["uri"], second["uri"]} == {team.uri("vault"), team.uri("local")}
    assert first["hash"] == second["hash"]
    assert first["hash"].startswith("fp1:")
    assert first["values"] == second["values"]
    assert first["upstream_version"] != second["upstream_version"]
    shown = ok(team.user.monoctl("get", "secret", team.uri("local"), "-o", "json")).json()
    assert shown["hash"] == first["hash"]


def test_the_hash_covers_names_and_values_and_not_the_place(team: Team) -> None:
    same = [ok(team.put(team.uri("local", path), value=b"one")).json()["hash"] for path in ("a", "b")]
    other = ok(team.put(team.uri("local", "c"), value=b"two")).json()["hash"]
    assert same[0] == same[1] != other


def test_bytes_that_are_no_text_need_a_choice_and_hash_alike(team: Team) -> None:
    value = bytes(range(256))
    message = refused(team.put(team.uri("vault"), value=value), 3)
    assert "UPSTREAM_REFUSED" in message
    both = ok(team.put(team.uri("vault"), team.uri("local"), "--binary", "base64", value=value)).json()
    assert both[0]["hash"] == both[1]["hash"]
    assert base64.b64decode(upstream(team.cluster, team)["password"]) == value


def test_first_contact_needs_agreement_and_is_pinned(team: Team) -> None:
    cluster = team.cluster
    stranger = cluster.add_user(f"stranger-{team.name}", prefixes=[f"local://{team.name}"], pin=False)
    message = refused(team.put(team.uri("local"), user=stranger), 20)
    assert cluster.identities["local"] in message
    assert not stranger.known_stores.exists()

    agreed = f"local={cluster.identities['local']}"
    ok(team.put(team.uri("local"), "--store-identity", agreed, user=stranger))
    assert stranger.known_stores.read_text() == f"{cluster.server} local {cluster.identities['local']}\n"
    assert stranger.known_stores.stat().st_mode & 0o777 == 0o600
    ok(team.put(team.uri("local"), user=stranger))


def test_an_identity_that_is_not_the_pinned_one_is_refused_before_anything_is_sent(team: Team) -> None:
    cluster = team.cluster
    pins = team.user.known_stores
    pins.write_text(pins.read_text().replace(cluster.identities["local"], f"SHA256:{'A' * 43}"))
    message = refused(team.put(team.uri("local")), 5)
    assert cluster.identities["local"] in message
    assert "A" * 43 in message
    events = ok(team.user.monoctl("get", "events", "-o", "json")).json()
    assert events == []


def test_the_same_content_again_is_unchanged_and_not_written(team: Team) -> None:
    first = ok(team.put(team.uri("vault"))).json()
    again = ok(team.put(team.uri("vault")))
    assert again.json()["outcome"] == "UNCHANGED"
    assert again.json()["hash"] == first["hash"]
    assert again.json()["upstream_version"] == first["upstream_version"]
    assert [event["type"] for event in team.events(again)] == UNCHANGED


def test_what_others_wrote_upstream_is_replaced_only_when_asked(team: Team) -> None:
    ok(team.put(team.uri("vault")))
    theirs(team, "foreign")
    message = refused(team.put(team.uri("vault"), value=b"mine again"), 6)
    assert "UPSTREAM_CHANGED" in message
    assert upstream(team.cluster, team) == {"password": "foreign"}

    ok(team.put(team.uri("vault"), "--overwrite", value=b"mine again"))
    assert upstream(team.cluster, team) == {"password": "mine again"}
    assert ok(team.user.monoctl("get", "secret", team.uri("vault"), "-o", "json")).json()["drifted"] is True


@pytest.mark.parametrize("store", ["vault", "local"])
def test_expect_writes_only_over_what_it_names(team: Team, store: str) -> None:
    uri = team.uri(store)
    first = ok(team.put(uri, "--expect", "absent", value=b"one")).json()
    assert "CONFLICT" in refused(team.put(uri, "--expect", "absent", value=b"two"), 6)
    second = ok(team.put(uri, "--expect", first["upstream_version"], value=b"two")).json()
    assert "CONFLICT" in refused(team.put(uri, "--expect", first["upstream_version"], value=b"three"), 6)
    assert (
        ok(team.user.monoctl("get", "secret", uri, "-o", "json")).json()["upstream_version"]
        == second["upstream_version"]
    )


@pytest.mark.parametrize("store", ["vault", "local"])
def test_compare_tells_equal_from_different_and_writes_nothing(team: Team, store: str) -> None:
    uri = team.uri(store)
    put = ok(team.put(uri, value=b"one")).json()
    equal = ok(team.compare(uri, value=b"one"))
    assert equal.json()["equal"] is True
    assert [event["type"] for event in team.events(equal)] == COMPARED
    different = team.compare(uri, value=b"two")
    assert different.code == 12
    assert different.json()["differences"] == {"password": "CHANGED"}
    assert different.json()["upstream_version"] == put["upstream_version"]


def test_what_a_user_has_no_right_to_is_refused(team: Team) -> None:
    cluster, prefix = team.cluster, f"local://{team.name}"
    ok(team.put(team.uri("local")))
    reader = cluster.add_user(f"reader-{team.name}", prefixes=[prefix], rights=["see-hash"])
    assert "no right to put" in refused(team.put(team.uri("local"), user=reader), 3)
    assert "no right to compare" in refused(team.compare(team.uri("local"), value=b"x", user=reader), 3)
    putter = cluster.add_user(f"putter-{team.name}", prefixes=[prefix], rights=["put"])
    shown = ok(putter.monoctl("get", "secret", team.uri("local"), "-o", "json")).json()
    assert shown["hash"] == ""
    assert shown["values"] == {"password": ""}
    assert ok(reader.monoctl("get", "secret", team.uri("local"), "-o", "json")).json()["hash"].startswith("fp1:")


def test_outside_ones_prefixes_everything_is_not_found(team: Team) -> None:
    ok(team.put(team.uri("local")))
    ben = team.cluster.add_user(f"ben-{team.name}", prefixes=[f"local://{team.name}-of-ben"])
    there, nowhere = team.uri("local"), f"local://{team.name}/nowhere"
    for uri in (there, nowhere):
        said = refused(ben.monoctl("get", "secret", uri, "-o", "json"), 4)
        assert said.replace(uri, "URI") == refused(team.put(uri, user=ben), 4).replace(uri, "URI")
    assert ok(ben.monoctl("get", "secrets", "-o", "json")).json() == []
    assert ok(ben.monoctl("get", "events", "-o", "json")).json() == []


def test_an_administrator_uploads_nothing(team: Team) -> None:
    admin = team.cluster.administrator
    identity = f"local={team.cluster.identities['local']}"
    refused(team.put(team.uri("local"), "--store-identity", identity, user=admin), 3)


def test_a_revoked_token_is_refused_at_once(team: Team) -> None:
    ok(team.user.monoctl("get", "secrets"))
    token = team.user.token_file.read_text().split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    team.cluster.must("m8", "token", "revoke", "--dir", "m8", claims["jti"])
    refused(team.user.monoctl("get", "secrets", "-o", "json"), 10)
    assert f"the token {claims['jti']} was revoked" in refused(team.put(team.uri("local")), 10)


def test_a_value_in_the_command_line_is_refused_without_being_repeated(team: Team) -> None:
    ran = team.user.monoctl("put", "secret", team.uri("local"), "password=hunter2-in-argv", "-o", "json")
    assert "hunter2-in-argv" not in refused(ran, 2)


def test_stores_are_listed_and_described(team: Team) -> None:
    listed = ok(team.user.monoctl("get", "secret-stores", "-o", "json")).json()
    assert {(one["name"], one["type"], one["active"], one["is_default"]) for one in listed} >= {
        ("vault", "vault", True, True),
        ("local", "age", True, False),
    }
    described = ok(team.user.monoctl("describe", "secret-store", "vault", "-o", "json")).json()
    assert described["identity"] == team.cluster.identities["vault"]
    assert described["max_plaintext"] >= 131_072
    [attached] = [one for one in described["reactors"] if one["attached"]]
    assert attached["last_heard_at"]
    assert described["fingerprint_key_id"] == attached["fingerprint_key_id"]
    types = {one["type"]: one for one in ok(team.user.monoctl("get", "store-types", "-o", "json")).json()}
    assert types["vault"]["maturity"] == "stable"
    assert types["vault"]["layouts"] == [described["layout"]]


def test_users_see_the_events_of_their_own_uploads(team: Team) -> None:
    put = ok(team.put(team.uri("local")))
    seen = ok(team.user.monoctl("get", "events", "-o", "json")).json()
    assert [event["type"] for event in seen] == UPLOADED
    logged = team.events(put)
    assert [event["record_hash"] for event in seen] == [event["hash"] for event in logged]
    upload = ok(team.user.monoctl("get", "upload", put.json()["request_id"], "-o", "json")).json()
    assert (upload["state"], upload["outcome"], upload["subject"]) == ("ENDED", "UPLOADED", team.user.name)


def test_sealed_bytes_of_ended_requests_can_be_erased_and_the_log_still_holds(team: Team) -> None:
    ok(team.put(team.uri("local")))
    erased = team.cluster.must("m8", "events", "erase-sealed", "--dir", "m8").out
    assert int(erased.split()[1]) >= 1
    team.cluster.must("m8", "events", "verify", "--dir", "m8")
    ok(team.put(team.uri("local"), value=b"another"))
