"""What m8 answers to those who hold it to its log: checkpoints with proofs, proofs of requests, and tiles."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import log_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.log.tree_rows import Cosignature
from monoskope.m8.tree.cosigning import Asked
from monoskope.m8.tree.key_file import renew
from monoskope.m8.tree.signing import LastSigned
from monoskope.m8.tree.tree import Tree
from monoskope.m8.tree.witnessed_log import AGAIN_S, Seen
from monoskope.protocol.tlog.checkpoint import Checkpoint, VerifierKey
from monoskope.protocol.tlog.merkle import leaf_hash, outline, verify_consistency, verify_inclusion
from monoskope.protocol.tlog.note import Note
from tests.support.checkpoints import EVERY_S, LATER_S, ORIGIN, checkpoint_of, grown, keys_in, root_of, signing
from tests.support.http_calls import Answered, CallError, ask, bearer
from tests.support.m8_user import Sealed, User
from tests.support.m8_world import World, a_world
from tests.support.vectors import a_request

NOT_FOUND, UNAVAILABLE = "not_found", "unavailable"
REFUSED = "permission_denied"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


async def signed(world: World, folder: Path) -> None:
    """Sign what there is, with keys that are made if there are none."""
    if not (folder / "log.key").exists():
        keys_in(folder)
    world.clock.pass_s(LATER_S)
    await signing(world.app, folder).round()
    world.app.witnessed.forget()


async def checkpoint(world: World, user: User, size: int = 0) -> log_pb2.GetCheckpointResponse:
    answer: log_pb2.GetCheckpointResponse = await user.call(log_pb2.GetCheckpointRequest(size=size))
    return answer


async def proof(world: World, user: User, request_id: bytes, witnessed: bool = False) -> log_pb2.GetUploadProofResponse:
    answer: log_pb2.GetUploadProofResponse
    answer = await user.call(log_pb2.GetUploadProofRequest(request_id=request_id, witnessed=witnessed))
    return answer


async def refused(work: Any, code: str) -> str:
    with pytest.raises(CallError) as caught:
        await work
    assert caught.value.code == code
    return caught.value.message


class OneWitness:
    """Cosigns what it is told to."""

    vkeys: Sequence[str] = ("one+key",)
    quorum = 1
    alarm_s = 60.0

    def __init__(self) -> None:
        self.cosigns = True

    async def cosign(self, _note: bytes, _tree: Tree) -> Asked:
        return Asked((Cosignature("one+key", "\u2014 one AAAAAAA=", 7),)) if self.cosigns else Asked()

    async def published(self, _tree: Tree) -> Sequence[Note]:
        return ()


async def test_a_log_without_keys_says_that_it_is_not_witnessed(world: World) -> None:
    """A client that pinned nothing goes on; one that had pinned a note does not."""
    assert "is not witnessed" in await refused(checkpoint(world, world.user("anna", "vault://app")), NOT_FOUND)


async def test_a_caller_gets_the_newest_checkpoint_proven_from_the_size_it_knows(world: World, tmp_path: Path) -> None:
    anna = world.user("anna", "vault://app")
    await signed(world, tmp_path)
    first = checkpoint_of((await checkpoint(world, anna)).newest.note)
    await grown(world.app.log, 300)
    await signed(world, tmp_path)
    answer = await checkpoint(world, anna, first.size)
    second = checkpoint_of(answer.newest.note)
    assert second.size == first.size + 300
    verify_consistency(first.size, first.root, second.size, second.root, answer.newest.consistency)
    assert not (await checkpoint(world, anna)).newest.consistency
    assert not (await checkpoint(world, anna, second.size)).newest.consistency
    assert (answer.quorum, list(answer.witnesses), answer.trouble) == (0, [], "")
    assert not answer.HasField("witnessed")
    assert not answer.HasField("renewal")


async def test_callers_who_name_sizes_that_no_log_has_do_not_keep_the_database_busy(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody can ask for 2**62, again and again: it is looked up once for all of them."""
    await signed(world, tmp_path)
    witnessed = world.app.witnessed
    now, looks, honest = 1_000_000.0, 0, witnessed._look
    monkeypatch.setattr("monoskope.m8.tree.witnessed_log.time", SimpleNamespace(monotonic=lambda: now))

    async def counted() -> Seen:
        nonlocal looks
        looks += 1
        return await honest()

    monkeypatch.setattr(witnessed, "_look", counted)
    witnessed.forget()
    for size in range(200):
        assert (await witnessed.seen(at_least=2**62 + size)).size < 2**62
    assert looks == 1
    now += 2 * AGAIN_S
    await witnessed.seen(at_least=2**62)
    assert looks == 2, "and one who knows more is not left with an old look for long"


