"""`monoctl list-upstream` against a real server: what is proven, what is m8's word, and what is refused."""

from __future__ import annotations

import json
from functools import partial

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.listing import Listing
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8
from tests.support.receipts import receipt
from tests.unit.monoctl.as_alice import Run, ends

NAMES = ("adopted", "deleted", "new", "ours", "web/")


class Knowing(ScriptedM8):
    """Knows three secrets below vault://app, and lists names in pages."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[Listing] = [Listing(NAMES, 0)]
        self.end = self.listing
        self.says: list[views_pb2.Secret] = [
            self.secret("adopted", "IMPORTED"),
            self.secret("ours", "UPLOADED first"),
            views_pb2.Secret(uri="vault://app/deleted", deleted=True),
        ]
        self.answers[queries_pb2.ListSecretsRequest] = self.listed

    @staticmethod
    def secret(name: str, kind: str) -> views_pb2.Secret:
        return views_pb2.Secret(
            uri=f"vault://app/{name}", receipt=upload_pb2.Signed(content=receipt(kind).content, signature=b"?")
        )

    def listing(self, attempt: Attempt) -> views_pb2.SecretUpload:
        after = attempt.request.list_after
        of = next(number for number, page in enumerate(self.pages) if not page.names or page.names[0] > after)
        signed = attempt.receipt(upload_pb2.OUTCOME_LISTED, listed=self.pages[of], more=len(self.pages) > of + 1)
        return self.ended(attempt, signed)

    def listed(self, asked: queries_pb2.ListSecretsRequest) -> queries_pb2.ListSecretsResponse:
        assert asked.prefix == "vault://app"
        deleted = asked.state == views_pb2.SECRET_STATE_DELETED
        return queries_pb2.ListSecretsResponse(secrets=[one for one in self.says if one.deleted == deleted])


@pytest.fixture
def scripted() -> Knowing:
    return Knowing()


@pytest.fixture
def run(run: Run) -> Run:
    return partial(run, "list-upstream")


def test_each_name_is_listed_with_what_m8_says_of_it(run: Run) -> None:
    result = run("vault://app", "-o", "json")
    assert result.exit_code == 0, result.stderr
    said = {row["uri"]: (row["folder"], row["m8_says"], row["can_be_imported"]) for row in json.loads(result.stdout)}
    assert said == {
        "vault://app/adopted": (False, "known", False),
        "vault://app/deleted": (False, "deleted through m8", False),
        "vault://app/new": (False, "can be imported", True),
        "vault://app/ours": (False, "put through m8", False),
        "vault://app/web/": (True, "folder", False),
    }


def test_a_table_says_what_is_proven_and_what_is_not(run: Run) -> None:
    result = run("vault://app")
    assert result.stdout.splitlines()[0].split() == ["URI", "M8", "SAYS"]
    assert "the store's receipt proves these names; what m8 knows of them is its word" in result.stderr
    assert "stand in m8's log now" in result.stderr


def test_only_what_can_be_imported(run: Run) -> None:
    rows = json.loads(run("vault://app/", "--importable", "-o", "json").stdout)
    assert [row["uri"] for row in rows] == ["vault://app/new"]


def test_without_the_right_to_see_receipts_a_known_secret_is_known(m8: Knowing, run: Run) -> None:
    for secret in m8.says:
        secret.ClearField("receipt")
    rows = {row["uri"]: row["m8_says"] for row in json.loads(run("vault://app", "-o", "json").stdout)}
    assert rows["vault://app/ours"] == rows["vault://app/adopted"] == "known"


def test_all_pages_are_asked_for_each_by_a_request_of_its_own(m8: Knowing, run: Run) -> None:
    m8.pages = [Listing(("a", "b"), 3), Listing(("c",), 3), Listing(("d/", "e"), 3)]
    result = run("vault://app", "-o", "json")
    rows = json.loads(result.stdout)
    assert [row["uri"].removeprefix("vault://app/") for row in rows] == ["a", "b", "c", "d/", "e"]
    assert [attempt.request.list_after for attempt in m8.attempts] == ["", "b", "c"]
    assert len({row["request_id"] for row in rows}) == 3
    assert "3 more below vault://app cannot be named by a URI" in result.stderr
    assert all(attempt.sealed == [b""] for attempt in m8.attempts)


def test_an_empty_place_lists_nothing(m8: Knowing, run: Run) -> None:
    m8.pages = [Listing((), 0)]
    result = run("vault://app")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "No names found." in result.stderr


def test_a_store_that_does_not_list_is_not_asked(m8: Knowing, run: Run) -> None:
    m8.stores["vault"].reactors[0].capabilities.listable = False
    ends(run("vault://app"), 3, "the store does not list names", "listable = true")
    assert m8.attempts == []


@pytest.mark.parametrize("uri", ["vault://", "vault://a b", "://", "vault://app//"])
def test_a_uri_names_one_segment_at_least(m8: Knowing, run: Run, uri: str) -> None:
    assert run(uri).exit_code == 2
    assert m8.attempts == []


def test_names_that_nobody_signed_are_not_shown(m8: Knowing, run: Run) -> None:
    def forged(attempt: Attempt) -> views_pb2.SecretUpload:
        signed = attempt.receipt(upload_pb2.OUTCOME_LISTED, listed=Listing(("forged",), 0))
        signed.signature = bytes(64)
        return m8.ended(attempt, signed)

    m8.end = forged
    result = ends(run("vault://app"), 9)
    assert "forged" not in result.output
    assert "which names are there is not known" in result.stderr


def test_an_earlier_page_in_the_place_of_the_next_is_not_shown(m8: Knowing, run: Run) -> None:
    m8.pages = [Listing(("a", "b"), 0), Listing(("c",), 0)]
    honest = m8.listing

    def again(attempt: Attempt) -> views_pb2.SecretUpload:
        if not attempt.request.list_after:
            return honest(attempt)
        return m8.ended(attempt, attempt.receipt(upload_pb2.OUTCOME_LISTED, listed=m8.pages[0], more=True))

    m8.end = again
    ends(run("vault://app"), 9, "another page")
