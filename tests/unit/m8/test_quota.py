"""No user fills the disk of all: so many bytes a day are recorded, and sealed bytes that ended long ago are erased."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8 import calls
from monoskope.m8.background import schedules
from monoskope.m8.background.schedules import PROGRESS, Retention
from monoskope.m8.background.timekeeper import Timekeeper
from monoskope.m8.domain.upload import Upload
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.limits.subjects import LARGEST, RECORD_BYTES
from monoskope.m8.log.event_log import Change, Lookup, NewEvent, Put, RecordedEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.readmodels.uploads import ENDED, OPEN_UPLOADS, USAGE, body_of, bytes_of
from monoskope.m8.service.app import App
from monoskope.protocol.notes import MAX_LABELS
from monoskope.protocol.payload import MAX_KEYS
from monoskope.protocol.receipt import make_receipt
from tests.support.fake_reactor import FakeReactor, fingerprint
from tests.support.m8_user import Sealed, User, refusal, refused
from tests.support.m8_world import RIGHTS, Clock, World, a_second, a_world
from tests.support.vectors import a_grant, a_request

AT_ONCE_S = 60.0
"""A deadline of which nothing is left to wait, since m8 keeps all of it for the way back (`margin`)."""
SIZE = 1120 + 65_536 + 16
PUT = bytes_of(4_096, SIZE) + 4 * bytes_of(0)
"""About what a put of that size counts: five events with four kilobytes of records."""
TIMES = 4
LIMITS = ServerLimits(recorded_bytes_per_user_per_day=LARGEST + TIMES * PUT)
"""After four or five puts there is no room for the largest secret."""


def large() -> Sealed:
    return Sealed(ciphertext=os.urandom(65_536 + 16))


@pytest.fixture(autouse=True)
def margin(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, the answer comes before the deadline."""
    monkeypatch.setattr(calls, "MARGIN_S", AT_ONCE_S)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, limits=LIMITS) as world:
        yield world


async def granted(user: User, reactor: FakeReactor, **fields: object) -> bytes:
    request_id = await user.ask(a_request(**fields))  # type: ignore[arg-type]
    await reactor.give_key()
    return request_id


async def put(user: User, reactor: FakeReactor, sealed: Sealed | None = None, **fields: Any) -> views_pb2.SecretUpload:
    request_id = await user.ask(a_request(**fields))
    _, grant = await reactor.give_key()
    upload, _ = await asyncio.gather(
        user.send(request_id, sealed or large(), timeout_s=2 * AT_ONCE_S), reactor.write(grant, os.urandom(4).hex())
    )
    return upload


async def use_up(user: User, reactor: FakeReactor) -> None:
    """Put until that is refused."""
    with refused("RATE_LIMITED"):
        for _ in range(2 * TIMES):
            await put(user, reactor)


async def counted(world: World, subject: str = "anna") -> int:
    return (await world.app.documents.usage(subject, world.clock.now_ms)).size


async def test_a_user_whose_day_is_used_up_is_refused_before_anything_is_sealed(world: World) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    await use_up(anna, reactor)
    used, head = await counted(world), await world.app.log.head()
    assert LIMITS.recorded_bytes_per_user_per_day - used < LARGEST + PUT
    for purpose in (upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_COMPARE, upload_pb2.PURPOSE_PATCH):
        with refused("RATE_LIMITED") as refusal:
            await anna.ask(a_request(purpose=purpose))
        assert f"anna has used {used} of the {LIMITS.recorded_bytes_per_user_per_day} bytes" in refusal.message
        assert "the next day begins at 2023-11-15T00:00:00Z" in refusal.message
        assert refusal.retry_after_s == 6_400
    assert await world.app.log.head() == head
    world.clock.pass_s(86_400)  # the next day begins with nothing used
    await reactor.beat()
    assert (await put(anna, reactor)).outcome == upload_pb2.OUTCOME_UPLOADED


