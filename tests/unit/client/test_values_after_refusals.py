"""After a call that failed nothing holds its values: not even a cycle that waits for the garbage collector."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import os
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from monoskope.api.gateway.v1 import changes_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Proposal, ProposedChange, SyncClient
from monoskope.client.runtime import blocking
from monoskope.client.session import only
from monoskope.errors import (
    Error,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    UnauthenticatedError,
    UnavailableError,
)
from monoskope.protocol.change import make_change, parse_change
from monoskope.testing.scripted.changes import end
from monoskope.testing.scripted.client import client_for, pinned, settings_for
from monoskope.testing.scripted.log import ScriptedLog
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8
from tests.support.ssh import keygen


class Held:
    """In place of a value, for bytes cannot be watched."""


def test_the_error_of_one_secret_and_the_frame_that_raises_it_do_not_keep_each_other() -> None:
    def failed(value: Held) -> Error:
        try:
            raise NotFoundError(f"nothing is there for a {type(value).__name__}.")
        except Error as error:
            return error

    def handled() -> weakref.ref[Held]:
        value = Held()
        with pytest.raises(NotFoundError):
            only([failed(value)])
        return weakref.ref(value)

    assert handled()() is None


def test_an_error_of_a_thread_does_not_keep_the_values_of_its_caller() -> None:
    async def failing(value: Held, fails: bool) -> None:
        if fails:
            raise NotFoundError(f"nothing is there for a {type(value).__name__}.")

    def handled() -> weakref.ref[Held]:
        value = Held()
        with pytest.raises(NotFoundError):
            blocking.run(blocking.BlockingRuntime().gather(failing(value, fails) for fails in (False, True)))
        return weakref.ref(value)

    assert handled()() is None


Way = Callable[[ScriptedM8], None]
URI = "vault://app/db"


@pytest.fixture
def m8(tmp_path: Path) -> Iterator[ScriptedM8]:
    scripted = ScriptedM8()
    scripted.log = ScriptedLog(5)
    with scripted.serving_in_thread(tmp_path):
        pinned(scripted, tmp_path)
        yield scripted


@pytest.fixture(autouse=True)
def without_collections(m8: ScriptedM8) -> Iterator[None]:
    del m8
    gc.collect(0)  # what was made before is not in the youngest generation any more
    gc.disable()
    yield
    gc.enable()


def failing(method: str, *errors: Error | str) -> Way:
    """M8 refuses calls of a method."""

    def bend(m8: ScriptedM8) -> None:
        m8.failing[method] = list(errors)

    return bend


def without_key(reason: upload_pb2.Reason) -> Way:
    """The request ends without a key."""

    def answer(attempt: Attempt) -> queries_pb2.GetSecretUploadKeyResponse:
        del attempt
        return queries_pb2.GetSecretUploadKeyResponse(state=views_pb2.UPLOAD_STATE_ENDED, reason=reason)

    def bend(m8: ScriptedM8) -> None:
        m8.key_answer = answer

    return bend


def without_proof(m8: ScriptedM8) -> None:
    """The grant is not the reactor's."""
    m8.signers["vault"] = ScriptedM8().identity


def with_receipt(reason: upload_pb2.Reason) -> Way:
    """A receipt says why it failed."""

    def bend(m8: ScriptedM8) -> None:
        m8.end = lambda attempt: m8.ended(attempt, attempt.failure(reason), reason)

    return bend


def without_receipt(m8: ScriptedM8) -> None:
    """It ends, and nothing proves how."""
    m8.end = lambda attempt: m8.ended(attempt, None, upload_pb2.REASON_KEY_LOST)


