"""What people do with secrets from day to day, on real parts: notes, expiry, listings, versions."""

from __future__ import annotations

import datetime as dt

from tests.e2e.conftest import Team
from tests.e2e.test_walk import ok, refused


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
    assert "owner anna" in table


def test_the_same_value_with_other_labels_changes_labels_alone(team: Team) -> None:
    first = ok(team.put(team.uri("vault"), "--label", "owner=anna")).json()
    again = ok(team.put(team.uri("vault"), "--label", "owner=bob")).json()
    assert (again["outcome"], again["upstream_version"]) == ("UNCHANGED", first["upstream_version"])
    shown = ok(team.user.monoctl("get", "secret", team.uri("vault"), "-o", "json")).json()
    assert shown["labels"] == {"owner": "bob"}


def test_bad_notes_are_refused_before_anything_is_sent(team: Team) -> None:
    assert "label name" in refused(team.put(team.uri("vault"), "--label", "Owner=anna"), 2)
    assert "no day" in refused(team.put(team.uri("vault"), "--expires", "2027-02-30"), 2)
    refused(team.user.monoctl("get", "secret", team.uri("vault"), "-o", "json"), 4)


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
