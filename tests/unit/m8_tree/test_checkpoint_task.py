"""When m8 signs a checkpoint, which process does, and what it says, everywhere the same, when none may."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from monoskope.errors import Error, RefusedError, UnavailableError
from monoskope.m8.background.checkpoint_task import LEASE_S, MUCH, WAITS, CheckpointTask
from monoskope.m8.cli import log as command
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.log.tree_rows import Cosignature, Named
from monoskope.m8.operations import Endpoints, health
from monoskope.m8.readmodels.documents import project
from monoskope.m8.service.app import App
from monoskope.m8.tree import key_file
from monoskope.m8.tree import tree as building
from monoskope.m8.tree.cosigning import STALE_MS, Asked, WitnessNote
from monoskope.m8.tree.key_file import renew
from monoskope.m8.tree.tree import PAUSE_S, Tree, grow_tree
from monoskope.m8.tree.verifying import verified
from monoskope.m8.tree.witnessed_log import MOST_EVERY_S, Seen
from monoskope.protocol.tlog.checkpoint import COVERED_S, Checkpoint
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.note import Note
from monoskope.settings import write_private
from monoskope.testing.scripted.log import ScriptedWitness
from tests.support.checkpoints import (
    EVERY_S,
    LATER_S,
    ORIGIN,
    checkpoint_of,
    copied,
    cosigned,
    grown,
    keys_in,
    root_of,
    signing,
)
from tests.support.m8_user import PATIENCE_S
from tests.support.m8_world import World, an_m8
from tools.generate import ROOT


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with an_m8(tmp_path) as world:
        yield world


async def seen(app: App) -> Seen:
    app.witnessed.forget()
    return await app.witnessed.seen()


async def trouble(app: App) -> str:
    return app.witnessed.trouble(await seen(app))


class Witnesses:
    """Two witnesses that answer as a test says."""

    vkeys: Sequence[str] = ("one+key", "two+key")
    quorum = 2
    alarm_s = 60.0

    def __init__(self) -> None:
        self.answers = Asked()
        self.shown: list[Note] = []
        self.asked: list[bytes] = []
        self.fails: list[Error] = []
        """What the next looks end with."""

    async def cosign(self, note: bytes, tree: Tree) -> Asked:
        self.asked.append(note)
        assert await tree.size() >= checkpoint_of(note).size
        return self.answers

    async def published(self, _tree: Tree) -> Sequence[Note]:
        if self.fails:
            raise self.fails.pop()
        return self.shown


class Log:
    """Takes what the operating log is told."""

    def __init__(self, said: list[str]) -> None:
        self._said = said

    def warning(self, event: str, *, message: str) -> None:
        self._said.append(f"{event}: {message}")

    error = warning

    def info(self, event: str, **_fields: str) -> None:
        """Ends of troubles, and leases."""


async def test_a_checkpoint_is_signed_when_the_log_grew_and_hourly_without(world: World, tmp_path: Path) -> None:
    """At most every ten seconds, both keys, and of all that is recorded by then."""
    key = keys_in(tmp_path)
    task = signing(world.app, tmp_path)
    await task.round()
    assert (await seen(world.app)).names == (), "an empty log has no name yet"
    entries = await grown(world.app.log, 3)
    await task.round()
    first = (await seen(world.app)).newest
    assert first is not None
    assert set(Note.parse(first.note).verified(key.vkeys)) == set(key.vkeys)
    assert checkpoint_of(first.note) == Checkpoint(ORIGIN, 3, root_of(entries))
    entries += await grown(world.app.log, 300)
    world.clock.pass_s(EVERY_S - 1)
    await task.round()
    assert (await seen(world.app)).newest == first
    world.clock.pass_s(1)
    await task.round()
    second = (await seen(world.app)).newest
    assert second is not None
    assert checkpoint_of(second.note) == Checkpoint(ORIGIN, 303, root_of(entries))
    world.clock.pass_s(3_599)
    await task.round()
    assert (await seen(world.app)).newest == second
    world.clock.pass_s(1)
    await task.round()
    third = (await seen(world.app)).newest
    assert third is not None
    assert (third.size, third.at_ms - second.at_ms) == (303, 3_600_000)
    assert await trouble(world.app) == ""


async def test_where_little_happens_a_third_is_signed_unless_it_is_asked_for(world: World, tmp_path: Path) -> None:
    """It covers a record within the minute that docs/protocol.md names, also if another process takes over."""
    keys_in(tmp_path)
    task = signing(world.app, tmp_path)
    await grown(world.app.log, MUCH)
    await task.round()
    for events, after_s, is_asked, is_signed in (
        (1, EVERY_S, False, False),
        (0, LATER_S - EVERY_S - 1, False, False),
        (0, 1, False, True),
        (1, EVERY_S - 1, True, False),
        (0, 1, True, True),
        (MUCH - 1, EVERY_S, False, False),
        (1, 0, False, True),
        (0, EVERY_S, True, False),  # the log did not grow
    ):
        if events:
            await grown(world.app.log, events)
        before = (await seen(world.app)).newest
        world.clock.pass_s(after_s)
        if is_asked:
            world.app.witnessed._wanted_at = float("-inf")  # a second later
            await world.app.witnessed.want()
        await task.round()
        assert ((await seen(world.app)).newest != before) is is_signed, (events, after_s, is_asked)
    assert WAITS * MOST_EVERY_S + LEASE_S <= COVERED_S


async def test_of_old_checkpoints_a_days_last_stays_and_what_witnesses_cosigned(world: World, tmp_path: Path) -> None:
    """The others prove nothing that the next one does not, and a proof of an old record is made with that one."""
    keys_in(tmp_path)
    task, log = signing(world.app, tmp_path), world.app.log
    midnight_ms = world.clock.now_ms - world.clock.now_ms % 86_400_000
    for hours in (1, 2, 3, 25, 26, 27, 49, 50):
        world.clock.now_ms = midnight_ms + hours * 3_600_000
        await grown(log, 1)
        world.clock.pass_s(LATER_S)
        await task.round()
        if hours == 2:
            newest = await log.checkpoint(1)
            assert newest is not None
            await log.keep_cosignatures(1, 2, [cosigned(newest.note)])

    assert [one.size for one in await log.checkpoints(1, after=0, limit=20)] == [2, 3, 6, 7, 8]
    assert (await verified(log, await log.check_chain())).checkpoints == 5
    covering = await log.checkpoint(1, at_least=4)
    assert covering is not None
    assert covering.size == 6


async def test_a_checkpoint_and_its_cosignatures_take_what_the_page_about_growth_says(tmp_path: Path) -> None:
    """In the database file, with their indexes, of 400 of them."""
    key, witness, file = LogKey.make(ORIGIN), ScriptedWitness("witness.example/one"), tmp_path / "log.db"
    log = await SqliteLog.open(file, clock=lambda: 1)
    await log.give_name(Named(1, ORIGIN, tuple(map(str, key.vkeys)), 1))
    shown = [Checkpoint(ORIGIN, size, bytes(32)) for size in range(1, 401)]
    taken = [_bytes_in(file)]
    for each in shown:
        await log.claim(1, each.size, each.root, at_ms=1)
        await log.keep_note(1, each.size, key.sign(each, 1_790_000_000), at_ms=1)
    taken.append(_bytes_in(file))
    for each in shown:
        line = witness.cosign(each, 1_790_000_000).line.rstrip()
        await log.keep_cosignatures(1, each.size, [Cosignature(str(witness.vkey), line, 1_790_000_000)])
    taken.append(_bytes_in(file))
    other = cosigned(key.sign(shown[0], 1))
    for each in shown:
        await log.keep_cosignatures(1, each.size, [other])
    taken.append(_bytes_in(file))
    await log.close()

    note, ed25519, ml_dsa_44 = (f"{(after - before) / 400_000:.1f}" for before, after in pairwise(taken))
    page = (ROOT / "docs/operate/disk-and-log-growth.md").read_text(encoding="utf-8")
    assert f"of the log | {note} KB, and" in page
    assert f"with each cosignature {ed25519} KB (Ed25519) or {ml_dsa_44} KB (ML-DSA-44) more" in page


def _bytes_in(file: Path) -> int:
    with closing(sqlite3.connect(file)) as database:
        query = (
            "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count,"
            " pragma_page_size"
        )
        return int(database.execute(query).fetchone()[0])


async def test_a_clock_that_is_set_back_does_not_stop_the_signing(world: World, tmp_path: Path) -> None:
    keys_in(tmp_path)
    task = signing(world.app, tmp_path)
    await grown(world.app.log, 1)
    await task.round()
    world.clock.pass_s(-7_200)
    await grown(world.app.log, 1)
    await task.round()
    assert (await seen(world.app)).size == 2


@pytest.mark.parametrize("fails", [UnavailableError("the log fails."), RefusedError("log.evidence-9 has mode 0644.")])
async def test_nothing_is_signed_before_a_look_at_the_witnesses(world: World, tmp_path: Path, fails: Error) -> None:
    """A database that fails for a moment, or evidence that cannot be read, must not stand for "they show nothing"."""
    key = keys_in(tmp_path)
    witnesses = Witnesses()
    world.app.witnessed.cosigners = witnesses
    task = signing(world.app, tmp_path)
    await grown(world.app.log, 2)
    witnesses.shown = [Note.parse(key.sign(Checkpoint(ORIGIN, 9, b"\x07" * 32), 1_798_000_000))]
    witnesses.fails = [fails]
    for _ in range(3):
        await task.round()
        assert (await seen(world.app)).newest is None
    assert witnesses.fails == []
    assert "a witness has a checkpoint of it up to 9" in await trouble(world.app)


async def test_what_users_read_of_a_trouble_names_no_folder_of_the_server(world: World, tmp_path: Path) -> None:
    keys_in(tmp_path)
    task = signing(world.app, tmp_path)
    await grown(world.app.log, 2)
    write_private(tmp_path / "log.checkpoint", b"nothing of the kind", replace=True)
    await task.round()
    await task.follow()
    assert "log.checkpoint is damaged" in await trouble(world.app)
    assert str(tmp_path) not in await trouble(world.app)
    write_private(tmp_path / "log.key", b"nothing of the kind", replace=True)
    assert not await task.may_sign()
    assert str(tmp_path) not in world.app.witnessed.key_trouble


async def test_a_file_that_cannot_be_read_says_nothing_of_the_log_and_takes_nothing_back(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what was signed can say that the log is another one, and what it said goes on to count."""
    said: list[str] = []
    monkeypatch.setattr("monoskope.m8.tree.cosigning.operating_log.get", lambda: Log(said))
    key = keys_in(tmp_path)
    task = signing(world.app, tmp_path)
    await grown(world.app.log, 3)
    await task.round()
    await task.follow()
    file = tmp_path / "log.checkpoint"
    file.chmod(0o644)
    await task.follow()
    assert "log.checkpoint" in world.app.witnessed.own_trouble
    assert [line.partition(":")[0] for line in said] == ["the event log is not compared with what was signed"]
    file.chmod(0o600)
    await task.follow()
    assert world.app.witnessed.own_trouble == ""
    write_private(file, key.sign(Checkpoint(ORIGIN, 5, b"\x07" * 32), 1_798_000_000), replace=True)
    await task.follow()
    assert said[1].startswith("the event log is not the one that was signed: the event log ends at position 3")
    file.chmod(0o644)
    await task.follow()
    assert "ends at position 3" in world.app.witnessed.own_trouble
    assert len(said) == 3


