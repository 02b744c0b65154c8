"""What a driver knows reaches the user as a fixed sentence; what it could never take ends alike for every guess."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from monoskope import operating_log
from monoskope.api.secrets.v1 import events_pb2, options_pb2, upload_pb2
from monoskope.protocol.payload import Payload
from monoskope.protocol.recipes import Recipe
from monoskope.reactor.admission import OUTSIDE_KEY_RULE, OUTSIDE_PREFIXES, Admission
from monoskope.reactor.grant import Granter
from monoskope.reactor.guarded_driver import GuardedDriver, Sentences
from monoskope.reactor.limits import Rates
from monoskope.reactor.memory import Garbage
from monoskope.reactor.settings import ReactorLimits
from monoskope.stores.driver import (
    CannotReadError,
    DriverError,
    StoreRefusedError,
    StoreUnavailableError,
    UnsupportedError,
)
from monoskope.stores.vault.versions import merge_patch, wants_base64
from monoskope.uri import SecretUri
from tests.support.memory_store import MemoryStore
from tests.support.reactor_requests import ask, opened
from tests.support.reactor_world import World, settings

UPLOAD, LIST = upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_LIST
ON_THE_LIST = "the engine's policy does not allow this."
VALUE = "correct-horse-battery"


def guarded(memory: MemoryStore | None = None) -> tuple[World, MemoryStore]:
    memory = memory or MemoryStore()
    return World(GuardedDriver(memory, Garbage(), within_s=5.0)), memory


async def test_a_refusal_says_in_its_receipt_why_and_in_the_log(tmp_path: Path) -> None:
    world, memory = guarded()
    memory.failures["write"].append(StoreRefusedError(ON_THE_LIST))
    with operating_log.written_to(tmp_path / "reactor.log"):
        receipt = await world.walk()
    assert (receipt.reason, receipt.detail) == (upload_pb2.REASON_UPSTREAM_REFUSED, ON_THE_LIST)
    assert world.audit.entries[-1].detail == ON_THE_LIST
    lines = [json.loads(line) for line in (tmp_path / "reactor.log").read_text().splitlines()]
    assert [line["detail"] for line in lines if line["event"] == "request"] == [ON_THE_LIST]


@pytest.mark.parametrize("method", ["read_version", "read", "list_names"])
async def test_wherever_the_driver_refuses(method: str) -> None:
    world, memory = guarded()
    memory.put({"a": b""})
    memory.failures[method].append(StoreRefusedError(ON_THE_LIST))
    purpose = LIST if method == "list_names" else UPLOAD
    receipt = await world.walk(ask(purpose, expect=None if purpose == LIST else upload_pb2.EXPECT_OVERWRITE))
    assert receipt.detail == ON_THE_LIST


@pytest.mark.parametrize(
    "message",
    [
        f"the engine said: {VALUE}",
        VALUE,
        f"the value of {VALUE}\u00e9 is not UTF-8 text, and this engine holds only text.",
        f"the value of a b c {VALUE} is not UTF-8 text, and this engine holds only text.",
        f"{ON_THE_LIST} {VALUE}",
        f"{ON_THE_LIST}\n",
        "x" * 300,
        "",
    ],
)
@pytest.mark.parametrize("kind", [StoreRefusedError, UnsupportedError, StoreUnavailableError, CannotReadError])
async def test_what_is_not_on_the_list_stays_in_the_reactor(kind: type[DriverError], message: str) -> None:
    """A driver with a defect may say anything: an engine's text, or the value that it was given."""
    world, memory = guarded()
    memory.failures["write"].append(kind(message))
    receipt = await world.walk()
    assert receipt.detail == ""
    assert VALUE.encode() not in receipt.content
    assert [entry.detail for entry in world.audit.entries] == [""] * len(world.audit.entries)


async def test_a_third_partys_driver_names_the_sentences_that_users_may_be_told() -> None:
    class Theirs(MemoryStore):
        sentences = frozenset({"a name here has at most {} letters."})

    world, memory = guarded(Theirs())
    memory.failures["write"].extend([StoreRefusedError("a name here has at most 8 letters."), StoreRefusedError("no.")])
    assert (await world.walk()).detail == "a name here has at most 8 letters."
    assert (await world.walk()).detail == ""


def test_a_gap_holds_a_name_or_a_number_and_no_sentence() -> None:
    sentences = Sentences()
    assert sentences.told("a secret has at most 50 tags.") == "a secret has at most 50 tags."
    assert sentences.told("a secret has at most what I say in many words tags.") == ""


def refused_by(tmp_path: Path, world: World, driver: GuardedDriver | MemoryStore) -> Granter:
    admission = Admission(settings(tmp_path), driver, Rates(ReactorLimits()))
    return Granter(admission, world.keys, world.looks, world.log, world.audit)


async def test_what_is_refused_before_there_is_a_key_says_why_without_a_signature(tmp_path: Path) -> None:
    world, memory = guarded()
    memory.failures["check"].append(StoreRefusedError("an age store takes no options."))
    granter = refused_by(tmp_path, world, GuardedDriver(memory, Garbage(), within_s=5.0))
    with operating_log.written_to(tmp_path / "reactor.log"):
        assert not await granter.grant(opened(ask()))
    (event,) = world.log.events
    assert event == events_pb2.SecretUploadFailed(
        reason=upload_pb2.REASON_UPSTREAM_REFUSED, detail="an age store takes no options."
    )
    assert world.audit.entries[-1].detail == "an age store takes no options."
    assert "an age store takes no options." in (tmp_path / "reactor.log").read_text()