LATE = RateLimitedError("too many calls.")
LATE.retry_after_s = 3600.0
ASK, SEND, STORE = "RequestSecretUploadKey", "RequestUploadSecret", "GetSecretStore"
WAYS: dict[str, Way] = {
    "the request for a key is refused": failing(ASK, RefusedError("no.")),
    "the request for a key is not let in": failing(ASK, UnauthenticatedError("who?"), UnauthenticatedError("who?")),
    "m8 has too much to do": failing(ASK, LATE),
    "m8 fails": failing(ASK, "internal"),
    "m8 cannot record it": failing(ASK, *[UnavailableError("the disk is full.")] * 99),
    "m8 has no such store": failing(STORE, NotFoundError("no.")),
    "m8 has too much to do to show the store": failing(STORE, LATE),
    "the reactor refuses before a key": without_key(upload_pb2.REASON_UPSTREAM_REFUSED),
    "the reactor takes no more": without_key(upload_pb2.REASON_RATE_LIMITED),
    "the key is lost": without_key(upload_pb2.REASON_KEY_LOST),
    "the grant proves nothing": without_proof,
    "the sealed secret is refused": failing(SEND, RefusedError("no.")),
    "the engine refuses": with_receipt(upload_pb2.REASON_UPSTREAM_REFUSED),
    "the end is unknown": with_receipt(upload_pb2.REASON_OUTCOME_UNKNOWN),
    "nothing proves the end": without_receipt,
}


MARK = os.urandom(16)
"""In every value here."""


def new_value() -> bytes:
    return MARK + os.urandom(16)


