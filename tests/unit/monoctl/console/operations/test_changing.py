"""What is done to secrets without a value."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import UsageError
from monoskope.testing.cluster.identities import Identity
from tests.unit.monoctl.console.operations.knowing_m8 import VALUE, AtConsole

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


async def test_one_refusal_is_a_row_like_those_of_several(page: AtConsole) -> None:
    page.m8.end = lambda attempt: page.m8.ended(
        attempt, attempt.failure(upload_pb2.REASON_CONFLICT), upload_pb2.REASON_CONFLICT
    )

    answer = await page.ask("generate", uri="vault://app/key", recipes={"key": "hex:16"})

    failed = answer["results"][0]["failed"]
    assert (failed["uri"], failed["reason"]) == ("vault://app/key", "CONFLICT")


async def test_imports_and_verifications(filled: AtConsole) -> None:
    imported = await filled.ask("import", uris=["vault://old/one"])
    assert imported["results"][0]["done"]["outcome"] == "IMPORTED"

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
