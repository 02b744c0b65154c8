"""What people do with secrets from day to day, on real parts: notes, expiry, listings, versions, deletions, rights."""

from __future__ import annotations

import datetime as dt

import pytest

from monoskope.exit_codes import ExitCode
from monoskope.testing.cluster import MOUNT, PREFIX
from monoskope.testing.cluster.commands import Ran, User
from tests.e2e.conftest import Team
from tests.e2e.ran import BEGUN, ok, refused, theirs


def test_labels_and_expiry_are_shown_and_listed(team: Team) -> None:
    soon = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=20)).isoformat()
    ok(team.put(team.uri("vault"), "--label", "owner=anna", "--label", "tier=1", "--expires", soon))
    ok(team.put(team.uri("local"), "--expires", "90d"))
    shown = ok(team.user.monoctl("get", "secret", team.uri("vault"), "-o", "json")).json()
    assert (shown["labels"], shown["expires_on"]) == ({"owner": "anna", "tier": "1"}, soon)

    def listed(*words: str) -> list[str]:
        return [row["uri"] for row in ok(team.user.monoctl("get", "secrets", *words, "-o", "json")).json()]

    assert listed("--expiring", "30d") == [team.uri("vault")]
    assert listed("--expiring", soon, "--store", "local") == []
    assert listed("--prefix", f"local://{team.name}") == [team.uri("local")]
    assert listed("--by", team.user.name, "--limit", "1") == [team.uri("local")]
    assert listed("--by", "nobody") == []
    table = ok(team.user.monoctl("get", "secrets", "--expiring", "30d")).out
    assert soon in table
    assert "owner=anna" in table


def test_the_same_value_with_other_labels_changes_labels_alone(team: Team) -> None:
    first = ok(team.put(team.uri("vault"), "--label", "owner=anna")).json()
    again = ok(team.put(team.uri("vault"), "--label", "owner=bob")).json()
    assert (again["outcome"], again["upstream_version"]) == ("UNCHANGED", first["upstream_version"])
    shown = ok(team.user.monoctl("get", "secret", team.uri("vault"), "-o", "json")).json()
    assert shown["labels"] == {"owner": "bob"}


def test_a_put_keeps_the_notes_that_it_does_not_name(team: Team) -> None:
    uri = team.uri("vault")

    def notes() -> tuple[dict[str, str], str]:
        shown = ok(team.user.monoctl("get", "secret", uri, "-o", "json")).json()
        return shown["labels"], shown["expires_on"]

    ok(team.put(uri, "--label", "owner=anna", "--expires", "2099-01-31"))
    for value, outcome in ((b"2", "UPLOADED"), (b"2", "UNCHANGED")):
        assert ok(team.put(uri, value=value)).json()["outcome"] == outcome
        assert notes() == ({"owner": "anna"}, "2099-01-31")
    ok(team.put(uri, "--clear-labels", value=b"2"))
    assert notes() == ({}, "2099-01-31")


def test_notes_are_edited_without_the_value_and_by_name_of_who_did_it(team: Team) -> None:
    uri = team.uri("vault")
    put = ok(team.put(uri, "--label", "owner=anna", "--label", "tier=1")).json()
    other = team.cluster.add_user(f"editor-of-{team.name}", prefixes=[f"vault://{team.name}"], rights=["put"])
    ok(other.monoctl("label", "secret", uri, "owner=bob", "tier-"))
    ok(other.monoctl("expire", "secret", uri, "2099-01-31"))
    shown = ok(team.user.monoctl("get", "secret", uri, "-o", "json")).json()
    assert (shown["labels"], shown["expires_on"], shown["notes_edited_by"]) == (
        {"owner": "bob"},
        "2099-01-31",
        other.name,
    )
    # What a receipt proves is as it was, and the engine was told nothing.
    assert (shown["hash"], shown["upstream_version"], shown["proven"]) == (put["hash"], put["upstream_version"], True)
    versions = ok(team.user.monoctl("get", "secret", uri, "--versions", "-o", "json")).json()
    assert [row["outcome"] for row in versions] == ["EDITED", "EDITED", "UPLOADED"]
    events = ok(team.user.monoctl("get", "events", "--prefix", uri, "-o", "json")).json()
    assert [(one["actor"], one["detail"]) for one in events[-2:]] == [
        (other.name, f"{uri}: labels owner=bob tier-"),
        (other.name, f"{uri}: expires 2099-01-31"),
    ]
    assert ok(team.user.monoctl("get", "secrets", "--label", "owner=bob", "-o", "name")).out == f"{uri}\n"
    assert ok(team.user.monoctl("get", "secrets", "--label", "tier=1", "-o", "name")).out == ""
    looking = team.cluster.add_user(f"looker-of-{team.name}", prefixes=[f"vault://{team.name}"], rights=["see-hash"])
    assert "put" in refused(looking.monoctl("label", "secret", uri, "owner=eve", "-o", "json"), 3)


def test_the_version_that_the_engine_shows_can_be_expected(team: Team) -> None:
    uri = team.uri("vault")
    ok(team.put(uri, value=b"1"))
    assert ok(team.put(uri, "--expect", "1", value=b"2")).json()["upstream_version"].startswith("2@")
    assert ok(team.user.monoctl("get", "secrets")).out.splitlines()[1].split()[2] == "2"
    assert "Version 2@" in refused(team.put(uri, "--expect", "1", value=b"3"), 6)
    theirs(team)
    said = refused(team.put(uri, "--expect", "3", value=b"4"), 6)
    whole = next(word for word in said.split() if word.startswith("3@"))
    assert ok(team.put(uri, "--expect", whole, value=b"4")).json()["outcome"] == "UPLOADED"