async def test_others_and_small_requests_that_seal_nothing_are_not_held_up(world: World) -> None:
    """The room of one largest secret is left for them: a secret can be deleted on the day on which none can be put."""
    rights = RIGHTS | {events_pb2.RIGHT_DELETE}
    reactor, anna = await world.attached(), world.user("anna", "vault://app", rights=rights)
    await use_up(anna, reactor)
    await put(world.user("boris", "vault://app"), reactor)
    for purpose in (upload_pb2.PURPOSE_DELETE, upload_pb2.PURPOSE_VERIFY):
        request_id = await granted(anna, reactor, purpose=purpose)
        upload = await anna.send(request_id, Sealed(b"", b""), timeout_s=AT_ONCE_S)
        assert upload.state == views_pb2.UPLOAD_STATE_UPLOADING


async def test_patches_that_only_remove_keys_do_not_fill_the_log(world: World) -> None:
    """Nothing of them can ever be erased: 34 kB each, when they name as many and as long keys as they may."""
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    await put(anna, reactor)
    keys = tuple(f"{number:02}" + "k" * 240 for number in range(MAX_KEYS))
    before = await world.app.log.head()
    with refused("RATE_LIMITED") as refusal:
        for _ in range(LIMITS.recorded_bytes_per_user_per_day // 16_000):
            request_id = await granted(anna, reactor, purpose=upload_pb2.PURPOSE_PATCH, remove_keys=keys)
            await reactor.append(request_id, 2, events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_KEY_LOST))
    assert "bytes that m8 records for a user in a day" in refusal.message
    records = await recorded(world, after=before)
    assert LIMITS.recorded_bytes_per_user_per_day / 8 < records < LIMITS.recorded_bytes_per_user_per_day


async def recorded(world: World, *, after: int) -> int:
    """Return how many bytes of records and of sealed secrets came after a position."""
    size = 0
    while events := await world.app.log.read(after=after, limit=1_000):
        after = events[-1].position
        size += sum(len(event.record) for event in events)
    return size


async def test_sealed_bytes_beyond_the_day_are_not_recorded_and_the_same_again_is_no_second_use(world: World) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    first, *others = [await granted(anna, reactor) for _ in range(20)]
    sealed = large()
    await anna.send(first, sealed, timeout_s=AT_ONCE_S)
    with refused("RATE_LIMITED"):
        for request_id in others:
            await anna.send(request_id, large(), timeout_s=AT_ONCE_S)
    assert await counted(world) <= LIMITS.recorded_bytes_per_user_per_day

    upload = await anna.send(first, sealed, timeout_s=AT_ONCE_S)
    assert upload.state == views_pb2.UPLOAD_STATE_UPLOADING


async def test_what_is_sent_at_once_is_counted_together(world: World) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    request_ids = [await granted(anna, reactor) for _ in range(20)]

    async def send(request_id: bytes) -> None:
        await anna.send(request_id, large(), timeout_s=AT_ONCE_S)

    await asyncio.gather(*(send(request_id) for request_id in request_ids), return_exceptions=True)
    assert SIZE < await counted(world) <= LIMITS.recorded_bytes_per_user_per_day


async def test_every_process_of_a_log_and_a_rebuilt_one_agree(world: World, tmp_path: Path) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    await use_up(anna, reactor)
    before = await world.app.log.get(USAGE, "anna")
    await world.app.log.rebuild()
    assert await world.app.log.get(USAGE, "anna") == before
    await refusal("RATE_LIMITED", anna.ask(a_request()))

    async with a_second(world, tmp_path) as address:
        await refusal("RATE_LIMITED", User(address, anna.token).ask(a_request()))


LONG = "/".join(["s" * 120] * 4)[:470]
"""So long a path that a URI has little more room."""
KEYS = tuple(f"{number:02}" + "k" * 240 for number in range(MAX_KEYS))


def labels(*, name: int, value: int) -> tuple[tuple[str, str], ...]:
    """As many labels as there may be, of so many characters."""
    return tuple((f"{number:02}".ljust(name, "l"), os.urandom(value).hex()[:value]) for number in range(MAX_LABELS))


