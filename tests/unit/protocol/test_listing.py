"""Pages of names: what fits on one, how they follow one another, and what no reader takes for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.identity import RECEIPT, ProofError
from monoskope.protocol.listing import LARGEST_PAGE, MAX_BYTES, MAX_NAMES, Listing, page, secret_below
from monoskope.protocol.open_receipt import open_receipt
from monoskope.protocol.receipt import make_receipt, parse_receipt
from monoskope.protocol.request import parse_request
from monoskope.protocol.wire import MalformedError, serialise
from monoskope.uri import SecretUri
from tests.support.receipts import GRANT, LIST_GRANT, SEALED, receipt
from tests.support.vectors import Signer, a_grant, a_request

LIST = upload_pb2.PURPOSE_LIST
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}/?", fullmatch=True)


@given(st.sets(NAMES, max_size=60), st.integers(1, 7))
def test_the_pages_together_are_all_names_in_order_each_once(names: set[str], of: int) -> None:
    shown: list[str] = []
    more, after = True, ""
    while more:
        listing, more = page([*names, *list(names)[:of]], after, 3)
        shown += listing.names
        after = shown[-1] if shown else ""
        assert listing.unaddressable == 3
    assert shown == sorted(names)


def test_a_page_is_small_whatever_the_engine_holds() -> None:
    many = [f"n{number:04}" for number in range(1_000)]
    listing, more = page(many, "", 0)
    assert (len(listing.names), more) == (MAX_NAMES, True)
    assert page(many, listing.names[-1], 0) == (Listing(tuple(many[500:]), 0), False)
    long = [f"{number:04}" + "x" * 124 for number in range(1_000)]
    listing, more = page(long, "", 0)
    assert (len("".join(listing.names)) <= MAX_BYTES, more) == (True, True)
    made = make_receipt(
        grant=LIST_GRANT, sealed_sha256=SEALED, outcome=upload_pb2.OUTCOME_LISTED, listed=listing, more=more
    )
    assert len(made.content) < LARGEST_PAGE + 1_024


def test_a_secret_has_a_uri_and_a_folder_none() -> None:
    uri = SecretUri.parse("vault://app")
    assert secret_below(uri, "db") == SecretUri.parse("vault://app/db")
    assert secret_below(uri, "db/") is None


def listed(**fields: object) -> bytes:
    message = upload_pb2.Receipt()
    message.ParseFromString(receipt("LISTED", grant=LIST_GRANT).content)
    message.listed.CopyFrom(upload_pb2.Listing(**fields))  # type: ignore[arg-type]
    return serialise(message)


@pytest.mark.parametrize(
    "names",
    [
        ["b", "a"],
        ["a", "a"],
        [""],
        ["/"],
        ["a//"],
        ["a/b"],
        [".."],
        ["a b"],
        ["\x1b[31m"],
        ["\u202egpj"],
        ["x" * 129],
        [f"n{number:04}" for number in range(501)],
        [f"{number:04}" + "x" * 124 for number in range(300)],
    ],
    ids=repr,
)
def test_a_page_that_no_reactor_of_ours_makes_is_malformed(names: list[str]) -> None:
    """No text that could control a terminal or name another place comes out of a receipt."""
    with pytest.raises(MalformedError, match="listed"):
        parse_receipt(listed(names=names))


def test_a_page_belongs_to_listed_and_more_to_names() -> None:
    assert parse_receipt(listed(names=["a"], unaddressable=1)).listed == Listing(("a",), 1)
    with pytest.raises(MalformedError, match="counts"):
        parse_receipt(listed(names=["a"], unaddressable=1_000_001))
    with pytest.raises(MalformedError, match="more"):
        parse_receipt(listed(names=[]))
    with pytest.raises(MalformedError, match="listed"):
        receipt("LISTED", grant=LIST_GRANT, listed=None, more=False)
    with pytest.raises(MalformedError, match="listed"):
        receipt("FAILED", listed=Listing((), 0))


@pytest.mark.parametrize("after", ["a", "b", "b/", "c"])
def test_an_earlier_page_is_not_the_one_that_was_asked_for(after: str) -> None:
    grant, signer = a_grant(a_request(purpose=LIST, list_after=after)), Signer()
    signed = signer.sign(RECEIPT, receipt("LISTED", grant=grant).content)
    with pytest.raises(ProofError, match="another page"):
        open_receipt(signed, identity=signer.shown, grant=grant, sealed_sha256=SEALED)


def test_a_page_for_a_put_proves_nothing() -> None:
    signer = Signer()
    signed = signer.sign(RECEIPT, receipt("LISTED", grant=GRANT).content)
    with pytest.raises(ProofError, match="does not fit"):
        open_receipt(signed, identity=signer.shown, grant=GRANT, sealed_sha256=SEALED)


@pytest.mark.parametrize("after", ["a/b", "..", "\n", "x" * 129])
def test_a_page_begins_after_a_name(after: str) -> None:
    with pytest.raises(MalformedError, match="list_after"):
        a_request(purpose=LIST, list_after=after)


def test_only_a_listing_has_a_page_to_begin_after() -> None:
    assert a_request(purpose=LIST, list_after="a/").list_after == "a/"
    with pytest.raises(MalformedError, match="must be absent unless LIST"):
        a_request(list_after="a")
    with pytest.raises(MalformedError, match="expect"):
        a_request(purpose=LIST, expect=upload_pb2.EXPECT_ANY)


# Written by hand from the numbers in upload.proto: field << 3 | wire type, then length and content.
_HEAD = b"\x0a\x20" + b"g" * 32 + b"\x12\x20" + b"s" * 32 + b"\x1a\x0bvault://app"
PAGE = _HEAD + b"\x20\x0f" + b"\x9a\x01\x0c" + b"\x0a\x02db\x0a\x04web/\x10\x02" + b"\xa0\x01\x01"
FAILURE = _HEAD + b"\x20\x05\x28\x0f" + b"\xb2\x01\x03no."


def test_the_bytes_of_a_page_and_of_a_failure_with_a_detail_never_change() -> None:
    found = parse_receipt(PAGE)
    assert (found.outcome, found.listed, found.more) == (upload_pb2.OUTCOME_LISTED, Listing(("db", "web/"), 2), True)
    failed = parse_receipt(FAILURE)
    assert (failed.reason, failed.detail) == (upload_pb2.REASON_NOT_FOUND, "no.")


def test_the_bytes_of_a_request_for_the_next_page_never_change() -> None:
    content = b"\x0a\x10" + b"i" * 16 + b"\x10\x0b" + b"\x1a\x0bvault://app" + b"\x32\x01\x01" + b"\x9a\x01\x02db"
    request = parse_request(content)
    assert (request.purpose, str(request.uri), request.list_after) == (LIST, "vault://app", "db")
