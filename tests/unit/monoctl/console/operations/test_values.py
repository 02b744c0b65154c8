"""What the page does with values: they go upstream, sealed, and no answer holds one."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import UsageError
from monoskope.testing.scripted.client import was_received
from tests.unit.monoctl.console.operations.knowing_m8 import VALUE, AtConsole


async def test_a_put_answers_what_the_receipt_says_and_the_table_has_it_at_once(page: AtConsole) -> None:
    answer = await page.ask("put", {"password": VALUE}, uris=["vault://app/db"], labels={"owner": "team-a"})

    [row] = answer["results"]
    assert (row["done"]["uri"], row["done"]["outcome"]) == ("vault://app/db", "UPLOADED")
    assert answer["notes"] == []
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
    assert row["done"]["sizes"] == {"password": len(VALUE)}
    assert row["done"]["pinned"] == page.m8.identity.shown
    assert row["done"]["expect"] == "ANY"
    assert page.m8.count("RequestSecretUploadKey") == 0


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

    assert answer == {"keys": [{"key": "z", "size": 0}, {"key": "a", "size": len(VALUE)}]}
    assert page.m8.calls == []


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
async def test_what_is_malformed_is_refused_before_anything_is_sent(
    page: AtConsole, request_: dict[str, object], names: str
) -> None:
    with pytest.raises(UsageError) as refused:
        await page.ask("put", {"password": VALUE}, **request_)

    assert names in f"{refused.value}".lower()
    assert VALUE.decode() not in f"{refused.value}"
    assert page.m8.attempts == []


async def test_a_patch_expects_something_to_be_there(page: AtConsole) -> None:
    with pytest.raises(UsageError, match="must be there"):
        await page.ask("patch", {"password": VALUE}, uris=["vault://app/db"], expect="absent")
