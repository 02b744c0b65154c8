"""Life after the put, on real parts: importing, verifying, generating."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from monoskope.testing.cluster import MOUNT, PREFIX
from monoskope.testing.cluster.commands import Ran, User
from tests.e2e.conftest import Team
from tests.e2e.ran import UPLOADED, ok, refused, theirs, upstream

DRIFT = 12


def do(team: Team, verb: str, *words: str, user: User | None = None) -> Ran:
    return (user or team.user).monoctl(verb, "secret", *words, "-o", "json")


def shown(team: Team, uri: str) -> dict[str, object]:
    found: dict[str, object] = ok(team.user.monoctl("get", "secret", uri, "-o", "json")).json()
    return found


def types(team: Team, ran: Ran) -> list[object]:
    return [event["type"] for event in team.events(ran)]


def test_what_others_put_is_imported_and_can_be_replaced_then(team: Team) -> None:
    uri = team.uri("vault")
    theirs(team, "of old")
    refused(team.put(uri, value=b"new"), 6)
    done = ok(do(team, "import", uri))
    imported = done.json()
    assert imported["outcome"] == "IMPORTED"
    assert types(team, done)[-1] == "SecretImported"
    assert shown(team, uri)["hash"] == imported["hash"]
    assert shown(team, uri)["sync"] == "IN_SYNC"
    assert ok(team.put(team.uri("local"), value=b"of old")).json()["hash"] == imported["hash"]
    assert ok(team.put(uri, value=b"new")).json()["outcome"] == "UPLOADED"
    assert shown(team, uri)["drifted"] is False
    versions = ok(team.user.monoctl("get", "secret", uri, "--versions", "-o", "json")).json()
    assert [row["outcome"] for row in versions] == ["UPLOADED", "IMPORTED"]


def test_an_import_needs_a_secret_upstream_and_the_right_to_put(team: Team) -> None:
    refused(do(team, "import", team.uri("vault")), 4)
    refused(do(team, "import", team.uri("local")), 4)
    theirs(team, "x")
    other = team.cluster.add_user(f"comparer-of-{team.name}", prefixes=[f"vault://{team.name}"], rights=["compare"])
    assert "put" in refused(do(team, "import", team.uri("vault"), user=other), 3)


@pytest.mark.parametrize("store", ["vault", "local"])
def test_what_was_put_is_in_sync_and_m8_shows_since_when(team: Team, store: str) -> None:
    uri = team.uri(store)
    put = ok(team.put(uri)).json()
    assert shown(team, uri)["sync"] == ""
    done = ok(do(team, "verify", uri))
    found = done.json()
    assert (found["outcome"], found["upstream_version"], found["newest"]) == ("IN_SYNC", put["upstream_version"], True)
    assert types(team, done) == [*UPLOADED[:3], "SecretVerified"]
    assert shown(team, uri)["sync"] == "IN_SYNC"
    assert shown(team, uri)["verified_at"]
    table = ok(team.user.monoctl("get", "secrets")).out
    assert "IN_SYNC" in table


def test_what_others_changed_drifted_and_what_they_removed_is_gone(team: Team) -> None:
    uri, place = team.uri("vault"), f"{PREFIX}/{team.name}/db"
    put = ok(team.put(uri)).json()
    theirs(team, "theirs")
    done = do(team, "verify", uri)
    assert done.code == DRIFT
    assert (done.json()["outcome"], types(team, done)[-1]) == ("DRIFTED", "SecretDriftDetected")
    assert done.json()["upstream_version"] != put["upstream_version"]
    assert shown(team, uri)["sync"] == "DRIFTED"
    (listed,) = ok(team.user.monoctl("get", "secrets", "--state", "out-of-sync", "-o", "json")).json()
    assert listed["uri"] == uri
    ok(team.cluster.run_bao("kv", "metadata", "delete", f"-mount={MOUNT}", place))
    gone = do(team, "verify", uri)
    assert (gone.code, gone.json()["outcome"], gone.json()["upstream_version"]) == (DRIFT, "GONE", "")
    ok(team.put(uri, "--overwrite"))
    assert shown(team, uri)["sync"] == ""
    assert ok(do(team, "verify", uri)).json()["outcome"] == "IN_SYNC"


def test_all_below_a_prefix_is_verified_and_the_worst_decides(team: Team) -> None:
    ok(team.put(team.uri("vault", "a"), team.uri("vault", "b"), team.uri("local", "c")))
    words = ("--all", f"vault://{team.name}")
    assert [row["outcome"] for row in ok(do(team, "verify", *words)).json()] == ["IN_SYNC", "IN_SYNC"]
    theirs(team, "theirs", "b")
    ran = do(team, "verify", "--all")
    assert ran.code == DRIFT
    assert {row["uri"]: row["outcome"] for row in ran.json()} == {
        team.uri("vault", "a"): "IN_SYNC",
        team.uri("vault", "b"): "DRIFTED",
        team.uri("local", "c"): "IN_SYNC",
    }
    assert ok(do(team, "verify", "--all", f"local://{team.name}/none")).json() == []
    refused(do(team, "verify"), 2)


def test_without_the_right_to_see_hashes_nothing_is_said_about_the_receipt(team: Team) -> None:
    ok(team.put(team.uri("local")))
    other = team.cluster.add_user(f"verifier-of-{team.name}", prefixes=[f"local://{team.name}"], rights=["compare"])
    assert ok(do(team, "verify", team.uri("local"), user=other)).json()["newest"] is None
    blind = team.cluster.add_user(f"putter-of-{team.name}", prefixes=[f"local://{team.name}"], rights=["put"])
    assert "compare" in refused(do(team, "verify", team.uri("local"), user=blind), 3)


def test_what_was_never_put_through_m8_is_not_found(team: Team) -> None:
    theirs(team, "x")
    refused(do(team, "verify", team.uri("vault")), 4)


# Generating.


@pytest.mark.parametrize("store", ["vault", "local"])
def test_a_store_makes_a_secret_that_nobody_sees(team: Team, store: str) -> None:
    uri = team.uri(store)
    done = ok(do(team, "generate", uri, "password=password:32", "key=ed25519", "--label", "owner=anna"))
    made = done.json()
    assert made["hash"]
    assert list(made["values"]) == ["key", "password"]
    assert list(made["public_values"]) == ["key"]
    assert types(team, done) == UPLOADED
    assert shown(team, uri)["hash"] == made["hash"]
    assert shown(team, uri)["labels"] == {"owner": "anna"}
    again = ok(do(team, "generate", uri, "password=password:32", "key=ed25519")).json()
    assert again["hash"] != made["hash"]
    assert ok(do(team, "verify", uri)).json()["outcome"] == "IN_SYNC"


def test_the_public_half_is_that_of_what_is_upstream_and_m8_has_no_other(team: Team, tmp_path: Path) -> None:
    file = tmp_path / "public.pem"
    words = ("--kind", "rsa", "--size", "2048", "--key", "tls.key", "--out-public", str(file))
    made = ok(do(team, "generate", team.uri("vault"), *words)).json()
    private = upstream(team.cluster, team)["tls.key"]
    public = load_pem_private_key(private.encode(), None).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert made["public_values"] == {"tls.key": pem}
    assert file.read_text() == pem
    body = "".join(private.splitlines()[1:-1])
    held = (team.cluster.folder / "m8" / "log.db").read_bytes()
    for part in (body[60:120], body[-120:-60]):
        assert part.encode() not in held


def test_what_is_expected_holds_for_generations_too(team: Team) -> None:
    uri = team.uri("vault")
    first = ok(do(team, "generate", uri, "--kind", "password", "--expect", "absent")).json()
    assert upstream(team.cluster, team).keys() == {"password"}
    refused(do(team, "generate", uri, "--kind", "password", "--expect", "absent"), 6)
    ok(do(team, "generate", uri, "--kind", "hex", "--expect", first["upstream_version"]))
    theirs(team, "theirs")
    refused(do(team, "generate", uri, "--kind", "password"), 6)
    ok(do(team, "generate", uri, "--kind", "password", "--overwrite"))


# Bringing back.


@pytest.mark.parametrize("store", ["vault", "local"])
def test_what_was_deleted_comes_back_with_its_hash(team: Team, store: str) -> None:
    uri = team.uri(store)
    put = ok(team.put(uri, "--label", "owner=bob")).json()
    ok(do(team, "delete", uri, "--yes"))
    done = ok(do(team, "undelete", uri))
    back = done.json()
    assert (back["outcome"], back["restored_version"]) == ("UNDELETED", put["upstream_version"])
    assert (back["hash"], back["values"]) == (put["hash"], put["values"])
    assert types(team, done)[-2:] == ["SecretUploadStarted", "SecretUndeleted"]
    secret = shown(team, uri)
    assert (secret["deleted"], secret["hash"], secret["labels"]) == (False, put["hash"], {"owner": "bob"})
    assert secret["upstream_version"] == back["upstream_version"]
    assert ok(do(team, "verify", uri)).json()["outcome"] == "IN_SYNC"
    assert "yes" in ok(team.user.monoctl("get", "upload", back["request_id"])).out
    refused(do(team, "undelete", uri), 4)
    assert ok(team.put(uri, value=b"new")).json()["outcome"] == "UPLOADED"
    assert shown(team, uri)["drifted"] is False
    versions = ok(team.user.monoctl("get", "secret", uri, "--versions", "-o", "json")).json()
    assert [row["outcome"] for row in versions] == ["UPLOADED", "UNDELETED", "DELETED", "UPLOADED"]
    assert all(row["proven"] for row in versions)


def test_an_earlier_version_is_there_again_as_a_new_one(team: Team) -> None:
    uri = team.uri("vault")
    first, second = ok(team.put(uri, value=b"one")).json(), ok(team.put(uri, value=b"two")).json()
    done = ok(do(team, "rollback", uri, "--to", first["upstream_version"]))
    back = done.json()
    assert (back["outcome"], back["hash"]) == ("ROLLED_BACK", first["hash"])
    assert (back["restored_version"], back["prior_version"]) == (first["upstream_version"], second["upstream_version"])
    assert back["upstream_version"] not in {first["upstream_version"], second["upstream_version"]}
    assert types(team, done)[-2:] == ["SecretUploadStarted", "SecretRolledBack"]
    assert (shown(team, uri)["hash"], shown(team, uri)["drifted"]) == (first["hash"], False)
    assert ok(do(team, "verify", uri)).json()["outcome"] == "IN_SYNC"
    assert upstream(team.cluster, team) == {"password": "one"}
    number = second["upstream_version"].partition("@")[0]
    assert ok(do(team, "rollback", uri, "--to", number)).json()["hash"] == second["hash"]
    refused(do(team, "rollback", uri, "--to", "1@nonsense"), 3)
    refused(do(team, "rollback", uri, "--to", first["upstream_version"], "--expect", first["upstream_version"]), 6)


def test_what_was_erased_does_not_come_back_and_what_others_deleted_only_on_demand(team: Team) -> None:
    uri, place = team.uri("vault"), f"{PREFIX}/{team.name}/db"
    ok(team.put(uri))
    ok(do(team, "delete", uri, "--destroy", "--yes"))
    assert "nothing can be brought back" in refused(do(team, "undelete", uri), 4)
    theirs(team, "theirs")
    ok(team.cluster.run_bao("kv", "delete", f"-mount={MOUNT}", place))
    refused(do(team, "undelete", uri), 6)
    assert ok(do(team, "undelete", uri, "--overwrite")).json()["outcome"] == "UNDELETED"
    assert upstream(team.cluster, team) == {"password": "theirs"}


def test_a_url_is_put_together_around_a_password_that_nobody_sees(team: Team) -> None:
    template = "text:db://{username|url}:{password|url}@db/{{x}}"
    uri, words = team.uri("vault"), ("username=fixed:orders b", "password=base64", f"url={template}")
    done = ok(do(team, "generate", uri, *words))
    assert "everybody who may see the request sees" in done.err
    there = upstream(team.cluster, team)
    assert there["username"] == "orders b"
    assert there["url"] == f"db://orders%20b:{quote(there['password'], safe='')}@db/{{x}}"
    assert ok(do(team, "verify", uri)).json()["outcome"] == "IN_SYNC"
    held = b"".join(file.read_bytes() for file in (team.cluster.folder / "m8").glob("log.db*"))
    assert b"{password|url}" in held
    assert there["password"].encode() not in held
    assert "everybody" not in ok(do(team, "generate", uri, "--kind", "password")).err


@pytest.mark.parametrize("words", [("a=text:{a}",), ("a=text:{b|hex}", "b=hex"), ("a=fixed:" + "x" * 129,)])
def test_what_cannot_be_put_together_is_refused_and_nothing_is_sent(team: Team, words: tuple[str, ...]) -> None:
    refused(do(team, "generate", team.uri("vault"), *words), 2)
    refused(do(team, "verify", team.uri("vault")), 4)
