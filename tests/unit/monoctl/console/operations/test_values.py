"""What the page's operations do with values, signatures, deletions, imports and notes."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import RefusedError, UsageError
from monoskope.monoctl.commands import console
from monoskope.monoctl.output import terminal
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import was_received
from tests.support.ssh import keygen, shown
from tests.unit.monoctl.console.operations.knowing_m8 import VALUE, AtConsole, KnowingM8, at_console


async def test_a_put_answers_what_the_receipt_says_and_the_table_has_it_at_once(page: AtConsole) -> None:
    answer = await page.ask("put", {"password": VALUE}, uris=["vault://app/db"], labels={"owner": "team-a"})

    [row] = answer["results"]
    assert (row["done"]["uri"], row["done"]["outcome"], answer["notes"]) == ("vault://app/db", "UPLOADED", [])
    assert not was_received(page.m8, VALUE)
    [secret] = (await page.ask("secrets"))["secrets"]
    assert (secret["uri"], secret["proven"], secret["labels"]) == ("vault://app/db", True, {"owner": "team-a"})


async def test_one_failure_hides_nothing_of_the_others(page: AtConsole) -> None:
    honest = page.m8.honest_end
    page.m8.end = lambda attempt: (
        page.m8.ended(attempt, attempt.failure(upload_pb2.REASON_CONFLICT), upload_pb2.REASON_CONFLICT)
        if attempt.request.uri.path[-1] == "b"
        else honest(attempt)
    )

    answer = await page.ask("put", {"password": VALUE}, uris=["vault://app/a", "vault://app/b", "vault://app/c"])

    assert [list(row) for row in answer["results"]] == [["done"], ["failed"], ["done"]]
    failed = answer["results"][1]["failed"]
    assert (failed["uri"], failed["code"], failed["exit_code"]) == ("vault://app/b", "CONFLICT", 6)
    assert failed["message"]
    assert failed["fix"]


async def test_an_end_that_is_not_known_names_its_request(page: AtConsole) -> None:
    page.m8.end = lambda attempt: page.m8.ended(
        attempt, attempt.failure(upload_pb2.REASON_OUTCOME_UNKNOWN), upload_pb2.REASON_OUTCOME_UNKNOWN
    )

    answer = await page.ask("put", {"password": VALUE}, uris=["vault://app/db"])

    failed = answer["results"][0]["failed"]
    assert failed["code"] == "OUTCOME_UNKNOWN"
    assert failed["request_id"] == page.m8.attempts[-1].request.request_id.hex()
    assert failed["request_id"] in failed["message"]


async def test_each_key_becomes_a_secret_of_its_own(page: AtConsole) -> None:
    answer = await page.ask("put", {"A": VALUE, "B": b"other"}, uris=["vault://app/"], each=True)

    assert [row["done"]["uri"] for row in answer["results"]] == ["vault://app/A", "vault://app/B"]


async def test_a_dry_run_shows_names_and_sizes_and_asks_for_no_key(page: AtConsole) -> None:
    answer = await page.ask("put", {"password": VALUE}, uris=["vault://app/db"], dry_run=True)

    [row] = answer["results"]
    assert (row["done"]["sizes"], row["done"]["pinned"]) == ({"password": len(VALUE)}, page.m8.identity.shown)
    assert (row["done"]["expect"], page.m8.count("RequestSecretUploadKey")) == ("ANY", 0)


async def test_a_patch_removes_what_it_names(page: AtConsole) -> None:
    would = await page.ask("patch", {"a": VALUE}, uris=["vault://app/db"], remove=["b"], dry_run=True)
    assert would["results"][0]["done"]["removes"] == ["b"]

    answer = await page.ask("patch", {"a": VALUE}, uris=["vault://app/db"], remove=["b"])

    assert answer["results"][0]["done"]["uri"] == "vault://app/db"
    assert page.m8.attempts[-1].request.remove_keys == ("b",)


async def test_a_comparison_says_whether_it_is_equal(page: AtConsole) -> None:
    answer = await page.ask("compare", {"password": VALUE}, uris=["vault://app/db"])

    assert answer["results"][0]["done"]["equal"] is True


async def test_names_are_shown_with_sizes_and_nothing_is_sent(page: AtConsole) -> None:
    answer = await page.ask("names", {"z": b"", "a": VALUE})

    assert (answer, page.m8.calls) == ({"keys": [{"key": "z", "size": 0}, {"key": "a", "size": len(VALUE)}]}, [])


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        ({"uris": ["vault://app/db", "vault://app/db"]}, "twice"),
        ({"uris": ["vault://app/db"], "options": {"colour": "red"}}, "options"),
        ({"uris": ["vault://app/db"], "options": {"binary": "hex"}}, "binary"),
        ({"uris": ["vault://app/db"], "expires_on": "soon"}, "soon"),
        ({"uris": ["vault://app/db"], "each": True}, "each"),
        ({"uris": ["no uri at all"]}, "uri"),
    ],
)
async def test_what_is_malformed_is_refused_unsent(page: AtConsole, request_: dict[str, object], names: str) -> None:
    with pytest.raises(UsageError) as refused:
        await page.ask("put", {"password": VALUE}, **request_)

    assert names in f"{refused.value}".lower()
    assert VALUE.decode() not in f"{refused.value}"
    assert page.m8.attempts == []


async def test_a_patch_expects_something_to_be_there(page: AtConsole) -> None:
    with pytest.raises(UsageError, match="must be there"):
        await page.ask("patch", {"password": VALUE}, uris=["vault://app/db"], expect="absent")


URI = "vault://app/db"


def signed_m8() -> KnowingM8:
    m8 = KnowingM8()
    m8.signed = True
    return m8


async def test_a_put_from_the_page_is_signed_and_the_request_says_by_whom(tmp_path: Path) -> None:
    m8, key = signed_m8(), keygen(tmp_path / "key")
    async with at_console(tmp_path, m8, signing_key=str(key)) as page:
        [row] = (await page.ask("put", {"password": VALUE}, uris=[URI]))["results"]
        assert row["done"]["signer_key"] == shown(key)
        m8.attempts[0].check_signature()
        me = await page.ask("whoami")
        assert me["signs_with"] == {"key": shown(key), "principal": "", "touch": False, "trouble": ""}


async def test_without_a_key_the_page_says_how_to_set_one(tmp_path: Path) -> None:
    async with at_console(tmp_path, signed_m8()) as page:
        [row] = (await page.ask("put", {"password": VALUE}, uris=[URI]))["results"]
        assert (row["failed"]["code"], "signing_key" in row["failed"]["fix"]) == ("USAGE", True)
        assert (await page.ask("whoami"))["signs_with"]["key"] == ""


async def test_a_key_that_the_reactor_does_not_let_has_a_code_of_its_own(tmp_path: Path) -> None:
    m8, reason = signed_m8(), upload_pb2.REASON_NOT_AUTHORIZED
    m8.end = lambda attempt: m8.ended(attempt, attempt.failure(reason), reason)
    async with at_console(tmp_path, m8, signing_key=str(keygen(tmp_path / "key"))) as page:
        [row] = (await page.ask("put", {"password": VALUE}, uris=[URI]))["results"]
        assert (row["failed"]["code"], row["failed"]["exit_code"]) == ("NOT_AUTHORIZED", 17)


async def test_a_key_that_cannot_be_read_is_told_where_the_key_would_stand(tmp_path: Path) -> None:
    async with at_console(tmp_path, signing_key=str(tmp_path / "gone")) as page:
        assert "there is no signing key" in (await page.ask("whoami"))["signs_with"]["trouble"]


def test_the_passphrase_is_asked_for_before_the_page_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = keygen(tmp_path / "key", passphrase="secret")
    monkeypatch.setattr(terminal, "interactive", lambda: True)
    monkeypatch.setattr(terminal, "passphrase", lambda _: "secret")
    signer = console._signer(str(key))
    assert signer is not None
    assert signer.is_prepared
    monkeypatch.setattr(terminal, "passphrase", lambda _: "wrong")
    with pytest.raises(RefusedError):
        console._signer(str(key))
    monkeypatch.setattr(terminal, "interactive", lambda: False)
    with pytest.raises(UsageError, match="no terminal"):
        console._signer(str(key))


def test_an_agent_that_is_not_there_yet_does_not_keep_the_page_from_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    assert console._signer(f"{keygen(tmp_path / 'key')}.pub") is not None
    assert "does not answer" in capsys.readouterr().err


URIS = ["vault://app/a", "vault://app/b"]


@pytest.fixture
async def filled(page: AtConsole) -> AtConsole:
    await page.ask("put", {"password": VALUE}, uris=URIS)
    return page


async def test_a_deletion_is_confirmed_by_the_whole_uri(filled: AtConsole) -> None:
    for typed in ("", "app/a", "vault://app/b", "delete 1 secrets", "VAULT://app/a"):
        with pytest.raises(UsageError, match="nothing was deleted"):
            await filled.ask("delete", uris=URIS[:1], typed=typed)
    assert filled.m8.attempts[-1].request.purpose == upload_pb2.PURPOSE_UPLOAD

    answer = await filled.ask("delete", uris=URIS[:1], typed="vault://app/a")

    assert answer["results"][0]["done"]["outcome"] == "DELETED"
    assert [row["uri"] for row in (await filled.ask("secrets"))["secrets"]] == ["vault://app/b"]
    assert [row["uri"] for row in (await filled.ask("secrets", state="deleted"))["secrets"]] == ["vault://app/a"]


async def test_a_path_in_the_default_store_is_confirmed_with_its_store(filled: AtConsole) -> None:
    with pytest.raises(UsageError, match="nothing was deleted"):
        await filled.ask("delete", uris=["app/a"], typed="app/a")

    assert (await filled.ask("delete", uris=["app/a"], typed="vault://app/a"))["results"][0]["done"]


async def test_a_deletion_of_several_is_confirmed_by_their_number(filled: AtConsole) -> None:
    with pytest.raises(UsageError) as refused:
        await filled.ask("delete", uris=URIS, typed="delete 3 secrets")
    assert "delete 2 secrets" in refused.value.fix

    answer = await filled.ask("delete", uris=URIS, typed="delete 2 secrets")

    assert [row["done"]["uri"] for row in answer["results"]] == URIS


async def test_what_was_deleted_comes_back_and_what_was_there_before_too(filled: AtConsole) -> None:
    await filled.ask("delete", uris=URIS[:1], typed=URIS[0])

    undeleted = await filled.ask("undelete", uris=URIS[:1])
    rolled_back = await filled.ask("rollback", uri=URIS[1], to="7@2026-01-01T00:00:00Z")

    assert undeleted["results"][0]["done"]["outcome"] == "UNDELETED"
    assert rolled_back["results"][0]["done"]["outcome"] == "ROLLED_BACK"


async def test_a_secret_is_generated_with_its_public_half(page: AtConsole) -> None:
    answer = await page.ask("generate", uri="vault://app/key", recipes={"key": "ed25519"}, expires_on="90d")

    done = answer["results"][0]["done"]
    assert "PUBLIC KEY" in done["public_values"]["key"]
    assert page.m8.attempts[-1].request.expires_on


async def test_every_kind_that_can_be_made_is_named(page: AtConsole) -> None:
    kinds = {kind["name"]: kind for kind in (await page.ask("recipes"))["kinds"]}

    assert (kinds["password"]["least"], kinds["password"]["most"], kinds["password"]["sizes"]) == (8, 1024, [])
    assert kinds["rsa"]["sizes"] == [2048, 3072, 4096]
    assert (kinds["ed25519"]["most"], kinds["ed25519"]["sizes"], kinds["ed25519"]["is_pair"]) == (0, [], True)
    assert [kinds[name]["longest"] for name in ("text", "fixed", "password")] == [2048, 128, 0]


async def test_what_is_put_together_is_sent_as_it_was_written(page: AtConsole) -> None:
    await page.ask("generate", uri="vault://app/key", recipes={"a": "fixed:x:y", "b": "password", "c": "text:{a}:{b}"})
    recipes = page.m8.attempts[-1].request.recipes
    assert [(recipe.kind, recipe.text) for recipe in recipes] == [
        ("fixed", "x:y"),
        ("password", ""),
        ("text", "{a}:{b}"),
    ]

    with pytest.raises(UsageError, match="itself"):
        await page.ask("generate", uri="vault://app/key", recipes={"a": "text:{a}"})


async def test_what_the_last_round_was_asked_for_is_taken_from_its_grant_and_never_from_labels(page: AtConsole) -> None:
    nothing = {"accounts": [], "recipes": {}, "every": ""}
    assert await page.ask("rounds", uri="vault://orders/db") == nothing
    made = {"username": "fixed:orders_a", "password": "password:40", "url": "text:db://{username}:{password|url}@db"}
    labels = {"account": "pg://orders_a", "replaces": "0" * 64, "began": "2026-11-01T10:00:00Z", "due": "2026-12-01"}
    await page.ask("generate", uri="vault://orders/db.next", recipes=made, labels=labels)
    await page.ask("label", uri="vault://orders/db.next", set={"account": "pg://of_mallory", "due": "2040-01-01"})

    last = {"accounts": ["pg://orders_a"], "recipes": {key: made[key] for key in ("password", "url")}, "every": "30d"}
    assert await page.ask("rounds", uri="vault://orders/db") == last

    await page.ask("generate", uri="vault://orders/db.next", recipes=made, labels=labels | {"due": "soon"})
    assert await page.ask("rounds", uri="vault://orders/db") == last | {"every": ""}

    await page.ask("generate", uri="vault://orders/db.next", recipes=made)  # by hand: it is no round
    assert await page.ask("rounds", uri="vault://orders/db") == nothing


async def test_a_rotation_tells_its_steps_and_says_why_it_stops_and_what_to_do(page: AtConsole) -> None:
    db, accounts = "vault://orders/db", ["vault://orders_a", "vault://orders_b"]
    page.m8.stores["vault"].reactors[0].capabilities.copies_to.append("vault")
    planned = await page.ask("plan-rotation", uri=db, accounts=accounts)
    assert (planned["step"], page.told) == ("STOP", [])
    answer = await page.ask("rotate", uri=db, accounts=accounts)

    [failed] = [row["failed"] for row in answer["results"]]
    assert (failed["uri"], failed["code"]) == (db, "CONFLICT")
    assert "never rotated" in failed["message"]
    assert "--adopt" in failed["fix"]
    assert {"kind": "step", "uri": db, "step": "LOOK"} in page.told
    with pytest.raises(UsageError, match="one account"):
        await page.ask("rotate", uri=db, accounts=["pg://a", "pg://b", "pg://c"])


async def test_one_refusal_is_a_row_like_those_of_several(page: AtConsole) -> None:
    page.m8.end = lambda attempt: page.m8.ended(
        attempt, attempt.failure(upload_pb2.REASON_CONFLICT), upload_pb2.REASON_CONFLICT
    )

    answer = await page.ask("generate", uri="vault://app/key", recipes={"key": "hex:16"})

    failed = answer["results"][0]["failed"]
    assert (failed["uri"], failed["reason"]) == ("vault://app/key", "CONFLICT")


async def test_imports_and_verifications(filled: AtConsole) -> None:
    assert (await filled.ask("import", uris=["vault://old/one"]))["results"][0]["done"]["outcome"] == "IMPORTED"

    with pytest.raises(UsageError, match="uris"):
        await filled.ask("verify")
    with pytest.raises(UsageError, match="uris"):
        await filled.ask("verify", uris=URIS, prefix="vault://app")

    answer = await filled.ask("verify", prefix="vault://app")

    assert [next(iter(row.values()))["uri"] for row in answer["results"]] == URIS
    assert any("2 secrets" in note for note in answer["notes"])


async def test_notes_are_edited_without_a_value(filled: AtConsole) -> None:
    done = await filled.ask("label", uri=URIS[0], set={"owner": "team-b", "env": "prod"}, remove=["project"])
    assert done["results"][0]["done"] == {"uri": URIS[0], "outcome": "EDITED", "request_id": ""}
    await filled.ask("expire", uri=URIS[0], on="2030-01-31")

    [row] = (await filled.ask("secrets", label="owner=team-b"))["secrets"]
    assert (row["labels"], row["expires_on"]) == ({"owner": "team-b", "env": "prod"}, "2030-01-31")

    await filled.ask("expire", uri=URIS[0], on="")
    assert (await filled.ask("secret", uri=URIS[0]))["expires_on"] == ""
    with pytest.raises(UsageError, match="set and removed"):
        await filled.ask("label", uri=URIS[0], set={"owner": "x"}, remove=["owner"])


async def test_an_identity_that_followed_by_signed_steps_is_told_in_the_answer(filled: AtConsole) -> None:
    later = Identity()
    store = filled.m8.stores["vault"]
    store.rotations.append(filled.m8.identity.rotate(later, "vault"))
    store.identity = later.shown
    filled.m8.signers["vault"] = later
    filled.client._session._remembered.clear()

    answer = await filled.ask("put", {"password": VALUE}, uris=["vault://app/c"])

    assert "done" in answer["results"][0]
    assert any(later.shown in note for note in answer["notes"])
