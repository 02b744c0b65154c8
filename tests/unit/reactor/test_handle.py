"""The walk of one sealed secret, branch by branch, on an engine in memory."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from monoskope.api.secrets.v1 import events_pb2, options_pb2, upload_pb2
from monoskope.protocol.purposes import PURPOSES, PurposeRules
from monoskope.protocol.receipt import write_tag
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.timings import Timings
from monoskope.reactor.upstream.content import TRIES
from monoskope.stores.driver import (
    CannotReadError,
    StoreConflictError,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)
from monoskope.uri import SecretUri
from tests.support.memory_store import URI, MemoryStore
from tests.support.reactor_requests import SECRET, ask, payload_is_alive, uncollected
from tests.support.reactor_world import FAST, World

ANY, ABSENT = upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_ABSENT
VERSION, OVERWRITE = upload_pb2.EXPECT_VERSION, upload_pb2.EXPECT_OVERWRITE
COMPARE = upload_pb2.PURPOSE_COMPARE


async def test_a_new_secret_is_announced_written_and_receipted(world: World) -> None:
    sealed = world.sealed()
    assert await world.handler.handle(sealed)
    assert (world.outcomes(), world.log.expected) == (["STARTED", "UPLOADED"], [3, 4])
    started, uploaded = world.receipt(0), world.receipt(1)
    tag = write_tag(sealed.grant.sha256, sealed.sha256)
    assert started.prior_version == uploaded.prior_version == ""
    assert started.intent == world.key.intent(tag, world.key.whole(SECRET))
    assert uploaded.upstream_version == world.memory.now()
    assert (uploaded.grant_sha256, uploaded.sealed_sha256) == (sealed.grant.sha256, sealed.sha256)
    assert (uploaded.fingerprint, uploaded.values) == (
        world.key.fingerprints(SECRET).whole,
        world.key.fingerprints(SECRET).values,
    )
    version, payload, stored_tag = world.memory.content[URI.path][0]
    assert (version, dict(payload), stored_tag) == (uploaded.upstream_version, SECRET, tag.hex())
    assert isinstance(world.log.events[0], events_pb2.SecretUploadStarted)
    assert isinstance(world.log.events[1], events_pb2.SecretUploaded)


async def test_the_same_again_is_unchanged_and_not_written(world: World) -> None:
    first = await world.walk()
    again = await world.walk()
    assert again.outcome == upload_pb2.OUTCOME_UNCHANGED
    assert (again.fingerprint, again.upstream_version) == (first.fingerprint, first.upstream_version)
    assert world.memory.calls.count("write") == 1


async def test_a_receipt_of_ours_tells_what_cannot_be_read() -> None:
    world = World(MemoryStore(readable=False))
    await world.walk()
    assert (await world.walk()).outcome == upload_pb2.OUTCOME_UNCHANGED
    changed = await world.walk(secret={"password": b"other"})
    assert (changed.outcome, changed.prior_version) == (upload_pb2.OUTCOME_UPLOADED, "v1")


async def test_a_receipt_under_another_key_id_names_the_version_but_not_its_content() -> None:
    world = World(MemoryStore(readable=False))
    await world.walk()
    other = World(world.store, key=FingerprintKey(bytes(32)))
    other.known.learn([_last(world)])
    assert await _compare(other) == "CANNOT_READ"
    assert (await other.walk()).outcome == upload_pb2.OUTCOME_UPLOADED


async def test_what_no_receipt_tells_the_engine_may_compare_by_a_hash() -> None:
    """As a whole: which keys differ, the hash of a secret does not say."""
    world = World(MemoryStore(readable=False, matches=True))
    version = world.memory.put(SECRET)
    equal = await world.walk(ask(COMPARE))
    assert (equal.outcome, equal.upstream_version) == (upload_pb2.OUTCOME_EQUAL, version)
    different = await world.walk(ask(COMPARE), secret={"password": b"other", "more": b"x"})
    assert (different.outcome, different.upstream_version) == (upload_pb2.OUTCOME_DIFFERENT, version)
    changed = upload_pb2.DIFFERENCE_KIND_CHANGED
    assert different.differences == (("more", changed), ("password", changed))
    await world.walk(ask(expect=upload_pb2.EXPECT_OVERWRITE))
    world.memory.calls.clear()
    assert (await world.walk(ask(COMPARE))).outcome == upload_pb2.OUTCOME_EQUAL
    assert "matches" not in world.memory.calls, "a receipt of ours tells"


@pytest.mark.parametrize("versions", [True, False])
async def test_by_a_hash_the_same_again_is_unchanged_and_not_written(*, versions: bool) -> None:
    """Also what nobody put here. Where the engine says another one, or that it cannot tell, it is written."""
    world = World(MemoryStore(readable=False, matches=True, versions=versions, check_and_set=versions))
    version = world.memory.put(SECRET)
    same = await world.walk(ask(expect=OVERWRITE))
    assert same.outcome == upload_pb2.OUTCOME_UNCHANGED
    assert same.fingerprint == world.key.fingerprints(SECRET).whole
    assert world.memory.now() == version
    other = {"password": b"other"}
    assert (await world.walk(ask(expect=OVERWRITE), secret=other)).outcome == upload_pb2.OUTCOME_UPLOADED
    world.memory.put(SECRET)
    world.memory.failures["matches"].append(CannotReadError("another form."))
    assert (await world.walk(ask(expect=OVERWRITE))).outcome == upload_pb2.OUTCOME_UPLOADED


def _last(world: World) -> upload_pb2.Signed:
    event = world.log.events[-1]
    assert isinstance(event, events_pb2.SecretUploaded)
    return event.receipt


async def _compare(world: World) -> str:
    await world.handler.handle(world.sealed(ask(COMPARE)))
    return world.outcomes()[-1].removeprefix("FAILED ")


@pytest.mark.parametrize(("there", "outcome"), [(False, "UPLOADED"), (True, "FAILED CONFLICT")])
async def test_absent_expects_nothing(world: World, *, there: bool, outcome: str) -> None:
    if there:
        world.memory.put({"a": b""})
    await world.walk(ask(expect=ABSENT))
    assert world.outcomes()[-1] == outcome


async def test_a_write_that_has_not_ended_in_its_window_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Timings().write_window == 30
    world = World(timings=msgspec.structs.replace(FAST, write_window=0.05))
    stopped: list[bool] = []

    async def never(*_: object, **__: object) -> str:
        try:
            return await asyncio.Future()
        finally:
            stopped.append(True)

    monkeypatch.setattr(world.memory, "write", never)
    async with asyncio.timeout(10):
        await world.walk()
    assert (stopped, world.outcomes()) == ([True], ["STARTED", "FAILED KEY_LOST"])


async def test_what_is_written_costs_no_comparison(world: World) -> None:
    for number in range(12):
        await world.walk(secret={"n": bytes([number])})
    assert world.outcomes().count("UPLOADED") == 12
    world.rates.take(ask(COMPARE), "alice")


async def test_no_request_waits_for_a_started_that_m8_never_takes() -> None:
    world = World(timings=msgspec.structs.replace(FAST, write_window=0.0))
    world.log.away = asyncio.Event()
    stuck = [asyncio.create_task(world.handler.handle(world.sealed(ask(expect=OVERWRITE)))) for _ in range(9)]
    while len(world.log.expected) < 9:
        await asyncio.sleep(0)
    async with asyncio.timeout(5), world.handler._locks.held(URI):
        assert not any(task.done() for task in stuck)
    world.log.away.set()
    await asyncio.gather(*stuck)
    assert world.outcomes() == ["STARTED"] * 9 + ["FAILED KEY_LOST"] * 9


async def test_nothing_is_written_when_started_lands_after_the_window() -> None:
    world = World(timings=msgspec.structs.replace(FAST, write_window=0.0))
    world.log.away = asyncio.Event()
    walking = asyncio.create_task(world.handler.handle(world.sealed(secret={"k": b"gone before STARTED lands: 5e1d"})))
    while not world.log.expected:
        await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not payload_is_alive(b"gone before STARTED lands: 5e1d")
    world.log.away.set()
    assert await walking
    assert world.outcomes() == ["STARTED", "FAILED KEY_LOST"]
    assert "write" not in world.memory.calls


@pytest.mark.parametrize("expect", [ANY, OVERWRITE])
async def test_a_passing_conflict_is_tried_three_times(world: World, expect: upload_pb2.Expect) -> None:
    world.memory.failures["write"].extend([StoreConflictError("locked."), StoreConflictError("locked.")])
    await world.walk(ask(expect=expect))
    assert (world.outcomes(), world.memory.calls.count("write")) == (["STARTED", "UPLOADED"], 3)


@pytest.mark.parametrize(("expect", "version"), [(ABSENT, ""), (VERSION, "v1")])
async def test_version_and_absent_are_tried_once(world: World, expect: upload_pb2.Expect, version: str) -> None:
    if version:
        world.memory.put({"a": b""})
    world.memory.failures["write"].append(StoreConflictError("locked."))
    await world.walk(ask(expect=expect, expect_version=version))
    assert (world.outcomes(), world.memory.calls.count("write")) == (["STARTED", "FAILED CONFLICT"], 1)


async def test_overwrite_replaces_what_came_between_and_says_so(world: World) -> None:
    world.log.before.append(lambda: world.memory.put({"theirs": b"1"}))
    receipt = await world.walk(ask(expect=OVERWRITE))
    assert world.outcomes() == ["STARTED", "UPLOADED"]
    assert (world.receipt(0).prior_version, receipt.prior_version) == ("", "v1")
    assert world.memory.now() == receipt.upstream_version == "v2"


async def test_any_does_not_replace_what_came_between(world: World) -> None:
    world.log.before.append(lambda: world.memory.put({"theirs": b"1"}))
    receipt = await world.walk(ask(expect=ANY))
    assert world.outcomes() == ["STARTED", "FAILED UPSTREAM_CHANGED"]
    assert receipt.upstream_version == world.memory.now() == "v1"


async def test_any_replaces_what_another_replica_of_ours_put_between(world: World) -> None:
    other = World(world.store)
    sealed = world.sealed(secret={"mine": b"1"})
    world.log.away = asyncio.Event()
    walking = asyncio.create_task(world.handler.handle(sealed))
    while not world.log.expected:
        await asyncio.sleep(0)
    await other.walk()
    world.known.learn([_last(other)])
    world.log.away.set()
    assert await walking
    assert world.receipt().prior_version == "v1"
    assert [dict(payload) for _, payload, _ in world.memory.content[URI.path]] == [SECRET, {"mine": b"1"}]


async def test_an_unknown_end_of_a_later_try_is_looked_up_against_what_that_try_was_to_replace(world: World) -> None:
    world.log.before.append(lambda: world.memory.put({"theirs": b"1"}))
    world.memory.failures["write"].extend([None, UnknownOutcomeError("broke.")])
    await world.walk(ask(expect=OVERWRITE))
    assert world.outcomes() == ["STARTED", "FAILED KEY_LOST"]


async def test_a_version_that_changes_before_started_is_looked_at_again(world: World) -> None:
    world.memory.put({"first": b""})
    world.memory.failures["read"].append(lambda: world.memory.put({"second": b""}))
    receipt = await world.walk(ask(expect=OVERWRITE))
    assert (world.outcomes(), receipt.prior_version) == (["STARTED", "UPLOADED"], "v2")


async def test_a_secret_that_never_holds_still_is_a_conflict(world: World) -> None:
    world.memory.put({"first": b""})
    world.memory.failures["read_version"].extend([lambda: world.memory.put({"more": b""})] * (TRIES + 1))
    await world.walk()
    assert world.outcomes() == ["FAILED CONFLICT"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (StoreUnavailableError("away."), "FAILED UPSTREAM_UNAVAILABLE"),
        (StoreRefusedError("no."), "FAILED UPSTREAM_REFUSED"),
        (UnsupportedError("cannot."), "FAILED UNSUPPORTED"),
    ],
)
async def test_what_the_driver_says_becomes_the_reason(world: World, error: Exception, outcome: str) -> None:
    world.memory.failures["read_version"].append(error)
    await world.walk()
    assert world.outcomes() == [outcome]


LOCKED, BROKE, AWAY = StoreConflictError("locked."), UnknownOutcomeError("broke."), StoreUnavailableError("away.")


@pytest.mark.parametrize(
    ("cannot", "failures", "end", "writes"),
    [
        ((), {"write": [LOCKED] * TRIES}, "FAILED CONFLICT", TRIES),
        ((), {"write": [LOCKED], "read_version": [None, AWAY]}, "FAILED UPSTREAM_UNAVAILABLE", 1),
        (("write_tag", "readable"), {"written": [BROKE]}, "FAILED OUTCOME_UNKNOWN", 1),
        ((), {"write": [LOCKED, None], "written": [BROKE]}, "UPLOADED", 2),
        ((), {"written": [BROKE], "find": [AWAY] * 5}, "FAILED OUTCOME_UNKNOWN", 1),
    ],
    ids=["a conflict stays", "away between tries", "an unreadable version", "not the conflict", "cannot be asked"],
)
async def test_a_write_that_fails_ends_as_what_is_known_of_it(
    cannot: tuple[str, ...], failures: dict[str, list[Exception | None]], end: str, writes: int
) -> None:
    capable: dict[str, Any] = dict.fromkeys(cannot, False)
    world = World(MemoryStore(**capable))
    for method, errors in failures.items():
        world.memory.failures[method].extend(errors)
    await world.walk()
    assert (world.outcomes(), world.memory.calls.count("write")) == (["STARTED", end], writes)


async def test_somebody_elses_write_is_not_taken_for_ours() -> None:
    world = World(MemoryStore(write_tag=False))
    world.memory.failures["write"].append(lambda: _overtaken(world))
    await world.walk(ask(expect=OVERWRITE))
    assert world.outcomes() == ["STARTED", "FAILED OUTCOME_UNKNOWN"]


def _overtaken(world: World) -> None:
    world.memory.put({"theirs": b"1"})
    raise UnknownOutcomeError("broke.")


async def test_without_check_and_set_nothing_is_replaced_by_version() -> None:
    world = World(MemoryStore(check_and_set=False))
    world.memory.put({"first": b""})
    await world.walk(ask(expect=OVERWRITE))
    assert world.outcomes() == ["STARTED", "UPLOADED"]


@pytest.mark.parametrize(("check_and_set", "calls"), [(True, ["write"]), (False, ["read_version", "write"])])
async def test_an_engine_without_check_and_set_is_looked_at_again(*, check_and_set: bool, calls: list[str]) -> None:
    """Where the engine compares by itself, no plaintext waits for one more look."""
    world = World(MemoryStore(check_and_set=check_and_set), timings=msgspec.structs.replace(FAST, young=1.0))

    def grow_old() -> None:
        world.now.time += 1.0
        world.memory.calls.clear()

    world.log.before.append(grow_old)
    await world.walk(ask(expect=OVERWRITE))
    assert world.outcomes() == ["STARTED", "UPLOADED"]
    assert [call for call in world.memory.calls if call in {"read_version", "write"}] == calls


async def test_keys_outside_the_engines_rule_are_unsupported() -> None:
    world = World(MemoryStore(key_rule=re.compile("[a-z]+")))
    await world.walk(secret={"A": b""})
    assert world.outcomes() == ["FAILED UNSUPPORTED"]


async def test_options_reach_the_engine() -> None:
    world = World(MemoryStore(kind="vault"))
    options = options_pb2.VaultOptions(binary=options_pb2.VAULT_BINARY_BASE64)
    await world.walk(ask(options=options))
    assert world.memory.options == [options]


async def test_compare_says_equal_or_where_it_differs(world: World) -> None:
    world.memory.put({"same": b"1", "changed": b"1", "extra": b"1"})
    receipt = await world.walk(ask(COMPARE), {"same": b"1", "changed": b"2", "missing": b"1"})
    assert receipt.outcome == upload_pb2.OUTCOME_DIFFERENT
    assert receipt.differences == (
        ("changed", upload_pb2.DIFFERENCE_KIND_CHANGED),
        ("extra", upload_pb2.DIFFERENCE_KIND_EXTRA),
        ("missing", upload_pb2.DIFFERENCE_KIND_MISSING),
    )
    equal = await world.walk(ask(COMPARE), {"same": b"1", "changed": b"1", "extra": b"1"})
    assert (equal.outcome, equal.fingerprint) == (upload_pb2.OUTCOME_EQUAL, "")
    assert isinstance(world.log.events[-1], events_pb2.SecretCompared)
    assert "write" not in world.memory.calls


async def test_compare_with_nothing_misses_every_key() -> None:
    receipt = await World().walk(ask(COMPARE))
    assert {kind for _, kind in receipt.differences} == {upload_pb2.DIFFERENCE_KIND_MISSING}
    assert receipt.upstream_version == ""


async def test_compare_by_a_receipt_of_ours_where_values_cannot_be_read() -> None:
    world = World(MemoryStore(readable=False))
    await world.walk()
    assert (await world.walk(ask(COMPARE))).outcome == upload_pb2.OUTCOME_EQUAL
    receipt = await world.walk(ask(COMPARE), {**SECRET, "password": b"x"})
    assert receipt.differences == (("password", upload_pb2.DIFFERENCE_KIND_CHANGED),)


async def test_compare_of_unknown_content_cannot_read() -> None:
    world = World(MemoryStore(readable=False))
    world.memory.put(SECRET)
    assert await _compare(world) == "CANNOT_READ"


async def test_compare_falls_back_to_a_receipt_for_what_came_back_changed(world: World) -> None:
    await world.walk()
    world.memory.failures["read"].append(CannotReadError("numbers came back as text."))
    assert await _compare(world) == "EQUAL"


async def test_sealed_bytes_that_are_not_the_announced_ones_count_as_never_received(world: World) -> None:
    sealed = world.sealed()
    other = replace(sealed, sha256=b"")
    assert await world.handler.handle(other)
    assert world.outcomes() == ["FAILED BAD_PAYLOAD"]
    assert world.receipt().sealed_sha256 == b""
    assert len(world.keys) == 0


async def test_two_requests_for_one_secret_follow_each_other(world: World) -> None:
    first, second = world.sealed(secret={"n": b"1"}), world.sealed(secret={"n": b"2"})
    assert all(await asyncio.gather(world.handler.handle(first), world.handler.handle(second)))
    priors = [world.receipt(index).prior_version for index in range(4)]
    assert world.outcomes().count("UPLOADED") == 2
    # Both keys were made before anything was there; the second write lost its check-and-set and tried again.
    assert sorted(priors) == ["", "", "", "v1"]


async def test_requests_for_different_secrets_do_not_wait_for_each_other(world: World) -> None:
    held = world.handler._locks
    async with held.held(URI):
        assert await world.handler.handle(world.sealed(ask(uri=SecretUri.parse("memory://team-a/other"))))
    assert len(held) == 0


async def test_no_plaintext_is_left_when_the_receipt_goes_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: dict[str, bool] = {}
    marker = b"a value that nothing else in this process holds: 7f3a"
    monkeypatch.setattr(world.memory, "put", lambda *_: "v1")
    sealed = world.sealed(secret={"k": marker})
    with uncollected():
        world.memory.failures["write"].append(lambda: alive.update(writing=payload_is_alive(marker)))
        world.log.before.extend([lambda: None, lambda: alive.update(receipt=payload_is_alive(marker))])
        assert await world.handler.handle(sealed)
    assert (world.outcomes(), alive) == (["STARTED", "UPLOADED"], {"writing": True, "receipt": False})


async def test_the_audit_log_has_no_value_and_no_fingerprint(world: World) -> None:
    await world.walk()
    text = repr(world.audit.entries)
    assert [entry.outcome for entry in world.audit.entries] == ["STARTED", "UPLOADED"]
    assert "fp1:" not in text
    assert "correct horse" not in text


async def test_what_came_after_the_look_is_looked_at_before_it_is_called_somebody_elses(world: World) -> None:
    """Of many writers at one place none is refused for a version that is long gone."""
    sealed = [world.sealed(ask(expect=ANY), {"n": b"%d" % number}) for number in range(12)]
    for one in sealed:
        assert await world.handler.handle(one)
    assert world.outcomes().count("UPLOADED") == 12


@pytest.mark.parametrize("comes", [True, False])
async def test_the_receipt_of_another_replica_is_waited_for_where_one_is_at_work(world: World, *, comes: bool) -> None:
    other = World(world.store)
    await other.walk()
    asked: list[SecretUri] = []

    def at_work(uri: SecretUri) -> bool:
        asked.append(uri)
        if comes:
            asyncio.get_running_loop().call_soon(world.known.learn, [_last(other)])
        return comes

    object.__setattr__(world.upstream, "peer_writes", at_work)
    await world.walk(ask(expect=ANY), {"mine": b"1"})
    assert (asked, world.outcomes()[-1]) == ([URI], "UPLOADED" if comes else "FAILED UPSTREAM_CHANGED")


async def test_a_receipt_that_comes_during_a_second_look_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other replica's request ended with it, so that nobody is at work any more."""
    other = World(world.store)
    await other.walk()
    sealed = world.sealed(ask(expect=ANY), {"mine": b"1"})
    read_version, looks = world.memory.read_version, 0

    async def read(path: tuple[str, ...]) -> str:
        nonlocal looks
        looks += 1
        if looks == 2:
            world.known.learn([_last(other)])
        return await read_version(path)

    monkeypatch.setattr(world.memory, "read_version", read)
    assert await world.handler.handle(sealed)
    assert looks >= 2
    assert world.outcomes()[-1] == "UPLOADED"


async def test_a_new_purpose_that_looks_is_no_import(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.memory.put(SECRET)
    delete = upload_pb2.PURPOSE_DELETE
    only_looks = PurposeRules(right=PURPOSES[delete].right, successes=frozenset({upload_pb2.OUTCOME_IMPORTED}))
    sealed = world.sealed(ask(delete))
    monkeypatch.setattr("monoskope.protocol.request.PURPOSES", {**PURPOSES, delete: only_looks})
    assert await world.handler.handle(sealed)
    assert world.outcomes() == ["FAILED KEY_LOST"]
