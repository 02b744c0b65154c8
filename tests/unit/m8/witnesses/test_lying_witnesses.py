"""Witnesses that lie, are slow, or speak something else: no cosignature of theirs counts, and m8 says what is wrong."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monoskope.errors import UsageError
from monoskope.m8.tree import witness_client as witness
from monoskope.protocol.tlog.checkpoint import Checkpoint, Kind
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.note import Note, NoteSignature
from monoskope.settings import write_private
from monoskope.testing.parts import wait_until
from tests.support.memory_tree import MemoryTree
from tests.support.witness_servers import Asking, Reply, Request, Says, WitnessKey, WitnessServer, witness_server

SIZE_TYPE = {"Content-Type": "text/x.tlog.size"}


@pytest.fixture(scope="module")
def who() -> WitnessKey:
    return WitnessKey("witness.example/liar")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WitnessServer]:
    with witness_server(tmp_path_factory.mktemp("liar"), lambda _: Reply(500)) as found:
        yield found


@pytest.fixture
def server(shared: WitnessServer) -> WitnessServer:
    shared.says = lambda _: Reply(500)
    shared.asked.clear()
    return shared


def sent(request: Request) -> Checkpoint:
    return Checkpoint.parse(Note.parse(request.body.partition(b"\n\n")[2]).text)


def cosigns(who: WitnessKey, change: Callable[[Checkpoint], Checkpoint] = lambda found: found, off_s: int = 0) -> Says:
    """Cosign what was sent, changed, at a time that is off by so many seconds."""
    return lambda request: Reply(200, who.cosign(change(sent(request)), int(time.time()) + off_s).line.encode())


def other_root(checkpoint: Checkpoint) -> Checkpoint:
    return Checkpoint(checkpoint.origin, checkpoint.size, bytes(32))


def other_size(checkpoint: Checkpoint) -> Checkpoint:
    return Checkpoint(checkpoint.origin, checkpoint.size + 1, checkpoint.root)


def damaged(who: WitnessKey) -> Says:
    def says(request: Request) -> Reply:
        good = who.cosign(sent(request), int(time.time()))
        signature = bytes([*good.signature[:-1], good.signature[-1] ^ 1])
        return Reply(200, NoteSignature(good.name, good.key_id, signature).line.encode())

    return says


LIES: dict[str, tuple[Callable[[WitnessKey], Says], str]] = {
    "another root": (lambda who: cosigns(who, other_root), "do not rely on it"),
    "another size": (lambda who: cosigns(who, other_size), "do not rely on it"),
    "a damaged signature": (damaged, "do not rely on it"),
    "a stranger's key": (lambda _: cosigns(WitnessKey("witness.example/stranger")), "no signature of its vkey"),
    "another key of its name": (lambda who: cosigns(WitnessKey(who.vkey.name)), "no signature of its vkey"),
    "a time far ahead": (lambda who: cosigns(who, off_s=86_400), "ahead of the clock of m8"),
    "a time long ago": (lambda who: cosigns(who, off_s=-86_400), "behind the clock of m8"),
    "rubbish": (lambda _: lambda _request: Reply(200, b"<html>hello</html>"), "no lines of signatures"),
    "nothing": (lambda _: lambda _request: Reply(200), "no lines of signatures"),
    "no UTF-8": (lambda _: lambda _request: Reply(200, b"\xff\xfe\n"), "no lines of signatures"),
    "a redirect": (
        lambda _: lambda _request: Reply(307, headers={"Location": "https://127.0.0.1:1/"}),
        "never follows",
    ),
    "bad request": (lambda _: lambda _request: Reply(400), "cannot read what m8 sends"),
    "a login": (lambda _: lambda _request: Reply(401), "submission prefix"),
    "forbidden": (lambda _: lambda _request: Reply(403), "m8 log key"),
    "not found": (lambda _: lambda _request: Reply(404), "m8 log key"),
    "too often": (lambda _: lambda _request: Reply(429), "checkpoint_every_s"),
    "a failure": (lambda _: lambda _request: Reply(503), "Ask its operator what its log says"),
    "a strange status": (lambda _: lambda _request: Reply(418), "submission prefix"),
    "a conflict without a size": (lambda _: lambda _request: Reply(409, b"no\n", SIZE_TYPE), "without a size"),
    "a conflict of another type": (lambda _: lambda _request: Reply(409, b"3\n"), "without a size"),
    "a size with zeros": (lambda _: lambda _request: Reply(409, b"03\n", SIZE_TYPE), "without a size"),
    "conflicts without end": (lambda _: lambda _request: Reply(409, b"3\n", SIZE_TYPE), "Another program submits"),
    "an endless answer": (lambda _: lambda _request: Reply(200, endless=b"x" * 10_000), "more than 65,536 bytes"),
}


@pytest.mark.parametrize("name", LIES)
async def test_a_lie_gives_no_cosignature_and_stops_nothing(
    name: str, server: WitnessServer, who: WitnessKey, asking: Asking, tree: MemoryTree
) -> None:
    says, trouble = LIES[name]
    server.says = says(who)
    async with asking((server, who)) as witnesses:
        asked = await witnesses.cosign(tree.note(), tree)
    assert (asked.cosignatures, asked.stop) == ((), "")
    assert trouble in asked.witnesses[0].trouble
    assert len(server.asked) <= 2  # one more after a conflict, and no more


async def test_a_liar_among_honest_witnesses_takes_nothing_from_them(
    tmp_path: Path, server: WitnessServer, who: WitnessKey, asking: Asking, tree: MemoryTree
) -> None:
    """Ed25519 and ML-DSA-44 beside each other. What is sent has the log's own signatures alone."""
    honest = WitnessKey("witness.example/honest", kind=Kind.COSIGNATURE_ML_DSA_44)
    server.says = cosigns(who, other_root)
    with witness_server(tmp_path, cosigns(honest)) as good:
        async with asking((server, who), (good, honest), quorum=1) as witnesses:
            asked = await witnesses.cosign(tree.note(), tree)
    assert [each.vkey for each in asked.cosignatures] == [str(honest.vkey)]
    assert [bool(state.trouble) for state in asked.witnesses] == [True, False]
    head, _, note = good.asked[0].body.partition(b"\n\n")
    assert head == b"old 0"
    assert {each.name for each in Note.parse(note).signatures} == {tree.key.origin}


