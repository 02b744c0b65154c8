"""How a reactor attaches to m8, sees the certificate of its server, and says why a session ended."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.api.secrets.v1.events_pb2 import StoreCapabilities
from monoskope.errors import Error, UnavailableError
from monoskope.http.messages import EndedError
from monoskope.m8.domain.reactors import LoginRefusedError
from monoskope.m8.http import tls
from monoskope.m8.http.refused import to_json
from monoskope.protocol.login import LoginRefusal
from monoskope.reactor.health import Health
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.link.appends import Appends
from monoskope.reactor.link.endpoint import Dialled, Endpoint
from monoskope.reactor.link.link import Link, Origin, SessionEndedError, StatusError
from monoskope.reactor.link.refusal import explained
from monoskope.reactor.link.session import LEAST_S, Attachment, ReactorSession
from monoskope.reactor.timings import Timings
from tests.support.operations import cures, samples
from tests.support.reactor_world import PATIENCE_S
from tests.unit.reactor.bench import Bench


class EndedSocket:
    """A WebSocket on which m8 said its last word, and which it closed."""

    def __init__(self, *last: bytes | str, close_code: int = 1000, is_silent: bool = False) -> None:
        self._last = list(last)
        self.close_code = close_code
        self.is_silent = is_silent

    async def send(self, message: object) -> None:
        del message
        raise EndedError

    async def receive(self) -> bytes | str:
        if not self._last:
            raise EndedError
        return self._last.pop(0)


def ended(error: Error | None) -> Link:
    """A link that m8 ended with that error, None for without one."""
    return Link(EndedSocket(json.dumps({} if error is None else {"error": to_json(error)})))


async def test_writing_to_an_ended_stream_ends_the_session_and_nothing_more() -> None:
    link = Link(EndedSocket())
    with pytest.raises(SessionEndedError):
        await link.write(reactor_pb2.AttachRequest(heartbeat=reactor_pb2.Heartbeat()))
    with pytest.raises(SessionEndedError):
        await link.end()


@pytest.mark.parametrize("error", [None, UnavailableError("foreign text", fix="foreign text")])
async def test_reading_from_it_says_why_without_foreign_words(error: Error | None) -> None:
    with pytest.raises(SessionEndedError) as caught:
        await ended(error).read()
    assert "foreign" not in f"{caught.value.message}{caught.value.fix}"
    assert ("UNAVAILABLE" in caught.value.message) == (error is not None)


@pytest.mark.parametrize(
    "said",
    [b"\xff\xff\xff", "", "no JSON", "[]", '"{}"', "[" * 100_000, '{"error": "no"}', '{"error": {}}'],
    ids=["no message", "nothing", "no JSON", "a list", "a string", "deep", "no error", "no code"],
)
async def test_what_does_not_parse_ends_the_session(said: bytes | str) -> None:
    with pytest.raises(SessionEndedError, match="does not parse"):
        await Link(EndedSocket(said)).read()


@pytest.mark.parametrize(("said", "status"), [("aborted", "ABORTED"), ("no code of Connect\n", "UNKNOWN")])
async def test_a_status_is_one_that_is_known_here(said: str, status: str) -> None:
    with pytest.raises(StatusError) as caught:
        await Link(EndedSocket(json.dumps({"error": {"code": said}}))).read()
    assert caught.value.status == status
    assert "no code" not in caught.value.message


@pytest.mark.parametrize("last", [(), ('{"metadata": {"later": ["more"]}}',)])
async def test_a_clean_end_says_nothing_of_a_status(last: tuple[str, ...]) -> None:
    with pytest.raises(SessionEndedError) as caught:
        await Link(EndedSocket(*last)).read()
    assert not isinstance(caught.value, StatusError)


@pytest.mark.parametrize(
    ("socket", "said"),
    [
        (EndedSocket(), "m8 ended the session."),
        (EndedSocket(close_code=0), "the connection to m8 broke."),
        (EndedSocket(close_code=0, is_silent=True), "m8 answers no more."),
    ],
)
async def test_a_close_a_break_and_silence_are_told_apart(socket: EndedSocket, said: str) -> None:
    for use in (Link(socket).read, Link(socket).end):
        with pytest.raises(SessionEndedError) as caught:
            await use()
        assert caught.value.message == said


async def test_an_m8_that_does_not_take_what_we_say_is_told_apart_from_one_that_is_gone() -> None:
    with pytest.raises(StatusError) as caught:
        await Link(EndedSocket(close_code=1009)).read()
    assert "does not speak this reactor's protocol" in told(caught.value)["message"]


def told(error: StatusError) -> dict[str, str]:
    """What the log says of a session that ended with it."""
    identity = Identity(bytes(32), store="vault")
    at = Endpoint(("m8.test:7443",), Path(), identity, bytes(16), "f" * 16, "vault", StoreCapabilities)
    return explained(error, at)


ABSENCES = {
    StatusError("UNAVAILABLE"): ("is m8, and m8 refuses", "Change nothing here"),
    StatusError("UNAVAILABLE", origin=Origin.HTTP, detail="503"): ("answers with the HTTP status 503", "proxy"),
    StatusError("UNAVAILABLE", origin=Origin.CERTIFICATE, detail="has expired"): ("(has expired)", "`ca_file`"),
    StatusError("UNAVAILABLE", origin=Origin.NOTHING): ("does not answer, or not as m8", "Check that m8 runs"),
}
"""What the log says where m8 is not there for the reactor, and what is to be done."""


@pytest.mark.parametrize("error", ABSENCES, ids=[error.origin.value for error in ABSENCES])
def test_the_certificate_is_blamed_only_where_it_was_refused(error: StatusError) -> None:
    message, fix = ABSENCES[error]
    said = told(error)
    assert message in said["message"]
    assert fix in said["fix"] + said["message"]
    assert ("certificate" in said["message"]) == (error.origin is Origin.CERTIFICATE)


async def test_what_m8_says_itself_is_told_apart_from_an_m8_that_was_not_reached() -> None:
    with pytest.raises(StatusError) as caught:
        await ended(UnavailableError("the event log is away.", fix="Wait.")).read()
    assert caught.value.origin is Origin.M8


def test_each_sentence_has_one_row_in_the_runbook() -> None:
    refusals = (
        views_pb2.LOGIN_REFUSAL_FINGERPRINT_KEY,
        views_pb2.LOGIN_REFUSAL_STORE_TYPE,
        views_pb2.LOGIN_REFUSAL_TOO_MANY_REACTORS,
    )
    errors = [*ABSENCES, *(StatusError("PERMISSION_DENIED", LoginRefusal(refusal)) for refusal in refusals)]
    errors += [StatusError(code) for code in ("PERMISSION_DENIED", "FAILED_PRECONDITION", "UNIMPLEMENTED")]
    rows = [[row for row in cures() if row in told(error)["message"]] for error in errors]
    assert all(len(found) == 1 for found in rows), rows
    assert {row for [row] in rows} == cures().keys()


async def test_a_refused_fingerprint_key_is_logged_with_both_ids_and_what_to_do() -> None:
    error = LoginRefusedError(
        "foreign text",
        refusal=views_pb2.LOGIN_REFUSAL_FINGERPRINT_KEY,
        allowed=["0123456789abcdef"],
        fix="foreign text",
    )
    with pytest.raises(StatusError) as caught:
        await ended(error).read()
    said = told(caught.value)
    assert said["error"] == "PERMISSION_DENIED"
    assert "0123456789abcdef" in said["message"]
    assert "f" * 16 in said["message"]
    assert "m8 reactor fingerprint-key import" in said["fix"]
    assert "foreign" not in str(said)


@pytest.mark.parametrize("value", ["", "AAA", "////", "\u00e9", "Cg=="])
async def test_a_reason_that_does_not_parse_is_none(value: str) -> None:
    detail = {"type": "google.rpc.ErrorInfo", "value": value}
    said = {"error": {"code": "permission_denied", "details": [{"type": "x.Other", "value": ""}, detail]}}
    with pytest.raises(StatusError) as caught:
        await Link(EndedSocket(json.dumps(said))).read()
    assert (caught.value.status, caught.value.refusal) == ("PERMISSION_DENIED", None)


class ScriptedLink(Link):
    """A link on which the test speaks for m8."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[reactor_pb2.AttachResponse] = asyncio.Queue()

    async def read(self) -> reactor_pb2.AttachResponse:
        return await self.said.get()

    async def write(self, message: reactor_pb2.AttachRequest) -> None:
        del message

    async def end(self) -> None:
        """Nobody listens."""

    def deliver(self, position: int) -> None:
        record = event_pb2.Event(position=position).SerializeToString()
        self.said.put_nowait(reactor_pb2.AttachResponse(delivery=reactor_pb2.Delivery(record=record)))


