"""Find out what is in an engine, and verify what lies there as base64: real programs and a real OpenBao."""

from __future__ import annotations

import json

import pytest

from monoskope.testing.cluster.commands import User
from tests.e2e.conftest import Team
from tests.e2e.ran import ok, refused, theirs

BYTES = bytes(range(256))


def lister(team: Team, *rights: str) -> User:
    name = f"lister-of-{team.name}"
    prefixes = [f"{store}://{team.name}" for store in ("vault", "local")]
    return team.cluster.add_user(name, prefixes=prefixes, rights=["list", *rights])


def listed(user: User, uri: str, *words: str) -> dict[str, str]:
    rows = ok(user.monoctl("list-upstream", uri, *words, "-o", "json")).json()
    return {row["uri"].rpartition("://")[2].partition("/")[2]: row["m8_says"] for row in rows}


def test_what_can_be_imported_is_found_and_imported(team: Team) -> None:
    user, root = lister(team, "put", "see-hash"), f"vault://{team.name}"
    ok(team.put(team.uri("vault", "ours")))
    for path in ("theirs", "web/tls/key", "spaced%20name"):
        theirs(team, path=path)
    assert listed(user, root) == {
        "ours": "put through m8",
        "theirs": "can be imported",
        "web/": "folder",
    }
    table = ok(user.monoctl("list-upstream", root))
    assert "1 more below" in table.err
    assert "stand in m8's log" in table.err
    assert listed(user, f"{root}/web") == {"web/tls/": "folder"}
    (found,) = listed(user, root, "--importable")
    ok(user.monoctl("import", "secret", f"{root}/{found}"))
    assert listed(user, root)["theirs"] == "known"
    assert listed(user, f"{root}/nowhere") == {}


def test_it_takes_a_right_of_its_own_and_a_store_that_lists(team: Team) -> None:
    message = refused(team.user.monoctl("list-upstream", f"vault://{team.name}", "-o", "json"), 3)
    assert "no right to list" in message
    message = refused(lister(team).monoctl("list-upstream", f"local://{team.name}", "-o", "json"), 3)
    assert "the store does not list names" in message
    refused(lister_elsewhere(team).monoctl("list-upstream", f"vault://{team.name}", "-o", "json"), 4)


def lister_elsewhere(team: Team) -> User:
    return team.cluster.add_user(f"elsewhere-{team.name}", prefixes=["vault://elsewhere"], rights=["list"])


def test_the_log_holds_the_names_for_ever_and_no_value(team: Team) -> None:
    theirs(team, "a-value-nobody-reads", "theirs")
    (row,) = ok(lister(team).monoctl("list-upstream", f"vault://{team.name}", "-o", "json")).json()
    stream = f"upload/{row['request_id']}"
    events = team.cluster.must("m8", "events", "--dir", "m8", "--stream", stream, "-o", "json").json()
    assert [event["type"] for event in events][-1] == "SecretsListed"
    audit = (team.cluster.folder / "reactor-vault" / "audit.jsonl").read_text(encoding="utf-8")
    assert f'"uri": "vault://{team.name}", ' in audit
    assert "a-value-nobody-reads" not in audit + row["uri"] + json.dumps(events)


def test_bytes_that_lie_as_base64_can_be_verified_compared_and_copied(team: Team) -> None:
    uri = team.uri("vault", "bytes")
    put = ok(team.put(uri, "--binary", "base64", value=BYTES)).json()
    assert ok(team.user.monoctl("verify", "secret", uri, "-o", "json")).json()["outcome"] == "IN_SYNC"
    assert ok(team.user.monoctl("verify", "secret", "--all", "-o", "json")).json()[0]["outcome"] == "IN_SYNC"
    assert ok(team.compare(uri, value=BYTES)).json()["equal"]
    assert ok(team.put(uri, "--binary", "base64", value=BYTES)).json()["outcome"] == "UNCHANGED"
    imported = ok(team.user.monoctl("import", "secret", uri, "-o", "json")).json()
    assert imported["hash"] == put["hash"]


@pytest.mark.parametrize("value", ["/////w==", "plain"])
def test_what_others_put_over_bytes_has_drifted(team: Team, value: str) -> None:
    uri = team.uri("vault", "bytes")
    ok(team.put(uri, "--binary", "base64", value=BYTES))
    theirs(team, value, "bytes")
    ran = team.user.monoctl("verify", "secret", uri, "-o", "json")
    assert (ran.code, ran.json()["outcome"]) == (12, "DRIFTED")


def test_a_refusal_says_why_to_the_user_and_in_the_reactors_audit_log(team: Team) -> None:
    message = refused(team.put(team.uri("vault"), value=BYTES), 3)
    assert "(UPSTREAM_REFUSED: the value of password is not UTF-8 text, and this engine holds only text)" in message
    log = (team.cluster.folder / "reactor-vault" / "audit.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in log.splitlines() if team.uri("vault") in line]
    assert lines[-1]["detail"] == "the value of password is not UTF-8 text, and this engine holds only text."