async def test_a_process_that_knows_less_than_the_caller_answers_no_old_note(world: World, tmp_path: Path) -> None:
    """A note of before would look like a log that was rolled back. It asks the database again first."""
    anna = world.user("anna", "vault://app")
    await signed(world, tmp_path)
    size = checkpoint_of((await checkpoint(world, anna)).newest.note).size
    assert "knows no tree of the size" in await refused(checkpoint(world, anna, size + 1), UNAVAILABLE)
    await grown(world.app.log, 1)
    world.clock.pass_s(LATER_S)
    await signing(world.app, tmp_path).round()
    assert checkpoint_of((await checkpoint(world, anna, size + 1)).newest.note).size == size + 1


async def test_a_caller_who_knows_what_the_log_has_lost_is_told_that_it_is_lost(world: World, tmp_path: Path) -> None:
    """As after `m8 backup restore --accept-loss` in the folder that knows how far the log had come."""
    key = keys_in(tmp_path)
    anna = world.user("anna", "vault://app")
    await signed(world, tmp_path)
    lost = key.sign(Checkpoint(ORIGIN, 99, bytes(32)), 1)
    LastSigned(tmp_path).advance(lost, after=LastSigned(tmp_path).read())
    await signing(world.app, tmp_path).follow()

    said = await refused(checkpoint(world, anna, 99), "aborted")

    assert "log.checkpoint has a checkpoint of it up to 99" in said
    assert "run: m8 log renew" in said


async def test_what_a_quorum_cosigned_is_told_apart_from_what_is_newest(world: World, tmp_path: Path) -> None:
    """Both are proven from the size of the caller, which may lie between the two."""
    witness = OneWitness()
    world.app.witnessed.cosigners = witness
    anna = world.user("anna", "vault://app")
    await signed(world, tmp_path)
    witness.cosigns = False
    await grown(world.app.log, 5)
    await signed(world, tmp_path)
    middle = checkpoint_of((await checkpoint(world, anna)).newest.note)
    await grown(world.app.log, 5)
    await signed(world, tmp_path)
    answer = await checkpoint(world, anna, middle.size)
    old, new = checkpoint_of(answer.witnessed.note), checkpoint_of(answer.newest.note)
    assert old.size < middle.size < new.size
    verify_consistency(old.size, old.root, middle.size, middle.root, answer.witnessed.consistency)
    verify_consistency(middle.size, middle.root, new.size, new.root, answer.newest.consistency)
    assert answer.witnessed.note.decode().endswith("\u2014 one AAAAAAA=\n")
    assert answer.quorum == 1
    assert [(each.vkey, each.size, each.cosigned_at_s) for each in answer.witnesses] == [("one+key", old.size, 7)]


async def test_a_renewed_log_tells_how_far_a_witness_saw_the_former_one_come(world: World, tmp_path: Path) -> None:
    """The database was put back, and `log.checkpoint` is lost: what a witness showed is all that is known."""
    key = keys_in(tmp_path)
    await grown(world.app.log, 2)
    await signed(world, tmp_path)
    ahead = key.sign(Checkpoint(ORIGIN, 9, bytes(32)), 1)
    named = await renew(world.app.log, tmp_path, reason="A test.", at_ms=world.clock(), shown=[Note.parse(ahead)])
    assert named.last_note == ahead


