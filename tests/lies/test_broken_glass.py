"""Breaking the glass at a real reactor, while m8 lies: alone, touched, with a reason, seldom, and never unseen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.client import Client, Proposal
from monoskope.errors import (
    Error,
    NotAuthorizedError,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    UsageError,
)
from monoskope.protocol.grant import Grant
from monoskope.reactor.admission import GLASS_AN_HOUR
from tests.lies.approved.row import PATIENCE_S
from tests.lies.approved.stage import FIRST, OF_ALICE, Stage, staged
from tests.support.hostile_rules import Call
from tests.support.log_lines import capture_logs
from tests.support.signed_requests import may
from tests.unit.reactor.approving import SecurityKey

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.lie]

WHY = "the site is down, and ben sleeps"


class OnCall(SecurityKey):
    """Who may break the glass, by a security key."""

    async def sign(self, grant: Grant, sealed_sha256: bytes) -> bytes:
        return self.signs(grant, sealed_sha256)


ONCALL, TIRED = OnCall("oncall"), OnCall("tired")
"""tired has two entries with the highest number, one of which allows no glass to be broken; ben has no security key."""
ENTRIES = (
    *(may(name, *OF_ALICE, approvals=1, break_glass=True) for name in ("oncall", "tired", "ben")),
    may("tired", "upload", approvals=1, prefixes=["team-a/glass"]),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(tmp_path_factory.mktemp("stage")) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def oncall(stage: Stage) -> AsyncIterator[Client]:
    """The client of who is on call; the reactor has just started, and nobody has broken the glass yet."""
    await stage.stop(FIRST)
    await stage.start(FIRST, signing=(ONCALL, TIRED, stage.people["ben"]), entries=ENTRIES)
    stage.engine.changes.clear()
    stage.wire.called.clear()
    async with stage.client("alice", ONCALL) as client:
        try:
            yield client
        finally:
            stage.wire.honest()


def a_put(stage: Stage) -> Proposal:
    return Proposal.put(f"memory://team-a/glass/{next(stage.numbers)}", {"password": stage.canary()})


def audited(stage: Stage, uri: str) -> list[dict[str, Any]]:
    lines = map(json.loads, stage.replicas[FIRST].file.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line["uri"] == uri]


def why_refused(stage: Stage, uri: str) -> str:
    """What the reactor's audit log says, and nobody else."""
    return next(str(line["detail"]) for line in audited(stage, uri) if line["outcome"] == "REFUSED")


def alerts(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in told if line["event"] == "break glass"]


def check_recorded(stage: Stage, uri: str, told: list[dict[str, Any]]) -> None:
    """Assert that both logs of the reactor say who broke the glass and why, and the audit log first."""
    verdict = next(line for line in audited(stage, uri) if line["outcome"] != "GRANTED")
    assert (verdict["outcome"], verdict["signer"], verdict["break_glass"]) == ("AUTHORIZED", "oncall", WHY)
    [alert] = alerts(told)
    assert (alert["level"], alert["uri"]) == ("error", uri)
    assert "oncall" in alert["message"]
    assert alert["message"].endswith(WHY)


async def test_it_is_done_and_the_receipt_says_so_for_ever(stage: Stage, oncall: Client) -> None:
    put = a_put(stage)
    with capture_logs() as told:
        done = await oncall.changes.break_glass(put, WHY)
        check_recorded(stage, put.uri, told)
    assert (done.outcome, done.break_glass, done.signer, done.approvers) == ("UPLOADED", WHY, "oncall", ())
    shown = await oncall.get_secret(put.uri)
    assert (shown.proven, shown.break_glass) == (True, WHY)


def hide_receipt(stage: Stage, uri: str) -> None:
    for method in ("RequestUploadSecret", "GetSecretUpload"):

        def act(call: Call, content: bytes) -> bytes:
            message: Any = call.method.response.FromString(content)
            message.upload.ClearField("receipt")
            return bytes(message.SerializeToString(deterministic=True))

        stage.wire.change(method, act, times=None, of=uri)


