"""Requests: what they may say, what a copy asks for at its destination, options and trace contexts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, MutableSequence
from typing import Any

import protovalidate
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.secrets.v1 import events_pb2, options_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.protocol.events import upload_stream
from monoskope.protocol.grant import Grant, open_grant, parse_grant
from monoskope.protocol.hello import MAX_CAPABILITIES, MAX_SCHEMA, check_capabilities
from monoskope.protocol.identity import UPLOAD_GRANT, ProofError
from monoskope.protocol.notes import are_for
from monoskope.protocol.open_receipt import check_copied, put_request_id
from monoskope.protocol.options import Options
from monoskope.protocol.receipt import Receipt, make_receipt
from monoskope.protocol.request import make_request, parse_request
from monoskope.protocol.wire import MalformedError, serialise
from monoskope.reactor.link.open_requests import OpenRequests
from monoskope.uri import SecretUri
from tests.support.vectors import KEY_ID, VECTORS, Signer, a_grant, a_request

Change = Callable[[upload_pb2.UploadRequest], object]


def message() -> upload_pb2.UploadRequest:
    parsed = upload_pb2.UploadRequest()
    parsed.ParseFromString(a_request().content)
    return parsed


def set_fields(**fields: object) -> Change:
    def change(target: upload_pb2.UploadRequest) -> None:
        for name, value in fields.items():
            target.ClearField(name)
            if isinstance(value, list):
                getattr(target, name).extend(value)
            elif value is not None:
                setattr(target, name, value)

    return change


def add_labels(labels: MutableSequence[options_pb2.Label], *names: str) -> None:
    labels.extend(options_pb2.Label(name=name, value="x") for name in names)


COMPARE = {"purpose": upload_pb2.PURPOSE_COMPARE, "expect": upload_pb2.EXPECT_UNSPECIFIED}
COPY = {"purpose": upload_pb2.PURPOSE_COPY, "expect": upload_pb2.EXPECT_ANY, "destination": "local://app/db"}
UNDELETE = {"purpose": upload_pb2.PURPOSE_UNDELETE, "expect": upload_pb2.EXPECT_ANY}
ROLLBACK = {"purpose": upload_pb2.PURPOSE_ROLLBACK, "expect": upload_pb2.EXPECT_ANY, "to_version": "3@x"}


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("labels", set_fields(**COMPARE, labels=[options_pb2.Label(name="a")])),
        ("expires_on", set_fields(**COMPARE, expires_on="2027-01-31")),
        ("keep_labels", set_fields(**COMPARE, keep_labels=True)),
        ("keep_expires_on", set_fields(**COMPARE, keep_expires_on=True)),
        ("expires_on", set_fields(expires_on="20270131")),
        ("expect", set_fields(**COPY | {"expect": 0})),
        ("options", set_fields(**COPY, other="{}")),
        ("labels", set_fields(**COPY, labels=[options_pb2.Label(name="a")])),
        ("expires_on", set_fields(**COPY, expires_on="2027-01-31")),
        ("destroy", set_fields(**COPY, destroy=True)),
        ("destination", set_fields(**COPY | {"destination": "vault://app/db"}, keys=["a"])),
        ("keys", set_fields(**COPY, keys=["a", "a"])),
        ("keys", set_fields(**COPY, keys=["b", "a"])),
        ("keys", set_fields(**COPY, keys=[""])),
        ("keys", set_fields(**UNDELETE, keys=["a"])),
        ("keys", set_fields(**COMPARE, keys=["a"])),
        ("to_version", set_fields(**UNDELETE, to_version="3@x")),
        ("destroy", set_fields(**UNDELETE, destroy=True)),
        ("options", set_fields(**UNDELETE, other="{}")),
        ("expect", set_fields(**ROLLBACK | {"expect": 0})),
        ("options", set_fields(**ROLLBACK, other="{}")),
        ("labels", set_fields(**ROLLBACK, labels=[options_pb2.Label(name="a")])),
        ("other", set_fields(other="[" * 8000)),
        ("other", set_fields(other='{"a":-Infinity}')),
    ],
)
def test_a_field_that_breaks_a_rule_without_a_vector_is_named(field: str, change: Change) -> None:
    target = message()
    change(target)
    with pytest.raises(MalformedError) as caught:
        parse_request(serialise(target))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "change",
    [
        set_fields(**ROLLBACK | {"expect": upload_pb2.EXPECT_ABSENT}),
        set_fields(**ROLLBACK | {"expect": upload_pb2.EXPECT_VERSION}, expect_version="1"),
        set_fields(**COPY | {"expect": upload_pb2.EXPECT_ABSENT}),
        set_fields(**COPY | {"expect": upload_pb2.EXPECT_VERSION}, expect_version="1"),
        set_fields(**COPY, keep_labels=True, keep_expires_on=True),
        set_fields(**COPY, keys=["A", "a"], source_version="1"),
        set_fields(**COPY | {"destination": "vault://app/db2"}),
        set_fields(**COPY | {"destination": "vault://app"}),
        set_fields(purpose=upload_pb2.PURPOSE_PATCH, remove_keys=["A", "a"], other="{}"),
        set_fields(labels=[options_pb2.Label(name="a" * 63, value="Grüße")], expires_on="2028-02-29"),
        set_fields(keep_labels=True, expires_on="2028-02-29"),
        set_fields(other='{"a":{"b":1},"b":1}'),
        lambda target: add_labels(target.aws.tags, "B", "a", "a-b"),
    ],
)
def test_what_is_just_allowed_is_parsed(change: Change) -> None:
    target = message()
    change(target)
    content = serialise(target)
    assert parse_request(content).content == content


@pytest.mark.parametrize(
    "options",
    [
        options_pb2.VaultOptions(binary=options_pb2.VAULT_BINARY_BASE64),
        options_pb2.VaultOptions(),
        options_pb2.AwsOptions(tags=[options_pb2.Label(name="a", value="b")]),
        options_pb2.KubernetesOptions(type="kubernetes.io/tls"),
        '{"x":1}',
        None,
    ],
)
def test_options_arrive_typed(options: Options | None) -> None:
    request = make_request(
        request_id=os.urandom(16),
        purpose=upload_pb2.PURPOSE_UPLOAD,
        uri=SecretUri.parse("vault://a"),
        expect=upload_pb2.EXPECT_ANY,
        suites=(1,),
        options=options,
    )
    assert parse_request(request.content).options == options


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_parser(content: bytes) -> None:
    try:
        request = parse_request(content)
    except MalformedError:
        return
    assert request.content == content


@pytest.mark.parametrize("vector", VECTORS["requests"], ids=lambda vector: str(vector["name"]))
def test_requests_that_were_encoded_by_hand(vector: dict[str, Any]) -> None:
    content = bytes.fromhex(vector["request"])
    if vector["malformed"]:
        with pytest.raises(MalformedError) as caught:
            parse_request(content)
        assert caught.value.field == vector["malformed"]
    else:
        parsed = parse_request(content)
        assert parsed.to_version == vector["to_version"]
        assert parsed.list_after == vector.get("list_after", "")
        assert parsed.keep_labels == parsed.keep_expires_on == vector.get("keeps", False)


THERE = SecretUri.parse("other://app/db")
FINGERPRINT = f"fp1:{KEY_ID}:{'0' * 64}"
A_COPY = a_request(purpose=upload_pb2.PURPOSE_COPY, destination=THERE, expect=upload_pb2.EXPECT_ABSENT)


def put(*, signature_required: bool = False, **fields: Any) -> Grant:
    """The destination's grant for what this copy asks for, but for `fields`."""
    asked = {
        "uri": str(THERE),
        "request_id": put_request_id(A_COPY.request_id),
        "expect": upload_pb2.EXPECT_ABSENT,
        **fields,
    }
    return a_grant(a_request(**asked), signature_required=signature_required)