async def test_a_renewed_log_says_why_to_those_who_knew_the_former_one(world: World, tmp_path: Path) -> None:
    """Also to one who knows a greater size of it than there is now."""
    anna = world.user("anna", "vault://app")
    await grown(world.app.log, 20)
    await signed(world, tmp_path)
    former = (await checkpoint(world, anna)).newest.note
    await renew(world.app.log, tmp_path, reason="The keys were stolen.", at_ms=world.clock())
    world.app.witnessed.forget()
    size = checkpoint_of(former).size
    answer = await checkpoint(world, anna, size)
    assert not answer.newest.note, "nothing is signed under the new name yet"
    assert (answer.renewal.last_note, answer.renewal.reason) == (former, "The keys were stolen.")
    assert answer.renewal.renewed_at_ms == world.clock()
    await refused(checkpoint(world, anna, size + 1), UNAVAILABLE)
    await signed(world, tmp_path)
    answer = await checkpoint(world, anna, size)
    assert checkpoint_of(answer.newest.note).origin != checkpoint_of(former).origin


async def test_a_request_is_proven_to_its_user_and_to_no_auditor_without_see_hash(world: World, tmp_path: Path) -> None:
    """The entry is the hash of the record of its last event; beside it stands what was asked and granted."""
    anna, bob = world.user("anna", "vault://app"), world.user("bob", "vault://app")
    reactor = await world.attached()
    request = a_request()
    request_id = await anna.ask(request)
    _, grant = await reactor.give_key()
    await signed(world, tmp_path)
    await asyncio.gather(anna.send(request_id, Sealed()), reactor.write(grant))
    world.clock.pass_s(1)
    early = await proof(world, anna, request_id)
    assert (early.proof_later, early.note) == (True, b"")
    world.clock.pass_s(EVERY_S)  # and not as long as where nobody asks
    await signing(world.app, tmp_path).round()
    world.app.witnessed.forget()
    await grown(world.app.log, 40)
    await signed(world, tmp_path)
    found = await proof(world, anna, request_id)
    covering = checkpoint_of(found.note)
    event = event_pb2.Event.FromString(found.evidence.record)
    assert (event.type, event.position) == ("SecretUploaded", found.index + 1)
    assert event.stream == f"upload/{request_id.hex()}"
    entry = hashlib.sha256(outline(event_pb2.Event.FromString(found.evidence.record))).digest()
    verify_inclusion(found.index, covering.size, leaf_hash(entry), found.inclusion, covering.root)
    assert covering.size < await world.app.log.head(), "the smallest checkpoint that covers it"
    assert found.evidence.request == request.content
    assert found.evidence.grant.content == grant.content
    auditor = world.user("eve", rights=frozenset(), role=events_pb2.ROLE_AUDITOR)
    for other in (world.administrator(), auditor):
        assert "such as hashes" in await refused(proof(world, other, request_id), REFUSED)
    root, member = world.administrator(), "user:corp:both"
    await root.bind("audit", member, role=events_pb2.ROLE_AUDITOR)
    see_hash = {"prefix": "vault://app", "rights": [events_pb2.RIGHT_SEE_HASH]}
    await root.bind("hashes", member, role=events_pb2.ROLE_USER, **see_hash)
    assert await proof(world, world.member(member), request_id) == found
    for user, asked in ((bob, request_id), (anna, bytes(16))):
        await refused(proof(world, user, asked), NOT_FOUND)
    assert (await proof(world, anna, request_id, witnessed=True)).proof_later


@pytest.fixture
def auditor(world: World) -> User:
    return world.user("eve", rights=frozenset(), role=events_pb2.ROLE_AUDITOR)


async def get(world: World, user: User, path: str) -> Answered:
    return await ask(world.address, "GET", path, bearer(user))


async def body(world: World, user: User, path: str) -> bytes:
    answered = await get(world, user, path)
    assert answered.status == 200, (path, answered.body)
    return answered.body


def names(level: str, size: int) -> list[str]:
    """The paths of all tiles of a level that has so many hashes, by the text of tlog-tiles, below 1,000 of them."""
    full, rest = divmod(size, 256)
    partial = [f"/tile/{level}/{full:03}.p/{rest}"] if rest else []
    return [f"/tile/{level}/{index:03}" for index in range(full)] + partial