HIDES: dict[str, Callable[[Stage, str], Any]] = {
    "the receipt": hide_receipt,
    "that it began": lambda stage, uri: stage.wire.refuse_append("SecretUploadStarted", times=None, of=uri),
    "how it ended": lambda stage, uri: stage.wire.lose_append("SecretUploaded", times=1, of=uri),
}


@pytest.mark.parametrize("hides", sorted(HIDES))
async def test_an_m8_that_hides_it_hides_it_from_neither_log_of_the_reactor(
    stage: Stage, oncall: Client, hides: str
) -> None:
    put = a_put(stage)
    with capture_logs() as told:
        HIDES[hides](stage, put.uri)
        breaking = asyncio.ensure_future(oncall.changes.break_glass(put, WHY, timeout=PATIENCE_S))
        await stage.wire.until(lambda: bool(alerts(told)))
        stage.patience.is_over(PATIENCE_S)
        with contextlib.suppress(OutcomeUnknownError):
            await breaking
        check_recorded(stage, put.uri, told)


async def test_without_a_touch_the_client_sends_nothing_and_the_reactor_does_nothing(
    stage: Stage, oncall: Client
) -> None:
    put = a_put(stage)
    ONCALL.flags = 0
    try:
        with pytest.raises(RefusedError, match="would not count, and was not sent"):
            await oncall.changes.break_glass(put, WHY)
        untouched = ONCALL.signs_statement(b"of whatever")
    finally:
        ONCALL.flags = 1
    tell_otherwise(
        stage, events_pb2.SecretUploadRequested, put.uri, lambda one: setattr(one, "request_signature", untouched)
    )
    await check_refused(stage, oncall, put)


def tell_otherwise(stage: Stage, kind: Any, uri: str, change: Callable[[Any], Any]) -> None:
    """Tell the reactor something else than what is recorded."""

    def act(answer: reactor_pb2.AttachResponse) -> reactor_pb2.AttachResponse:
        event = event_pb2.Event.FromString(answer.delivery.record)
        message = kind.FromString(event.data)
        change(message)
        event.data = message.SerializeToString(deterministic=True)
        answer.delivery.record = event.SerializeToString()
        return answer

    stage.wire.change_delivery(kind.DESCRIPTOR.name, act, times=None, of=uri)


async def check_refused(
    stage: Stage, client: Client, put: Proposal, error: type[Error] = NotAuthorizedError, why: str = WHY
) -> Error:
    """Assert that nothing is written and nobody is woken for it; return what the client says."""
    with capture_logs() as told:
        with pytest.raises(error) as caught:
            await client.changes.break_glass(put, why, timeout=PATIENCE_S)
        assert not alerts(told)
    assert stage.engine.changes == []
    assert not any(line["outcome"] in {"AUTHORIZED", "STARTED"} for line in audited(stage, put.uri))
    return caught.value


async def test_a_plain_key_breaks_no_glass_whatever_its_entry_says(stage: Stage, oncall: Client) -> None:
    del oncall
    put = a_put(stage)
    async with stage.client("alice", stage.people["ben"]) as ben:
        await check_refused(stage, ben, put)
    assert "touch" in why_refused(stage, put.uri)


async def test_one_highest_entry_that_does_not_allow_it_is_enough_to_refuse(stage: Stage, oncall: Client) -> None:
    del oncall
    put = a_put(stage)
    async with stage.client("alice", TIRED) as tired:
        await check_refused(stage, tired, put)
        assert "does not allow break_glass" in why_refused(stage, put.uri)
        await tired.changes.break_glass(Proposal.put("memory://team-a/elsewhere", {"password": b"x"}), WHY)


BAD_REASONS = {"none": "", "501 characters": "x" * 501, "turned text": "see \u202etxt.exe", "two lines": "a\nb"}


@pytest.mark.parametrize("name", sorted(BAD_REASONS))
async def test_a_bad_reason_is_refused_by_the_client_before_anything_is_asked(
    stage: Stage, oncall: Client, name: str
) -> None:
    calls = len(stage.wire.called)
    said = await check_refused(stage, oncall, a_put(stage), UsageError, BAD_REASONS[name])
    assert "1 to 500 printable characters" in said.message
    assert said.fix
    assert len(stage.wire.called) == calls