async def test_a_conflict_with_a_smaller_size_is_tried_once_more_from_there(
    server: WitnessServer, who: WitnessKey, asking: Asking, tree: MemoryTree
) -> None:
    def says(request: Request) -> Reply:
        return cosigns(who)(request) if request.body.startswith(b"old 3\n") else Reply(409, b"3\n", SIZE_TYPE)

    server.says = says
    async with asking((server, who)) as witnesses:
        assert len((await witnesses.cosign(tree.note(), tree)).cosignatures) == 1
        tree.length = 9
        await witnesses.cosign(tree.note(), tree)
    # The next checkpoint begins at what it cosigned last.
    assert [request.body.partition(b"\n")[0] for request in server.asked][:3] == [b"old 0", b"old 3", b"old 5"]


def shows(content: bytes, *, size: int, status: int = 409) -> Says:
    """Refuse, and show a note as its newest checkpoint."""

    def says(request: Request) -> Reply:
        if request.method == "GET":
            return Reply(200, content) if content else Reply(404)
        return Reply(status, f"{size}\n".encode(), SIZE_TYPE)

    return says


@pytest.mark.parametrize("status", [409, 422])
async def test_a_checkpoint_that_our_own_keys_signed_stops_the_signing_and_is_kept(
    status: int, server: WitnessServer, who: WitnessKey, asking: Asking, tree: MemoryTree
) -> None:
    """The log was put back to position 3, or holds other records, after a witness had seen position 5."""
    seen = tree.note()
    server.says = shows(seen, size=5, status=status)
    tree.length, tree.seed = (3, 0) if status == 409 else (7, 1)
    async with asking((server, who)) as witnesses:
        asked = await witnesses.cosign(tree.note(), tree)
    assert asked.cosignatures == ()
    assert "position 5 that the keys of this log signed" in asked.stop
    assert "m8 log renew" in asked.stop
    (kept,) = tree.folder.glob("log.evidence-5-*")
    assert (kept.read_bytes(), kept.stat().st_mode & 0o777) == (seen, 0o600)
    assert str(kept) in asked.stop
    assert server.asked[-1].path == f"/{hashlib.sha256(tree.key.origin.encode()).hexdigest()}/checkpoint"
    # A process that starts again while the witness is away still knows.
    server.says = lambda _: Reply(503)
    async with asking((server, who)) as witnesses:
        assert [bytes(note) for note in await witnesses.published(tree)] == [seen]


async def test_evidence_that_cannot_be_kept_or_read_lets_nothing_be_signed(
    server: WitnessServer, who: WitnessKey, asking: Asking, tree: MemoryTree
) -> None:
    """A full disk, or a file that was cut off, must not stand for a witness that shows nothing."""
    seen = tree.note()
    server.says = shows(seen, size=5, status=409)
    path = tree.folder / f"log.evidence-5-{tree.checkpoint().root[:4].hex()}"
    tree.length = 3
    path.mkdir()
    async with asking((server, who)) as witnesses:
        asked = await witnesses.cosign(tree.note(), tree)
    assert "position 5 that the keys of this log signed" in asked.stop
    assert "It is not kept: " in asked.stop
    path.rmdir()
    write_private(path, seen[:50])
    server.says = lambda _: Reply(503)
    async with asking((server, who)) as witnesses:
        with pytest.raises(UsageError, match="is damaged"):
            await witnesses.published(tree)


