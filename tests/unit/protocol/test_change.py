"""Changes: what can be proposed, in which bytes, and which request executes it."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.secrets.v1 import options_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.protocol.change import (
    MAX_CHANGE,
    MAX_NOT_AFTER,
    Change,
    executes,
    make_change,
    parse_change,
    request_of,
)
from monoskope.protocol.identity import approval_statement, shown, statement
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.recipes import Recipe
from monoskope.protocol.request import Request
from monoskope.protocol.wire import MalformedError, serialise
from monoskope.uri import SecretUri
from tests.support.vectors import KEY_ID, a_request

FINGERPRINT = f"fp1:{KEY_ID}:{'0' * 64}"
IDENTITY = bytes(range(32))
ABSENT = {"expect": upload_pb2.EXPECT_ABSENT}
AT_2 = {"expect": upload_pb2.EXPECT_VERSION, "expect_version": "2@x"}
THERE = SecretUri.parse("local://app/db")
WRITES: dict[upload_pb2.Purpose, dict[str, Any]] = {
    upload_pb2.PURPOSE_UPLOAD: AT_2 | {"labels": (("owner", "anna"),), "keep_expires_on": True},
    upload_pb2.PURPOSE_GENERATE: ABSENT | {"recipes": (Recipe("a", "hex"),)},
    upload_pb2.PURPOSE_DELETE: AT_2,
    upload_pb2.PURPOSE_COPY: ABSENT | {"destination": THERE, "source_version": "7@x"},
    upload_pb2.PURPOSE_PATCH: AT_2 | {"remove_keys": ("old",)},
    upload_pb2.PURPOSE_UNDELETE: AT_2,
    upload_pb2.PURPOSE_ROLLBACK: AT_2 | {"to_version": "1@x"},
}
"""Of each purpose that writes what a request for a change has."""
SEALS = {upload_pb2.PURPOSE_UPLOAD: ("a", "b"), upload_pb2.PURPOSE_PATCH: ("a",)}
PUT = upload_pb2.PURPOSE_UPLOAD
PATCH = upload_pb2.PURPOSE_PATCH


def asked(purpose: upload_pb2.Purpose = PUT, **fields: Any) -> Request:
    return a_request(purpose=purpose, **WRITES[purpose] | fields)


def a_change(purpose: upload_pb2.Purpose = PUT, request: Request | None = None, **fields: Any) -> Change:
    good: dict[str, Any] = {
        "change_id": b"c" * 16,
        "requester": "anna@example.org",
        "identity": shown(b"k" * 32),
        "not_after": 1_800_000_000,
        "keys": SEALS.get(purpose, ()),
    }
    return make_change(request=request or asked(purpose), **good | fields)


def message(purpose: upload_pb2.Purpose = PUT) -> upload_pb2.Change:
    return upload_pb2.Change.FromString(a_change(purpose).content)


def refused(changed: upload_pb2.Change, field: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_change(serialise(changed))
    assert caught.value.field == field


def test_every_purpose_that_writes_can_be_proposed_and_no_other() -> None:
    assert WRITES.keys() == {purpose for purpose, rules in PURPOSES.items() if rules.writes}
    for purpose in PURPOSES:
        if purpose in WRITES:
            assert a_change(purpose).request.purpose == purpose
        else:
            with pytest.raises(MalformedError) as caught:
                a_change(purpose, a_request(purpose=purpose))
            assert caught.value.field == "request"


def test_what_was_made_is_what_is_read() -> None:
    made = a_change(fingerprint=FINGERPRINT, reason="Grüße, die Rotation des Quartals")
    read = parse_change(made.content)
    assert read == made
    assert (read.keys, read.fingerprint, read.reason) == (("a", "b"), FINGERPRINT, "Grüße, die Rotation des Quartals")
    assert (read.requester, read.identity, read.not_after) == ("anna@example.org", shown(b"k" * 32), 1_800_000_000)
    assert upload_pb2.Change.FromString(read.content).identity == hashlib.sha256(b"k" * 32).digest()
    assert read.sha256 == hashlib.sha256(read.content).digest()
    assert (read.request.uri, read.request.expect_version) == (SecretUri.parse("vault://app/db"), "2@x")


@pytest.mark.parametrize("purpose", WRITES)
def test_the_request_that_executes_a_change_asks_just_that_and_names_it(purpose: upload_pb2.Purpose) -> None:
    change = a_change(purpose)
    for suites in ((1,), (2, 1)):
        request = request_of(change, request_id=os.urandom(16), suites=suites)
        assert request.change_sha256 == change.sha256
        assert request.suites == suites
        assert executes(request, change)
        assert not executes(request, a_change(purpose, change_id=b"d" * 16))


def test_a_request_for_anything_else_does_not_execute_a_change() -> None:
    change = a_change()
    same: dict[str, Any] = {"request_id": os.urandom(16), "change_sha256": change.sha256}
    assert executes(asked(**same), change)
    assert not executes(asked(), change), "it does not name the change"
    for other in (
        {"uri": "vault://app/other"},
        {"expect_version": "3@x"},
        {"expect": upload_pb2.EXPECT_OVERWRITE, "expect_version": ""},
        {"labels": ()},
        {"keep_expires_on": False},
        {"options": options_pb2.VaultOptions()},
    ):
        assert not executes(asked(**same | other), change), other
    assert not executes(asked(break_glass="now"), change)


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("change_id", {"change_id": b"c" * 15}),
        ("requester", {"requester": ""}),
        ("requester", {"requester": "anna example"}),
        ("requester", {"requester": "*@example.org"}),
        ("identity", {"identity": b"i" * 31}),
        ("not_after", {"not_after": 0}),
        ("not_after", {"not_after": MAX_NOT_AFTER + 1}),
        ("keys", {"keys": []}),
        ("keys", {"keys": ["b", "a"]}),
        ("keys", {"keys": ["a", "a"]}),
        ("keys", {"keys": [".."]}),
        ("keys", {"keys": [f"k{number:02}" for number in range(65)]}),
        ("fingerprint", {"fingerprint": FINGERPRINT[:-1]}),
        ("fingerprint", {"fingerprint": FINGERPRINT.upper()}),
        ("reason", {"reason": "x" * 501}),
        ("reason", {"reason": "two\nlines"}),
        ("reason", {"reason": "safe\u202etxt.exe"}),
        ("reason", {"reason": "\u2066hidden\u2069"}),
        ("reason", {"reason": "\u200f"}),
    ],
)
def test_a_field_that_breaks_its_rule_is_named(field: str, fields: dict[str, Any]) -> None:
    changed = message()
    for name, value in fields.items():
        changed.ClearField(name)
        if isinstance(value, list):
            getattr(changed, name).extend(value)
        else:
            setattr(changed, name, value)
    refused(changed, field)


def test_what_is_just_allowed_is_taken() -> None:
    assert len(a_change(reason="ß" * 500).reason) == 500
    assert a_change(not_after=MAX_NOT_AFTER).not_after == MAX_NOT_AFTER
    assert a_change(not_after=1).not_after == 1
    assert len(a_change(keys=tuple(f"k{number:02}" for number in range(64))).keys) == 64
    assert a_change(PATCH, keys=()).keys == (), "a patch that removes keys may seal nothing"
    assert a_change(upload_pb2.PURPOSE_COPY, fingerprint=FINGERPRINT).fingerprint == FINGERPRINT


@pytest.mark.parametrize("purpose", WRITES)
def test_fields_belong_to_their_purposes_alone(purpose: upload_pb2.Purpose) -> None:
    if purpose not in SEALS:
        with pytest.raises(MalformedError) as caught:
            a_change(purpose, keys=("a",))
        assert caught.value.field == "keys"
    if purpose not in {PUT, upload_pb2.PURPOSE_COPY}:
        with pytest.raises(MalformedError) as caught:
            a_change(purpose, fingerprint=FINGERPRINT)
        assert caught.value.field == "fingerprint"


@pytest.mark.parametrize("purpose", WRITES)
@pytest.mark.parametrize("expect", [upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_OVERWRITE])
def test_a_change_is_on_what_the_approver_saw(purpose: upload_pb2.Purpose, expect: upload_pb2.Expect) -> None:
    with pytest.raises(MalformedError) as caught:
        a_change(purpose, asked(purpose, expect=expect, expect_version=""))
    assert caught.value.field == "request"


def test_a_copy_names_the_version_that_is_copied() -> None:
    with pytest.raises(MalformedError) as caught:
        a_change(upload_pb2.PURPOSE_COPY, asked(upload_pb2.PURPOSE_COPY, source_version=""))
    assert caught.value.field == "request"


def test_a_patch_that_removes_nothing_names_what_it_seals_and_none_that_it_removes() -> None:
    for keys, request in (((), asked(PATCH, remove_keys=())), (("old",), asked(PATCH))):
        with pytest.raises(MalformedError) as caught:
            a_change(PATCH, request, keys=keys)
        assert caught.value.field == "keys"


def test_nobody_approves_that_glass_is_broken() -> None:
    with pytest.raises(MalformedError) as caught:
        a_change(request=asked(break_glass="the database is down"))
    assert caught.value.field == "request"


@pytest.mark.parametrize(
    "fields",
    [{"request_id": bytes(16)}, {"suites": [1]}, {"change_sha256": bytes(32)}, {"request_id": b"r", "suites": [0]}],
)
def test_what_each_attempt_has_for_itself_is_not_in_the_change(fields: dict[str, Any]) -> None:
    changed = message()
    request = upload_pb2.UploadRequest.FromString(changed.request)
    for name, value in fields.items():
        getattr(request, name).extend(value) if isinstance(value, list) else setattr(request, name, value)
    changed.request = serialise(request)
    refused(changed, "request")


def test_a_request_inside_that_breaks_a_rule_is_refused_by_its_own_field() -> None:
    changed = message()
    request = upload_pb2.UploadRequest.FromString(changed.request)
    request.uri = "vault://app/../db"
    changed.request = serialise(request)
    refused(changed, "uri")
    changed.request = b""
    refused(changed, "uri")


def test_a_request_inside_has_one_form_too() -> None:
    changed = message()
    for twice in (changed.request + changed.request, changed.request + b"\xf8\x07\x01", b"\xff"):
        changed.request = twice
        refused(changed, "content")


def test_a_change_has_at_most_8_kib() -> None:
    changed = message()
    while len(changed.SerializeToString()) < MAX_CHANGE - 260:
        changed.keys.append(f"c{len(changed.keys):02}{'x' * 240}")
    changed.keys.append(f"d{'x' * (MAX_CHANGE - len(changed.SerializeToString()) - 4)}")
    content = serialise(changed)
    assert len(content) == MAX_CHANGE
    assert len(parse_change(content).keys) == len(changed.keys)
    changed.keys[-1] += "x"
    refused(changed, "content")
    with pytest.raises(UsageError, match="8,193 bytes"):
        a_change(keys=tuple(changed.keys))


def test_a_field_of_a_later_version_is_not_signed_over_unread() -> None:
    with pytest.raises(MalformedError) as caught:
        parse_change(a_change().content + b"\xf8\x07\x01")
    assert caught.value.field == "content"


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_parser(content: bytes) -> None:
    try:
        found = parse_change(content)
    except UsageError:
        return
    assert found.content == content


@given(st.data())
def test_a_changed_change_is_another_change_or_none(data: st.DataObject) -> None:
    change = a_change(fingerprint=FINGERPRINT, reason="why")
    content = change.content
    at = data.draw(st.integers(0, len(content) - 1))
    changed = content[:at] + data.draw(st.binary(max_size=3)) + content[at + data.draw(st.integers(0, 3)) :]
    try:
        found = parse_change(changed)
    except UsageError:
        return
    assert found.content == changed
    assert (found == change) == (changed == content)
    request = request_of(found, request_id=bytes(16), suites=(1,))
    assert executes(request, found)
    assert executes(request, change) == (changed == content)


def test_an_approval_is_over_the_change_and_nothing_that_is_signed_for_another_end() -> None:
    digest = a_change().sha256
    assert approval_statement(digest) == b"m8/approval/v1\x00" + digest
    assert approval_statement(digest) != statement(digest, b"")


def test_the_bytes_of_a_change_are_those_of_the_proto_file() -> None:
    assert message().identity != IDENTITY
    content = upload_pb2.Change(
        change_id=b"c" * 16,
        request=bytes.fromhex("1005") + b"\x1a\x09vault://a" + bytes.fromhex("2003") + b"\x2a\x011",
        requester="anna",
        identity=IDENTITY,
        not_after=1,
        reason="r",
    ).SerializeToString()
    by_hand = (
        b"\x0a\x10" + b"c" * 16
        + b"\x12\x12\x10\x05\x1a\x09vault://a\x20\x03\x2a\x011"
        + b"\x1a\x04anna" + b"\x22\x20" + IDENTITY + b"\x28\x01" + b"\x42\x01r"
    )  # fmt: skip
    assert content == by_hand
    assert parse_change(by_hand).request.purpose == upload_pb2.PURPOSE_DELETE