async def test_a_path_outside_the_prefixes_is_said_to_be_one(world: World, tmp_path: Path) -> None:
    request = ask(uri=SecretUri.parse("memory://team-b/db"))
    assert not await refused_by(tmp_path, world, world.memory).grant(opened(request))
    (event,) = world.log.events
    assert isinstance(event, events_pb2.SecretUploadFailed)
    assert event.detail == OUTSIDE_PREFIXES


async def test_a_key_outside_the_rule_is_said_to_be_one() -> None:
    world, _ = guarded(MemoryStore(key_rule=re.compile("value")))
    receipt = await world.walk(secret={"other": b"x"})
    assert (receipt.reason, receipt.detail) == (upload_pb2.REASON_UNSUPPORTED, OUTSIDE_KEY_RULE)


BASE64 = options_pb2.VaultOptions(binary=options_pb2.VaultBinary.VAULT_BINARY_BASE64)


class Particular(MemoryStore):
    """An engine that takes text alone, and bytes as base64, as `vault` does; it holds bytes all the same."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(kind="vault", **changes)
        self.asked: list[tuple[tuple[str, ...], list[str] | None, Sequence[str] | None, object | None]] = []
        self.error: DriverError | None = None

    def check_payload(
        self, path: tuple[str, ...], payload: Payload | None, *, remove: Sequence[str] | None, options: object | None
    ) -> None:
        self.asked.append((path, None if payload is None else list(payload), remove, options))
        if self.error is not None:
            raise self.error
        merge_patch(payload, remove or (), binary=wants_base64(options))


def particular(error: DriverError | None = None) -> tuple[World, Particular]:
    """Return a world in which the PIN is one that is not text, and its store."""
    store = Particular()
    store.error = error
    store.put({"pin": b"\x80\x01"})
    return World(store), store


@pytest.mark.parametrize("guess", [b"\x80\x01", b"\x80\x02"], ids=["right", "wrong"])
@pytest.mark.parametrize("purpose", [upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_PATCH])
async def test_a_right_guess_ends_as_a_wrong_one(purpose: upload_pb2.Purpose, guess: bytes) -> None:
    world, store = particular()
    expect = upload_pb2.EXPECT_OVERWRITE
    receipt = await world.walk(ask(purpose, expect=expect), {"pin": guess})
    assert (world.outcomes(), receipt.upstream_version) == (["FAILED UPSTREAM_REFUSED"], "")
    assert store.calls == ["read_version"]


async def test_options_under_which_it_fits_let_it_through() -> None:
    world, store = particular()
    request = ask(expect=upload_pb2.EXPECT_OVERWRITE, options=BASE64)
    assert (await world.walk(request, {"pin": b"\x80\x02"})).outcome == upload_pb2.OUTCOME_UPLOADED
    assert store.asked == [(world.uri.path, ["pin"], None, BASE64)]


async def test_a_comparison_needs_no_options() -> None:
    """What lies there as base64 can be compared without saying so again: nothing is written."""
    world, store = particular()
    receipt = await world.walk(ask(upload_pb2.PURPOSE_COMPARE), {"pin": b"\x80\x01"})
    assert (receipt.outcome, store.asked) == (upload_pb2.OUTCOME_EQUAL, [])


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StoreRefusedError("no."), "UPSTREAM_REFUSED"),
        (UnsupportedError("no."), "UNSUPPORTED"),
        (CannotReadError("no."), "CANNOT_READ"),
    ],
)
async def test_the_reason_is_that_of_the_error(error: DriverError, reason: str) -> None:
    world, _ = particular(error)
    await world.walk(ask(expect=upload_pb2.EXPECT_OVERWRITE))
    assert world.outcomes() == [f"FAILED {reason}"]


async def test_what_is_dropped_made_here_or_written_anew_is_judged_too() -> None:
    world, store = particular(StoreRefusedError("no."))
    await world.walk(ask(upload_pb2.PURPOSE_PATCH, remove_keys=("pin",)), {})
    recipes = (Recipe("pin", "password", 24),)
    expect = upload_pb2.EXPECT_OVERWRITE
    await world.walk(ask(upload_pb2.PURPOSE_GENERATE, expect=expect, recipes=recipes))
    await world.walk(ask(upload_pb2.PURPOSE_ROLLBACK, expect=expect, to_version="v1"))
    assert world.outcomes() == ["FAILED UPSTREAM_REFUSED"] * 3
    asked = [(keys, remove) for _, keys, remove, _ in store.asked]
    assert asked == [(None, ("pin",)), (["pin"], None), (["pin"], None)]
    assert "write" not in store.calls
    assert "patch" not in store.calls


async def test_a_driver_that_says_nothing_of_values_takes_them(world: World) -> None:
    """As every driver did before there was such a method."""
    assert (await world.walk()).outcome == upload_pb2.OUTCOME_UPLOADED
