"""What requests of all purposes have in common, on an engine in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

import pytest

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.recipes import Recipe
from monoskope.protocol.request import Request
from monoskope.reactor.admission import Admission
from monoskope.reactor.grant import Granter
from monoskope.reactor.report.audit_log import AuditEntry
from monoskope.reactor.upstream.content import TRIES
from monoskope.reactor.work.delivery import DeliveredRequest
from monoskope.stores.driver import (
    DriverError,
    StoreConflictError,
    StoreDriver,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)
from monoskope.uri import SecretUri
from tests.support.memory_store import URI, MemoryStore
from tests.support.reactor_requests import EMPTY, SECRET, ask, opened, outcome, payload_is_alive, uncollected
from tests.support.reactor_world import World, admission, refusal

MARKER = b"a value that a request carries: 4b1e"
UPLOAD, PATCH, DELETE = upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_PATCH, upload_pb2.PURPOSE_DELETE
UNDELETE, ROLLBACK = upload_pb2.PURPOSE_UNDELETE, upload_pb2.PURPOSE_ROLLBACK
GENERATE, COPY = upload_pb2.PURPOSE_GENERATE, upload_pb2.PURPOSE_COPY
COMPARE, VERIFY = upload_pb2.PURPOSE_COMPARE, upload_pb2.PURPOSE_VERIFY
IMPORT, LIST = upload_pb2.PURPOSE_IMPORT, upload_pb2.PURPOSE_LIST
ANY, VERSION, OVERWRITE = upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_VERSION, upload_pb2.EXPECT_OVERWRITE

REQUESTS: dict[upload_pb2.Purpose, dict[str, Any]] = {
    UPLOAD: {},
    PATCH: {},
    DELETE: {"expect": OVERWRITE},
    GENERATE: {"recipes": (Recipe("k", "hex"),)},
    COMPARE: {},
    VERIFY: {},
    IMPORT: {},
    LIST: {},
    COPY: {"destination": SecretUri.parse("other://team-a/db")},
    UNDELETE: {"expect": OVERWRITE},
    ROLLBACK: {"to_version": "v1"},
}
"""A request of every purpose."""
LOOKS = (COMPARE, VERIFY, IMPORT, LIST)
ANNOUNCED = [purpose for purpose in REQUESTS if purpose not in LOOKS]
CALLS = {
    UPLOAD: ("write", "written", "UPLOADED"),
    PATCH: ("patch", "patched", "UPLOADED"),
    DELETE: ("delete", "deleted", "DELETED"),
    GENERATE: ("write", "written", "UPLOADED"),
    UNDELETE: ("undelete", "undeleted", "UNDELETED"),
    ROLLBACK: ("write", "written", "ROLLED_BACK"),
}
"""Of what changes this engine: the method, the point at which it has done so, and the outcome."""


def name(value: object) -> str:
    return upload_pb2.Purpose.Name(value) if type(value) is int else str(value)


def of(*purposes: upload_pb2.Purpose) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("purpose", purposes, ids=upload_pb2.Purpose.Name)


of_each = of(*REQUESTS)


def requested(world: World, purpose: upload_pb2.Purpose) -> DeliveredRequest:
    """Return a request of `purpose`, ready to be handled, about a secret that `world` wrote."""
    if PURPOSES[purpose].undeletes:
        world.memory.set_aside()
    return world.sealed(ask(purpose, **REQUESTS[purpose]), {"k": MARKER})


async def written(store: MemoryStore | None = None) -> World:
    """Return a world that wrote a secret and whose log says nothing of it."""
    world = World(store)
    await world.walk(secret={"k": b"before"})
    world.log.events.clear()
    world.memory.calls.clear()
    return world


def expecting(purpose: upload_pb2.Purpose, expect: upload_pb2.Expect, version: str = "") -> Request:
    """Return a request of `purpose` with this expectation."""
    return ask(purpose, **REQUESTS[purpose] | {"expect": expect, "expect_version": version})


def test_there_is_a_request_of_every_purpose() -> None:
    assert set(REQUESTS) == set(upload_pb2.Purpose.values()) - {upload_pb2.PURPOSE_UNSPECIFIED}


# --- what becomes of a key ---


@of_each
async def test_a_key_is_good_for_one_request_in_its_lifetime(purpose: upload_pb2.Purpose) -> None:
    world = await written()
    once = requested(world, purpose)
    for _ in range(2):
        await world.handler.handle(once)
    assert world.outcomes()[-1] == "FAILED KEY_LOST"
    late = requested(world, purpose)
    world.now.time += late.grant.lifetime_s
    world.memory.calls.clear()
    await world.handler.handle(late)
    assert world.outcomes()[-1] == "FAILED EXPIRED"
    assert not {method for method, _, _ in CALLS.values()} & set(world.memory.calls)


@of(*(purpose for purpose in REQUESTS if not PURPOSES[purpose].seals))
async def test_sealed_bytes_with_what_seals_nothing_are_refused_and_the_key_dies(purpose: upload_pb2.Purpose) -> None:
    world = await written()
    for encapsulated, ciphertext, digest in ((b"x", b"", EMPTY), (b"", b"x", EMPTY), (b"", b"", b"")):
        sealed = requested(world, purpose)
        await world.handler.handle(replace(sealed, encapsulated_key=encapsulated, ciphertext=ciphertext, sha256=digest))
        assert (world.outcomes()[-1], len(world.keys)) == ("FAILED BAD_PAYLOAD", 0)
    assert not {"write", "read_at"} & set(world.memory.calls)


@pytest.mark.parametrize(
    ("purpose", "capabilities", "fields", "admitted"),
    [
        (PATCH, {}, {"remove_keys": ("a.b",)}, True),
        (PATCH, {"patchable": False}, {}, False),
        (DELETE, {"soft_delete": True, "deletable": False}, {}, True),
        (DELETE, {"soft_delete": False, "deletable": True}, {}, False),
        (DELETE, {"soft_delete": False, "deletable": True}, {"destroy": True}, True),
        (DELETE, {"soft_delete": True, "deletable": False}, {"destroy": True}, False),
        (UNDELETE, {"undeletable": True}, {}, True),
        (UNDELETE, {"undeletable": False}, {}, False),
        (ROLLBACK, {"rollbackable": True}, {}, True),
        (ROLLBACK, {"rollbackable": False}, {}, False),
    ],
    ids=name,
)
def test_what_the_engine_cannot_do_gets_no_key(
    purpose: upload_pb2.Purpose, capabilities: dict[str, Any], fields: dict[str, Any], *, admitted: bool
) -> None:
    by = admission(MemoryStore(**capabilities))
    assert refusal(by, ask(purpose, **{**REQUESTS[purpose], **fields})) == ("" if admitted else "UNSUPPORTED")


async def test_a_driver_patches_and_deletes_nothing_unless_it_says_so() -> None:
    with pytest.raises(UnsupportedError):
        await StoreDriver.patch(MemoryStore(), URI.path, None, ["a"], replacing=None, write_tag="0" * 64)
    with pytest.raises(UnsupportedError):
        await StoreDriver.delete(MemoryStore(), URI.path, replacing=None, destroy=False)


# --- what is expected ---


@of(PATCH, DELETE)
@pytest.mark.parametrize("expect", [ANY, OVERWRITE])
async def test_nothing_is_not_found(world: World, purpose: upload_pb2.Purpose, expect: upload_pb2.Expect) -> None:
    await world.walk(ask(purpose, expect=expect))
    assert world.outcomes() == ["FAILED NOT_FOUND"]
    assert CALLS[purpose][0] not in world.memory.calls


@of(UPLOAD, PATCH, DELETE, GENERATE)
async def test_content_that_no_receipt_of_ours_names_needs_overwrite(world: World, purpose: upload_pb2.Purpose) -> None:
    """Even the content that the request carries."""
    version = world.memory.put(SECRET)
    refused = await world.walk(expecting(purpose, ANY))
    assert (outcome(refused), refused.upstream_version) == ("FAILED UPSTREAM_CHANGED", version)
    assert (await world.walk(expecting(purpose, OVERWRITE), {"k": b"new"})).prior_version == version


@of(UPLOAD, PATCH, DELETE, GENERATE, UNDELETE)
@pytest.mark.parametrize("version", ["v1", "v0"])
async def test_version_expects_that_version(world: World, purpose: upload_pb2.Purpose, version: str) -> None:
    world.memory.put(SECRET)
    if purpose == UNDELETE:
        world.memory.set_aside()
    await world.walk(expecting(purpose, VERSION, version), {"k": b"new"})
    assert world.outcomes()[-1] == (CALLS[purpose][2] if version == "v1" else "FAILED CONFLICT")


@of(PATCH, DELETE)
async def test_a_version_that_moved_stays_and_is_not_retried(world: World, purpose: upload_pb2.Purpose) -> None:
    await world.walk()
    method, _, _ = CALLS[purpose]
    world.memory.failures[method].append(lambda: world.memory.put({"a": b""}))
    await world.walk(ask(purpose), {"password": b"new"})
    assert (world.outcomes()[-2:], world.memory.calls.count(method)) == (["STARTED", "FAILED UPSTREAM_CHANGED"], 1)
    assert world.memory.now() == "v2"


# --- what the engine and m8 say ---


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (StoreConflictError, "CONFLICT"),
        (StoreRefusedError, "UPSTREAM_REFUSED"),
        (UnsupportedError, "UNSUPPORTED"),
        (StoreUnavailableError, "UPSTREAM_UNAVAILABLE"),
        (UnknownOutcomeError, "KEY_LOST"),
    ],
)
@of(*CALLS)
async def test_what_the_engine_says_becomes_the_reason(
    purpose: upload_pb2.Purpose, failure: type[DriverError], reason: str
) -> None:
    world = await written()
    delivered = requested(world, purpose)
    before = world.memory.now()
    world.memory.failures[CALLS[purpose][0]].extend([failure("x")] * TRIES)
    await world.handler.handle(delivered)
    assert world.outcomes() == ["STARTED", f"FAILED {reason}"]
    assert world.memory.now() == before


@pytest.mark.parametrize("tagged", [True, False], ids=["by its tag", "by its content"])
@of(*CALLS)
async def test_a_change_whose_answer_was_lost_is_looked_up(purpose: upload_pb2.Purpose, *, tagged: bool) -> None:
    world = await written(MemoryStore(readable=not tagged, write_tag=tagged))
    world.memory.failures[CALLS[purpose][1]].append(UnknownOutcomeError("broke."))
    await world.handler.handle(requested(world, purpose))
    assert world.outcomes() == ["STARTED", CALLS[purpose][2]]
    there = world.memory.content[URI.path]
    assert world.receipt().fingerprint == (world.key.fingerprints(there[-1][1]).whole if there else "")


@of(*CALLS)
async def test_refused_started_changes_nothing(purpose: upload_pb2.Purpose) -> None:
    world = await written()
    world.log.refusals.append("CONFLICT")
    with uncollected():
        assert not await world.handler.handle(requested(world, purpose))
        assert not payload_is_alive(MARKER)
    assert world.log.events == []
    assert CALLS[purpose][0] not in world.memory.calls


# --- defects ---


@of_each
async def test_a_defect_before_started_is_key_lost(
    purpose: upload_pb2.Purpose, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await written()

    def stumble(*_: object) -> NoReturn:
        raise ZeroDivisionError

    delivered = requested(world, purpose)
    for way in ("open", "discard"):
        monkeypatch.setattr(world.keys, way, stumble)
    assert await world.handler.handle(delivered)
    assert world.outcomes() == ["FAILED KEY_LOST"]
    receipt = world.receipt()
    assert (receipt.sealed_sha256, receipt.replica, len(world.keys)) == (delivered.sha256, world.replica, 0)


@of(*ANNOUNCED)
async def test_a_start_that_cannot_be_noted_ends_a_request_before_the_engine_is_told(
    purpose: upload_pb2.Purpose, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await written()
    delivered = requested(world, purpose)
    write, full = world.audit.write, [OSError(28, "full")]

    def note(entry: AuditEntry) -> None:
        if full:
            raise full.pop()
        write(entry)

    monkeypatch.setattr(world.audit, "write", note)
    with uncollected():
        assert await world.handler.handle(delivered)
        assert not payload_is_alive(MARKER)
    assert world.outcomes() == ["FAILED KEY_LOST"]
    assert not {"write", "patch", "delete"} & set(world.memory.calls)


@of(COMPARE, IMPORT)
async def test_a_defect_of_the_engines_driver_ends_a_look_at_once(purpose: upload_pb2.Purpose) -> None:
    world = await written()
    world.memory.failures["read"].append(ZeroDivisionError())
    assert await world.handler.handle(requested(world, purpose))
    assert world.outcomes() == ["FAILED KEY_LOST"]


@of_each
async def test_a_defect_before_the_grant_is_key_lost_at_once(world: World, purpose: upload_pb2.Purpose) -> None:
    class Stumbles(Admission):
        def __init__(self) -> None:
            pass

        def admit(self, *_: object) -> NoReturn:
            raise ZeroDivisionError

    granter = Granter(Stumbles(), world.keys, world.looks, world.log, world.audit)
    assert not await granter.grant(opened(ask(purpose, **REQUESTS[purpose])))
    (event,) = world.log.events
    assert isinstance(event, events_pb2.SecretUploadFailed)
    assert event.reason == upload_pb2.REASON_KEY_LOST
    assert ([entry.reason for entry in world.audit.entries], len(world.keys)) == (["KEY_LOST"], 0)