def receipt(grant: Grant, *keys: str, signer: str = "", signer_key: str = "") -> Receipt:
    return make_receipt(
        grant=grant,
        signer=signer,
        signer_key=signer_key,
        sealed_sha256=bytes(32),
        outcome=upload_pb2.OUTCOME_UPLOADED,
        upstream_version="v1",
        fingerprint=FINGERPRINT,
        values=[(key, FINGERPRINT) for key in keys or ("k",)],
    )


@pytest.mark.parametrize("keys", [("a",), ("a", "c"), ("a", "b", "c"), ("k",)], ids=" ".join)
def test_a_copy_of_keys_is_proven_by_these_keys_alone(keys: tuple[str, ...]) -> None:
    copy = a_request(purpose=upload_pb2.PURPOSE_COPY, destination=THERE, keys=("a", "b"))
    grant = a_grant(a_request(uri=str(THERE), request_id=put_request_id(copy.request_id)))
    asked, other = receipt(grant, "a", "b"), receipt(grant, *keys)
    check_copied(asked, asked, grant, copy)
    with pytest.raises(ProofError, match="other keys than were asked"):
        check_copied(other, other, grant, copy)
    with pytest.raises(ProofError, match="hashes of other keys"):
        check_copied(asked, other, grant, copy)


def test_what_arrived_has_the_hash_of_each_key_that_left() -> None:
    grant = put()
    with pytest.raises(ProofError, match="hashes of other keys"):
        check_copied(receipt(grant), receipt(grant, "other"), grant, A_COPY)


