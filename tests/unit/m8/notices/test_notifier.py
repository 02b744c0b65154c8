"""Who is told what and when: once, over kills and restarts, not too often, and by no label's choice."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import io
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import aiosmtplib
import msgspec
import pytest

from monoskope.api.secrets.v1 import events_pb2, options_pb2, upload_pb2
from monoskope.client.rotation.round import Round
from monoskope.host_port import HostPort
from monoskope.http.client.trusted import TlsFiles
from monoskope.m8.audit.lines import DeliveryError, SinkState
from monoskope.m8.background.timekeeper import Timekeeper
from monoskope.m8.domain.events import notes_stream, reactor_stream, write
from monoskope.m8.issuers.person import Person
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.log.tree_rows import Named
from monoskope.m8.notice_settings import EVERYTHING, About, MailServer, Recipient
from monoskope.m8.notices import looking
from monoskope.m8.notices import notifier as of_notifier
from monoskope.m8.notices.delivery import Mailbox
from monoskope.m8.notices.looking import GONE_MS, came
from monoskope.m8.notices.notice import Message, Notice, plain
from monoskope.m8.notices.notifier import MOST, Notifier, Progress, progress_key
from monoskope.m8.operations import Endpoints
from monoskope.protocol.events import upload_stream
from monoskope.protocol.identity import RECEIPT
from monoskope.protocol.receipt import make_receipt
from monoskope.times import moment
from monoskope.uri import SecretUri
from tests.support import fake_reactor
from tests.support.changes import PROPOSE, a_change, propose
from tests.support.fake_reactor import fingerprint
from tests.support.m8_user import Sealed
from tests.support.m8_world import World, a_world, put, until_granted
from tests.support.notices import nobody, propose_in
from tests.support.operations import samples
from tests.support.vectors import a_request

URI = "vault://app/db"
HOUR_S = 3_600
DAY_S = 24 * HOUR_S
ANNA = "user:corp:anna"
OPS = Recipient("ops", "ops@example.org", frozenset(EVERYTHING))


class Killed(BaseException):
    """The process ended between sending and noting."""


class Told:
    """A recipient: what it was sent, by whichever process."""

    def __init__(self, world: World, recipient: Recipient = OPS) -> None:
        self.world = world
        self.recipient = recipient
        self.messages: list[Message] = []
        self.dies_at = 0
        """With so many messages its sender is killed."""
        self.begin()

    def begin(self) -> None:
        """A new process."""
        self._notifier = Notifier(
            self.world.app, self.recipient, self._take, SinkState("ops"), log_id="0123456789abcdef" * 2
        )

    async def _take(self, message: Message) -> None:
        self.messages.append(message)
        if len(self.messages) == self.dies_at:
            raise Killed

    async def look(self) -> list[Message]:
        """What comes now."""
        before = len(self.messages)
        while await self._notifier.look():
            pass
        return self.messages[before:]

    async def about(self) -> list[tuple[str, ...]]:
        return [tuple(one.about for one in message.notices) for message in await self.look()]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, limits=ServerLimits(tick_s=HOUR_S, open_changes_per_user=1_000)) as world:
        yield world


@pytest.fixture
async def told(world: World) -> Told:
    told = Told(world)
    assert await told.look() == []
    return told


async def label(world: World, uri: str = URI, *, expires_on: str = "", **labels: str) -> None:
    made = [options_pb2.Label(name=name, value=value) for name, value in sorted(labels.items())]
    edit = events_pb2.NotesEdit(set_labels=made)
    if expires_on:
        edit.expires_on = expires_on
    stream = notes_stream(SecretUri.parse(uri))
    await world.app.log.append(stream, None, [write(events_pb2.SecretNotesUpdated(uri=uri, edit=edit))], actor="eve")


async def proposals(world: World, count: int) -> None:
    user = world.user("anna", "vault://app", rights=PROPOSE)
    for _ in range(count):
        await propose(user, a_change(world))


async def glass_breaks(world: World) -> None:
    asked = a_request(uri=URI, expect=upload_pb2.EXPECT_ABSENT, break_glass="https://evil.example now")
    reactor = world.reactor()
    grant = reactor.grant_for(asked, "eve", signature_required=True)
    content = make_receipt(
        grant=grant,
        sealed_sha256=b"s" * 32,
        outcome=upload_pb2.OUTCOME_STARTED,
        intent=b"i" * 32,
        signer="eve@example.org",
        signer_key="SHA256:" + "a" * 43,
    ).content
    started = events_pb2.SecretUploadStarted(receipt=reactor.signer.sign(RECEIPT, content))
    await world.app.log.append(upload_stream(asked.request_id), None, [write(started)], actor="reactor/vault/0")


def day(world: World, *, plus: int) -> str:
    return (moment(world.clock()).date() + dt.timedelta(days=plus)).isoformat()


async def test_a_secret_is_told_of_thirty_seven_and_one_days_before_and_when_it_has_expired(
    world: World, told: Told
) -> None:
    anna, reactor = world.user("anna", "vault://app"), await world.attached()
    await put(anna, reactor, uri=URI)
    await label(world, expires_on=day(world, plus=32))
    heard = []
    for passed in range(36):
        heard += [(passed, message.notices[0].about, message.notices[0].line) for message in await told.look()]
        assert await told.look() == []
        world.clock.pass_s(DAY_S)
    assert [(passed, about) for passed, about, _ in heard] == [
        (2, "expires"),
        (25, "expires"),
        (31, "expires"),
        (33, "expired"),
    ]
    assert heard[1][2] == f"{URI} expires in 7 days, on 2023-12-16."


async def test_after_a_week_of_standing_still_only_the_last_stage_is_told(world: World, told: Told) -> None:
    anna, reactor = world.user("anna", "vault://app"), await world.attached()
    await put(anna, reactor, uri=URI)
    await label(world, expires_on=day(world, plus=9))
    world.clock.pass_s(8 * DAY_S)
    told.begin()
    (message,) = await told.look()
    assert message.notices[0].line == f"{URI} expires in 1 day, on 2023-11-23."


@pytest.mark.parametrize(
    ("left_then", "left_now", "expected"),
    [(31, 30, True), (30, 29, False), (8, 7, True), (2, 1, True), (1, 0, False), (0, -1, True), (-1, -2, False)],
)
def test_each_stage_comes_once(left_then: int, left_now: int, *, expected: bool) -> None:
    today = dt.date(2026, 6, 15)
    then = today - dt.timedelta(days=left_then - left_now)
    assert came(today + dt.timedelta(days=left_now), then, today) is expected


async def test_a_rotation_is_overdue_on_the_day_after_the_label_due(world: World, told: Told) -> None:
    anna, reactor = world.user("anna", "vault://app"), await world.attached()
    await put(anna, reactor, uri=URI)
    await label(world, due=day(world, plus=1))
    world.clock.pass_s(DAY_S)
    assert await told.about() == []
    world.clock.pass_s(DAY_S)
    assert await told.about() == [("overdue",)]
    await label(world, due=day(world, plus=1))
    world.clock.pass_s(DAY_S)
    await label(world, due="tomorrow, perhaps")
    world.clock.pass_s(DAY_S)
    assert await told.about() == []


@pytest.mark.parametrize(("at_db", "stuck"), [(None, True), ("c", True), ("a", False)], ids=["nothing", "old", "new"])
async def test_a_round_is_stuck_if_its_values_are_not_in_place_on_the_next_day(
    world: World, told: Told, monkeypatch: pytest.MonkeyPatch, at_db: str | None, *, stuck: bool
) -> None:
    anna, reactor = world.user("anna", "vault://app"), await world.attached()
    await put(anna, reactor, uri=f"{URI}.next")
    began = Round("pg://orders_a", "0" * 64, world.clock()).labels(every_s=90 * DAY_S)
    await label(world, f"{URI}.next", **began)
    if at_db is not None:
        monkeypatch.setattr(fake_reactor, "fingerprint", lambda _digit, key_id: fingerprint(at_db, key_id))
        await put(anna, reactor, uri=URI)
    await told.look()
    world.clock.pass_s(DAY_S)
    assert await told.about() == [("overdue",)] * stuck
    assert [message.notices[0].uri for message in told.messages] == [URI] * stuck
    world.clock.pass_s(DAY_S)
    assert await told.about() == []


async def test_days_that_were_told_are_told_no_more(world: World) -> None:
    anna, reactor = world.user("anna", "vault://app"), await world.attached()
    await put(anna, reactor, uri=URI)
    await label(world, due=day(world, plus=0), expires_on=day(world, plus=0))
    today = moment(world.clock()).date()
    days = [today + dt.timedelta(days=number) for number in range(4)]
    told = [await looking.of_days(world.app.log, *pair) for pair in itertools.pairwise(days)]
    assert [[one.about for one in each] for each in told] == [["expired", "overdue"], [], []]


async def test_what_was_deleted_is_due_and_expires_no_more(world: World, told: Told) -> None:
    rights = frozenset({events_pb2.RIGHT_PUT, events_pb2.RIGHT_DELETE})
    anna, reactor = world.user("anna", "vault://app", rights=rights), await world.attached()
    await put(anna, reactor, uri=URI)
    await label(world, due=day(world, plus=0), expires_on=day(world, plus=1))
    grant = await until_granted(anna, reactor, uri=URI, purpose=upload_pb2.PURPOSE_DELETE)
    sealed = Sealed(b"", b"")
    sending = asyncio.create_task(anna.send(grant.request.request_id, sealed))
    await reactor.next("SecretUploadRequested")
    await reactor.append(grant.request.request_id, 3, reactor.started(grant, sealed.sha256, "1"))
    receipt = reactor.receipt(grant, sealed.sha256, upload_pb2.OUTCOME_DELETED, prior_version="1")
    answer = await reactor.append(grant.request.request_id, 4, events_pb2.SecretDeleted(receipt=receipt))
    assert answer.error == "", answer.message
    await sending
    world.clock.pass_s(3 * DAY_S)
    assert await told.about() == []


async def test_drift_is_told_once_however_often_it_is_found(world: World, told: Told) -> None:
    anna, reactor = world.user("anna", "vault://app"), await world.attached()
    await put(anna, reactor, uri=URI)
    heard = []
    for found in ("2", "2", "3", "3"):
        grant = await until_granted(anna, reactor, uri=URI, purpose=upload_pb2.PURPOSE_VERIFY)
        sending = asyncio.create_task(anna.send(grant.request.request_id, Sealed(b"", b"")))
        sent = events_pb2.SecretUploadRequested.FromString((await reactor.next("SecretUploadRequested")).event.data)
        receipt = reactor.receipt(
            grant,
            Sealed(b"", b"").sha256,
            upload_pb2.OUTCOME_DRIFTED,
            upstream_version=found,
            verified_sha256=hashlib.sha256(sent.last_receipt.content).digest(),
        )
        answer = await reactor.append(grant.request.request_id, 3, events_pb2.SecretDriftDetected(receipt=receipt))
        assert answer.error == "", answer.message
        await sending
        heard += await told.about()
        told.begin()
    assert heard == [("drift",), ("drift",)]


async def test_a_put_over_what_others_had_put_is_drift(world: World, told: Told) -> None:
    anna, reactor = world.user("anna", "vault://app"), await world.attached()
    await put(anna, reactor, uri=URI)
    await put(anna, reactor, "3", prior="2", uri=URI)
    await put(anna, reactor, "4", prior="3", uri=URI)
    (message,) = await told.look()
    assert message.notices[0].line == f"{URI} was put over what others had put there past m8, by anna."


async def test_one_that_is_killed_between_sending_and_noting_sends_the_same_again(world: World, told: Told) -> None:
    await proposals(world, 3)
    for dies_at in (1, 3, 5):
        told.dies_at = dies_at
        with pytest.raises(Killed):
            await told.look()
        told.begin()
    told.dies_at = 0
    await told.look()
    first, second, third = dict.fromkeys(message.id for message in told.messages)
    assert [message.id for message in told.messages] == [first, first, second, second, third, third]


async def test_twenty_are_told_in_an_hour_and_then_a_digest(world: World, told: Told) -> None:
    for _ in range(MOST + 5):
        await proposals(world, 1)
        await told.look()
    assert [len(message.notices) for message in told.messages] == [1] * MOST
    told.begin()
    assert await told.look() == []
    world.clock.pass_s(HOUR_S)
    (digest,) = await told.look()
    assert (len(digest.notices), digest.title) == (5, "5 notices")
    await proposals(world, 1)
    assert await told.about() == [("change",)]


async def test_a_broken_glass_waits_for_no_hour_that_others_filled_and_has_a_bound_of_its_own(world: World) -> None:
    urgent, rest = (Told(world, lane) for lane in OPS.lanes)
    for one in (urgent, rest):
        await one.look()
    for _ in range(MOST):
        await proposals(world, 1)
        await rest.look()
    await proposals(world, 2)
    await glass_breaks(world)
    assert await rest.look() == []
    assert await urgent.about() == [("break-glass",)]
    for _ in range(MOST + 1):
        await glass_breaks(world)
        await urgent.look()
    assert [len(message.notices) for message in urgent.messages] == [1] * MOST
    world.clock.pass_s(HOUR_S)
    assert await rest.about() == [("change",) * 2]
    assert await urgent.about() == [("break-glass",) * 2]
    await proposals(world, MOST)
    for _ in range(MOST):
        await glass_breaks(world)
    (proposed,), (broken,) = await rest.look(), await urgent.look()
    assert len(proposed.notices) == len(broken.notices) == MOST
    assert proposed.id != broken.id


@pytest.mark.parametrize(
    ("about", "lanes"),
    [
        (set(EVERYTHING), [{"break-glass", "witness"}, set(EVERYTHING) - {"break-glass", "witness"}]),
        ({"witness"}, [{"witness"}]),
        ({"drift"}, [{"drift"}]),
    ],
)
def test_lanes_have_all_that_a_recipient_is_told_once(about: set[About], lanes: list[set[About]]) -> None:
    found = Recipient("ops", "anna@example.org", frozenset(about), gets_all=False).lanes
    assert [set(lane.about) for lane in found] == lanes
    assert not any(lane.gets_all for lane in found)
    assert len({progress_key(lane) for lane in found}) == len(lanes)


async def test_a_flood_is_one_digest_that_is_sent_again_as_it_was(world: World, told: Told) -> None:
    await proposals(world, 100)
    told.dies_at = 1
    with pytest.raises(Killed):
        await told.look()
    await proposals(world, 2)
    told.begin()
    again, *rest = await told.look()
    assert (again.id, again.lines) == (told.messages[0].id, told.messages[0].lines)
    assert [len(message.notices) for message in rest] == [1, 1]
    assert "100 x a change waits for approvals" in again.lines
    assert "... and 50 more notices" in again.lines


async def test_a_store_without_a_reactor_is_told_after_an_hour_and_once(world: World, told: Told) -> None:
    reactor = await world.attached()
    gone = events_pb2.ReactorDetached(store="vault", replica=reactor.replica)

    async def leave() -> None:
        await world.app.log.append(reactor_stream("vault"), None, [write(gone)], actor="m8")

    await leave()
    world.clock.pass_s(GONE_MS / 1000 - 1)
    assert await told.about() == []
    world.clock.pass_s(1)
    told.begin()
    assert await told.about() == []  # its reactors may come back: this process has only just begun
    world.clock.pass_s(of_notifier.SETTLE_S)
    assert await told.about() == [("reactor",)]
    world.clock.pass_s(DAY_S)
    assert await told.about() == []
    back = events_pb2.ReactorAttached(store="vault", replica=reactor.replica, fingerprint_key_id=reactor.key_id)
    await world.app.log.append(reactor_stream("vault"), None, [write(back)], actor="m8")
    assert await told.about() == []
    await leave()
    world.clock.pass_s(GONE_MS / 1000)
    assert await told.about() == [("reactor",)]
    assert told.messages[0].id != told.messages[1].id


async def test_signing_that_stopped_is_told_once_and_again_when_it_stops_again(world: World, told: Told) -> None:
    await world.app.log.give_name(Named(1, "monoskope/test", ("a", "b"), world.clock()))
    world.app.witnessed.forget()
    world.clock.pass_s(of_notifier.SETTLE_S)
    heard = []
    for trouble in ("", "a witness shows 7", "a witness shows 8", "", "a witness shows 9"):
        world.app.witnessed.own_trouble = trouble
        heard.append(await told.about())
    assert heard == [[], [("witness",)], [], [], [("witness",)]]


async def test_a_label_adds_one_of_the_fixed_addresses_and_no_other(world: World) -> None:
    everything = frozenset(EVERYTHING)
    all_, anna_ = Told(world), Told(world, Recipient("ops", "anna@example.org", everything, gets_all=False))
    for one in (all_, anna_):
        await one.look()
    anna, reactor = world.user("anna", "vault://app"), await world.attached()
    for place, owner in (
        ("a", "Anna@example.org"),
        ("b", "mallory@evil.example"),
        ("c", "anna@example.org,all@example.org"),
    ):
        await put(anna, reactor, uri=f"vault://app/{place}")
        await label(world, f"vault://app/{place}", owner=owner, expires_on=day(world, plus=2))
    world.clock.pass_s(DAY_S)
    assert [message.notices[0].uri for message in await all_.look()] == [f"vault://app/{place}" for place in "abc"]
    assert [message.notices[0].uri for message in await anna_.look()] == ["vault://app/a"]


async def test_a_defect_ends_nothing_and_is_said_once(
    world: World, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(world)
    await told.look()
    await proposals(world, 1)
    tried = asyncio.Queue[int]()

    async def broken(_log: object, _events: object) -> list[Notice]:
        tried.put_nowait(1)
        raise ZeroDivisionError("hunter2")

    monkeypatch.setattr(of_notifier, "STOPPED_S", 0)
    with monkeypatch.context() as patched:
        patched.setattr(looking, "of_events", broken)
        running = asyncio.create_task(told._notifier.run())
        for _ in range(3):
            await tried.get()
    while not told.messages:
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert lines.getvalue().count("notices stop") == 1
    assert "hunter2" not in lines.getvalue()


async def test_a_recipient_is_told_what_its_table_names_alone(world: World) -> None:
    told = Told(world, Recipient("ops", "", frozenset({"drift"})))
    await told.look()
    await proposals(world, 2)
    assert await told.look() == []


async def test_a_new_recipient_begins_now_and_a_restored_log_does_not_stop_it(world: World) -> None:
    await proposals(world, 3)
    told = Told(world)
    assert await told.look() == []
    body = (await world.app.log.beat_notes())[progress_key(OPS)]
    known = msgspec.json.decode(body, type=Progress)
    ahead = msgspec.structs.replace(known, done=of_notifier.Upto(known.done.position + 1_000, "2100-01-01"))
    await world.app.log.beat(progress_key(OPS), 0, msgspec.json.encode(ahead))
    assert await told.look() == []
    await proposals(world, 1)
    assert await told.about() == [("change",)]


async def test_the_timekeeper_forgets_nobody(world: World, told: Told) -> None:
    await world.app.log.beat("vault/gone", world.clock())
    keeper = Timekeeper(world.app)
    for _ in range(30):
        await keeper.tick()
        world.clock.pass_s(1)
    beats = await world.app.log.beats()
    assert "vault/gone" not in beats
    assert progress_key(OPS) in beats


def test_what_a_name_holds_is_one_line() -> None:
    shown = plain('bob "]\r\nBcc: all@example.org\x1b[2J\x7f é\u202e https://evil.example www.evil.example' + "x" * 500)
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) < 300


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("vault://www.evil.example/login expires.", "vault[:]//www[.]evil[.]example/login expires."),
        ("https://evil.example/x is gone", "https[:]//evil[.]example/x is gone"),
        ("vault://app/db.next was to be rotated", "vault[:]//app/db[.]next was to be rotated"),
        ("eve@example.org writes: mailto:a@b.example", "eve at example[.]org writes: mailto:a at b[.]example"),
        ("\\\\evil\\share ///x...", "\\ \\evil\\share ///x..."),
    ],
)
def test_nothing_in_a_notice_is_a_link(line: str, shown: str) -> None:
    message = Message("0" * 32, 0, [Notice("change", "x", line)])
    assert message.lines[0] == shown


def test_a_digest_counts_what_it_does_not_show() -> None:
    notices = [Notice("drift", str(number), f"text {number}") for number in range(60)]
    message = Message("0" * 32, 0, notices)
    assert len(message.lines) < 70
    assert "... and 10 more notices" in message.lines


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (aiosmtplib.SMTPDataError(554, "hunter2"), 2),
        (aiosmtplib.SMTPDataError(451, "hunter2"), 1),
        (aiosmtplib.SMTPSenderRefused(550, "hunter2", "m8@example.org"), 1),
        (aiosmtplib.SMTPRecipientsRefused([aiosmtplib.SMTPRecipientRefused(550, "hunter2", "x")]), 1),
        (aiosmtplib.SMTPAuthenticationError(535, "hunter2"), 1),
    ],
)
async def test_only_a_text_that_is_refused_for_good_is_tried_in_other_words(
    monkeypatch: pytest.MonkeyPatch, error: Exception, tries: int
) -> None:
    sent: list[bytes] = []

    async def connect(_self: aiosmtplib.SMTP) -> None:
        pass

    async def sendmail(_self: aiosmtplib.SMTP, _sender: str, _recipients: list[str], content: bytes) -> None:
        sent.append(content)
        raise error

    monkeypatch.setattr(aiosmtplib.SMTP, "connect", connect)
    monkeypatch.setattr(aiosmtplib.SMTP, "sendmail", sendmail)
    server = MailServer(HostPort("mail", 587), "m8@example.org", False, "", None, TlsFiles())
    refused: list[bool] = []
    mailbox = Mailbox(server, OPS.address, nobody, lambda: refused.append(True))
    with pytest.raises(DeliveryError) as failure:
        await mailbox.deliver(Message("0" * 32, 0, [Notice("drift", "x", "vault words")]))
    assert [b"vault words" in one for one in sent] == [True, False][:tries]
    assert not refused
    assert "hunter2" not in failure.value.message


async def test_a_member_gets_mails_at_the_vouched_address_as_long_as_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing that is logged names the address."""
    sent: list[list[str]] = []
    addresses = {ANNA: "anna@example.org"}

    async def connect(_self: aiosmtplib.SMTP) -> None:
        pass

    async def sendmail(_self: aiosmtplib.SMTP, _sender: str, recipients: list[str], content: bytes) -> None:
        assert b"To: anna@example.org" in content
        if sent:
            raise aiosmtplib.SMTPRecipientsRefused([aiosmtplib.SMTPRecipientRefused(550, "no", recipients[0])])
        sent.append(recipients)

    async def address_of(member: str) -> str:
        return addresses.get(member, "")

    monkeypatch.setattr(aiosmtplib.SMTP, "connect", connect)
    monkeypatch.setattr(aiosmtplib.SMTP, "sendmail", sendmail)
    server = MailServer(HostPort("mail", 587), "m8@example.org", False, "", None, TlsFiles())
    mailbox, message = Mailbox(server, ANNA, address_of, lambda: None), Message("0" * 32, 0, [])
    await mailbox.deliver(message)
    assert sent == [["anna@example.org"]]
    with pytest.raises(DeliveryError, match=f"takes no mail for {ANNA} "):
        await mailbox.deliver(message)
    addresses.clear()
    with pytest.raises(DeliveryError, match=f"no address of {ANNA}"):
        await mailbox.deliver(message)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Anna Möller", '"Anna M\\u00f6ller" (corp:anna)'),
        (f"Anna {'·' * 59}", '"Anna ' + r"\u00b7" * 32 + r'\u0..." (corp:anna)'),
        ("Approve at www.evil.example", ANNA),
        ("anna@evil", ANNA),
        ("Dr. A. Meyer", '"Dr. A. Meyer" (corp:anna)'),
    ],
    ids=["in ASCII", "too long for the id", "a host", "an address", "dots"],
)
async def test_a_notice_has_the_name_with_the_end_of_the_id(world: World, told: Told, name: str, shown: str) -> None:
    await world.app.people.saw(ANNA, Person(name=name))
    await propose_in(world.app.log, actor=ANNA)
    (message,) = await told.look()
    assert message.notices[0].line.startswith(f"{shown} proposes the change ")


async def test_a_broken_glass_is_told_when_the_write_is_announced(world: World, told: Told) -> None:
    """Whatever becomes of the write: an unknown end has no receipt that says it."""
    await glass_breaks(world)
    (message,) = await told.look()
    text = f"eve@example.org writes at {URI} without the approvals that its store asks for."
    assert [(one.about, one.line) for one in message.notices] == [("break-glass", text)]


async def test_what_somebody_should_look_after_is_counted_by_store(world: World) -> None:
    anna, reactor = world.user("anna", "vault://app"), await world.attached()
    days = {"a": -1, "b": 0, "c": 7, "d": 8}
    for place, plus in days.items():
        await put(anna, reactor, uri=f"vault://app/{place}")
        await label(world, f"vault://app/{place}", expires_on=day(world, plus=plus), due=day(world, plus=plus))
    found = samples((await Endpoints(world.app).metrics()).body)
    of_vault = frozenset({("store", "vault")})
    names = ("m8_secrets_expired", "m8_secrets_expiring", "m8_secrets_drifted", "m8_rotations_overdue")
    assert [found[name, of_vault] for name in names] == [1, 2, 0, 1]