FORGED: dict[str, Callable[[MemoryTree], bytes]] = {
    "of another log's keys": lambda tree: MemoryTree(LogKey.make(tree.key.origin), 9).note(),
    "of another log": lambda tree: MemoryTree(LogKey.make("other/log"), 9).note(),
    "with another size": lambda tree: tree.note().replace(b"\n5\n", b"\n9\n"),
    "without signatures of ours": lambda tree: bytes(
        Note(tree.checkpoint().text, (WitnessKey("witness.example/x").cosign(tree.checkpoint(), 5),))
    ),
    "rubbish": lambda _: b"hello",
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_checkpoint_stops_nothing(
    name: str, server: WitnessServer, who: WitnessKey, asking: Asking, tree: MemoryTree
) -> None:
    """One witness must not be able to stop the log by a lie."""
    server.says = shows(FORGED[name](tree), size=9)
    tree.length = 3
    async with asking((server, who)) as witnesses:
        asked = await witnesses.cosign(tree.note(), tree)
    assert (asked.cosignatures, asked.stop) == ((), "")
    assert "its answer does not count" in asked.witnesses[0].trouble
    assert not list(tree.folder.glob("log.evidence*"))


async def test_an_m8_that_was_overtaken_by_another_one_of_its_log_goes_on(
    server: WitnessServer, who: WitnessKey, asking: Asking, tree: MemoryTree
) -> None:
    """Two replicas sign in turn: the witness has seen what the other one signed, and the database has it, too."""
    server.says = shows(tree.note(), size=5)
    async with asking((server, who)) as witnesses:
        asked = await witnesses.cosign(tree.note(3), tree)
    assert (asked.cosignatures, asked.stop) == ((), "")
    assert "fits to this log" in asked.witnesses[0].trouble


async def test_a_slow_witness_does_not_make_the_others_wait_again_and_comes_back(
    server: WitnessServer, asking: Asking, tree: MemoryTree, hurried: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness, "LATE_PAUSE_S", 3_600.0)
    slow, honest = WitnessKey("witness.example/slow"), WitnessKey("witness.example/honest")
    answers = threading.Event()
    server.says = cosigns(honest)
    with witness_server(tree.folder, cosigns(slow)) as late:
        async with asking((late, slow), (server, honest)) as witnesses:
            assert len((await witnesses.cosign(tree.note(), tree)).cosignatures) == 2
            # The connection is there now: what is sent reaches it, however little time there is.
            tree.length = 9
            late.says = lambda _: Reply(200, b"x", wait=answers)
            hurried.add(late.url)
            for _ in range(3):
                asked = await witnesses.cosign(tree.note(), tree)
                assert [each.vkey for each in asked.cosignatures] == [str(honest.vkey)]
                assert "does not answer within 0.2 s" in asked.witnesses[0].trouble
            await asyncio.to_thread(wait_until, lambda: len(late.asked) >= 2, what="the slow witness has read that")
            assert len(late.asked) == 2
            hurried.clear()
            monkeypatch.setattr(witness, "LATE_PAUSE_S", 0.0)
            late.says = cosigns(slow)
            assert len((await witnesses.cosign(tree.note(), tree)).cosignatures) == 2


async def test_a_half_open_witness_and_one_that_speaks_no_tls_are_told_apart(
    server: WitnessServer, asking: Asking, tree: MemoryTree, hurried: set[str]
) -> None:
    """One takes connections and says nothing; one has a certificate that m8 does not trust; one is not there."""
    keys = [WitnessKey(f"witness.example/w{number}") for number in range(3)]
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        hurried.add(f"https://127.0.0.1:{silent.getsockname()[1]}")
        half = dataclasses.replace(server, url=f"https://127.0.0.1:{silent.getsockname()[1]}")
        gone = dataclasses.replace(server, url=f"https://127.0.0.1:{unused.getsockname()[1]}")
        untrusted = dataclasses.replace(server, ca_file=None)
        async with asking(*zip((half, untrusted, gone), keys, strict=True)) as witnesses:
            asked = await witnesses.cosign(tree.note(), tree)
    assert asked.cosignatures == ()
    late, strange, away = (state.trouble for state in asked.witnesses)
    assert "does not answer within 0.2 s" in late
    assert "Set ca_file" in strange
    assert "cannot be reached" in away


async def test_without_keys_nothing_is_asked(
    tmp_path: Path, server: WitnessServer, who: WitnessKey, asking: Asking, tree: MemoryTree
) -> None:
    note = tree.note()
    async with asking((server, who)) as witnesses:
        (tmp_path / "log.key").unlink()
        assert (await witnesses.cosign(note, tree)).cosignatures == ()
        assert await witnesses.published(tree) == []
    assert server.asked == []
