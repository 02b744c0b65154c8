"""Notices reach a real mail server and a webhook, whatever dies and begins again, and no name adds to them."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import json
import os
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psutil
import pytest

from monoskope import failpoints, operating_log
from monoskope.host_port import HostPort
from monoskope.http.client.trusted import TlsFiles
from monoskope.m8.audit import exporters
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.postgres.log import PostgresLog
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.notice_settings import EVERYTHING, MailServer, NoticeSettings, Recipient
from monoskope.m8.notices.delivery import Mailbox
from monoskope.m8.notices.notice import Message, Notice
from monoskope.m8.notices.noticing import noticing
from monoskope.m8.notices.notifier import progress_key
from monoskope.m8.readmodels.documents import project
from monoskope.m8.service.app import App
from monoskope.m8.sink_settings import WebhookTarget
from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster, editing
from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.parts import wait_until
from monoskope.times import now_ms
from tests.support.audit_receivers import certificate, server_tls
from tests.support.certificates import Handler, http_server
from tests.support.mail_server import DOMAIN, PASSWORD, UNWANTED, USER, Postfix
from tests.support.notices import nobody, propose_in

PATIENCE_S = 60
OPS, ANNA = f"ops@{DOMAIN}", f"anna@{DOMAIN}"
LOG_ID = "0123456789abcdef" * 2
_ANSWERS = {
    **dict.fromkeys((b"EHLO", b"MAIL", b"RCPT", b"."), b"250 fine\r\n"),
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 bye\r\n",
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporters, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(exporters, "LONGEST_PAUSE_S", 0.05)


@pytest.fixture(scope="module")
def laid_out() -> Iterator[Postfix]:
    server = Postfix()
    yield server
    server.close()


@pytest.fixture
def postfix(laid_out: Postfix) -> Iterator[Postfix]:
    try:
        laid_out.start()
        yield laid_out
    finally:
        laid_out.forget()


def table(postfix: Postfix, *addresses: str, trusted: bool = True, implicit: bool = False) -> NoticeSettings:
    server = HostPort("localhost", postfix.implicit_port if implicit else postfix.port)
    tls = TlsFiles(ca_file=postfix.ca_file if trusted else None)
    target = MailServer(server, f"m8@{DOMAIN}", implicit, "", None, tls)
    recipients = [Recipient("ops", address, frozenset(EVERYTHING)) for address in addresses]
    return NoticeSettings("ops", target, tuple(recipients))


def failing(app: App) -> float:
    return app.meters.registry.get_sample_value("m8_notices_failing_seconds", {"table": "ops"}) or 0.0


async def never(_token: str) -> Any:
    raise AssertionError


async def eventually(done: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not (found if isinstance(found := done(), bool) else await found):
            await asyncio.sleep(0.01)


def an_app(log: EventLog) -> App:
    limits = ServerLimits(tick_s=0.01)
    return App(log, never, (), now_ms, "m8", "0", limits)


@asynccontextmanager
async def a_process(log: EventLog, settings: NoticeSettings) -> AsyncIterator[App]:
    """An m8 process that tells, without its doors. It has begun to when the block begins."""
    app = an_app(log)
    async with noticing(app, [settings], log_id=LOG_ID) as works:
        tasks = [asyncio.create_task(work()) for work in works]
        try:
            yield app
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await log.close()


async def begun(log: EventLog, settings: NoticeSettings) -> None:
    keys = {progress_key(lane) for recipient in settings.recipients for lane in recipient.lanes}

    async def has() -> bool:
        return keys <= set(await log.beats())

    await eventually(has)


async def open_log(folder: Path) -> EventLog:
    return await SqliteLog.open(folder / "log.db", clock=now_ms, projector=project)


def ids(mails: list[EmailMessage]) -> list[str]:
    return [mail["Message-ID"] for mail in mails]


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
async def test_each_address_has_each_notice_and_no_name_adds_a_header_a_line_or_a_recipient(
    postfix: Postfix, tmp_path: Path, *, implicit: bool
) -> None:
    settings = table(postfix, OPS, ANNA, implicit=implicit)
    log = await open_log(tmp_path)
    async with a_process(log, settings):
        await begun(log, settings)
        await propose_in(log)
        await eventually(lambda: len(postfix.mails()) == 2)
    mails = postfix.mails()
    assert {mail["Delivered-To"] for mail in mails} == {mail["To"] for mail in mails} == {OPS, ANNA}
    assert len(set(ids(mails))) == 2
    of_server = {"Return-Path", "X-Original-To", "Delivered-To", "Received"}
    ours = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"}
    mime = {"Content-Type", "Content-Transfer-Encoding", "MIME-Version"}
    for mail in mails:
        assert set(mail.keys()) == of_server | ours | mime
        assert mail["Subject"] == "[m8] a change waits for approvals"
        text = mail.get_content()
        (named,) = [line for line in text.splitlines() if "vault[:]//app/db" in line]
        assert named.startswith('bob "]\\u000d\\u000aBcc: all at example[.]org')
        assert "UPLOAD of vault[:]//app/db; it waits until" in named
        assert "hunter2" not in text
        assert "://" not in text
        assert "=?" not in mail["Subject"]


async def test_a_mail_server_that_is_away_or_not_trusted_or_refuses_is_said_and_nothing_is_left_out(
    postfix: Postfix, tmp_path: Path
) -> None:
    settings = table(postfix, OPS, f"nobody@{DOMAIN}")
    log = await open_log(tmp_path)
    async with a_process(log, settings) as app:
        await begun(log, settings)
        postfix.die()
        await propose_in(log)
        await eventually(lambda: failing(app) > 0)
        postfix.start()
        await eventually(lambda: len(postfix.mails()) == 1)  # and nobody's is not taken
        await eventually(lambda: failing(app) > 0)
    log = await open_log(tmp_path)
    async with a_process(log, table(postfix, OPS, trusted=False)) as app:
        await propose_in(log)
        await eventually(lambda: failing(app) > 0)
    assert len(set(ids(postfix.mails()))) == 1
    log = await open_log(tmp_path)
    async with a_process(log, settings):
        # Each once at least: a process may have ended before it noted the first.
        await eventually(lambda: len(set(ids(postfix.mails()))) == 2)


async def test_a_connection_is_gone_once_its_mail_is_sent(tmp_path: Path) -> None:
    """Though a mail server, here a scripted one, never ends TLS for its part."""
    certificate(tmp_path)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            with server_tls(tmp_path).wrap_socket(listener.accept()[0], server_side=True) as connection:
                connection.sendall(b"220 here\r\n")
                for line in connection.makefile("rb"):
                    if answer := _ANSWERS.get(line.split()[0] if line.strip() else b""):
                        connection.sendall(answer)
                    if line.startswith(b"QUIT"):
                        over.wait(PATIENCE_S)
                        return

        serving = asyncio.create_task(asyncio.to_thread(serve))
        try:
            server = HostPort("localhost", port)
            target = MailServer(server, f"m8@{DOMAIN}", True, "", None, TlsFiles(ca_file=tmp_path / "ca.crt"))
            mailbox = Mailbox(target, OPS, nobody, lambda: None)
            await mailbox.deliver(Message("0" * 32, 0, [Notice("drift", "x", "words")]))
            await asyncio.sleep(0)
            left = [one for one in psutil.Process().net_connections() if one.raddr and one.raddr.port == port]
        finally:
            over.set()
            await serving
    assert left == []


async def test_a_text_that_the_mail_server_refuses_for_good_is_told_in_our_own_words_and_holds_nothing_up(
    postfix: Postfix, tmp_path: Path
) -> None:
    operating_log.set_up(lines := io.StringIO())
    settings = table(postfix, OPS)

    def count(app: App, name: str) -> float | None:
        return app.meters.registry.get_sample_value(f"m8_notices_{name}_total", {"table": "ops"})

    log = await open_log(tmp_path)
    async with a_process(log, settings) as app:
        await begun(log, settings)
        await propose_in(log, actor=UNWANTED)
        await propose_in(log, actor="bob")
        await eventually(lambda: count(app, "sent") == 2 == len(postfix.mails()))
        assert count(app, "refused") == 1
        known = json.loads((await log.beat_notes())[progress_key(settings.recipients[0])])
    of = {mail["Message-ID"].strip("<>").partition("@")[0]: mail.get_content() for mail in postfix.mails()}
    ours, bobs = (of[id_] for id_ in known["recent"])
    assert ours.startswith("1 x a change waits for approvals\nm8 told this at 20")
    assert "monoctl get changes" in ours
    assert "app/db" not in ours
    assert bobs.startswith("bob proposes")
    assert lines.getvalue().count("sent without its text") == 1
    assert UNWANTED not in lines.getvalue()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
async def test_m8_logs_in_where_the_mail_server_asks_for_it(postfix: Postfix, tmp_path: Path, mechanism: str) -> None:
    postfix.logins(mechanism)
    password = tmp_path / "password"
    write_private(password, b"wrong")
    settings = table(postfix, OPS)
    assert isinstance(settings.target, MailServer)
    nobody = replace(settings.target, server=HostPort("localhost", postfix.login_port))
    for target in (nobody, replace(nobody, username=USER, password_file=password)):
        log = await open_log(tmp_path)
        async with a_process(log, replace(settings, target=target)) as app:
            await begun(log, settings)
            await propose_in(log)
            await eventually(lambda: failing(app) > 0)
            assert not postfix.mails()
            if target is not nobody:
                write_private(password, f"{PASSWORD}\n".encode(), replace=True)
                await eventually(lambda: len(postfix.mails()) == 2)


async def test_a_flood_is_one_mail(postfix: Postfix, tmp_path: Path) -> None:
    settings = table(postfix, OPS)
    log = await open_log(tmp_path)
    async with a_process(log, settings):
        await begun(log, settings)
    log = await open_log(tmp_path)
    await propose_in(log, 70)
    async with a_process(log, settings):
        await eventually(lambda: len(postfix.mails()) == 1)
    (mail,) = postfix.mails()
    assert mail["Subject"] == "[m8] 70 notices"
    assert "70 x a change waits for approvals" in mail.get_content().splitlines()
    assert mail.get_content().count("vault[:]//app/db") == 50


async def test_of_two_m8_one_tells_and_the_other_goes_on_where_it_ended(postfix: Postfix, postgres: Postgres) -> None:
    database, settings = postgres.create_database(), table(postfix, OPS)

    async def opened() -> EventLog:
        return await PostgresLog.open(postgres.target(database), clock=now_ms, projector=project)

    async with a_process(await opened(), settings) as second:
        async with a_process(await opened(), settings) as first:
            await begun(second.log, settings)
            await propose_in(first.log, 3)
            await eventually(lambda: len(postfix.mails()) == 3)
            assert len(first.leases | second.leases) == 1
            assert not first.leases or not second.leases
        await propose_in(second.log, 2)
        await eventually(lambda: len(postfix.mails()) == 5)
    assert len(set(ids(postfix.mails()))) == 5


def test_m8_that_is_killed_between_sending_and_noting_sends_the_same_id_again(postfix: Postfix, tmp_path: Path) -> None:
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server)
        with editing(cluster.folder / "m8" / "m8.toml") as file:
            file["timings"] = {"tick": 0.05}  # a lease of a killed m8 is free soon
            file["notices"] = [
                {
                    "name": "ops",
                    "kind": "email",
                    "server": f"localhost:{postfix.port}",
                    "sender": f"m8@{DOMAIN}",
                    "to": [OPS],
                    "ca_file": str(postfix.ca_file),
                }
            ]
        recipient = Recipient("ops", OPS, frozenset(EVERYTHING))

        async def note() -> bytes:
            log = await open_log(cluster.folder / "m8")
            found = (await log.beat_notes()).get(progress_key(recipient), b"")
            await log.close()
            return found

        async def propose() -> None:
            log = await open_log(cluster.folder / "m8")
            await propose_in(log, 2)
            await log.close()

        cluster.start_m8()
        wait_until(lambda: bool(asyncio.run(note())), what="m8 has begun to tell")
        cluster.m8.stop()
        asyncio.run(propose())
        for killed in (1, 2):
            cluster.m8.start({failpoints.VARIABLE: "m8.notices.after-delivery=kill"})
            wait_until(lambda: cluster.m8.pid is None, what="m8 is killed")
            wait_until(lambda killed=killed: len(postfix.mails()) == killed, what="its mail has come")  # type: ignore[misc]
        (known,) = set(ids(postfix.mails()))
        cluster.start_m8()
        wait_until(lambda: len(postfix.mails()) == 4, what="both mails have come")
        assert ids(postfix.mails()).count(known) == 3
        assert len(set(ids(postfix.mails()))) == 2


async def test_a_webhook_has_the_id_and_the_time_in_the_mac(tmp_path: Path) -> None:
    key = os.urandom(32).hex().encode()
    certificate(tmp_path)
    write_private(tmp_path / "secret", key)
    heard: list[tuple[Mapping[str, str], bytes]] = []

    class Taking(Handler):
        def answer(self) -> None:
            heard.append((dict(self.headers), self.body()))
            self.reply(503 if len(heard) == 1 else 204)

    with http_server(Taking, server_tls(tmp_path)) as port:
        target = WebhookTarget(
            HostPort("localhost", port), "/m8", tmp_path / "secret", TlsFiles(ca_file=tmp_path / "ca.crt")
        )
        settings = NoticeSettings("hook", target, (Recipient("hook", "", frozenset(EVERYTHING)),))
        log = await open_log(tmp_path)
        async with a_process(log, settings):
            await begun(log, settings)
            await propose_in(log)
            await eventually(lambda: len(heard) == 2)
    (head, body), (again, same) = heard
    assert (head["Monoskope-Notices-Id"], body) == (again["Monoskope-Notices-Id"], same)
    for headers, sent in heard:
        signed = (b"m8/notices/v1", *(headers[f"Monoskope-Notices-{name}"].encode() for name in ("Time", "Id")), sent)
        mac = hmac.new(key, b"\0".join(signed), hashlib.sha256).hexdigest()
        assert headers["Monoskope-Notices-Mac"] == mac
    told = json.loads(body)
    assert told["id"] == head["Monoskope-Notices-Id"]
    assert [(one["about"], one["uri"]) for one in told["notices"]] == [("change", "vault://app/db")]
    assert body.isascii()
    assert b"hunter2" not in body