def test_the_put_of_this_copy_is_proof() -> None:
    grant = put()
    check_copied(receipt(grant), receipt(grant), grant, A_COPY)


@pytest.mark.parametrize(
    "fields",
    [
        {"request_id": bytes(16)},
        {"uri": "other://app/else"},
        {"expect": upload_pb2.EXPECT_OVERWRITE},
        {"labels": (("owner", "mallory"),)},
        {"expires_on": "2026-12-24"},
        {"keep_labels": True},
        {"keep_expires_on": True},
        {"options": options_pb2.VaultOptions(binary=options_pb2.VAULT_BINARY_BASE64)},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_any_other_put_is_none(fields: dict[str, Any]) -> None:
    grant = put(**fields)
    with pytest.raises(ProofError):
        check_copied(receipt(grant), receipt(grant), grant, A_COPY)


def test_a_receipt_for_another_grant_is_none() -> None:
    grant = put()
    with pytest.raises(ProofError, match="another grant"):
        check_copied(receipt(grant), receipt(put()), grant, A_COPY)


@pytest.mark.parametrize("required", [False, True], ids=["unsigned", "signed"])
def test_the_destinations_receipt_names_a_signer_exactly_if_its_grant_asked_for_one(*, required: bool) -> None:
    grant = put(signature_required=required)
    signed = receipt(grant, signer="copies-from-vault", signer_key=f"SHA256:{'k' * 43}")
    good, bad = (signed, receipt(grant)) if required else (receipt(grant), signed)
    check_copied(receipt(grant), good, grant, A_COPY)
    with pytest.raises(ProofError, match="who signed"):
        check_copied(receipt(grant), bad, grant, A_COPY)


VAULT, AWS, KUBERNETES = options_pb2.VaultOptions(), options_pb2.AwsOptions(), options_pb2.KubernetesOptions()


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        (VAULT, {"vault"}),
        (AWS, {"aws-secretsmanager", "aws-ssm"}),
        (KUBERNETES, {"kubernetes"}),
        ("{}", {"vault", "vault-kv1", "aws-secretsmanager", "aws-ssm", "aws-foo", "kubernetes", "kubernetes-foo"}),
    ],
)
def test_options_are_for_whole_names_of_kinds(options: Options, kinds: set[str]) -> None:
    asked = {"vault", "vault-kv1", "aws-secretsmanager", "aws-ssm", "aws-foo", "kubernetes", "kubernetes-foo"}
    assert {kind for kind in asked if are_for(options, kind)} == kinds


def test_every_provider_of_the_request_has_its_kinds() -> None:
    for provider in Options.__args__[:-1]:
        assert isinstance(are_for(provider(), "any"), bool)


GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FIELD_5 = bytes([5 << 3 | 2, len(GOOD)]) + GOOD.encode()
"""The field's number and wire type, its length, its text."""


