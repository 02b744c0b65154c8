"""Whatever a valid caller puts into any field of any command or query, m8 answers soon, and never with a defect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.methods import MAX_MESSAGE
from monoskope.m8.queries.pages import make_token
from monoskope.m8.service.feed import Follower, LocatedEvent
from tests.support.http_calls import Call, CallError, Stream
from tests.support.m8_world import RIGHTS, World, a_world
from tests.support.vectors import Signer, a_request

SOON_S = 60.0
"""Far more than an answer takes, on a machine that is busy with other things, too."""

WAIT_S = 0.2
"""After which m8 answers who waits for what does not come."""

METHODS = [
    method
    for file, name in ((commands_pb2, "SecretCommandService"), (queries_pb2, "SecretQueryService"))
    for method in file.DESCRIPTOR.services_by_name[name].methods
]
DEFECTS = {"internal", "unknown", "deadline_exceeded"}
"""What no answer may be: the last one was none within `SOON_S`."""
IN_JSON = ("UpdateSecretNotes", "ListEvents", "GetSecretUpload")
"""Methods whose fields are of every kind."""

LONG = 1_200_000
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

    `purposes`: for which requests for a key are made; with all of them there are two thousand.
    """
    for base in bases(method):
        yield base
        yield from with_one_extreme(base)
        if "page_token" in method.input_type.fields_by_name:
            for position in POSITIONS:
                for scope in (
                    "events.1::",
                    "secret-stores.1",
                    "secret-versions.1:vault://app/db",
                    "secrets.1\n\n\n\n0\n",
                ):
                    changed = type(base)()
                    changed.CopyFrom(base)
                    changed.page_token = make_token(scope, position)  # type: ignore[attr-defined]
                    yield changed
    if method.name == "RequestSecretUploadKey":
        for content in inner_requests(purposes):
            yield commands_pb2.RequestSecretUploadKeyRequest(request=content)


def with_one_extreme(base: Message) -> Iterator[Message]:
    """Copies of `base`, each with another field extreme, in the messages inside, too."""
    for field in base.DESCRIPTOR.fields:
        kind = field.message_type
        for value in NUMBERS[field.type] if kind is None else inside(kind):
            changed = type(base)()
            changed.CopyFrom(base)
            if field.is_repeated:
                getattr(changed, field.name).extend([value, value])
            elif kind is not None:
                getattr(changed, field.name).CopyFrom(value)
            else:
                setattr(changed, field.name, value)
            yield changed


def inside(descriptor: Any) -> Iterator[Message]:
    """Messages of that type: an empty one, and one with each field extreme."""
    kind: type[Message] = GetMessageClass(descriptor)
    yield kind()
    yield from with_one_extreme(kind())


def inner_requests(purposes: Sequence[int]) -> Iterator[bytes]:
    """Bytes of an UploadRequest of each purpose with one field extreme."""
    for purpose in purposes:
        good = upload_pb2.UploadRequest.FromString(a_request().content)
        good.purpose = purpose  # type: ignore[assignment]
        yield good.SerializeToString(deterministic=True)
        for field in good.DESCRIPTOR.fields:
            if field.is_repeated or field.message_type is not None:
                continue
            for value in NUMBERS[field.type]:
                changed = upload_pb2.UploadRequest()
                changed.CopyFrom(good)
                setattr(changed, field.name, value)
                yield changed.SerializeToString(deterministic=True)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, limits=ServerLimits(longest_wait_s=WAIT_S)) as world:
        yield world


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_no_field_of_any_call_meets_a_defect_or_takes_long(
    world: World, waits: asyncio.Event, method: MethodDescriptor
) -> None:
    await no_defect(world, method, waits, codec="proto")


@pytest.mark.parametrize("method", [one for one in METHODS if one.name in IN_JSON], ids=lambda method: method.name)
async def test_nor_of_a_call_over_http_in_json(world: World, waits: asyncio.Event, method: MethodDescriptor) -> None:
    await no_defect(world, method, waits, codec="json")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set as soon as a stream has said what there is to say, and waits for the next event."""
    found, follow = asyncio.Event(), Follower.next

    async def reached(follower: Follower) -> LocatedEvent:
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
