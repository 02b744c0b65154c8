"""What m8 does around its sinks: lines of calls, bounded queues, one exporter at a time, and a log that was changed."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monoskope.errors import UsageError
from monoskope.m8.audit import exporters
from monoskope.m8.audit.auditing import auditing
from monoskope.m8.audit.exporters import CallExporter, EventExporter, Teller, cursor_name
from monoskope.m8.audit.lines import MOST_LINE, Batch, DeliveryError, Line, SinkState, of_strangers
from monoskope.m8.background.leased import Leased
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.log.documents import Cursor
from monoskope.m8.service.app import App
from monoskope.m8.service.call_notes import CallNote, Strangers
from monoskope.m8.sink_settings import EVENTS, FileTarget, SinkSettings
from tests.support.m8_user import PATIENCE_S, Sealed, User, refusal
from tests.support.m8_world import World, a_world, put, stop, until
from tests.support.vectors import Signer

QUICK = ServerLimits(tick_s=0.01)


class Takes:
    """A sink in memory, which takes nothing while it is dead."""

    def __init__(self) -> None:
        self.taken: list[Line] = []
        self.is_dead = False
        self.hangs = False
        self.asked = asyncio.Event()

    async def deliver(self, batch: Batch) -> None:
        self.asked.set()
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.is_dead:
            raise DeliveryError("the sink is dead.")
        self.taken += batch.lines

    async def close(self) -> None:
        """Nothing to do."""

    @property
    def shown(self) -> list[dict[str, Any]]:
        return [json.loads(line.text) for line in self.taken]

    @property
    def positions(self) -> list[int]:
        return [line.position for line in self.taken]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporters, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(exporters, "LONGEST_PAUSE_S", 0.01)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, limits=QUICK) as world:
        yield world


def exporting(app: App, sink: Takes) -> CallExporter:
    """Let the process tell of its calls, and of strangers'."""
    to = CallExporter(app, sink, SinkState("sink"))
    teller = Teller(app, [to])
    app.tell_call, app.strangers.tell = teller.call, teller.strangers
    return to


def events_to(app: App, sink: Takes) -> EventExporter:
    return EventExporter(app, sink, SinkState("sink"), log_id="ab" * 16)


async def test_every_call_and_refusal_has_a_line_with_who_where_what_and_how_it_ended(world: World) -> None:
    sink = Takes()
    task = asyncio.create_task(exporting(world.app, sink).run())
    anna = world.user("anna", "vault://app")
    await refusal("NOT_FOUND", anna.secret("vault://app/db"))
    nobody = world.user("nobody", "vault://app")
    nobody.headers = (("authorization", "Bearer of-nobody"),)
    await refusal("UNAUTHENTICATED", nobody.secret("vault://app/db"))
    reactor = await world.attached()
    sealed = Sealed()
    await put(anna, reactor, sealed=sealed)
    await until(lambda: len(sink.taken) >= 3)
    await reactor.leave()
    await until(lambda: len(sink.taken) >= 4)
    await stop(task)
    found, asked, sent, attached, denied = sink.shown
    assert (attached["method"], attached["store"], attached["subject"]) == ("Attach", "vault", "")
    assert (found["method"], found["code"], found["subject"]) == ("GetSecret", "NOT_FOUND", "anna")
    assert (found["uri"], found["roles"]) == ("vault://app/db", ["user"])
    assert found["peer"].startswith("127.0.0.1:")
    assert found["token_id"] == anna.token
    assert (denied["kind"], denied["address"], denied["calls"]) == ("access-strangers", "127.0.0.1", 1)
    assert denied["ends"] == {"GetSecret UNAUTHENTICATED": 1}
    assert (asked["method"], asked["purpose"], asked["code"]) == ("RequestSecretUploadKey", "UPLOAD", "OK")
    assert (sent["method"], sent["uri"], sent["outcome"]) == ("RequestUploadSecret", "vault://app/db", "UPLOADED")
    assert [one["number"] for one in sink.shown] == list(range(1, len(sink.taken) + 1))
    text = b"".join(line.text for line in sink.taken)
    for secret in (b"of-nobody", b"fp1:", sealed.sha256.hex().encode()):
        assert secret not in text


async def test_lines_of_events_hold_no_hash_of_a_value_and_nothing_sealed(world: World) -> None:
    anna, reactor = world.user("anna", "vault://app"), await world.attached()
    sealed = Sealed()
    await put(anna, reactor, sealed=sealed)
    sink = Takes()
    task = asyncio.create_task(events_to(world.app, sink).run())
    head = await world.app.log.head()
    await until(lambda: len(sink.taken) == head)
    await stop(task)
    uploaded = next(one for one in sink.shown if one["type"] == "SecretUploaded")
    assert (uploaded["uri"], uploaded["detail"], uploaded["actor"][:7]) == (
        "vault://app/db",
        "UPLOADED, version 1",
        "reactor",
    )
    text = b"".join(line.text for line in sink.taken)
    for secret in (b"fp1:", b"a" * 64, b"b" * 64, sealed.sha256.hex().encode(), sealed.ciphertext.hex().encode()):
        assert secret not in text