async def test_a_log_that_was_put_back_and_grew_is_not_whole_without_its_tree(world: World, tmp_path: Path) -> None:
    key = keys_in(tmp_path)
    task = signing(world.app, tmp_path)
    await grown(world.app.log, 3)
    await task.round()
    later = key.sign(Checkpoint(ORIGIN, 5, b"\x07" * 32), 1_798_000_000)
    write_private(tmp_path / "log.checkpoint", later, replace=True)
    await task.follow()
    assert "ends at position 3" in world.app.witnessed.own_trouble
    await grown(world.app.log, 2)
    await task.follow()
    assert "ends at position 3" in world.app.witnessed.own_trouble
    await task.round()
    await task.follow()
    assert "does not continue the checkpoint of position 5" in world.app.witnessed.own_trouble


async def test_a_record_that_was_deleted_behind_the_newest_checkpoint_is_told(world: World, tmp_path: Path) -> None:
    """Its hash is in the tree already, and no checkpoint covers it yet."""
    keys_in(tmp_path)
    await grown(world.app.log, 3)
    await signing(world.app, tmp_path).round()
    await grown(world.app.log, 1)
    await signing(world.app, tmp_path).round()
    copied(tmp_path / "log.db", tmp_path / "other.db")
    with closing(sqlite3.connect(tmp_path / "other.db")) as database, database:
        database.execute("DROP TRIGGER events_last")
        database.execute("DELETE FROM events WHERE position = 4")
    log = await SqliteLog.open(tmp_path / "other.db", clock=world.clock, projector=project)
    app = App(log, world.app.authenticate, (), world.clock, "m8", "0.1.0")
    world.clock.pass_s(LATER_S)
    await signing(app, tmp_path).round()
    assert "does not hold at position 4: the record is missing" in await trouble(app)
    assert (await seen(app)).size == 3
    await log.close()