BAD_REQUESTS = {
    "501 characters": lambda one: setattr(one, "break_glass", "x" * 501),
    "turned text": lambda one: setattr(one, "break_glass", "see \u202etxt.exe"),
    "a change as well": lambda one: setattr(one, "change_sha256", bytes(32)),
}


@pytest.mark.parametrize("name", sorted(BAD_REQUESTS))
async def test_m8_refuses_a_request_whose_reason_breaks_its_rule_and_names_it(
    stage: Stage, oncall: Client, name: str
) -> None:
    """What no client of ours sends: the bytes are changed on their way to m8."""
    put = a_put(stage)

    async def act(call: Any, _: object) -> bytes:
        message = call.message
        message.request = changed(message.request, name)
        return await stage.wire.forward(type(call)(call.path, message.SerializeToString(), call.headers))

    stage.wire.on_call("RequestSecretUploadKey", act, times=None, of=put.uri)
    said = await check_refused(stage, oncall, put, UsageError)
    assert "UploadRequest: break_glass must be" in said.message
    assert said.fix


def changed(request: bytes, name: str) -> bytes:
    message = upload_pb2.UploadRequest.FromString(request)
    BAD_REQUESTS[name](message)
    return message.SerializeToString(deterministic=True)


@pytest.mark.parametrize("name", sorted(BAD_REQUESTS))
async def test_the_reactor_gives_no_key_for_such_a_request(stage: Stage, oncall: Client, name: str) -> None:
    put = a_put(stage)
    asked = events_pb2.SecretUploadKeyRequested
    tell_otherwise(stage, asked, put.uri, lambda one: setattr(one, "request", changed(one.request, name)))
    await check_refused(stage, oncall, put, RefusedError)


async def test_the_eleventh_in_an_hour_waits_and_is_not_done(stage: Stage, oncall: Client) -> None:
    for _ in range(GLASS_AN_HOUR):
        await oncall.changes.break_glass(a_put(stage), WHY)
    assert len(stage.engine.changes) == GLASS_AN_HOUR
    stage.engine.changes.clear()
    said = await check_refused(stage, oncall, a_put(stage), RateLimitedError)
    assert isinstance(said, RateLimitedError)
    assert 3_000 < (said.retry_after_s or 0) <= 3_600


@contextlib.contextmanager
def audit_log(stage: Stage, path: str, flags: int) -> Iterator[None]:
    """The reactor's audit log is another file meanwhile."""
    audit = stage.replicas[FIRST].audit
    kept, other = os.dup(audit._descriptor), os.open(path, flags)
    os.dup2(other, audit._descriptor)
    try:
        yield
    finally:
        os.dup2(kept, audit._descriptor)
        os.close(other)
        os.close(kept)


@pytest.mark.parametrize(("path", "flags"), [("/dev/full", os.O_WRONLY), (os.devnull, os.O_RDONLY)])
async def test_what_the_audit_log_cannot_record_first_is_not_done(
    stage: Stage, oncall: Client, path: str, flags: int
) -> None:
    """It fills up, or can be written no more, once the key was given: the glass stays whole."""
    put = a_put(stage)
    with contextlib.ExitStack() as broken:

        def breaks(one: Any, _: object) -> None:
            broken.enter_context(audit_log(stage, path, flags))
            one.go()

        stage.wire.on_delivery("SecretUploadRequested", breaks, of=put.uri)
        with capture_logs() as told:
            breaking = asyncio.ensure_future(oncall.changes.break_glass(put, WHY, timeout=PATIENCE_S))
            await stage.wire.until(lambda: any(line["event"] == "request stopped" for line in told))
            stage.patience.is_over(PATIENCE_S)
            with pytest.raises(OutcomeUnknownError, match="may or may not"):
                await breaking
            assert not alerts(told)
    assert stage.engine.changes == []
    assert not any(line["outcome"] == "AUTHORIZED" for line in audited(stage, put.uri))