async def test_a_sink_that_hangs_delays_no_call_and_is_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporters, "MOST_WAITING", 3)
    sink = Takes()
    sink.hangs = True
    task = asyncio.create_task(exporting(world.app, sink).run())
    anna = world.user("anna", "vault://app")
    await refusal("NOT_FOUND", anna.secret("vault://app/db"))
    await sink.asked.wait()  # it has the first line, and never says so
    for _ in range(5):
        await refusal("NOT_FOUND", anna.secret("vault://app/db"))
    dropped = world.app.meters.registry.get_sample_value
    assert dropped("m8_audit_access_lines_dropped_total", {"sink": "sink"}) == 2
    sink.hangs = False
    await stop(task)  # at its end it sends what waits
    assert [one.get("number") for one in sink.shown] == [1, None, 2, 3, 4]
    assert (sink.shown[1]["kind"], sink.shown[1]["dropped"]) == ("access-dropped", 2)


async def test_many_bytes_do_not_fit_either(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporters, "MOST_BYTES", 100)
    to = CallExporter(world.app, Takes(), SinkState("sink"))
    for _ in range(3):
        to.take(Line("access", 1, 0, b"x" * 60))
    dropped = world.app.meters.registry.get_sample_value("m8_audit_access_lines_dropped_total", {"sink": "sink"})
    assert dropped == 2


