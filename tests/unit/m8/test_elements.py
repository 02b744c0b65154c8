"""The attack: requests of as many elements as fit, by callers who may ask, to keep m8 busy and fill its memory.

Each method is sent the largest message of the smallest elements, in both codecs. Of every element Python makes an
object, and the rules look at it.
"""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import protovalidate
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import access_pb2, commands_pb2, queries_pb2, reactor_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.m8 import calls
from monoskope.m8.domain import role_bindings
from monoskope.m8.domain.principal import RIGHT_NAMES
from monoskope.m8.http.requests import Codec
from monoskope.m8.methods import MAX_LOGIN, Kind, Method, methods
from monoskope.m8.service import call_notes as validate
from monoskope.m8.service.policy import Needs
from monoskope.protocol import elements
from monoskope.protocol.wire import MOST_FIELDS, MalformedError, parse
from tests.support.http_calls import Asked, ask
from tests.support.largest_requests import field, most_of_both, smallest
from tests.support.m8_world import World

MOST_ALLOCATED = 10_000_000
"""Bytes that one request may make m8 allocate."""


def fields_of(descriptor: Descriptor) -> Iterator[FieldDescriptor]:
    """Every field of a request and of the messages in it."""
    for one in descriptor.fields:
        yield one
        if one.message_type is not None:
            yield from fields_of(one.message_type)


