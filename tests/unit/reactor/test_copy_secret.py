"""Copying, branch by branch: an engine in memory, a put at the destination that does what the test says."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey
from google.protobuf.message import Message

from monoskope import operating_log
from monoskope.api.gateway.v1 import queries_pb2, reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.client import Expect
from monoskope.client.runtime.on_asyncio import AsyncioRuntime
from monoskope.client.walk.task import Result
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.identity import SEALED_SECRET, labelled
from monoskope.protocol.payload import Payload, decode
from monoskope.protocol.sshsig import PublicKey, parse_public
from monoskope.reactor.identity import copy_key
from monoskope.reactor.limits import FairPlaces
from monoskope.reactor.link.appends import CopyTokens
from monoskope.reactor.link.endpoint import announced
from monoskope.reactor.reasons import FailedError, Failure
from monoskope.reactor.work.copy_secret import AT_ONCE, KEY_S, Copier, CopyPut, put_there
from monoskope.stores.driver import CannotReadError, Snapshot, StoreUnavailableError
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import token
from monoskope.testing.scripted.m8 import FINGERPRINT, Attempt, ScriptedM8
from monoskope.uri import SecretUri
from tests.support.memory_store import MemoryStore
from tests.support.reactor_requests import EMPTY, SECRET, SUITE, ask, outcome, payload_is_alive, uncollected
from tests.support.reactor_world import FAST, PATIENCE_S, World, admission, refusal, settings
from tests.support.signed_requests import Person, may, signers, table
from tests.unit.reactor.copies import DESTINATION, DESTINATION_IDENTITY, TOKEN, Copies, asked, configured

ANNA = Person("anna@example.org")


@pytest.fixture
def copies(tmp_path: Path) -> Copies:
    """Copies of SECRET, which is there as `v1`."""
    made = Copies(tmp_path)
    made.world.memory.put(SECRET)
    return made


async def test_what_is_here_is_announced_read_put_there_and_receipted(copies: Copies) -> None:
    assert await copies.walk() == "COPIED"
    started, copied = copies.world.receipt(0), copies.world.receipt(1)
    assert (outcome(started), started.intent, started.prior_version) == ("STARTED", bytes(32), "")
    assert (copied.upstream_version, copied.sealed_sha256) == ("v1", EMPTY)
    assert copied.fingerprint == copies.world.key.fingerprints(SECRET).whole
    assert copied.destination is not None
    assert copied.destination.identity_key == DESTINATION_IDENTITY.public
    assert isinstance(copies.world.log.events[-1], events_pb2.SecretCopied)
    assert copied.destination_grant is not None
    granted = parse_grant(copied.destination_grant.content)
    (job,) = copies.jobs
    assert granted.request.request_id == job.request_id
    assert (job.identity, job.token, job.destination) == (DESTINATION_IDENTITY.shown, TOKEN, DESTINATION)
    assert TOKEN not in repr(job)
    assert [entry.destination for entry in copies.world.audit.entries] == [str(DESTINATION)] * 2
    assert "write" not in copies.world.memory.calls
    assert len(copies.world.keys) == 0


async def test_the_put_there_has_the_one_id_that_follows_from_the_copys(copies: Copies) -> None:
    request = asked()
    assert await copies.walk(request) == "COPIED"
    digest = hashlib.sha256(b"m8/copy-request/v1\x00" + request.request_id).digest()
    assert copies.jobs[0].request_id == digest[:16]


@pytest.mark.parametrize(
    ("fields", "expect"),
    [
        ({"expect": upload_pb2.EXPECT_ANY}, Expect.ANY),
        ({"expect": upload_pb2.EXPECT_ABSENT}, Expect.ABSENT),
        ({"expect": upload_pb2.EXPECT_OVERWRITE}, Expect.OVERWRITE),
        ({"expect": upload_pb2.EXPECT_VERSION, "expect_version": "w9"}, "w9"),
    ],
)
async def test_what_is_expected_is_expected_there(copies: Copies, fields: dict[str, Any], expect: object) -> None:
    await copies.walk(asked(**fields))
    assert copies.jobs[0].expect == expect


@pytest.mark.parametrize("name", ["CONFLICT", "UPSTREAM_UNAVAILABLE", "UPSTREAM_REFUSED", "OUTCOME_UNKNOWN"])
async def test_how_the_put_there_fails_is_how_the_copy_fails(copies: Copies, name: str) -> None:
    copies.there = lambda _: Failure(getattr(upload_pb2, f"REASON_{name}"), detail="why")
    assert await copies.walk() == f"FAILED {name}"
    assert copies.world.receipt(1).detail == "why"


async def test_another_hash_there_is_no_success(copies: Copies) -> None:
    copies.there = lambda payload: copies.put(payload, FINGERPRINT)
    assert await copies.walk() == "FAILED OUTCOME_UNKNOWN"


KEYS = {"password": b"p", "user": b"u", "url": b"l"}


async def test_the_keys_that_are_named_are_put_there_alone(copies: Copies) -> None:
    copies.world.memory.put(KEYS)
    seen = list[dict[str, bytes]]()

    def there(payload: Payload) -> Result:
        seen.append(dict(payload))
        return copies.put(payload)

    copies.there = there
    assert await copies.walk(asked(keys=("password", "url"))) == "COPIED"
    sent = {key: KEYS[key] for key in ("password", "url")}
    assert seen == [sent]
    copied, made = copies.world.receipt(1), copies.world.key.fingerprints(Payload(sent))
    assert (copied.fingerprint, copied.values) == (made.whole, made.values)


@pytest.mark.parametrize("keys", [("other",), ("other", "password"), ("password", "passwor"), ("Password",)])
async def test_where_one_of_the_keys_is_missing_nothing_is_sent(copies: Copies, keys: tuple[str, ...]) -> None:
    copies.world.memory.put(KEYS)
    assert await copies.walk(asked(keys=tuple(sorted(keys)))) == "FAILED CONFLICT"
    assert not copies.jobs
    assert copies.world.receipt().detail == "a key that is to be copied is not there."


async def test_another_version_than_was_named_is_not_looked_into_for_keys(copies: Copies) -> None:
    copies.world.memory.put(KEYS)
    assert await copies.walk(asked(keys=("password",), source_version="v0")) == "FAILED CONFLICT"
    assert "read" not in copies.world.memory.calls
    assert not copies.asked
    assert not copies.jobs


async def test_a_hash_there_of_all_keys_is_no_success_of_some(copies: Copies) -> None:
    copies.world.memory.put(KEYS)
    copies.there = lambda _: copies.put(Payload(KEYS))
    assert await copies.walk(asked(keys=("password",))) == "FAILED OUTCOME_UNKNOWN"


async def test_nothing_here_cannot_be_copied_and_no_token_is_asked_for(copies: Copies) -> None:
    copies.world.memory.content.clear()
    assert await copies.walk() == "FAILED NOT_FOUND"
    assert not copies.asked
    assert not copies.jobs


async def test_what_vanishes_meanwhile_cannot_be_copied(copies: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(*_: object) -> None:
        return None

    monkeypatch.setattr(copies.world.memory, "read", gone)
    assert await copies.walk() == "FAILED NOT_FOUND"
    assert not copies.jobs


async def test_without_a_rule_nothing_is_read_whoever_gave_the_grant(copies: Copies) -> None:
    assert await copies.walk(asked(destination=SecretUri.parse("third://team-a/db"))) == "FAILED UNSUPPORTED"
    assert "read" not in copies.world.memory.calls
    assert not copies.asked


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [(CannotReadError("x"), "FAILED CANNOT_READ"), (StoreUnavailableError("x"), "FAILED UPSTREAM_UNAVAILABLE")],
)
async def test_what_cannot_be_read_is_not_copied(copies: Copies, failure: Exception, outcome: str) -> None:
    copies.world.memory.failures["read"].append(failure)
    assert await copies.walk() == outcome
    assert not copies.jobs


async def test_no_value_is_read_while_m8_is_asked_for_the_token(copies: Copies) -> None:
    said, calls_then = copies.say, list[str]()

    def say(message: reactor_pb2.AttachRequest) -> None:
        calls_then.extend(copies.world.memory.calls)
        said(message)

    copies.tokens.connected(say)
    assert await copies.walk() == "COPIED"
    assert calls_then == ["read_version"]
    copies.world.memory.calls.clear()
    copies.answer = reactor_pb2.CopyAuthorized(error="REFUSED")
    await copies.walk()
    assert "read" not in copies.world.memory.calls


async def test_without_m8s_token_nothing_is_sent(copies: Copies) -> None:
    for answer in (reactor_pb2.CopyAuthorized(error="REFUSED"), reactor_pb2.CopyAuthorized()):
        copies.answer = answer
        assert await copies.walk() == "FAILED UPSTREAM_REFUSED"
    copies.tokens.disconnected()
    assert await copies.walk() == "FAILED UPSTREAM_UNAVAILABLE"
    assert not copies.jobs


@pytest.mark.parametrize(
    "garbage",
    [
        "no token",
        f"{TOKEN}\n",
        f"{TOKEN}\r\nx-other: y",
        TOKEN.replace(".", ". "),
        TOKEN.rpartition(".")[0],
        f"{TOKEN}.more",
        f"{TOKEN}ä",
        "\x00.\x00.\x00",
        f"{TOKEN}{'x' * 8_192}",
    ],
)
async def test_what_cannot_be_a_token_is_never_used(copies: Copies, garbage: str) -> None:
    copies.answer = reactor_pb2.CopyAuthorized(token=garbage)
    assert await copies.walk() == "FAILED UPSTREAM_REFUSED"
    assert not copies.jobs
    assert "read" not in copies.world.memory.calls


async def test_the_longest_token_is_used(copies: Copies) -> None:
    copies.answer = reactor_pb2.CopyAuthorized(token=TOKEN + "x" * (8_192 - len(TOKEN)))
    assert await copies.walk() == "COPIED"


# What m8 held back for long.


async def test_a_copy_that_m8_held_back_copies_nothing(copies: Copies) -> None:
    sealed = copies.world.sealed(asked())
    copies.world.now.time += FAST.young + 0.1
    assert await copies.world.handler.handle(sealed)
    assert copies.world.outcomes() == ["FAILED CONFLICT"]
    assert copies.world.receipt().sealed_sha256 == EMPTY
    assert not copies.asked
    assert not copies.world.memory.calls
    assert len(copies.world.keys) == 0


async def test_a_copy_that_only_waited_for_its_place_is_to_be_asked_for_anew(copies: Copies) -> None:
    sealed, gate = copies.world.sealed(asked()), asyncio.Event()

    class Full(FairPlaces):
        async def _take(self, subject: str) -> None:
            await gate.wait()
            await super()._take(subject)

    copies.copier.places = Full(2)
    walking = asyncio.create_task(copies.world.handler.handle(sealed))
    await asyncio.sleep(0)
    copies.world.now.time += FAST.young + 0.1
    gate.set()
    assert await walking
    assert copies.world.outcomes() == ["FAILED UPSTREAM_UNAVAILABLE"]
    assert not copies.world.memory.calls


async def test_a_copy_begins_ten_seconds_after_its_key_was_made(copies: Copies) -> None:
    sealed = copies.world.sealed(asked())
    copies.world.now.time += FAST.young
    assert await copies.world.handler.handle(sealed)
    assert copies.world.outcomes()[-1] == "COPIED"


@pytest.mark.parametrize("left_s", [3, 0])
async def test_the_seconds_for_the_key_there_run_from_started(copies: Copies, left_s: int) -> None:
    """m8 answers STARTED and the question for a token when it likes; what is left is for the key."""
    world = copies.world
    world.log.before.append(lambda: setattr(world.now, "time", world.now.time + KEY_S - left_s))
    assert await copies.walk() == ("COPIED" if left_s else "FAILED UPSTREAM_UNAVAILABLE")
    assert [job.key_within_s for job in copies.jobs] == ([pytest.approx(left_s)] if left_s else [])
    assert ("read" in world.memory.calls) is (left_s > 0)


# Whatever goes wrong, there is a receipt, and nothing is left of the value.


@pytest.mark.parametrize("failure", [RuntimeError("x"), OSError("x"), KeyError("x"), RecursionError("x")])
@pytest.mark.parametrize(
    ("method", "outcome"),
    [
        ("read_version", "FAILED UPSTREAM_UNAVAILABLE"),
        ("read", "FAILED UPSTREAM_UNAVAILABLE"),
        ("put", "FAILED OUTCOME_UNKNOWN"),
    ],
)
async def test_defects_end_copies_with_a_receipt(copies: Copies, failure: Exception, method: str, outcome: str) -> None:

    def fails(_: Payload) -> NoReturn:
        raise failure

    if method == "put":
        copies.there = fails
    else:
        copies.world.memory.failures[method].append(failure)
    assert await copies.walk() == outcome
    assert copies.world.receipt().sealed_sha256 == EMPTY


async def test_a_version_that_no_receipt_can_name_leaves_a_copy_that_was_made_unknown(copies: Copies) -> None:
    copies.world.memory.content[copies.world.uri.path] = [("no version", Payload(SECRET), "")]
    assert await copies.walk() == "FAILED OUTCOME_UNKNOWN"


async def test_a_session_that_breaks_takes_the_question_with_it() -> None:
    tokens = CopyTokens()
    with pytest.raises(FailedError) as caught:
        await tokens.ask(bytes(16), within=PATIENCE_S)
    assert caught.value.reason == upload_pb2.REASON_UPSTREAM_UNAVAILABLE
    tokens.connected(lambda _: None)
    waiting = asyncio.create_task(tokens.ask(bytes(16), within=PATIENCE_S))
    await asyncio.sleep(0)
    tokens.disconnected()
    with pytest.raises(FailedError) as caught:
        await waiting
    assert caught.value.reason == upload_pb2.REASON_UPSTREAM_UNAVAILABLE
    tokens.connected(lambda _: None)
    with pytest.raises(FailedError):
        await tokens.ask(bytes(16), within=0)
    tokens.answered(reactor_pb2.CopyAuthorized(call=7, token=TOKEN))


async def test_refused_started_copies_nothing(copies: Copies) -> None:
    copies.world.log.refusals.append("CONFLICT")
    assert not await copies.world.handler.handle(copies.world.sealed(asked()))
    assert "read" not in copies.world.memory.calls
    assert not copies.asked


async def test_copies_have_few_places_and_keep_none_of_the_others(copies: Copies, tmp_path: Path) -> None:
    world, gate, inside = copies.world, asyncio.Event(), 0

    async def slow(job: CopyPut, payload: Payload) -> Result | Failure:
        nonlocal inside
        inside += 1
        await gate.wait()
        return copies.put(payload)

    copier = Copier(
        settings=configured(tmp_path),
        upstream=world.upstream,
        tokens=copies.tokens,
        begin_s=FAST.young,
        put=slow,
        now=world.now,
    )
    world.handler = world.handler_with(copier)
    tasks = [asyncio.create_task(world.handler.handle(world.sealed(asked()))) for _ in range(AT_ONCE + 2)]
    for _ in range(100):
        await asyncio.sleep(0)
    # One subject has half of them; the others find room.
    assert inside == AT_ONCE // 2
    assert (await world.walk(ask(expect=upload_pb2.EXPECT_OVERWRITE))).outcome == upload_pb2.OUTCOME_UNCHANGED
    gate.set()
    assert all(await asyncio.gather(*tasks))


def stumble(payload: Payload) -> NoReturn:
    """Raise as a library does that keeps its exceptions, and catches and raises them anew."""
    try:
        kept = RuntimeError("x")
        raise kept
    except RuntimeError as error:
        raise LookupError(len(payload)) from ExceptionGroup("x", [error])


@pytest.mark.parametrize("how", ["well", "refused there", "stumbled there", "no token", "no session"])
async def test_no_value_is_left_at_the_receipt(copies: Copies, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = b"a value that nothing else in this process holds: e81c"
    alive: dict[str, bool] = {}
    world = copies.world

    async def fresh(*_: object) -> Snapshot:
        return Snapshot("v1", Payload({"k": marker}))

    monkeypatch.setattr(world.memory, "read", fresh)
    if how == "refused there":
        copies.there = lambda _: upload_pb2.REASON_UPSTREAM_REFUSED
    elif how == "stumbled there":
        copies.there = stumble
    elif how == "no token":
        copies.answer = reactor_pb2.CopyAuthorized(error="REFUSED")
    elif how == "no session":
        copies.tokens.disconnected()
    world.log.before.extend([lambda: None, lambda: alive.update(receipt=payload_is_alive(marker))])
    with uncollected():
        assert await copies.world.handler.handle(world.sealed(asked()))
    assert alive == {"receipt": False}


@pytest.mark.parametrize(
    ("pairs", "to", "readable", "reason"),
    [
        ((("team-a", "team-a"),), "other", True, ""),
        ((("team-a", "elsewhere"),), "other", True, "UPSTREAM_REFUSED"),
        ((("team-b", "team-a"),), "other", True, "UPSTREAM_REFUSED"),
        ((("team-a", "team-a"),), "third", True, "UNSUPPORTED"),
        ((("team-a", "team-a"),), "other", False, "CANNOT_READ"),
    ],
)
def test_the_reactors_settings_say_where_to(
    tmp_path: Path, *, pairs: Any, to: str, readable: bool, reason: str
) -> None:
    store = MemoryStore(readable=readable, check_and_set=False)
    assert refusal(admission(store, configured(tmp_path, *pairs, to=to)), asked()) == reason


@pytest.mark.parametrize(("to", "reason"), [("memory", ""), ("other", "UNSUPPORTED")])
def test_a_copy_within_the_store_needs_a_table_as_any_other(tmp_path: Path, to: str, reason: str) -> None:
    within = asked(destination=SecretUri.parse("memory://team-a/db.next"))
    assert refusal(admission(MemoryStore(), configured(tmp_path, to=to)), within) == reason


@pytest.mark.parametrize("readable", [True, False])
def test_a_store_that_can_be_read_says_that_it_copies_single_keys(*, readable: bool) -> None:
    assert announced(MemoryStore(readable=readable).capabilities).copied_keys == readable


def test_what_is_expected_there_needs_nothing_of_the_engine_here(tmp_path: Path) -> None:
    by = admission(MemoryStore(check_and_set=False), configured(tmp_path))
    assert refusal(by, asked(expect=upload_pb2.EXPECT_ABSENT)) == ""


async def test_an_heir_does_not_know_whether_it_was_copied(world: World) -> None:
    world.memory.put(SECRET)
    end = await world.taken_over(world.sealed(asked()).grant, intent=bytes(32))
    assert end.reason == upload_pb2.REASON_OUTCOME_UNKNOWN
    assert not world.memory.calls


# The put at the destination, against a real server that a test bends.


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[ScriptedM8]:
    folder = tmp_path / "m8"
    folder.mkdir()
    async with ScriptedM8().serving(folder) as scripted:
        yield scripted


def job(m8: ScriptedM8, folder: Path, *, identity: str = "", key_within_s: float = 60.0) -> CopyPut:
    of = replace(settings(folder, server=m8.server), ca_file=m8.ca_file)
    there, expect = SecretUri.parse("vault://app/db"), Expect.ABSENT
    identity = identity or m8.identity.shown
    return CopyPut(of, identity, token("alice"), b"p" * 16, there, expect, key_within_s, signed=True)


async def test_it_puts_what_was_read_under_the_configured_identity(m8: ScriptedM8, tmp_path: Path) -> None:
    result = await put_there(job(m8, tmp_path), Payload(SECRET))
    assert isinstance(result, Result)
    (attempt,) = m8.attempts
    assert (attempt.request.purpose, attempt.request.expect) == (upload_pb2.PURPOSE_UPLOAD, upload_pb2.EXPECT_ABSENT)
    private = MLKEM768X25519PrivateKey(attempt.key.mlkem, attempt.key.x25519)
    plaintext = SUITE.decrypt(attempt.sealed[0], private, info=labelled(SEALED_SECRET, attempt.grant.content))
    assert dict(decode(plaintext)) == SECRET
    assert (result.signed, result.grant) == (attempt.success(), attempt.signed_grant())
    assert attempt.request.request_id == b"p" * 16
    assert not list(tmp_path.glob("copy-*"))


async def test_what_is_there_keeps_its_notes_only_if_the_copy_asks_for_it(m8: ScriptedM8, tmp_path: Path) -> None:
    put = job(m8, tmp_path)
    await put_there(put, Payload(SECRET))
    await put_there(replace(put, request_id=b"q" * 16, keep_labels=True, keep_expires_on=True), Payload(SECRET))
    kept = [(attempt.request.keep_labels, attempt.request.keep_expires_on) for attempt in m8.attempts]
    assert kept == [(False, False), (True, True)]


async def test_a_destination_under_another_identity_gets_nothing(m8: ScriptedM8, tmp_path: Path) -> None:
    """m8 shows a store and a grant of its own: neither bears the identity in the settings."""
    result = await put_there(job(m8, tmp_path, identity=Identity().shown), Payload(SECRET))
    assert result == Failure(upload_pb2.REASON_UPSTREAM_REFUSED)
    assert not m8.attempts
    impostor = Identity()
    m8.key_answer = lambda attempt: forged(m8, attempt, impostor)
    result = await put_there(job(m8, tmp_path), Payload(SECRET))
    assert result == Failure(upload_pb2.REASON_UPSTREAM_REFUSED)
    assert not any(attempt.sealed for attempt in m8.attempts)
    assert not list(tmp_path.glob("copy-*"))


def forged(m8: ScriptedM8, attempt: Any, impostor: Identity) -> Any:
    attempt.signer = impostor
    return m8.honest_key(attempt)


@pytest.mark.parametrize(
    "name",
    ["CONFLICT", "UPSTREAM_CHANGED", "UPSTREAM_REFUSED", "OUTCOME_UNKNOWN", "UPSTREAM_UNAVAILABLE", "NOT_AUTHORIZED"],
)
async def test_reasons_are_told_apart_and_no_value_is_left(m8: ScriptedM8, tmp_path: Path, name: str) -> None:
    given: upload_pb2.Reason = getattr(upload_pb2, f"REASON_{name}")
    reason = upload_pb2.REASON_CONFLICT if name == "UPSTREAM_CHANGED" else given
    marker = b"yet another value that nothing else holds: 77aa"
    m8.end = lambda attempt: m8.ended(attempt, attempt.failure(given, "a rule does not allow it: long."), given)
    detail = "" if name == "OUTCOME_UNKNOWN" else "at the destination, a rule does not allow it: long."
    with uncollected():
        assert await put_there(job(m8, tmp_path), Payload({"k": marker})) == Failure(reason, detail=detail)
        assert not payload_is_alive(marker)


@pytest.mark.parametrize("reason", [upload_pb2.REASON_UPSTREAM_UNAVAILABLE, upload_pb2.REASON_KEY_LOST])
async def test_the_put_there_is_tried_once(m8: ScriptedM8, tmp_path: Path, reason: upload_pb2.Reason) -> None:
    """A new attempt would need a new id, and its receipt would not prove this copy."""
    m8.end = lambda attempt: m8.ended(attempt, attempt.failure(reason), reason)
    assert not isinstance(await put_there(job(m8, tmp_path), Payload(SECRET)), Result)
    assert (m8.count("RequestSecretUploadKey"), m8.count("RequestUploadSecret")) == (1, 1)
    refused = queries_pb2.GetSecretUploadKeyResponse(
        state=views_pb2.UPLOAD_STATE_ENDED, reason=reason, detail="what no store signed is not passed on."
    )
    m8.key_answer = lambda _: refused
    assert await put_there(job(m8, tmp_path), Payload(SECRET)) == Failure(upload_pb2.REASON_UPSTREAM_UNAVAILABLE)
    assert (m8.count("RequestSecretUploadKey"), m8.count("RequestUploadSecret")) == (2, 1)


async def test_a_late_key_there_gets_nothing(m8: ScriptedM8, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = AsyncioRuntime.now
    late_s = 0.0

    def comes_late(_: Attempt) -> queries_pb2.GetSecretUploadKeyResponse:
        """The request has come, and then the seconds for the key are over."""
        nonlocal late_s
        late_s = 61.0
        return queries_pb2.GetSecretUploadKeyResponse(state=views_pb2.UPLOAD_STATE_REQUESTED)

    monkeypatch.setattr(AsyncioRuntime, "now", lambda runtime: now(runtime) + late_s)
    m8.key_answer = comes_late
    marker = b"a value for which no key came: 9f04"
    with uncollected():
        result = await put_there(job(m8, tmp_path, key_within_s=60.0), Payload({"k": marker}))
        assert result == Failure(upload_pb2.REASON_UPSTREAM_UNAVAILABLE)
        assert not payload_is_alive(marker)
    assert [attempt.sealed for attempt in m8.attempts] == [[]]
    m8.key_answer = m8.honest_key
    result = await put_there(job(m8, tmp_path, key_within_s=-1.0), Payload(SECRET))
    assert result == Failure(upload_pb2.REASON_UPSTREAM_UNAVAILABLE)
    assert not any(attempt.sealed for attempt in m8.attempts)


@pytest.mark.parametrize(
    "method",
    ["GetSecretStore", "RequestSecretUploadKey", "GetSecretUploadKey", "RequestUploadSecret", "GetSecretUpload"],
)
async def test_an_answer_that_does_not_parse_is_no_exception(
    m8: ScriptedM8, tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = b"a value whose m8 answers garbage: 3d1e"
    honest = m8.handle

    def handle(called: str, message: Message) -> object:
        if called == method:
            return SimpleNamespace(SerializeToString=lambda: b"\xff\xff")
        return honest(called, message)

    monkeypatch.setattr(m8, "handle", handle)
    if method == "GetSecretUploadKey":
        m8.waits = False
    if method == "GetSecretUpload":
        m8.end = lambda _: views_pb2.SecretUpload(state=views_pb2.UPLOAD_STATE_UPLOADING)
    with uncollected():
        sent = method in {"RequestUploadSecret", "GetSecretUpload"}
        end = upload_pb2.REASON_OUTCOME_UNKNOWN if sent else upload_pb2.REASON_UPSTREAM_UNAVAILABLE
        assert await put_there(job(m8, tmp_path), Payload({"k": marker})) == Failure(end)
        assert not payload_is_alive(marker)
    assert method in m8.calls


async def test_a_later_identity_counts_and_no_file_remembers_it(m8: ScriptedM8, tmp_path: Path) -> None:
    first, second = m8.identity, Identity()
    m8.stores["vault"].rotations.append(first.rotate(second, "vault"))
    m8.stores["vault"].identity, m8.signers["vault"] = second.shown, second
    before = sorted(tmp_path.rglob("*"))
    for _ in range(2):
        result = await put_there(job(m8, tmp_path, identity=first.shown), Payload(SECRET))
        assert isinstance(result, Result)
        assert result.signed.identity_key == second.key
        m8.attempts.clear()
    assert sorted(tmp_path.rglob("*")) == before


# A destination that takes signed requests alone.


def a_copy_key(folder: Path) -> str:
    """Make `copy.key`, and return the fingerprint of its key."""
    line = copy_key.make(folder, store="memory")
    key = parse_public(" ".join(line.split()[2:]))
    assert isinstance(key, PublicKey)
    return key.fingerprint


async def test_the_put_there_is_signed_with_the_copy_key_alone(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.signed, key = True, a_copy_key(tmp_path)
    result = await put_there(job(m8, tmp_path), Payload(SECRET))
    assert isinstance(result, Result)
    m8.attempts[0].check_signature()
    assert result.receipt.signer_key == key


@pytest.mark.parametrize("there", ["nothing", "open to others", "no key"])
async def test_without_a_copy_key_the_log_says_how_to_make_one(m8: ScriptedM8, tmp_path: Path, there: str) -> None:
    m8.signed = True
    if there != "nothing":
        (tmp_path / "copy.key").write_text("no key")
        (tmp_path / "copy.key").chmod(0o600 if there == "no key" else 0o644)
    stream = io.StringIO()
    operating_log.set_up(stream)
    assert await put_there(job(m8, tmp_path), Payload(SECRET)) == Failure(upload_pb2.REASON_UNSUPPORTED)
    assert not any(attempt.sealed for attempt in m8.attempts)
    assert "m8 reactor copy-key" in stream.getvalue()


async def test_the_copy_key_signs_nothing_for_a_copy_that_nobody_signed(m8: ScriptedM8, tmp_path: Path) -> None:
    """Else m8 writes what it likes here, asks for a copy on its own, and so writes where it can write nothing."""
    m8.signed = True
    a_copy_key(tmp_path)
    put = replace(job(m8, tmp_path), signed=False)
    assert await put_there(put, Payload(SECRET)) == Failure(upload_pb2.REASON_UNSUPPORTED)
    assert not any(attempt.sealed for attempt in m8.attempts)


@pytest.mark.parametrize("lists", ["none", "copies unsigned", "copies signed"])
async def test_a_copy_is_signed_there_if_it_was_signed_here(tmp_path: Path, lists: str) -> None:
    file = table(may(ANNA), unsigned=["copy", "upload"] if lists == "copies unsigned" else [])
    copies = Copies(tmp_path, signers=None if lists == "none" else signers(tmp_path, ANNA, file=file))
    copies.world.memory.put(SECRET)
    receipt = await copies.world.walk(asked(), sign=ANNA.signs if lists == "copies signed" else None)
    assert (receipt.outcome, bool(receipt.signer)) == (upload_pb2.OUTCOME_COPIED, lists == "copies signed")
    assert copies.jobs[0].signed == (lists == "copies signed")


async def test_a_copy_that_cannot_be_signed_says_what_its_operator_must_do(copies: Copies, tmp_path: Path) -> None:
    copies.there = lambda _: upload_pb2.REASON_UNSUPPORTED
    assert await copies.walk() == "FAILED UNSUPPORTED"
    assert "this copy was not signed" in copies.world.receipt().detail
    signed = Copies(tmp_path, signers=signers(tmp_path, ANNA))
    signed.world.memory.put(SECRET)
    signed.there = copies.there
    assert "copy.key" in (await signed.world.walk(asked(), sign=ANNA.signs)).detail
    copies.there = lambda _: upload_pb2.REASON_NOT_AUTHORIZED
    assert await copies.walk() == "FAILED NOT_AUTHORIZED"
    assert copies.world.receipt().detail == ""
