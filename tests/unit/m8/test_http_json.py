"""Messages in JSON and heads of requests: what does not fit is named, with its rule, and no value is repeated."""

from __future__ import annotations

import asyncio
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

from monoskope.api.gateway.v1 import access_pb2, changes_pb2, commands_pb2, queries_pb2, reactor_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UnauthenticatedError, UsageError
from monoskope.http.messages import Head, Response
from monoskope.http.server.exchange import serialised
from monoskope.m8.domain.principal import Principal
from monoskope.m8.http.application import HttpApplication
from monoskope.m8.http.requests import Call, Origins
from monoskope.m8.http.strict_json import read
from monoskope.m8.operations import Endpoints
from monoskope.m8.service.app import App
from tests.support.m8_world import PAGE

SERVICES = (
    commands_pb2.DESCRIPTOR.services_by_name["SecretCommandService"],
    queries_pb2.DESCRIPTOR.services_by_name["SecretQueryService"],
    access_pb2.DESCRIPTOR.services_by_name["AccessService"],
    changes_pb2.DESCRIPTOR.services_by_name["SecretChangeService"],
)
SECRET = "hunter2-hunter2"


SECRET_OF = queries_pb2.GetSecretRequest
REFUSED: list[tuple[Any, bytes, str]] = [
    (SECRET_OF, b"", "the body is empty"),
    (SECRET_OF, b"{", "is not JSON"),
    (SECRET_OF, b'\xef\xbb\xbf{"uri":"x"}', "is not JSON"),
    (SECRET_OF, b'{"uri":"x"} {}', "is not JSON"),
    (SECRET_OF, b'{"uri":"\xff"}', "is not UTF-8"),
    (SECRET_OF, '{"uri":"x"}'.encode("utf-16"), "is not UTF-8"),
    (SECRET_OF, b"[" * 60_000, "JSON"),
    (SECRET_OF, b'{"uri":' * 9_000, "JSON"),
    (SECRET_OF, b"9" * 5_000, "is not JSON"),
    (SECRET_OF, b"null", "must be a JSON object"),
    (SECRET_OF, b'["hunter2-hunter2"]', "must be a JSON object"),
    (SECRET_OF, b'{"urii":"hunter2-hunter2"}', "urii: GetSecretRequest has no such field"),
    (SECRET_OF, b'{"hunter2 hunter2-hunter2":1}', "(a name that no field can have)"),
    (SECRET_OF, b'{"uri":"vault://a","uri":"vault://hunter2"}', "uri: stands twice"),
    (SECRET_OF, b"{" + b"".join(b'"a%d":1,' % n for n in range(60)) + b'"a0":1}', "a0: stands twice"),
    (SECRET_OF, b'{"uri":17}', "uri: must be a string"),
    (SECRET_OF, b'{"\\ud800":1}', "(a name that no field can have)"),
    (commands_pb2.CreateSecretStoreRequest, b'{"\\ud800":{"a":1}}', "(a name that no field can have)"),
    (SECRET_OF, b'{"uri":"\\ud800"}', "uri: must be a string of Unicode text"),
    (SECRET_OF, b'{"uri":NaN}', "uri: must be a string"),
    (SECRET_OF, b'{"uri":{"a":1,"a":2}}', "uri: must be a string"),
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
    assert read(queries_pb2.WatchEventsRequest, b'{"after":"18446744073709551615"}').after == 2**64 - 1


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
    with pytest.raises(UsageError, match="has more than 77 fields"):
        read(commands_pb2.RequestUploadSecretRequest, b'{"x":[' + b"{}," * 78 + b"{}]}")


def test_commas_in_texts_are_no_elements() -> None:
    text = ',\\",\\' + "," * 400
    assert read(SECRET_OF, json.dumps({"uri": text}).encode()).uri == text


SERVICE = "/monoskope.api.gateway.v1.SecretQueryService"
TOKEN = "a-token-of-somebody"

NAMES = ("origin", "content-type", "content-encoding", "connect-timeout-ms", "connect-protocol-version", "traceparent")
MORE = ("authorization", "x-request-id", "access-control-request-method", "accept", "x-forwarded-for", "cookie")
VALUES = ("", PAGE, "null", "application/json", "application/proto", "application/connect+json", "gzip", "1", "0", "-1")
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=12)
FIELDS = st.tuples(
    st.sampled_from((*NAMES, *MORE)), st.sampled_from((*VALUES, f"Bearer {TOKEN}", "9" * 11, "POST")) | TEXT
)
PATHS = st.sampled_from(
    ("/", "/metrics", "/readyz", f"{SERVICE}/GetSecret", f"{SERVICE}/WatchEvents", f"{SERVICE}/X", f"{SERVICE}/")
) | TEXT.map(lambda text: f"/{text}")
METHODS = st.sampled_from(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"))
LENGTHS = st.sampled_from((None, 0, 1, 20_000, 70_000, 2_000_000, 10**15 - 1))


def application() -> HttpApplication:
    """A door of an m8 without a log, at which nobody has a token."""
    log: Any = None

    async def nobody(_token: str) -> Principal:
        raise UnauthenticatedError("the token does not count.")

    app = App(log, nobody, (), lambda: 0, "m8", "1")
    endpoints: Any = Endpoints(app)
    return HttpApplication(app, endpoints, origins=Origins({PAGE}))


@given(METHODS, PATHS, st.lists(FIELDS, max_size=6), LENGTHS)
def test_every_head_is_decided_and_no_stranger_has_a_large_body_read(
    method: str, path: str, fields: list[tuple[str, str]], length: int | None
) -> None:
    headers = (*fields, *([] if length is None else [("content-length", str(length))]))
    decision = asyncio.run(application().accept(Head(method, path, "", headers, "192.0.2.1:1")))
    origins = [value for name, value in fields if name == "origin"]
    if isinstance(decision, Response):
        assert TOKEN.encode() not in serialised(decision, is_last=False)
        assert path not in {"/readyz", "/"} or decision.status in {403, 404, 405, 500, 204, 503}
        assert decision.status == 403 or not origins or origins == [PAGE]
    else:
        assert isinstance(decision, Call)
        assert (method, length is None or length <= 16_384) == ("POST", True)
        assert not origins or origins == [PAGE]
        assert TOKEN not in repr(decision)