class Looked:
    """Counts what the rules look at, and what they find."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.visited = self.violations = 0
        monkeypatch.setattr(validate, "protovalidate", self)

    ValidationError = protovalidate.ValidationError

    def validate(self, message: Message, **options: Any) -> None:
        self.visited += _elements(message)
        try:
            protovalidate.validate(message, **options)
        except protovalidate.ValidationError as error:
            self.violations += len(error.violations)
            raise


def _elements(message: Message) -> int:
    found = 0
    for one, value in message.ListFields():
        each = value if one.is_repeated else [value]
        found += len(each)
        if one.message_type is not None:
            found += sum(_elements(inside) for inside in each)
    return found


@contextlib.contextmanager
def allocating() -> Iterator[list[int]]:
    """Yield a list that holds, afterwards, how many bytes Python allocated at most."""
    found: list[int] = []
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        try:
            yield found
        finally:
            found.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()


async def sent(world: World, method: Method, codec: Codec, body: bytes, metadata: Any) -> int:
    """Send a body, and return the status of the answer."""
    kind = ("Content-Type", codec.content_type(method.kind))
    if method.kind is Kind.STREAMING:
        body = bytes([0]) + len(body).to_bytes(4, "big") + body
        fields = "".join(f"{name}: {value}\r\n" for name, value in (kind, *metadata))
        head = f"POST {method.path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n{fields}"
        asked = await Asked.send(world.address, head, body)
        answered = await asked.head()
        said = b"".join([piece async for piece in asked.chunks()])
        assert b'"invalid_argument"' in said
        asked.close()
        return 400 if answered.status == 200 else answered.status
    return (await ask(world.address, "POST", method.path, kind, *metadata, body=body)).status


async def test_no_request_makes_m8_visit_or_allocate_much(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = Looked(monkeypatch)
    asks = {Needs.NOTHING: (), Needs.RIGHT: world.user("anna", "vault://app").headers}
    for method in (one for one in methods(world.app).values() if one.kind is not Kind.ATTACHING):
        metadata = asks.get(method.needs, world.administrator().headers)
        for codec, what, body in most_of_both(method):
            looked.visited = looked.violations = 0
            with allocating() as allocated:
                status = await sent(world, method, codec, body, metadata)
            said = f"{method.name} in {codec.value}: {what}"
            assert status == 400, said
            assert looked.visited <= elements.MOST_ELEMENTS, said
            assert looked.violations <= 1, said
            # The test sends it from the same process.
            assert allocated[0] <= MOST_ALLOCATED + 2 * len(body), said


async def test_no_message_of_a_reactor_is_made_of_more_elements_than_it_may_have() -> None:
    kind: Any = reactor_pb2.AttachRequest

    for what, body in smallest(kind.DESCRIPTOR, MAX_LOGIN):
        with pytest.raises(UsageError, match=r"stands twice|has more than"), allocating() as allocated:
            calls.message_of(kind, body)
        assert allocated[0] <= MOST_ALLOCATED // 10, what


def most_role_bindings() -> access_pb2.ApplyRoleBindingsRequest:
    """As many as there may be, with as many members as all may have."""
    each = role_bindings.MAX_MEMBERS_IN_ALL // role_bindings.MAX_BINDINGS
    members = [f"user:corp:person-{number}" for number in range(each)]
    bindings = [
        access_pb2.RoleBinding(
            name=f"b{number}",
            role=events_pb2.ROLE_USER,
            members=members,
            prefix=f"vault://app-{number}",
            rights=RIGHT_NAMES,
        )
        for number in range(role_bindings.MAX_BINDINGS)
    ]
    return access_pb2.ApplyRoleBindingsRequest(role_bindings=bindings, dry_run=True)


@pytest.mark.parametrize("codec", Codec)
async def test_as_many_role_bindings_as_there_may_be_fit_into_a_request(world: World, codec: Codec) -> None:
    """A file can name them all. And it takes no more memory than an attack."""
    method = next(one for one in methods(world.app).values() if one.name == "ApplyRoleBindings")
    body = codec.written(most_role_bindings())
    with allocating() as allocated:
        assert await sent(world, method, codec, body, world.administrator().headers) == 200
    assert allocated[0] <= MOST_ALLOCATED + 2 * len(body)


def test_every_repeated_field_of_a_request_says_how_often_it_may_stand(world: World) -> None:
    kinds: list[Any] = [method.request.DESCRIPTOR for method in methods(world.app).values()]
    repeated = {one.full_name: elements.most(one) for kind in kinds for one in fields_of(kind) if one.is_repeated}
    assert len(repeated) >= 8
    assert all(0 < most <= 1_000 for most in repeated.values()), repeated


@pytest.mark.parametrize(
    ("message", "content", "why"),
    [
        (queries_pb2.ListSecretsRequest, field(8, b"") * 17, "labels: has more than 16 elements"),
        (queries_pb2.ListSecretsRequest, field(1, b"a") * 2, "prefix: stands twice"),
        (access_pb2.RoleBinding, field(5, b"\x01" * 33), "rights: has more than 32 elements"),
        (access_pb2.RoleBinding, field(5, b"\x81\x00" * 33), "rights: has more than 32 elements"),
        (access_pb2.RoleBinding, b"\x28\x01" * 16 + field(5, b"\x01" * 17), "rights: has more than 32 elements"),
        (
            access_pb2.CreateRoleBindingRequest,
            field(1, field(3, b"") * 200) + field(1, field(3, b"") * 200),
            "role_binding: stands twice",
        ),
        (
            commands_pb2.UpdateSecretNotesRequest,
            field(2, field(1, b"") * 17),
            "edit.set_labels: has more than 16 elements",
        ),
        (reactor_pb2.AttachRequest, field(1, field(4, b"") * 65), "attach.rotations: has more than 64 elements"),
        (queries_pb2.GetServerRequest, b"\x60\x00" * 65, "has more than 64 fields"),
        (queries_pb2.GetServerRequest, b"\x63\x64", "is not a message of this kind"),  # a group
        (queries_pb2.GetServerRequest, b"\x0a\x05abc", "is not a message of this kind"),
        (queries_pb2.GetServerRequest, b"\xff" * 11, "is not a message of this kind"),
    ],
)
def test_what_stands_too_often_is_named_before_a_message_is_made(message: Any, content: bytes, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        elements.check(message.DESCRIPTOR, content)


def test_every_message_that_its_rules_allow_is_allowed() -> None:
    kind: Any = access_pb2.RoleBinding
    full = kind(members=[""] * 256, rights=[1, 300] * 16)
    elements.check(kind.DESCRIPTOR, full.SerializeToString())
    assert json.loads(Codec.JSON.written(full))["members"] == [""] * 256


def test_a_signed_message_of_half_a_million_fields_is_not_taken_apart() -> None:
    """A reactor signs its own receipts, and users make their own requests."""
    for kind, number in ((upload_pb2.Receipt, 9), (upload_pb2.UploadRequest, 8)):
        with pytest.raises(MalformedError, match="does not parse"):
            parse(kind, field(number, b"") * (MOST_FIELDS + 1))
        parse(kind, field(number, b"") * MOST_FIELDS)