async def test_strangers_push_no_line_out(world: World, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many calls they make in a minute, they have one line, in the operating log and in those of callers."""
    monkeypatch.setattr(exporters, "MOST_WAITING", 4)
    sink = Takes()
    to = exporting(world.app, sink)
    stranger, anna = User(world.address, "nobody"), world.user("anna", "vault://app")
    for _ in range(50):
        await refusal("UNAUTHENTICATED", stranger.secret("vault://app/db"))
    for _ in range(2):
        await refusal("NOT_FOUND", anna.secret("vault://app/db"))
    task = asyncio.create_task(to.run())
    await until(lambda: len(sink.taken) == 2)
    world.clock.pass_s(60)
    await until(lambda: len(sink.taken) == 3)
    for _ in range(3):
        await refusal("UNAUTHENTICATED", stranger.secret("vault://app/db"))
    await stop(task)  # what this minute has brought is told at the end
    assert [(one["kind"], one.get("subject"), one.get("calls")) for one in sink.shown] == [
        ("access", "anna", None),
        ("access", "anna", None),
        ("access-strangers", None, 50),
        ("access-strangers", None, 3),
    ]
    said = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [(one["event"], one.get("calls")) for one in said if one["event"].startswith("call")] == [
        ("call", None),
        ("call", None),
        ("calls of strangers", 50),
        ("calls of strangers", 3),
    ]
    assert {one["address"] for one in said if "calls" in one} == {"127.0.0.1"}


def test_a_hundred_addresses_of_strangers_have_a_line_in_a_minute_and_all_others_share_one() -> None:
    told: dict[str, dict[str, int]] = {}
    strangers = Strangers(lambda: 0, tick_s=1.0)
    strangers.tell = lambda address, ends: told.update({address: dict(ends)})
    peers = [f"192.0.2.{number}:7" for number in range(150)]
    peers += [f"[2001:db8:0:{number // 10:x}::{number:x}]:7" for number in range(1_000)]
    for peer in [peers[0]] * 9 + peers[150:] + peers[:150]:
        strangers.count(CallNote("GetSecret", peer, code="UNAUTHENTICATED"))
    strangers.flush()
    assert (len(told), told["192.0.2.0"]) == (101, {"GetSecret UNAUTHENTICATED": 10})
    assert told["2001:db8::/64"] == {"GetSecret UNAUTHENTICATED": 10}, "who has one IPv6 address has 64 bits of them"
    assert sum(told["others"].values()) == 9 + 1_150 - 10 - 990
    told.clear()
    strangers.flush()
    assert told == {}


def test_the_line_of_a_stranger_stays_short_however_its_calls_end() -> None:
    told: list[Line] = []
    strangers = Strangers(lambda: 0, tick_s=1.0)
    strangers.tell = lambda address, ends: told.append(of_strangers(address, ends, at_ms=1, replica="m8/1", number=1))
    for number in range(5_000):
        about = {"issuer": "corp", "reason": "REPLAYED", "for_member": f"user:corp:{number}" + "\u00fc" * 200}
        strangers.count(CallNote("ExchangeToken", "192.0.2.1:7", about=about, code="UNAUTHENTICATED"))
    strangers.flush()
    (line,) = told
    assert len(line.text) <= MOST_LINE
    shown = json.loads(line.text)
    assert (shown["calls"], shown["names_are_cut"]) == (5_000, True)
    assert shown["ends"]["others"] == 5_000 - 32


async def test_a_log_that_was_changed_is_not_sent_and_the_operating_log_says_so_once(
    world: World, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporters, "STOPPED_S", 0.01)
    await world.app.log.move_cursor(cursor_name("sink"), None, Cursor(1, b"x" * 32))
    looks, cursor = 0, world.app.log.cursor

    async def looked(name: str) -> Cursor | None:
        nonlocal looks
        looks += 1
        return await cursor(name)

    monkeypatch.setattr(world.app.log, "cursor", looked)
    sink, state = Takes(), SinkState("sink")
    task = asyncio.create_task(EventExporter(world.app, sink, state, log_id="ab" * 16).run())
    await until(lambda: "audit lines stop" in lines.getvalue() and looks >= 4)
    assert state.failing_s > 0
    assert sink.taken == []
    await stop(task)
    assert lines.getvalue().count("audit lines stop") == 1
    assert "position 2 does not follow" in lines.getvalue()


async def test_a_defect_of_a_sink_ends_nothing_and_is_told(world: World, lines: io.StringIO) -> None:
    class Broken(Takes):
        async def deliver(self, batch: Batch) -> None:
            if not self.is_dead:
                self.is_dead = True
                raise LookupError("hunter2")
            self.taken += batch.lines

    sink = Broken()
    task = asyncio.create_task(events_to(world.app, sink).run())
    head = await world.app.log.head()
    await until(lambda: len(sink.taken) == head)
    await stop(task)
    assert "LookupError" in lines.getvalue()
    assert "hunter2" not in lines.getvalue()
    assert "audit lines are taken again" in lines.getvalue()


async def cursor_at(world: World, position: int) -> Cursor:
    """Wait until the cursor of the sink is at a position."""
    async with asyncio.timeout(PATIENCE_S):
        while (cursor := await world.app.log.cursor(cursor_name("sink"))) is None or cursor.position < position:
            await asyncio.sleep(0.005)
    return cursor


@pytest.mark.usefixtures("engine")
async def test_of_two_m8_one_sends_and_the_other_takes_over_without_a_gap(world: World) -> None:
    other = replace(world.app, replica="m8/other", leases=set(), news=asyncio.Event())
    other.feed = world.app.feed
    first, second = Takes(), Takes()
    working = [
        asyncio.create_task(Leased(app, cursor_name("sink"), events_to(app, sink).run, ttl_s=30.0).run())
        for app, sink in ((world.app, first), (other, second))
    ]
    head = await world.app.log.head()
    await until(lambda: len(first.taken) + len(second.taken) == head)
    assert 0 in (len(first.taken), len(second.taken))
    leads = 0 if first.taken else 1
    await cursor_at(world, head)  # who ends before that is followed by one who sends the last lines once more
    await stop(working[leads])
    monitored = [first, second][1 - leads]
    # The other one asks for the lease every ten seconds, a new one asks at once. Both at a time would share the lease,
    # for it is a process that holds one.
    await stop(working[1 - leads])
    third = asyncio.create_task(Leased(other, cursor_name("sink"), events_to(other, monitored).run, ttl_s=30.0).run())
    await world.administrator().create("other", Signer().shown)
    await until(lambda: monitored.positions and monitored.positions[-1] == head + 2)
    await stop(third)
    assert [first, second][leads].positions + monitored.positions == list(range(1, head + 3))


async def test_an_exporter_that_stood_still_sends_doubles_at_most_and_leaves_the_cursor_right(world: World) -> None:
    """Two that both think that they have the lease."""
    one, two = Takes(), Takes()
    tasks = [asyncio.create_task(events_to(world.app, sink).run()) for sink in (one, two)]
    root = world.administrator()
    for number in range(5):
        await root.create(f"s{number}", Signer().shown)
    head = await world.app.log.head()
    await until(lambda: {*one.positions, *two.positions} == set(range(1, head + 1)))
    cursor = await cursor_at(world, head)
    await stop(*tasks)
    last = (await world.app.log.read(after=head - 1, limit=1))[0]
    assert cursor == Cursor(head, last.hash)
    for sink in (one, two):
        firsts = list(dict.fromkeys(sink.positions))
        assert firsts == sorted(firsts)


async def test_a_sink_that_is_wrong_stops_the_start(world: World, tmp_path: Path) -> None:
    settings = [SinkSettings("sink", frozenset({EVENTS}), FileTarget(tmp_path / "no" / "folder", 0, 1))]
    with pytest.raises(UsageError, match="cannot be written"):
        async with auditing(world.app, settings, log_id="ab" * 16):
            pytest.fail("it started")