async def test_an_independent_reader_verifies_the_log_by_its_tiles(world: World, auditor: User, tmp_path: Path) -> None:
    """It reads the checkpoint, all entries and both levels of tiles, and compares the entries with the records."""
    await grown(world.app.log, 600)
    await signed(world, tmp_path)
    note = (await body(world, auditor, "/checkpoint")).decode()
    _, size, root = note.split("\n\n")[0].split("\n")
    entries = []
    for path in names("entries", int(size)):
        bundle = await body(world, auditor, path)
        while bundle:
            length = int.from_bytes(bundle[:2], "big")
            entries.append(bundle[2 : 2 + length])
            bundle = bundle[2 + length :]
    assert len(entries) == int(size) > 600
    assert base64.b64encode(root_of(entries)).decode() == root
    leaves = [hashlib.sha256(b"\0" + entry).digest() for entry in entries]
    assert b"".join([await body(world, auditor, path) for path in names("0", int(size))]) == b"".join(leaves)
    above = b"".join(root_of(entries[at : at + 256]) for at in range(0, int(size) - 255, 256))
    assert await body(world, auditor, names("1", int(size) // 256)[0]) == above
    outlines = [event.outline for event in await world.app.log.read(after=0, limit=1_000)]
    assert [hashlib.sha256(outline).digest() for outline in outlines] == entries


async def test_auditors_and_administrators_read_it_and_no_cache(world: World, auditor: User, tmp_path: Path) -> None:
    await grown(world.app.log, 300)
    await signed(world, tmp_path)
    anna = world.user("anna", "vault://app")
    size = await world.app.log.head()
    full, partial, entries = "/tile/0/000", f"/tile/0/001.p/{size - 256}", "/tile/entries/000"
    for path in ("/checkpoint", full, partial, entries):
        assert (await get(world, world.administrator(), path)).status == 200
        answered = await get(world, auditor, path)
        assert answered.headers["cache-control"].startswith("private")
        assert ("immutable" in answered.headers["cache-control"]) == (path in (full, entries)), path
        kind = "text/plain; charset=utf-8" if path == "/checkpoint" else "application/octet-stream"
        assert answered.headers["content-type"] == kind
        assert (await get(world, anna, path)).status == 403
        assert (await ask(world.address, "GET", path)).status == 401
        assert (await ask(world.address, "POST", path, bearer(auditor))).status == 405


async def test_a_tile_is_served_for_a_signed_checkpoint_alone(world: World, auditor: User, tmp_path: Path) -> None:
    """Another width, what is not signed yet, and every path that is no tile's, are not there."""
    keys_in(tmp_path)
    assert (await get(world, auditor, "/checkpoint")).status == 404
    assert (await get(world, auditor, "/tile/0/000")).status == 404
    await signed(world, tmp_path)
    size = await world.app.log.head()
    await grown(world.app.log, 400)
    await signing(world.app, tmp_path).round()  # the tree grows, and it is too early for a checkpoint
    assert await world.app.log.tree_size() == size + 400
    widths = (f"0/000.p/{size + 1}", "0/000.p/1", "1/000.p/1", "0/000.p/256", "0/000.p/0", "63/000.p/255")
    for path in ("0/000", *widths, "0/0", "00/000", "0/x000/000", "0/999", "entries/001", "", "0/../0/000"):
        assert (await get(world, auditor, f"/tile/{path}")).status == 404, path
    assert len(await body(world, auditor, f"/tile/0/000.p/{size}")) == size * 32
    await signed(world, tmp_path)
    assert len(await body(world, auditor, f"/tile/0/000.p/{size}")) == size * 32, "of an earlier checkpoint"
    assert len(await body(world, auditor, "/tile/0/000")) == 256 * 32
    assert len(await body(world, auditor, "/tile/1/000.p/1")) == 32


async def test_the_note_at_the_door_has_both_signatures(world: World, auditor: User, tmp_path: Path) -> None:
    key = keys_in(tmp_path)
    await signed(world, tmp_path)
    lines = (await body(world, auditor, "/checkpoint")).decode().split("\n\n")[1].splitlines()
    assert [line.split(" ")[1] for line in lines] == [key.origin] * 2
    ids = [base64.b64decode(line.split(" ")[2])[:4] for line in lines]
    assert ids == [VerifierKey.parse(str(vkey)).key_id for vkey in key.vkeys]