async def test_the_disk_takes_no_more_than_is_counted(tmp_path: Path, engine: str) -> None:
    """As docs/operate/disk-and-log-growth.md says, whatever a user asks for: short or long, few labels or many."""
    rights = RIGHTS | {events_pb2.RIGHT_DELETE}
    async with a_world(tmp_path) as world:
        reactor, anna = await world.attached(), world.user("anna", "vault://app", rights=rights)

        async def failed(**fields: Any) -> None:
            request_id = await granted(anna, reactor, **fields)
            await reactor.append(request_id, 2, events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_KEY_LOST))

        async def edit(some: Sequence[tuple[str, str]]) -> None:
            await anna.edit_notes("vault://app/db", set_labels=some)

        kinds: dict[str, Callable[[int], Awaitable[object]]] = {
            "puts of one secret": lambda _: put(anna, reactor, Sealed()),
            "new secrets": lambda at: put(anna, reactor, Sealed(), uri=f"vault://app/{at}"),
            "new secrets with short labels at long paths": lambda at: put(
                anna, reactor, Sealed(), uri=f"vault://app/{at}/{LONG}", labels=labels(name=2, value=0)
            ),
            "new secrets with long labels": lambda at: put(
                anna, reactor, Sealed(), uri=f"vault://app/l{at}", labels=labels(name=63, value=128)
            ),
            "removals": lambda _: failed(purpose=upload_pb2.PURPOSE_PATCH, remove_keys=KEYS),
            "requests whose key is not used": lambda _: failed(),
            "small edits": lambda _: edit(labels(name=63, value=8)[:1]),
            "large edits": lambda _: edit(labels(name=63, value=128)),
        }
        for kind, ask in kinds.items():
            before = await size_and_count(world, tmp_path)
            for at in range(10):
                await ask(at)
            size, count = (
                after - then for after, then in zip(await size_and_count(world, tmp_path), before, strict=True)
            )
            # What PostgreSQL replaces stays on the disk until VACUUM.
            assert size <= (count if engine == "sqlite" else 1.5 * count), kind


async def size_and_count(world: World, folder: Path) -> tuple[int, int]:
    """Return how large the log is, without what SQLite writes over in turn, and what is counted for anna."""
    size = await world.app.log.size_bytes()
    if isinstance(world.app.log, SqliteLog):
        with closing(sqlite3.connect(folder / "log.db")) as connection:
            [[size]] = connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
    return size, await counted(world)


def test_what_open_requests_may_still_record_is_what_the_page_says() -> None:
    """A request that was let in ends, whatever its user has used: what the reactor says of it is recorded."""
    request = a_request(purpose=upload_pb2.PURPOSE_PATCH, remove_keys=KEYS)
    grant = a_grant(request)
    public = "-----BEGIN PUBLIC KEY-----\n" + ("A" * 64 + "\n") * 30 + "-----END PUBLIC KEY-----\n"
    receipt = make_receipt(
        grant=grant,
        sealed_sha256=bytes(32),
        outcome=upload_pb2.OUTCOME_UPLOADED,
        upstream_version="1",
        fingerprint=fingerprint(),
        values=[(key, fingerprint()) for key in KEYS],
        public_values=[(key, public) for key in KEYS],
    )
    assert len(request.content) > 15_000
    # The key, STARTED, and the end.
    later = sum(bytes_of(RECORD_BYTES + size) for size in (len(grant.content), 0, len(receipt.content)))
    page = (Path(__file__).parents[3] / "docs/operate/disk-and-log-growth.md").read_text()
    [most] = re.findall(r"at most (\d+) MiB more", page)
    assert 0.8 * int(most) < ServerLimits().open_per_user * later / 2**20 <= int(most)


DAY_MS = 86_400_000


def index(event: RecordedEvent, _lookup: Lookup) -> Iterable[Change]:
    """A request that ended when it was recorded, or one that is open."""
    if event.type == "Open":
        return [Put(OPEN_UPLOADS, event.stream, body_of(Upload(request=a_request(), sealed_sha256=event.data)))]
    return [Put(ENDED, f"{event.recorded_at_ms:013}\n{event.data.hex()}", b"")]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def log(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteLog]:
    opened = await SqliteLog.open(tmp_path / "log.db", clock=clock, projector=index)
    yield opened
    await opened.close()