def test_versions_tell_who_put_what_when(team: Team) -> None:
    other = team.cluster.add_user(f"other-of-{team.name}", prefixes=[f"vault://{team.name}"], rights=["put"])
    first = ok(team.put(team.uri("vault"), value=b"1")).json()
    second = ok(team.put(team.uri("vault"), value=b"2", user=other)).json()
    versions = ok(team.user.monoctl("get", "secret", team.uri("vault"), "--versions", "-o", "json")).json()
    assert [row["hash"] for row in versions] == [second["hash"], first["hash"]]
    assert [row["subject"] for row in versions] == [other.name, team.user.name]
    assert [row["upstream_version"] for row in versions] == [second["upstream_version"], first["upstream_version"]]
    assert [row["prior_version"] for row in versions] == [first["upstream_version"], ""]
    assert [row["request_id"] for row in versions] == [second["request_id"], first["request_id"]]
    blind = ok(other.monoctl("get", "secret", team.uri("vault"), "--versions", "-o", "json")).json()
    assert [row["hash"] for row in blind] == ["", ""]


def delete(team: Team, *words: str, user: User | None = None) -> Ran:
    return (user or team.user).monoctl("delete", "secret", *words, "-o", "json")


@pytest.mark.parametrize("store", ["vault", "local"])
@pytest.mark.parametrize("options", [(), ("--destroy",)], ids=["soft", "destroy"])
def test_a_deleted_secret_is_gone_listed_as_deleted_and_can_be_put_again(
    team: Team, store: str, options: tuple[str, ...]
) -> None:
    uri = team.uri(store)
    put = ok(team.put(uri)).json()
    gone = ok(delete(team, uri, "--yes", *options))
    assert gone.json()["deleted_version"] == put["upstream_version"]
    assert [event["type"] for event in team.events(gone)] == [*BEGUN, "SecretDeleted"]
    assert ok(team.user.monoctl("get", "secrets", "-o", "json")).json() == []
    (listed,) = ok(team.user.monoctl("get", "secrets", "--state", "deleted", "-o", "json")).json()
    assert (listed["uri"], listed["deleted"], listed["hash"]) == (uri, True, "")
    versions = ok(team.user.monoctl("get", "secret", uri, "--versions", "-o", "json")).json()
    assert [row["outcome"] for row in versions] == ["DELETED", "UPLOADED"]
    refused(delete(team, uri, "--yes"), 4)
    again = ok(team.put(uri, "--expect", "absent")).json()
    assert again["outcome"] == "UPLOADED"
    assert again["upstream_version"] != put["upstream_version"]
    assert len(ok(team.user.monoctl("get", "secrets", "-o", "json")).json()) == 1


@pytest.mark.parametrize(("options", "kept"), [((), True), (("--destroy",), False)], ids=["soft", "destroy"])
def test_the_engines_owner_can_bring_back_what_was_deleted_softly(
    team: Team, options: tuple[str, ...], *, kept: bool
) -> None:
    ok(team.put(team.uri("vault")))
    ok(delete(team, team.uri("vault"), "--yes", *options))
    place = f"{PREFIX}/{team.name}/db"
    team.cluster.run_bao("kv", "undelete", f"-mount={MOUNT}", "-versions=1", place)
    read = team.cluster.run_bao("kv", "get", f"-mount={MOUNT}", "-field=password", place)
    assert (read.code == 0) is kept
    assert ("correct horse" in read.out) is kept


def test_what_is_deleted_is_what_was_expected(team: Team) -> None:
    uri = team.uri("vault")
    first = ok(team.put(uri, value=b"1")).json()
    second = ok(team.put(uri, value=b"2")).json()
    refused(delete(team, uri, "--yes", "--expect", first["upstream_version"]), 6)
    ok(delete(team, uri, "--yes", "--expect", second["upstream_version"]))


def test_what_was_not_put_through_m8_needs_overwrite(team: Team) -> None:
    theirs(team)
    refused(delete(team, team.uri("vault"), "--yes"), 6)
    ok(delete(team, team.uri("vault"), "--yes", "--overwrite"))


VALUE = b"a value that a member puts: 77c1"


def test_a_member_puts_below_its_binding_until_that_is_deleted(patient: Team) -> None:
    administrator, user = patient.cluster.administrator, patient.user
    member, name = f"machine:local:{patient.name}", f"{patient.name}-ci"
    made = ok(administrator.monoctl("create", "token", member, "--ttl", "1h"))
    user.token_file.write_text(made.out)
    inside, outside = patient.uri("vault", "in/db"), patient.uri("vault", "out/db")
    assert patient.put(inside, value=VALUE).code == ExitCode.NOT_FOUND
    rights = ("--right", "put", "--right", "see-hash")
    prefix = patient.uri("vault", "in")
    ok(
        administrator.monoctl(
            "create", "role-binding", name, "--role", "user", "--member", member, "--prefix", prefix, *rights
        )
    )
    put = ok(patient.put(inside, value=VALUE))
    assert patient.put(outside, value=VALUE).code == ExitCode.NOT_FOUND
    assert {event["actor"] for event in patient.events(put)[:1]} == {member}
    shown = ok(user.monoctl("get", "secret", inside, "-o", "json")).json()
    assert (shown["subject"], shown["proven"]) == (member, True)
    ok(administrator.monoctl("delete", "role-binding", name))
    assert patient.put(inside, value=VALUE).code == ExitCode.NOT_FOUND