class Notes:
    """What was delivered to a listener, in order."""

    def __init__(self) -> None:
        self.delivered: list[object] = []

    def attached(self, replicas: list[bytes], *, approvals: bool) -> None:
        del replicas
        self.delivered += ["approvals"] * approvals

    def event(self, event: event_pb2.Event, sealed: bytes) -> None:
        del sealed
        self.delivered.append(event.position)

    def caught_up(self) -> None:
        self.delivered.append("caught up")

    async def until(self, *delivered: object) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.delivered[: len(delivered)] != list(delivered):
                await asyncio.sleep(0)


@asynccontextmanager
async def a_session() -> AsyncIterator[tuple[ScriptedLink, Notes]]:
    """A session at whose login the log had position 5."""
    link, notes, attached = ScriptedLink(), Notes(), reactor_pb2.Attached(position=5, heartbeat_s=60)
    attachment = Attachment(link, attached, Appends(retry_s=1.0), notes, timings=Timings(), stop=asyncio.Event())
    running = asyncio.create_task(attachment.run())
    try:
        yield link, notes
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_only_caught_up_ends_the_unfinished_requests() -> None:
    async with a_session() as (link, notes):
        link.deliver(1)
        await notes.until(1)
        link.deliver(4)
        await notes.until(1, 4)
        link.deliver(2)
        await notes.until(1, 4, 2)
        link.said.put_nowait(reactor_pb2.AttachResponse(caught_up=reactor_pb2.CaughtUp()))
        link.deliver(6)
        await notes.until(1, 4, 2, "caught up", 6)