@pytest.fixture
def app(log: SqliteLog, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.setattr(schedules, "PAUSE_S", 0)
    return App(log=log, authenticate=never, names=(), clock=clock, audience="m8", version="0")


async def never(_token: str) -> Any:
    raise AssertionError


async def seal(log: SqliteLog, sealed: bytes, kind: str = "Ended") -> bytes:
    digest = hashlib.sha256(sealed).digest()
    await log.append(f"{kind} {os.urandom(8).hex()}", 0, [NewEvent(kind, digest)], actor="m8", sealed=sealed)
    return digest


async def test_only_what_ended_long_enough_ago_is_erased(app: App, log: SqliteLog, clock: Clock) -> None:
    old = await seal(log, b"old")
    again = await seal(log, b"sent again")
    clock.now_ms += DAY_MS
    young = await seal(log, b"young")
    await seal(log, b"sent again", "Open")
    clock.now_ms += 29 * DAY_MS - 1
    assert await Retention(app, 30).round() == 0
    clock.now_ms += 1
    assert await Retention(app, 30).round() == 1
    assert await log.sealed(old) is None
    assert await log.sealed(young) == b"young"
    assert await log.sealed(again) == b"sent again"
    assert await log.check_chain() == 4


async def test_each_request_is_looked_at_once_also_by_the_next_process(
    app: App, log: SqliteLog, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "PAGE", 2)
    seen: list[str] = []
    scan = log.scan

    async def counted(collection: str, *, prefix: str = "", after: str = "", limit: int) -> list[tuple[str, bytes]]:
        found = await scan(collection, prefix=prefix, after=after, limit=limit)
        seen.extend(key for key, _ in found if collection == ENDED)
        return found

    monkeypatch.setattr(log, "scan", counted)
    for number in range(5):
        clock.now_ms += 1
        await seal(log, b"%d" % number)
    clock.now_ms += DAY_MS
    assert await Retention(app, 1).round() == 5
    assert len(seen) == 5
    await seal(log, b"later")
    clock.now_ms += DAY_MS
    seen.clear()
    assert await Retention(app, 1).round() == 1
    assert len(seen) == 1
    assert PROGRESS in await log.beat_notes()


async def test_how_far_it_came_is_not_forgotten_as_the_heartbeat_of_a_reactor_is(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        await world.app.log.beat(PROGRESS, 1, b"so far")
        await world.app.log.beat("vault/gone", 1)
        timekeeper = Timekeeper(world.app)
        for _ in range(12):
            world.clock.pass_s(1)
            await timekeeper.tick()
        assert "vault/gone" not in await world.app.log.beats()
        assert (await world.app.log.beat_notes())[PROGRESS] == b"so far"


async def test_the_file_does_not_grow_by_what_is_erased(app: App, log: SqliteLog, clock: Clock, tmp_path: Path) -> None:
    sizes = []
    for _ in range(20):
        for _ in range(2):
            clock.now_ms += 1
            await seal(log, os.urandom(65_536))
        clock.now_ms += DAY_MS
        assert await Retention(app, 1).round() == 2
        sizes.append(sum(path.stat().st_size for path in tmp_path.glob("log.db*") if "reserve" not in path.name))
    # 2.6 MB were put. What stays is 40 records and their documents.
    assert sizes[-1] < sizes[4] + 120_000
    assert await log.check_chain() == 40


async def test_a_clock_that_was_ahead_for_days_keeps_nothing_for_ever(app: App, log: SqliteLog, clock: Clock) -> None:
    await seal(log, b"before")
    clock.now_ms += 365 * DAY_MS
    await seal(log, b"ahead")
    clock.now_ms += 2 * DAY_MS
    assert await Retention(app, 1).round() == 2
    clock.now_ms -= 367 * DAY_MS
    digest = await seal(log, b"after")
    clock.now_ms += DAY_MS
    assert await Retention(app, 1).round() == 1
    assert await log.sealed(digest) is None
