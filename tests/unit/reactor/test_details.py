"""What a driver knew reaches the user: a fixed sentence, signed; and nothing that is not on the list."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from monoskope import operating_log
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
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
from monoskope.uri import SecretUri
from tests.support.reactor_world import MemoryStore, World, ask, opened, settings

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