@pytest.mark.parametrize("carries", [True, False], ids=["carries approvals", "an older m8"])
async def test_whether_m8_carries_approvals_is_what_it_says_at_the_login(*, carries: bool) -> None:
    attachment = an_attachment(ScriptedLink(), approvals=carries)
    running = asyncio.create_task(attachment.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert isinstance(attachment.listener, Notes)
    assert attachment.listener.delivered == ["approvals"] * carries


async def test_the_end_of_no_unfinished_request_at_all_is_named_too() -> None:
    async with a_session() as (link, notes):
        link.said.put_nowait(reactor_pb2.AttachResponse(caught_up=reactor_pb2.CaughtUp()))
        await notes.until("caught up")


# Bounds of what an m8 can have kept.


class DeafLink(ScriptedLink):
    """m8 reads nothing."""

    async def write(self, message: reactor_pb2.AttachRequest) -> None:
        await asyncio.Event().wait()


def an_attachment(link: ScriptedLink, *, health: Health | None = None, **fields: Any) -> Attachment:
    attached = reactor_pb2.Attached(**fields)
    timings = Timings(heartbeat=0.001)
    return Attachment(
        link, attached, Appends(retry_s=1.0), Notes(), timings=timings, stop=asyncio.Event(), health=health
    )


async def test_messages_for_an_m8_that_reads_nothing_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monoskope.reactor.link.session.MOST_UNSENT", 10)
    attachment = an_attachment(DeafLink())
    with pytest.raises(SessionEndedError, match="m8 does not read"):
        async with asyncio.timeout(PATIENCE_S):
            await attachment.run()
    assert attachment._outbox.qsize() == 10


async def test_a_process_that_m8_names_has_the_name_of_one() -> None:
    with pytest.raises(SessionEndedError, match="named a process that is none"):
        await an_attachment(ScriptedLink(), replicas=[bytes(16), bytes(1_000_000)]).run()


async def test_more_processes_than_there_may_be_are_no_message() -> None:
    attached = reactor_pb2.Attached(replicas=[bytes(16)] * 17)
    said = reactor_pb2.AttachResponse(attached=attached).SerializeToString()
    with pytest.raises(SessionEndedError, match="does not parse"):
        await Link(EndedSocket(said)).read()


class Gossip(Health):
    """There is always news."""

    def __init__(self) -> None:
        self.beats = 0

    def heartbeat(self) -> reactor_pb2.Heartbeat:
        self.beats += 1
        return reactor_pb2.Heartbeat()

    async def news(self, *, within: float) -> None:
        del within


async def test_a_heartbeat_is_sent_four_times_a_second_however_much_news_there_is() -> None:
    gossip, begun = Gossip(), asyncio.get_running_loop().time()
    running = asyncio.create_task(an_attachment(ScriptedLink(), health=gossip, heartbeat_s=60).run())
    async with asyncio.timeout(PATIENCE_S):
        while gossip.beats < 3:
            await asyncio.sleep(0.01)
    assert gossip.beats <= 1 + (asyncio.get_running_loop().time() - begun) / LEAST_S
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_dialled_servers_certificate_is_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nothing: Any = None
    servers = ("a.example:1", "b.example:2")
    endpoint = Endpoint(servers, tmp_path, nothing, b"", "", "", events_pb2.StoreCapabilities)
    tried: list[str] = []

    def away(endpoint: Endpoint) -> NoReturn:
        tried.append(endpoint.server)
        if len(tried) == 2:
            session.stop()
        raise UnavailableError("away.")

    session = ReactorSession(endpoint, Listening(), nothing, Timings(backoff_least=0.001), link=away)  # type: ignore[arg-type]
    dialled = Dialled(lambda: session.server, tmp_path)
    await session.run()
    assert tried == ["a.example:1", "b.example:2"]

    asked: list[Any] = []

    def refuse(at: tuple[str, int], **_: object) -> None:
        asked.append(at)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr("ssl.create_default_context", lambda **_: Trust())
    assert dialled.server_expires_at_s() == 0.0
    assert asked == [("b.example", 2)]


async def test_the_metrics_say_when_the_first_authority_expires(tmp_path: Path) -> None:
    ca_file, now = tmp_path / "ca.crt", dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    later, sooner = (tls.make_authority(now=now + dt.timedelta(days=days)).certificate for days in (30, 0))
    ca_file.write_bytes(tls.pem(later) + tls.pem(sooner))
    endpoints = Bench(tmp_path).reactor.endpoints
    endpoints.dialled = Dialled(lambda: "127.0.0.1:1", ca_file)  # where nothing listens
    found = samples((await endpoints.metrics()).body)
    expires = found["m8_reactor_ca_expiry_timestamp_seconds", frozenset()]
    assert expires == sooner.not_valid_after_utc.timestamp() < later.not_valid_after_utc.timestamp()


class Listening:
    """What a session tells when it has ended."""

    def disconnected(self) -> None:
        """Nothing was under way."""


class Trust:
    """No certificates."""

    def set_alpn_protocols(self, _: list[str]) -> None:
        """Nothing is spoken."""


def test_a_reactor_that_copies_nothing_does_not_load_the_client() -> None:
    """It takes memory for as long as the reactor runs."""
    program = "import sys, monoskope.reactor.run; print('monoskope.client.client' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False"]
