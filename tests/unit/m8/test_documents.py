"""What queries say of a secret, whatever the order in which its receipts were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from monoskope.api.gateway.v1 import views_pb2
from monoskope.protocol.events import upload_stream
from tests.support.m8_walk import Documents, Walk, fingerprints
from tests.support.vectors import Signer

SIGNER = Signer()
URI = "vault://app/db"


def upload(documents: Documents, version: str, prior: str = "", **fields: Any) -> None:
    walk = Walk(signer=SIGNER)
    end = walk.uploaded(version, prior, **fields)
    _record(documents, walk, [walk.started(prior), end])


def unchanged(documents: Documents, version: str, **fields: Any) -> None:
    walk = Walk(signer=SIGNER)
    _record(documents, walk, [walk.unchanged(version, **fields)])


def _record(documents: Documents, walk: Walk, end: Sequence[Message]) -> None:
    documents.now_ms += 1
    stream = upload_stream(walk.request.request_id)
    documents.record(stream, [walk.asked(), walk.provided(), walk.sent(), *end])


def head(documents: Documents) -> views_pb2.Secret:
    secret = documents.secret(URI)
    assert secret is not None
    return secret


def version(documents: Documents, name: str) -> views_pb2.Secret:
    secret = documents.secret(URI, name)
    assert secret is not None
    return secret


CHAIN = [("1", ""), ("2", "1"), ("3", "2"), ("4", "3")]


@pytest.mark.parametrize("order", list(permutations(CHAIN)))
def test_the_head_is_the_end_of_the_chain_in_whatever_order_it_was_recorded(order: Sequence[tuple[str, str]]) -> None:
    documents = Documents()
    for name, prior in order:
        upload(documents, name, prior)
    assert head(documents).upstream_version == "4"
    assert not head(documents).drifted
    assert not any(version(documents, name).drifted for name, _ in CHAIN)


@settings(max_examples=60)
@given(
    order=st.permutations([*CHAIN, ("6", "5"), ("7", "6")]),
    again=st.lists(st.sampled_from(["1", "4", "6", "7"]), max_size=3),
)
def test_exactly_what_replaced_an_unknown_version_has_drifted(
    order: Sequence[tuple[str, str]], again: Sequence[str]
) -> None:
    documents = Documents()
    for name, prior in order:
        upload(documents, name, prior)
    for name in again:
        unchanged(documents, name)
    assert {name for name, _ in order if version(documents, name).drifted} == {"6"}
    assert head(documents).upstream_version in {"4", "7"}  # no receipt says which of these two came first


def test_a_foreign_version_in_between_is_drift() -> None:
    documents = Documents()
    upload(documents, "1")
    upload(documents, "3", "2")
    assert head(documents).upstream_version == "3"
    assert head(documents).drifted
    assert head(documents).prior_version == "2"


def test_drift_is_taken_back_when_the_receipt_comes_after_all() -> None:
    documents = Documents()
    upload(documents, "3", "2")
    assert head(documents).drifted
    upload(documents, "2")
    assert head(documents).upstream_version == "3"
    assert not head(documents).drifted


def test_a_receipt_for_a_version_replaced_already_becomes_history() -> None:
    documents = Documents()
    upload(documents, "2", "1")
    upload(documents, "1")
    assert head(documents).upstream_version == "2"
    assert version(documents, "1").upstream_version == "1"


def test_unchanged_on_an_unknown_version_becomes_the_head() -> None:
    documents = Documents()
    upload(documents, "1")
    unchanged(documents, "2")
    assert head(documents).upstream_version == "2"
    assert not head(documents).drifted


def test_unchanged_on_an_unknown_version_replaced_already_becomes_history() -> None:
    documents = Documents()
    upload(documents, "3", "2")
    unchanged(documents, "2")
    assert head(documents).upstream_version == "3"
    assert not head(documents).drifted


def test_unchanged_brings_the_newest_receipt_and_keeps_what_was_replaced() -> None:
    documents = Documents()
    upload(documents, "2", "1")
    unchanged(documents, "2", **fingerprints("0123456789abcdef"))
    assert head(documents).fingerprint.startswith("fp1:0123456789abcdef:")
    assert head(documents).prior_version == "1"
    assert head(documents).drifted


def test_a_recovered_receipt_without_fingerprints_does_not_hide_those_known() -> None:
    documents = Documents()
    unchanged(documents, "2")
    upload(documents, "2", "1", fingerprint="", values=())
    assert head(documents).fingerprint
    assert head(documents).prior_version == "1"


def test_versions_that_replace_each_other_do_not_hang_m8() -> None:
    documents = Documents()
    upload(documents, "1", "2")
    upload(documents, "2", "1")
    assert head(documents).upstream_version in {"1", "2"}


def test_an_ended_request_is_no_open_one() -> None:
    documents = Documents()
    walk = Walk(signer=SIGNER)
    stream = upload_stream(walk.request.request_id)
    documents.record(stream, [walk.asked(), walk.provided()])
    key = walk.request.request_id.hex()
    assert list(documents.keys("open-uploads")) == [key]
    known = documents.get("open-uploads", key, views_pb2.SecretUpload.FromString)
    assert (known.state, known.version, known.lifetime_s) == (views_pb2.UPLOAD_STATE_GRANTED, 2, 300)
    documents.record(stream, [walk.sent(), walk.unchanged()])
    assert list(documents.keys("open-uploads")) == []
    ended = documents.upload(walk.request.request_id)
    assert ended is not None
    assert ended.state == views_pb2.UPLOAD_STATE_ENDED


def test_started_does_not_stand_in_for_the_receipt_of_a_failure() -> None:
    documents = Documents()
    walk = Walk(signer=SIGNER)
    stream = upload_stream(walk.request.request_id)
    documents.record(stream, [walk.asked(), walk.provided(), walk.sent(), walk.started(), walk.failed()])
    ended = documents.upload(walk.request.request_id)
    assert ended is not None
    assert ended.receipt == walk.failed().receipt