def holders(value: bytes, generation: int | None = 0) -> list[str]:
    """What the collector knows and holds the value, in bytes of its own or of something that it does not know.

    As it was given, and as it is sealed: in base64, from the value's first byte on.

    It looks at what was made since the test began: what all tests before left behind would take most of the time. What
    was there before is looked at once, by the last test here.
    """
    forms = value, base64.b64encode(value[: len(value) // 3 * 3])
    mine = {id(sys._getframe()), id(forms)}
    found = gc.get_objects(generation=generation)
    return [_name(one) for one in found if id(one) not in mine and _holds(one, forms)]


def _holds(one: object, forms: tuple[bytes, ...]) -> bool:
    for held in gc.get_referents(one):
        if isinstance(held, (bytes, bytearray)):
            if held is not forms[0] and any(form in held for form in forms):
                return True
        elif not gc.is_tracked(held) and not isinstance(held, (str, int, type)) and _holds(held, forms):
            return True
    return False


def _name(one: object) -> str:
    return f"the frame of {one.f_code.co_qualname}" if isinstance(one, FrameType) else type(one).__qualname__


def time_s(way: object) -> float:
    """A moment for what ends with its time; else so much that no busy machine ends a call in another way."""
    return 0.5 if way == "the reactor takes no more" or isinstance(way, UnavailableError) else 60.0


def values(canary: bytes) -> dict[str, bytes]:
    return {"password": bytes(bytearray(canary))}


def fails(call: Callable[[], object]) -> None:
    """Call what must end with an error of the client."""
    with contextlib.suppress(Error, KeyboardInterrupt):
        call()
        raise AssertionError


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("call", ["put_secret", "patch_secret", "compare_secret"])
def test_a_synchronous_call_that_failed_keeps_no_value(m8: ScriptedM8, tmp_path: Path, way: str, call: str) -> None:
    canary = new_value()
    client = SyncClient(settings_for(m8, tmp_path), system_known_stores=tmp_path / "none", pause_s=0.001)
    with client:
        WAYS[way](m8)
        fails(lambda: getattr(client, call)(URI, values(canary), timeout=time_s(way)))
        client.full_uri(URI)  # the thread of the client has put its last error away
        assert holders(canary) == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_call_that_failed_keeps_no_value(m8: ScriptedM8, tmp_path: Path, way: str) -> None:
    canary = new_value()

    async with client_for(m8, tmp_path) as client:
        WAYS[way](m8)

        async def failed() -> None:
            try:
                await client.put_secret(URI, values(canary), timeout=time_s(way))
            except Error:
                return
            raise AssertionError

        await failed()
        await asyncio.sleep(0)  # the loop has put away what it woke this task with
        assert holders(canary) == []


def cut(seen: ProposedChange, needed: int) -> None:
    """Ctrl-C while a change is waited for."""
    raise KeyboardInterrupt


def in_the_wait(happens: Callable[[changes_pb2.SecretChange], None]) -> Way:
    """Something happens to a change as soon as it is waited for."""

    def bend(m8: ScriptedM8) -> None:
        m8.changes.next = [happens]

    return bend


def swapped(view: changes_pb2.SecretChange) -> None:
    """M8 shows another change under the same id."""
    ours = parse_change(view.change)
    view.change = make_change(
        change_id=ours.change_id,
        request=ours.request,
        requester=ours.requester,
        identity=ours.identity,
        not_after=ours.not_after - 1,
        keys=ours.keys,
    ).content


def refused_though_enough(m8: ScriptedM8) -> None:
    """The grant asks for no approval, and the reactor refuses all the same."""
    m8.approvals, m8.signed = 0, True
    with_receipt(upload_pb2.REASON_NOT_AUTHORIZED)(m8)


NEWS = "GetSecretChanges"
WAITS: dict[str, Way] = {
    "it is declined": in_the_wait(lambda view: end(view, changes_pb2.CHANGE_STATE_DECLINED, "no.")),
    "it is overtaken": in_the_wait(lambda view: end(view, changes_pb2.CHANGE_STATE_OVERTAKEN)),
    "it is another one": in_the_wait(swapped),
    "the login ends": failing(NEWS, *[UnauthenticatedError("the login has ended.")] * 2),
    "m8 goes away": failing(NEWS, *["unavailable"] * 99),
    "the wait is over": lambda _: None,
    "Ctrl-C": lambda _: None,
    "the reactor refuses": refused_though_enough,
}


def proposed(client: SyncClient, canary: bytes) -> ProposedChange:
    return client.changes.propose(Proposal.put(URI, values(canary)), requester="anna@example.org")


@pytest.mark.parametrize("way", WAITS)
def test_a_wait_that_ended_keeps_no_value(m8: ScriptedM8, tmp_path: Path, way: str) -> None:
    canary = new_value()
    settings = settings_for(m8, tmp_path, signing_key=str(keygen(tmp_path / "key")))
    with SyncClient(settings, system_known_stores=tmp_path / "none", pause_s=0.001, retry_for=0.01) as client:
        m8.approvals = 1
        change = proposed(client, canary)
        WAITS[way](m8)
        wait_s = 0.05 if way == "the wait is over" else 60.0
        told = cut if way == "Ctrl-C" else None
        fails(lambda: client.changes.run(change, values(canary), wait=wait_s, told=told))
        client.full_uri(URI)
        assert holders(canary) == []


@pytest.mark.parametrize("failure", [None, RefusedError("no."), UnavailableError("the disk is full.")])
def test_what_is_kept_of_a_false_log_keeps_no_value(m8: ScriptedM8, tmp_path: Path, failure: Error | None) -> None:
    canary = new_value()
    assert m8.log is not None
    settings = settings_for(m8, tmp_path)
    with SyncClient(settings, system_known_stores=tmp_path / "none") as client:
        client.put_secret(URI, values(new_value()))
    m8.log = ScriptedLog(9, key=m8.log.key, seed="fork")
    m8.log.failure = failure

    with SyncClient(settings, system_known_stores=tmp_path / "none", pause_s=0.001) as client:
        fails(lambda: client.put_secret(URI, values(canary), timeout=time_s(failure)))
        fails(lambda: client.compare_secret(URI, values(canary), timeout=time_s(failure)))
        client.full_uri(URI)
        assert holders(canary) == []


def test_a_preview_that_failed_keeps_no_value(m8: ScriptedM8, tmp_path: Path) -> None:
    canary = new_value()
    m8.failing[STORE] = [LATE]
    with SyncClient(settings_for(m8, tmp_path), system_known_stores=tmp_path / "none", pause_s=0.001) as client:
        fails(lambda: client.preview_put(URI, values(canary)))
        client.full_uri(URI)
        assert holders(canary) == []


def test_nothing_that_was_there_before_keeps_a_value_of_all_these() -> None:
    """Whichever test sent it: this one is the last. All that was imported first is frozen, and is looked at, too."""
    gc.unfreeze()
    gc.collect()
    try:
        assert holders(MARK, generation=None) == []
    finally:
        gc.freeze()
