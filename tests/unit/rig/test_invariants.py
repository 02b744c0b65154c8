"""What must hold after a round: each check finds what was planted against it."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.log.sqlite.documents import DOCUMENTS
from monoskope.m8.log.tree_rows import Named
from monoskope.m8.readmodels import documents as chain
from monoskope.m8.tree.signing import LastSigned, Signed, Signer
from monoskope.m8.tree.tree import grow_tree
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.testing.logs import some_time
from tests.rig import invariants
from tests.rig.facts import Facts, Told, read, requests_of, verify_log, verify_tree
from tests.rig.history import KILLED, OK, Operation
from tests.support.checkpoints import ORIGIN
from tests.support.engines import Version
from tests.support.m8_world import a_world
from tests.support.vectors import a_request

URI, COPY = "vault://rig/r1/c1", "local://rig/r1/copy-c1"


def shown(content: Mapping[str, str]) -> str:
    return f"fp1:{sorted(content.items())}"


def told(version: str, prior: str, content: Mapping[str, str], uri: str = URI) -> Told:
    return Told(uri, True, "UPLOADED", "", version, prior, shown(content))


ONE, TWO, THREE = {"password": "one"}, {"password": "one", "user": "two"}, {"password": "three"}


def good() -> Facts:
    """A put, a patch, a comparison, a copy, a put that was refused, one whose end nobody knows, and a deletion."""
    operations = [
        Operation(1, "put", URI, "one", "any", "", 0, 1, OK, ["a1"], "v1"),
        Operation(1, "patch", URI, "two", "any", "", 2, 3, OK, ["a2"], "v2"),
        Operation(2, "compare", URI, "two", "any", "", 4, 5, OK, ["a3"], "v2", equal=False),
        Operation(2, "copy", URI, "", "any", COPY, 6, 7, OK, ["a4"], "w1", "v2"),
        Operation(3, "put", URI, "refused", "v1", "", 8, 9, "CONFLICT", ["a5"]),
        Operation(3, "put", URI, "three", "any", "", 10, 11, "OUTCOME_UNKNOWN", ["a6"]),
        Operation(4, "put", URI, "four", "any", "", 12, 13, OK, ["a7"], "v4"),
        Operation(4, "delete", URI, "", "any", "", 14, 15, OK, ["a8"], "v4"),
        Operation(5, "put", URI, "killed", "any", "", 12, 13, KILLED),
    ]
    requests = {
        "a1": told("v1", "", ONE),
        "a2": told("v2", "v1", TWO),
        "a3": Told(URI, True, "DIFFERENT", "", "v2"),
        "a4": Told(URI, True, "COPIED", "", "v2"),
        "a4b": told("w1", "", TWO, COPY),
        "a5": Told(URI, True, "FAILED", "CONFLICT", "v2"),
        "a6": Told(URI, True, "FAILED", "OUTCOME_UNKNOWN"),
        "a7": told("v4", "v3", {"password": "four"}),
        "a8": Told(URI, True, "DELETED", "", "", "v4", announced="v4", deletes=True),
    }
    histories = {
        URI: [Version("v1", ONE), Version("v2", TWO), Version("v3", THREE), Version("v4", None)],
        COPY: [Version("w1", TWO)],
    }
    return Facts(operations, requests, histories, shown, 30.0)


def operation(number: int, **changes: Any) -> Callable[[Facts], Facts]:
    """One operation was told something else."""

    def lie(facts: Facts) -> Facts:
        changed = [
            dataclasses.replace(one, **changes) if at == number else one for at, one in enumerate(facts.operations)
        ]
        return dataclasses.replace(facts, operations=changed)

    return lie


def request(name: str, **changes: Any) -> Callable[[Facts], Facts]:
    """The log says something else of one request."""

    def lie(facts: Facts) -> Facts:
        changed = dataclasses.replace(facts.requests[name], **changes)
        return dataclasses.replace(facts, requests={**facts.requests, name: changed})

    return lie


def engine(*versions: Version, uri: str = URI) -> Callable[[Facts], Facts]:
    """The engine has something else."""
    return lambda facts: dataclasses.replace(facts, histories={**facts.histories, uri: versions})


V1, V2, V3, V4 = Version("v1", ONE), Version("v2", TWO), Version("v3", THREE), Version("v4", None)

LIES: dict[str, tuple[str, Callable[[Facts], Facts], str]] = {
    "an acknowledged put is lost": ("acknowledged_is_there", engine(V2, V3, V4), "lost.*one"),
    "an acknowledged put holds another value": (
        "acknowledged_is_there",
        engine(Version("v1", THREE), V2, V3, V4),
        "another content.*one",
    ),
    "a patch did not set its key": (
        "acknowledged_is_there",
        engine(V1, Version("v2", ONE), V3, V4),
        "another content.*two",
    ),
    "a copy is not what was copied": (
        "acknowledged_is_there",
        engine(Version("w1", THREE), uri=COPY),
        "another content.*copy",
    ),
    "a deletion left it there": (
        "acknowledged_is_there",
        engine(V1, V2, V3, Version("v4", {"password": "four"})),
        "still there",
    ),
    "a success without any receipt": ("success_has_a_receipt", operation(0, request_ids=[]), "without a receipt.*one"),
    "a success whose request failed": (
        "success_has_a_receipt",
        request("a1", outcome="FAILED", reason="CONFLICT"),
        "without a receipt.*one",
    ),
    "a success names another version than its receipt": (
        "success_has_a_receipt",
        operation(0, version="v2"),
        "without a receipt that says so.*one",
    ),
    "a comparison says the opposite of its receipt": (
        "success_has_a_receipt",
        operation(2, equal=True),
        "without a receipt that says so.*compare",
    ),
    "another version than the expected one was replaced": (
        "expectations_held",
        operation(6, expect="v2"),
        "written over v3.*v2.*four",
    ),
    "something was there, and nothing was expected": (
        "expectations_held",
        operation(6, expect="absent"),
        "written over v3.*absent.*four",
    ),
    "two receipts name one version": ("receipts_are_true", request("a2", version="v1", prior=""), "2 receipts"),
    "a receipt names what is not there": ("receipts_are_true", request("a1", version="v9"), "v9.*0 times"),
    "a receipt has another hash": ("receipts_are_true", request("a1", fingerprint="fp1:other"), "hash"),
    "a receipt skips a version": ("receipts_are_true", request("a7", prior="v2"), "does not come after v2"),
    "a receipt names what was announced, and was not looked up": (
        "receipts_are_true",
        request("a7", prior="v2", announced="v2"),
        "does not come after v2",
    ),
    "a receipt hides what it replaced": ("receipts_are_true", request("a7", prior=""), "nothing was there"),
    "written twice": ("versions_are_explained", engine(V1, V2, V3, Version("v3b", THREE), V4), "no receipt names"),
    "what was acknowledged is deleted, and nobody asked for that": (
        "deletions_are_explained",
        engine(V1, Version("v2", None), V3, V4),
        "v2 .* was deleted",
    ),
    "a deletion that was refused": (
        "deletions_are_explained",
        request("a8", outcome="FAILED", reason="UPSTREAM_REFUSED"),
        "v4 .* was deleted",
    ),
    "what was refused is there": (
        "refused_is_not_there",
        engine(V1, V2, Version("v3", {"password": "refused"}), V4),
        "nothing was written.*refused",
    ),
    "the log says KEY_LOST, and it is there": (
        "ends_are_true",
        request("a6", reason="KEY_LOST"),
        "nothing was written, and it is there.*three",
    ),
    "the log says UPLOADED, and it is not there": (
        "ends_are_true",
        engine(Version("v1", {"password": "other"}), Version("v2", {"password": "other", "user": "two"}), V3, V4),
        "not there.*one",
    ),
    "of an unknown outcome nobody can ask": ("ends_are_true", operation(5, request_ids=["ff"]), "knows no request"),
    "a value came back": (
        "written_once",
        engine(V1, Version("v1b", THREE), Version("v1c", ONE), V2, V3, V4),
        "written again.*one",
    ),
    "one put made two versions": ("written_once", engine(V1, Version("v1b", ONE), V2, V3, V4), "more than once.*one"),
    "a comparison lied": ("compared_truly", operation(2, equal=True), "falsely"),
    "equal, and nothing was there": ("compared_truly", operation(2, equal=True, version=""), "equal to nothing"),
    "a comparison with what never was": ("compared_truly", operation(2, version="v7"), "never there"),
    "a later operation saw an older version": (
        "one_after_the_other",
        operation(2, version="v1", equal=False),
        "came back",
    ),
    "an operation hung": ("ended_in_time", operation(4, ended=None), "never ended.*refused"),
    "a client met a defect": ("nothing_is_a_defect", operation(4, end="INTERNAL"), "no fault explains.*refused"),
    "an operation took too long": ("ended_in_time", operation(4, ended=60.0), "took 52.0 s.*refused"),
}


def test_nothing_is_wrong_with_a_good_history() -> None:
    assert invariants.check(good()) == []


def test_an_heir_may_name_what_was_announced_if_that_was_there_before() -> None:
    assert invariants.check(request("a7", prior="v2", announced="v2", late=True)(good())) == []
    assert invariants.check(request("a7", prior="v9", announced="v9", late=True)(good()))


@pytest.mark.parametrize(
    ("announced", "content", "is_explained"), [("", None, True), ("", ONE, False), ("v0", None, False)]
)
def test_a_write_onto_nothing_that_was_deleted_at_once_may_end_as_a_lost_key(
    announced: str, content: dict[str, str] | None, *, is_explained: bool
) -> None:
    requests = {"b1": Told(URI, True, "FAILED", "KEY_LOST", announced=announced)}
    facts = dataclasses.replace(good(), operations=[], requests=requests, histories={URI: [Version("v1", content)]})
    assert (list(invariants.versions_are_explained(facts)) == []) is is_explained


@pytest.mark.parametrize(("uri", "is_explained"), [("local://rig/r1/c2", True), ("vault://rig/r1/c2", False)])
def test_a_deletion_of_age_files_takes_what_is_kept_and_one_of_openbao_the_newest(uri: str, is_explained: bool) -> None:
    history = [Version("v1", None), Version("v2", None)]
    for reason in ("CONFLICT", "UPSTREAM_CHANGED"):
        requests = {"b1": Told(uri, True, "FAILED", reason, announced="v2", deletes=True)}
        facts = dataclasses.replace(good(), operations=[], requests=requests, histories={uri: history})
        assert (list(invariants.deletions_are_explained(facts)) == []) is is_explained


@pytest.mark.parametrize("name", LIES)
def test_a_planted_violation_is_found(name: str) -> None:
    check, lie, sentence = LIES[name]
    found = list(getattr(invariants, check)(lie(good())))
    assert any(re.search(sentence, each) for each in found), found


def test_every_check_has_a_planted_violation() -> None:
    checks = {
        name
        for name, value in vars(invariants).items()
        if callable(value) and getattr(value, "__module__", "") == invariants.__name__ and not name.startswith("_")
    }
    assert checks - {"check"} == {check for check, _, _ in LIES.values()}


async def opened(folder: Path) -> SqliteLog:
    return await SqliteLog.open(folder / "log.db", clock=some_time, projector=chain.project)


@pytest_asyncio.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """The log of an m8 that was asked for one key, with a tree and one checkpoint."""
    async with a_world(tmp_path) as world:
        await world.attached()
        await world.user("anna", "vault://app").ask(a_request())
    log, key = await opened(tmp_path), LogKey.make(ORIGIN)
    named = Named(1, ORIGIN, tuple(map(str, key.vkeys)), 1)
    await log.give_name(named)
    await grow_tree(log, upto=await log.head())
    await Signer(log, LastSigned(tmp_path), some_time).sign(key, named)
    await log.close()
    yield tmp_path


def change(folder: Path, *statements: str) -> None:
    """Change the database past m8."""
    with contextlib.closing(sqlite3.connect(folder / "log.db")) as database, database:
        for statement in statements:
            database.execute(statement)


async def found(folder: Path, *also: Signed) -> list[str]:
    log = await opened(folder)
    try:
        events, kept = await read(log)
        tree = await verify_tree(log, lambda: [*also, *filter(None, [LastSigned(folder).read()])])
        return await verify_log(log, events, kept) + tree
    finally:
        await log.close()


async def test_nothing_is_wrong_with_a_good_log(folder: Path) -> None:
    assert await found(folder) == []
    log = await opened(folder)
    events, _ = await read(log)
    await log.close()
    assert [(told.uri, told.ended) for told in requests_of(events).values()] == [(str(a_request().uri), False)]


async def test_a_read_model_that_is_not_what_the_events_say_is_found(folder: Path) -> None:
    change(folder, f"DELETE FROM {DOCUMENTS} WHERE collection = 'open-uploads'")
    [sentence] = await found(folder)
    assert sentence.startswith("the read model open-uploads is not what its events say: 0 documents, 1")


async def test_a_broken_chain_is_found(folder: Path) -> None:
    change(folder, "DROP TRIGGER events_stay", "UPDATE events SET hash = zeroblob(32) WHERE position = 2")
    assert any(sentence.startswith("the chain does not hold") for sentence in await found(folder))


@pytest.mark.parametrize("size", [2, 1_000])
async def test_a_checkpoint_of_another_log_is_found(folder: Path, size: int) -> None:
    signed = Signed(Checkpoint(ORIGIN, size, bytes(32)), b"")
    [sentence] = await found(folder, signed)
    assert sentence.startswith("the tree of the log does not hold")