async def test_a_note_that_was_put_into_the_database_does_not_get_into_the_file(world: World, tmp_path: Path) -> None:
    """The file outlives the database: a forged note there would keep m8 from signing after the database is mended."""
    keys_in(tmp_path)
    task = signing(world.app, tmp_path)
    await grown(world.app.log, 2)
    await task.round()
    before = (tmp_path / "log.checkpoint").read_bytes()
    forged = LogKey.make(ORIGIN).sign(Checkpoint(ORIGIN, 2**62, bytes(32)), 1_798_000_000)
    await grown(world.app.log, 1)
    await grow_tree(world.app.log, upto=3)
    assert await world.app.log.claim(1, 3, await world.app.witnessed.tree.root(3), at_ms=world.clock())
    await world.app.log.keep_note(1, 3, forged, at_ms=world.clock())
    world.app.witnessed.forget()
    await task.follow()
    assert "the keys of the log did not sign" in await trouble(world.app)
    assert (tmp_path / "log.checkpoint").read_bytes() == before


async def test_a_process_without_the_keys_of_the_log_leaves_the_work_to_others_and_says_so(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No keys at all: what to run. Another key: which one it should be. It says each once."""
    said: list[str] = []
    monkeypatch.setattr("monoskope.m8.tree.cosigning.operating_log.get", lambda: Log(said))
    task = signing(world.app, tmp_path)
    assert not await task.may_sign()
    assert not await task.may_sign()
    assert len(said) == 1
    assert "m8 log init" in said.pop()
    keys_in(tmp_path)
    assert await task.may_sign()
    await grown(world.app.log, 1)
    await task.round()
    for name in ("without", "foreign"):
        (tmp_path / name).mkdir()
    keys_in(tmp_path / "foreign")
    app = replace(world.app, replica="m8/other", leases=set(), news=asyncio.Event())
    for name, text in (("without", "log.key is missing"), ("foreign", f"not the key of this log, which is {ORIGIN}")):
        assert not await signing(app, tmp_path / name).may_sign()
        assert text in said[-1]
        assert await trouble(app) == "", "another one signs"
    world.clock.pass_s(600)
    assert "not the key of this log" in await trouble(app), "and now nobody does"


async def test_the_one_that_has_the_keys_gets_the_lease(world: World, tmp_path: Path) -> None:
    """Whoever cannot sign does not keep others from it."""
    keys_in(tmp_path)
    (tmp_path / "without").mkdir()
    await grown(world.app.log, 1)
    other = replace(world.app, replica="m8/other", leases=set(), news=asyncio.Event())
    tasks = [
        asyncio.create_task(signing(other, tmp_path / "without").run()),
        asyncio.create_task(signing(world.app, tmp_path).run()),
    ]
    async with asyncio.timeout(PATIENCE_S):
        while (await seen(world.app)).size == 0 or not (tmp_path / "without" / "log.checkpoint").exists():
            await grown(world.app.log, 1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    there = checkpoint_of((tmp_path / "without" / "log.checkpoint").read_bytes())
    assert there.origin == ORIGIN, "each folder remembers what was signed"


async def test_a_database_that_is_put_back_is_not_signed_until_the_log_is_renewed(world: World, tmp_path: Path) -> None:
    """Its records are lost for good. The new name tells where the former one ended, and why; users decide."""
    former = keys_in(tmp_path)
    task = signing(world.app, tmp_path)
    await grown(world.app.log, 2)
    await task.round()
    copied(tmp_path / "log.db", tmp_path / "before.db")
    await grown(world.app.log, 3)
    world.clock.pass_s(LATER_S)
    await task.round()
    last = (tmp_path / "log.checkpoint").read_bytes()
    log = await SqliteLog.open(tmp_path / "before.db", clock=world.clock, projector=project)
    app = App(log, world.app.authenticate, (), world.clock, "m8", "0.1.0")
    for events, text in ((0, "ends at position 2"), (1, "ends at position 3"), (9, "does not continue")):
        if events:
            await grown(log, events, stream="others")
        world.clock.pass_s(LATER_S)
        task = signing(app, tmp_path)
        await task.round()
        await task.follow()
        assert text in await trouble(app)
        assert "m8 log renew" in await trouble(app)
        assert (await seen(app)).size == 2, "what it shows is what it signed before"
    await renew(log, tmp_path, reason="The disk was lost.", at_ms=world.clock())
    task = signing(app, tmp_path)
    await task.round()
    await task.follow()
    found = await seen(app)
    assert (found.size, await trouble(app)) == (12, "")
    assert found.named is not None
    assert (found.named.reason, found.named.last_note) == ("The disk was lost.", last)
    assert found.named.origin != former.origin
    assert LogKey.from_pem((tmp_path / "log.key.former-1").read_bytes()).vkeys == former.vkeys
    await log.close()


async def test_each_folder_notices_a_database_that_is_put_back_whoever_signs(world: World, tmp_path: Path) -> None:
    """A replica that never signed has written down what it saw."""
    keys_in(tmp_path)
    (tmp_path / "replica").mkdir()
    await grown(world.app.log, 2)
    await signing(world.app, tmp_path).round()
    await signing(world.app, tmp_path / "replica").follow()
    empty = await SqliteLog.open(tmp_path / "empty.db", clock=world.clock, projector=project)
    app = App(empty, world.app.authenticate, (), world.clock, "m8", "0.1.0")
    await signing(app, tmp_path / "replica").follow()
    assert "ends at position 0" in app.witnessed.own_trouble
    await empty.close()


async def test_witnesses_are_asked_until_each_has_cosigned(world: World, tmp_path: Path) -> None:
    """Their cosignatures are kept, and a quorum is counted. One that fails is named."""
    keys_in(tmp_path)
    witnesses = Witnesses()
    world.app.witnessed.cosigners = witnesses
    now_s = world.clock() // 1000
    one, two = (Cosignature(vkey, f"\u2014 {vkey[:3]} AAAAAAA=", now_s) for vkey in witnesses.vkeys)
    witnesses.answers = Asked((one,), "", (WitnessNote("one+key"), WitnessNote("two+key", "It does not answer.")))
    await grown(world.app.log, 1)
    await signing(world.app, tmp_path).round()
    found = await seen(world.app)
    assert found.witnessed is None
    assert [(each.vkey, each.size, each.at_s, each.trouble) for each in found.witnesses] == [
        ("one+key", 1, now_s, ""),
        ("two+key", 0, 0, "It does not answer."),
    ]
    assert found.state is not None
    assert found.state.no_quorum_since_ms == world.clock()
    witnesses.answers = Asked((two,), "", (WitnessNote("one+key"), WitnessNote("two+key")))
    task = signing(world.app, tmp_path)
    await task.round()
    found = await seen(world.app)
    assert found.witnessed is not None
    assert found.witnessed.cosignatures == (one, two)
    assert found.state is not None
    assert found.state.no_quorum_since_ms == 0
    await task.round()
    assert len(witnesses.asked) == 2, "nothing is left to ask for"


async def test_a_log_at_rest_is_cosigned_each_hour_by_every_witness(world: World, tmp_path: Path) -> None:
    """One that is away just then is asked again: a client takes no quorum whose times are older than two hours."""
    keys_in(tmp_path)
    witnesses = Witnesses()
    world.app.witnessed.cosigners = witnesses

    def cosigned(*vkeys: str) -> Asked:
        now_s = world.clock() // 1000
        found = tuple(Cosignature(vkey, f"\u2014 {vkey[:3]} AAAAAAA=", now_s) for vkey in vkeys)
        return Asked(found, "", (WitnessNote("one+key"), WitnessNote("two+key")))

    async def times() -> list[int]:
        return [world.clock() // 1000 - each.at_s for each in (await seen(world.app)).witnesses]

    await grown(world.app.log, 1)
    witnesses.answers = cosigned("one+key", "two+key")
    await signing(world.app, tmp_path, every_s=0).round()
    task = signing(world.app, tmp_path, every_s=0)
    world.clock.pass_s(3_600)
    witnesses.answers = cosigned("one+key")
    await task.round()
    assert await times() == [0, 3_600]
    assert (await seen(world.app)).witnessed is not None, "the cosignatures of before stay"
    witnesses.answers = cosigned("two+key")
    await task.round()
    found = await seen(world.app)
    assert await times() == [0, 0]
    assert found.state is not None
    assert found.state.no_quorum_since_ms == 0
    asked = len(witnesses.asked)
    for again in (task, signing(world.app, tmp_path, every_s=0)):
        await again.round()
    assert len(witnesses.asked) == asked, "nothing is left to ask for"


async def test_a_witness_that_has_seen_more_stops_the_signing(world: World, tmp_path: Path) -> None:
    """Our own keys signed it, so this database is not the one. What others signed, or nobody, stops nothing."""
    key = keys_in(tmp_path)
    witnesses = Witnesses()
    world.app.witnessed.cosigners = witnesses
    await grown(world.app.log, 2)
    ahead = Checkpoint(ORIGIN, 9, bytes(32))
    foreign = LogKey.make(ORIGIN)
    witnesses.shown = [Note.parse(key.sign(ahead, 1))]
    await signing(world.app, tmp_path).round()
    assert "a witness has a checkpoint of it up to 9" in await trouble(world.app)
    assert (await seen(world.app)).newest is None
    witnesses.shown = [Note.parse(foreign.sign(ahead, 1))]
    await signing(world.app, tmp_path).round()
    assert (await seen(world.app)).size == 2
    witnesses.answers = Asked(stop="A witness has seen a checkpoint of ours that we do not have.")
    await grown(world.app.log, 1)
    task = signing(world.app, tmp_path)
    world.clock.pass_s(LATER_S)
    await task.round()
    await grown(world.app.log, 1)
    world.clock.pass_s(LATER_S)
    await task.round()
    assert await trouble(world.app) == "A witness has seen a checkpoint of ours that we do not have."
    assert (await seen(world.app)).size == 3


async def test_a_long_log_is_caught_up_in_pieces(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two pieces others have the log for themselves."""
    keys_in(tmp_path)
    monkeypatch.setattr(building, "PIECE", 10)
    entries = await grown(world.app.log, 35)
    sizes: list[int] = []
    sleep = asyncio.sleep

    async def look(seconds: float) -> None:
        if seconds == PAUSE_S:
            sizes.append(await world.app.witnessed.tree.size())
        else:
            await sleep(seconds)

    monkeypatch.setattr(asyncio, "sleep", look)
    async with asyncio.timeout(PATIENCE_S):  # who keeps the log to itself meanwhile would wait for itself
        await signing(world.app, tmp_path).round()
    assert sizes == [10, 20, 30]
    assert await world.app.witnessed.tree.root(35) == root_of(entries)


async def fine(world: World, _folder: Path) -> str:
    await grown(world.app.log, 2)
    return ""


async def without_key(world: World, folder: Path) -> str:
    (folder / key_file.FILE).unlink()
    world.clock.pass_s(STALE_MS / 1000 + 1)
    return "log.key is missing in the folder of this m8"


async def with_another_key(world: World, folder: Path) -> str:
    (folder / key_file.FILE).unlink()
    key_file.write(folder, key_file.make(""))
    world.clock.pass_s(STALE_MS / 1000 + 1)
    return "log.key is not the key of this log"


async def put_back(_world: World, folder: Path) -> str:
    key = LogKey.from_pem((folder / key_file.FILE).read_bytes())
    later = key.sign(Checkpoint(ORIGIN, 9, b"\x07" * 32), 1_798_000_000)
    write_private(folder / "log.checkpoint", later, replace=True)
    return "the event log ends at position 3"


async def forged(world: World, _folder: Path) -> str:
    await grown(world.app.log, 1)
    await grow_tree(world.app.log, upto=4)
    assert await world.app.log.claim(1, 4, await world.app.witnessed.tree.root(4), at_ms=world.clock())
    note = LogKey.make(ORIGIN).sign(Checkpoint(ORIGIN, 4, bytes(32)), 1_798_000_000)
    await world.app.log.keep_note(1, 4, note, at_ms=world.clock())
    return "the keys of the log did not sign"


async def looks(world: World, task: CheckpointTask) -> None:
    """Do what a process does that has no lease: it looks at its keys, and follows what is signed."""
    world.app.witnessed.forget()
    await task.may_sign()
    await task.follow()
    world.app.witnessed.forget()


@pytest.mark.parametrize("happens", [fine, without_key, with_another_key, put_back, forged])
async def test_the_command_says_what_health_and_metrics_of_the_running_m8_say(
    world: World, tmp_path: Path, happens: Callable[[World, Path], Awaitable[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "wall_clock", world.clock)
    keys_in(tmp_path)
    task = signing(world.app, tmp_path)
    await grown(world.app.log, 3)
    await task.round()
    expected = await happens(world, tmp_path)
    await looks(world, task)

    said = await command._status(world.app.log, tmp_path, None)
    app, seen = world.app, await world.app.witnessed.seen()
    await Endpoints(app).metrics()
    gauge = app.meters.registry.get_sample_value

    assert expected in str(said["trouble"])
    assert said["trouble"] == (app.witnessed.trouble(seen) or "none")
    assert said["log_key"] == (app.witnessed.key_trouble or "fits")
    assert gauge("m8_log_signing_stopped") == bool(expected) == (said["trouble"] != "none")
    assert gauge("m8_log_tree_lag_events") == int(str(said["events"])) - int(str(said["tree"]))
    assert health(app.witnessed, seen, app.clock()).startswith("signing stopped" if expected else "ok")