def test_it_is_field_5_of_both_events() -> None:
    asked = bytes.fromhex("0a0161") + bytes.fromhex("1204616e6e61") + FIELD_5
    assert (
        events_pb2.SecretUploadKeyRequested(request=b"a", subject="anna", traceparent=GOOD).SerializeToString() == asked
    )
    sent = bytes.fromhex("0a0162") + bytes.fromhex("1007") + FIELD_5
    assert events_pb2.SecretUploadRequested(sealed_sha256=b"b", size=7, traceparent=GOOD).SerializeToString() == sent


def test_without_it_the_events_are_as_they_always_were() -> None:
    assert events_pb2.SecretUploadKeyRequested(request=b"a", subject="anna").SerializeToString().hex() == (
        "0a0161" + "1204616e6e61"
    )


@pytest.mark.parametrize("text", ["", GOOD])
def test_the_rule_in_proto_takes_it(text: str) -> None:
    protovalidate.validate(events_pb2.SecretUploadRequested(traceparent=text))


def test_the_rule_in_proto_refuses_anything_else() -> None:
    with pytest.raises(protovalidate.ValidationError):
        protovalidate.validate(events_pb2.SecretUploadRequested(traceparent=GOOD + "\r\n"))


@pytest.mark.parametrize(("told", "kept"), [(GOOD, GOOD), (f"{GOOD}\r\nX-Vault-Token: a", ""), ("x" * 9_999, "")])
def test_a_reactor_passes_no_header_on_that_m8_made_up(told: str, kept: str) -> None:
    request_id = os.urandom(16)
    message = events_pb2.SecretUploadKeyRequested(request=b"a", subject="anna", traceparent=told)
    event = event_pb2.Event(
        stream=upload_stream(request_id), version=1, type="SecretUploadKeyRequested", data=message.SerializeToString()
    )
    request = OpenRequests().apply(event, b"", now=0.0)
    assert request is not None
    assert request.traceparent == kept


REQUEST = a_request()
GRANT = a_grant(REQUEST)
SIGNER = Signer()


def test_an_unknown_suite_is_refused_even_if_it_was_offered() -> None:
    request = upload_pb2.UploadRequest.FromString(REQUEST.content)
    request.suites.append(2)
    grant = upload_pb2.UploadGrant.FromString(GRANT.content)
    grant.request, grant.suite = serialise(request), 2
    with pytest.raises(MalformedError, match="must be 1"):
        parse_grant(serialise(grant))


def test_a_good_grant_opens_with_its_hash() -> None:
    signed = SIGNER.sign(UPLOAD_GRANT, GRANT.content)
    assert open_grant(signed, identity=SIGNER.shown, request=REQUEST.content, subject="anna") == GRANT
    assert GRANT.sha256 == hashlib.sha256(GRANT.content).digest()


def test_a_grant_under_another_identity_is_refused_with_both_names() -> None:
    other = Signer()
    with pytest.raises(ProofError) as caught:
        open_grant(other.sign(UPLOAD_GRANT, GRANT.content), identity=SIGNER.shown, request=b"", subject=None)
    assert other.shown in str(caught.value)
    assert SIGNER.shown in str(caught.value)


def capabilities(**fields: object) -> events_pb2.StoreCapabilities:
    return events_pb2.StoreCapabilities(**fields)  # type: ignore[arg-type]


def test_what_is_within_the_bounds_is_taken() -> None:
    check_capabilities(capabilities())
    check_capabilities(capabilities(layout="x" * (MAX_CAPABILITIES - 100), options_schema='{"type":"object"}'))


def test_more_in_all_than_the_bound_is_refused() -> None:
    with pytest.raises(UsageError, match=r"16,384|may announce"):
        check_capabilities(capabilities(layout="x" * MAX_CAPABILITIES))


@pytest.mark.parametrize(
    "schema", ['{"$ref":"#"}', '{"pattern":"a"}', "[]", "{", '{"a":1,"a":2}', f'{{"title":"{"x" * MAX_SCHEMA}"}}']
)
def test_a_schema_that_could_harm_is_refused(schema: str) -> None:
    with pytest.raises(UsageError, match="the options schema"):
        check_capabilities(capabilities(options_schema=schema))
