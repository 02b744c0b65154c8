"""Whatever a valid caller puts into any field of any command or query, m8 answers soon, and never with a defect."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import tracemalloc
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import protovalidate
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from monoskope.api.gateway.v1 import access_pb2, changes_pb2, commands_pb2, queries_pb2, reactor_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.m8 import calls
from monoskope.m8.domain import binding_changes
from monoskope.m8.domain.principal import RIGHT_NAMES
from monoskope.m8.http.requests import Codec
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.m8.methods import MAX_LOGIN, MAX_MESSAGE, Kind, Method, methods
from monoskope.m8.queries.pages import make_token, scope_of
from monoskope.m8.service import call_notes as validate
from monoskope.m8.service.feed import Follower
from monoskope.m8.service.policy import Needs
from monoskope.protocol import elements
from monoskope.protocol.wire import MOST_FIELDS, MalformedError, parse
from tests.support.http_calls import Asked, Call, CallError, Stream, ask
from tests.support.largest_requests import field, most_of_both, smallest
from tests.support.m8_world import RIGHTS, World, a_world
from tests.support.vectors import Signer, a_request

SOON_S = 60.0
"""Far more than an answer takes, on a machine that is busy with other things, too."""

WAIT_S = 0.2
"""After which m8 answers who waits for what does not come."""

METHODS = [
    method
    for file, name in (
        (commands_pb2, "SecretCommandService"),
        (queries_pb2, "SecretQueryService"),
        (changes_pb2, "SecretChangeService"),
    )
    for method in file.DESCRIPTOR.services_by_name[name].methods
]
DEFECTS = {"internal", "unknown", "deadline_exceeded"}
"""What no answer may be: the last one was none within `SOON_S`."""
IN_JSON = ("UpdateSecretNotes", "ListEvents", "GetSecretUpload")
"""Methods whose fields are of every kind."""

LONG = 100_000
TEXTS = ("\0", "x" * 64, "x" * LONG, "vault://", "vault://a" + "/a" * 600, "://", "é" * 300, "\u202e", "-1", "9" * 400)
DAYS = ("0000-00-00", "0001-01-01", "9999-12-31", "99999-01-1", "-001-01-01", "2026-02-30")
BYTES = (b"\0", b"\xff" * 16, b"\x08" * 15, b"x" * LONG, b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
NUMBERS = {
    FieldDescriptor.TYPE_UINT32: (1, 1_000, 1_001, 2**31, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (1, 2**31, 2**62, 2**63 - 1, 2**63, 2**64 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), -1, 1, 2**63 - 1),
    FieldDescriptor.TYPE_ENUM: (-(2**31), -1, 1, 99, 2**31 - 1),
    FieldDescriptor.TYPE_BOOL: (True,),
    FieldDescriptor.TYPE_STRING: (*TEXTS, *DAYS),
    FieldDescriptor.TYPE_BYTES: BYTES,
}
PURPOSES = (0, *upload_pb2.Purpose.values(), 99)
POSITIONS = ("0", "1", "9" * 18, "9" * 19, "9" * 400, "-1", "1e3", "\0", "vault://" + "x" * 500, "٣")


def bases(method: MethodDescriptor) -> Iterator[Message]:
    """Requests in order, from which one field is changed."""
    request: type[Message] = GetMessageClass(method.input_type)
    yield request()
    known = {
        "request_id": b"i" * 16,
        "change_id": b"i" * 16,
        "uri": "vault://app/db",
        "name": "vault",
        "type": "vault",
        "identity": Signer().shown,
        "key_id": "0" * 16,
        "request": a_request().content,
    }
    yield request(**{name: value for name, value in known.items() if name in method.input_type.fields_by_name})


def extremes(method: MethodDescriptor, *, purposes: Sequence[int] = PURPOSES) -> Iterator[Message]:
    """Every field of `method`'s request with every extreme value, and what pages and requests hold inside.

    `purposes`: for which requests for a key are made.
    """
    for base in bases(method):
        yield base
        yield from with_one_extreme(base)
        if "page_token" in method.input_type.fields_by_name:
            for position in POSITIONS:
                changed = type(base)()
                changed.CopyFrom(base)
                besides = {"tree_size"} & set(base.DESCRIPTOR.fields_by_name)
                changed.page_token = make_token(scope_of(base, *besides), position)  # type: ignore[attr-defined]
                yield changed
    if method.name == "RequestSecretUploadKey":
        for content in inner_requests(purposes):
            yield commands_pb2.RequestSecretUploadKeyRequest(request=content)


def with_one_extreme(base: Message) -> Iterator[Message]:
    """Copies of `base`, each with another field extreme, in the messages inside, too."""
    for one in base.DESCRIPTOR.fields:
        kind = one.message_type
        for value in NUMBERS[one.type] if kind is None else inside(kind):
            changed = type(base)()
            changed.CopyFrom(base)
            if one.is_repeated:
                getattr(changed, one.name).extend([value, value])
            elif kind is not None:
                getattr(changed, one.name).CopyFrom(value)
            else:
                setattr(changed, one.name, value)
            yield changed


def inside(descriptor: Any) -> Iterator[Message]:
    """Messages of that type: an empty one, and one with each field extreme."""
    kind: type[Message] = GetMessageClass(descriptor)
    yield kind()
    yield from with_one_extreme(kind())


def inner_requests(purposes: Sequence[int]) -> Iterator[bytes]:
    """Bytes of an UploadRequest of each purpose with one field extreme.

    All extremes are tried of an upload; of each other purpose a quarter, and each extreme of three purposes at least.
    """
    for turn, purpose in enumerate(purposes):
        number = itertools.count(turn)
        good = upload_pb2.UploadRequest.FromString(a_request().content)
        good.purpose = purpose  # type: ignore[assignment]
        yield good.SerializeToString(deterministic=True)
        for one in good.DESCRIPTOR.fields:
            if one.is_repeated or one.message_type is not None:
                continue
            for value in NUMBERS[one.type]:
                if purpose != upload_pb2.PURPOSE_UPLOAD and next(number) % 4:
                    continue
                changed = upload_pb2.UploadRequest()
                changed.CopyFrom(good)
                setattr(changed, one.name, value)
                yield changed.SerializeToString(deterministic=True)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, limits=ServerLimits(longest_wait_s=WAIT_S)) as world:
        yield world


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_no_field_meets_a_defect_or_delay(world: World, waits: asyncio.Event, method: MethodDescriptor) -> None:
    await no_defect(world, method, waits, codec="proto")


@pytest.mark.parametrize("method", [one for one in METHODS if one.name in IN_JSON], ids=lambda method: method.name)
async def test_nor_of_a_call_over_http_in_json(world: World, waits: asyncio.Event, method: MethodDescriptor) -> None:
    await no_defect(world, method, waits, codec="json")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set as soon as a stream has said what there is to say, and waits for the next event."""
    found, follow = asyncio.Event(), Follower.next

    async def reached(follower: Follower) -> RecordedEvent:
        found.set()
        return await follow(follower)

    monkeypatch.setattr(Follower, "next", reached)
    return found


