"""Messages in JSON: what does not fit is named, with its rule, and its value is never repeated."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.gateway.v1 import access_pb2, commands_pb2, queries_pb2, reactor_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UsageError
from monoskope.m8.http.strict_json import read

SERVICES = (
    commands_pb2.DESCRIPTOR.services_by_name["SecretCommandService"],
    queries_pb2.DESCRIPTOR.services_by_name["SecretQueryService"],
    access_pb2.DESCRIPTOR.services_by_name["AccessService"],
)
SECRET = "hunter2-hunter2"


REFUSED: list[tuple[Any, bytes, str]] = [
    (queries_pb2.GetSecretRequest, b"", "the body is empty"),
    (queries_pb2.GetSecretRequest, b"{", "is not JSON"),
    (queries_pb2.GetSecretRequest, b'\xef\xbb\xbf{"uri":"x"}', "is not JSON"),
    (queries_pb2.GetSecretRequest, b'{"uri":"x"} {}', "is not JSON"),
    (queries_pb2.GetSecretRequest, b'{"uri":"\xff"}', "is not UTF-8"),
    (queries_pb2.GetSecretRequest, '{"uri":"x"}'.encode("utf-16"), "is not UTF-8"),
    (queries_pb2.GetSecretRequest, b"[" * 60_000, "JSON"),
    (queries_pb2.GetSecretRequest, b'{"uri":' * 9_000, "JSON"),
    (queries_pb2.GetSecretRequest, b"9" * 5_000, "is not JSON"),
    (queries_pb2.GetSecretRequest, b"null", "must be a JSON object"),
    (queries_pb2.GetSecretRequest, b'["hunter2-hunter2"]', "must be a JSON object"),
    (queries_pb2.GetSecretRequest, b'{"urii":"hunter2-hunter2"}', "urii: GetSecretRequest has no such field"),
    (queries_pb2.GetSecretRequest, b'{"hunter2 hunter2-hunter2":1}', "(a name that no field can have)"),
    (queries_pb2.GetSecretRequest, b'{"uri":"vault://a","uri":"vault://hunter2"}', "uri: stands twice"),
    (
        queries_pb2.GetSecretRequest,
        b"{" + b"".join(b'"a%d":1,' % n for n in range(60)) + b'"a0":1}',
        "a0: stands twice",
    ),
    (queries_pb2.GetSecretRequest, b'{"uri":17}', "uri: must be a string"),
    (queries_pb2.GetSecretRequest, b'{"\\ud800":1}', "(a name that no field can have)"),
    (commands_pb2.CreateSecretStoreRequest, b'{"\\ud800":{"a":1}}', "(a name that no field can have)"),
    (queries_pb2.GetSecretRequest, b'{"uri":"\\ud800"}', "uri: must be a string of Unicode text"),
    (queries_pb2.GetSecretRequest, b'{"uri":NaN}', "uri: must be a string"),
    (queries_pb2.GetSecretRequest, b'{"uri":{"a":1,"a":2}}', "uri: must be a string"),
    (queries_pb2.GetSecretUploadRequest, b'{"requestId":"hunter2-hunter2!"}', "requestId: must be a string of base64"),
    (queries_pb2.GetSecretUploadRequest, b'{"requestId":"QQ="}', "requestId: must be a string of base64"),
    (queries_pb2.GetSecretUploadRequest, b'{"requestId":[1]}', "requestId: must be a string of base64"),
    (queries_pb2.GetSecretUploadRequest, b'{"requestId":"QQ==","request_id":"QQ=="}', "request_id: stands twice"),
    (queries_pb2.GetSecretUploadRequest, b'{"wait":"true"}', "wait: must be true or false"),
    (queries_pb2.ListSecretsRequest, b'{"pageSize":1.5}', "pageSize: must be a whole number from 0"),
    (queries_pb2.ListSecretsRequest, b'{"pageSize":-1}', "pageSize: must be a whole number from 0"),
    (queries_pb2.ListSecretsRequest, b'{"pageSize":true}', "pageSize: must be a whole number"),
    (queries_pb2.ListSecretsRequest, b'{"pageSize":" 1"}', "pageSize: must be a whole number"),
    (queries_pb2.ListSecretsRequest, b'{"pageSize":4294967296}', "pageSize: must be a whole number"),
    (queries_pb2.ListSecretsRequest, b'{"pageSize":Infinity}', "pageSize: must be a whole number"),
    (queries_pb2.ListSecretsRequest, b'{"labels":{}}', "labels: must be an array"),
    (queries_pb2.ListSecretsRequest, b'{"labels":[{"name":"a"},{"nam":"b"}]}', "labels[1].nam: Label has no such"),
    (queries_pb2.ListSecretsRequest, b'{"labels":[null]}', "labels[0]: must be an object"),
    (queries_pb2.ListSecretsRequest, b'{"labels":[[[[]]]]}', "labels[0]: must be an object"),
    (commands_pb2.UpdateSecretNotesRequest, b'{"edit":{"removeLabels":"x"}}', "edit.removeLabels: must be an array"),
]


@pytest.mark.parametrize(("kind", "body", "rule"), REFUSED)
def test_what_does_not_fit_is_named_with_its_rule_and_without_its_value(kind: Any, body: bytes, rule: str) -> None:
    with pytest.raises(UsageError) as refused:
        read(kind, body)
    assert rule in refused.value.message
    assert kind.DESCRIPTOR.name in refused.value.message
    assert SECRET not in str(refused.value)
    assert len(str(refused.value)) < 300


def test_both_names_of_a_field_all_kinds_of_base64_and_numbers_as_text_are_read() -> None:
    data = bytes(range(251, 256)) * 3 + b"\xff"
    for text in (b64encode(data).decode(), urlsafe_b64encode(data).decode(), b64encode(data).decode().rstrip("=")):
        for name in ("requestId", "request_id"):
            assert read(queries_pb2.GetSecretUploadRequest, json.dumps({name: text}).encode()).request_id == data
    for size in ("7", 7, 7.0):
        assert read(queries_pb2.ListSecretsRequest, json.dumps({"pageSize": size}).encode()).page_size == 7
    assert read(queries_pb2.ListSecretsRequest, b'{"pageSize":null,"prefix":"\xc3\xa9"}').prefix == "é"
    watched = read(queries_pb2.WatchEventsRequest, b'{"after":"18446744073709551615"}')
    assert watched.after == 2**64 - 1


def test_only_one_field_of_a_oneof_may_stand() -> None:
    """No request has a oneof yet: the message of a reactor stands for one."""
    both = b'{"heartbeat":{},"attach":{}}'
    with pytest.raises(UsageError, match="excludes"):
        read(reactor_pb2.AttachRequest, both)


def fields(descriptor: Any, seen: frozenset[str] = frozenset()) -> list[Any]:
    assert descriptor.full_name not in seen, "a message that contains itself would need a limit of its depth"
    found = list(descriptor.fields)
    for field in descriptor.fields:
        if field.message_type is not None:
            found += fields(field.message_type, seen | {descriptor.full_name})
    return found


@pytest.mark.parametrize("method", [one for service in SERVICES for one in service.methods], ids=lambda one: one.name)
def test_every_field_of_every_request_has_a_rule(method: Any) -> None:
    for field in fields(method.input_type):
        assert field.message_type is None or not field.message_type.GetOptions().map_entry, field.full_name
        assert field.type not in {FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE}, field.full_name
    kind = GetMessageClass(method.input_type)
    assert read(kind, b"{}") == kind()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just(SECRET),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["uri", "edit", "setLabels", "name", "value", "expiresOn", "x"]), inner)
    ),
    max_leaves=12,
)


def read_or_refused(kind: type[Message], body: bytes) -> Message | UsageError:
    try:
        return read(kind, body)
    except UsageError as error:
        return error


@given(JSON)
def test_any_json_is_read_as_the_library_reads_it_or_refused_without_its_value(value: Any) -> None:
    body = json.dumps(value).encode()
    found = read_or_refused(commands_pb2.UpdateSecretNotesRequest, body)
    if isinstance(found, UsageError):
        assert SECRET not in str(found)
        assert "the JSON does not fit" not in str(found), "a rule is missing"
    else:
        assert found == json_format.Parse(body, commands_pb2.UpdateSecretNotesRequest())


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    found = read_or_refused(events_pb2.NotesEdit, body)
    assert not isinstance(found, UsageError) or found.fix


def test_a_body_with_room_for_a_secret_has_no_room_for_a_million_parts() -> None:
    with pytest.raises(UsageError, match="has more than 68 fields"):
        read(commands_pb2.RequestUploadSecretRequest, b'{"x":[' + b"{}," * 69 + b"{}]}")


def test_commas_in_texts_are_no_elements() -> None:
    text = ',\\",\\' + "," * 400
    body = json.dumps({"uri": text}).encode()
    assert read(queries_pb2.GetSecretRequest, body).uri == text