async def no_defect(world: World, method: MethodDescriptor, waits: asyncio.Event, *, codec: str) -> None:
    await world.attached()
    anna, administrator = world.user("anna", "vault://", rights=RIGHTS), world.administrator()
    asked = 0
    # An administrator may upload nothing, for whatever purpose.
    for caller, purposes in ((anna, PURPOSES), (administrator, (upload_pb2.PURPOSE_UPLOAD,))):
        for request in extremes(method, purposes=purposes):
            if request.ByteSize() > MAX_MESSAGE:
                continue
            await streams_ended(world)
            waits.clear()
            call = Call(world.address, request, caller.headers, SOON_S, codec)
            code = await the_code(call, waits if method.server_streaming else None)
            assert code not in DEFECTS, (caller, request)
            asked += 1
    assert asked >= 4 or not method.input_type.fields


async def streams_ended(world: World) -> None:
    """Wait until none but the reactor follows the log: else a stream of before could say that this one waits."""
    async with asyncio.timeout(SOON_S):
        while world.app.feed.subscribers > 1:
            await asyncio.sleep(0)


async def the_code(call: Call, waits: asyncio.Event | None) -> str:
    """How m8 answers; a stream that has nothing to say and `waits` counts as OK."""
    try:
        async with asyncio.timeout(2 * SOON_S):
            if waits is None:
                await call.answer()
            else:
                await said_or_waits(call.stream(), waits)
    except CallError as error:
        return error.code
    return "ok"


async def said_or_waits(stream: Stream, waits: asyncio.Event) -> None:
    """Read what a stream says first, or see that it waits. Raises `CallError`."""
    reading, waiting = asyncio.ensure_future(stream.read()), asyncio.ensure_future(waits.wait())
    await asyncio.wait({reading, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if reading.done():
        reading.result()
    stream.cancel()
    await asyncio.gather(reading, waiting, return_exceptions=True)


MOST_ALLOCATED = 10_000_000
"""Bytes that one request may make m8 allocate."""


def fields_of(descriptor: Descriptor) -> Iterator[FieldDescriptor]:
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
        assert b'"invalid_argument"' in b"".join([piece async for piece in asked.chunks()])
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
    each = binding_changes.MAX_MEMBERS_IN_ALL // binding_changes.MAX_BINDINGS
    members = [f"user:corp:person-{number}" for number in range(each)]
    bindings = [
        access_pb2.RoleBinding(
            name=f"b{number}",
            role=events_pb2.ROLE_USER,
            members=members,
            prefix=f"vault://app-{number}",
            rights=RIGHT_NAMES,
        )
        for number in range(binding_changes.MAX_BINDINGS)
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
