"""Each append ends once as unknown: a put is still recorded once, and other callers are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click.testing
import pytest

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Code, OutcomeUnknownError
from monoskope.host_port import HostPort
from monoskope.m8.cli.access import token
from monoskope.m8.credentials.tokens import Tokens
from monoskope.m8.init import Plan, lay_out
from monoskope.m8.log.event_log import EventLog, UnknownAppendError
from tests.support.http_calls import CallError
from tests.support.m8_world import Appends, FakeReactor, Sealed, World, refused
from tests.support.vectors import Signer, a_request


def forget(log: EventLog, monkeypatch: pytest.MonkeyPatch, *, recorded: bool) -> None:
    """Let the first append to each version of a stream end as unknown, with or without being recorded."""
    append, met = log.append, set[tuple[str, int | None]]()

    async def unknown(stream: str, expected_version: int | None, *arguments: Any, **named: Any) -> Any:
        first = (stream, expected_version) not in met
        met.add((stream, expected_version))
        done: Any = None
        if recorded or not first:
            done = await append(stream, expected_version, *arguments, **named)
        if first:
            raise UnknownAppendError
        return done

    monkeypatch.setattr(log, "append", unknown)


async def again(call: Callable[[], Awaitable[Any]]) -> Any:
    """Call twice, as a client does that is told that what it needs is away."""
    with refused("UNAVAILABLE"):
        await call()
    return await call()


async def appended(reactor: FakeReactor, request_id: bytes, version: int, event: Appends) -> None:
    """Append as a reactor does: the same again while m8 says that it is unavailable."""
    first = await reactor.append(request_id, version, event)
    assert (first.error, first.version) == ("UNAVAILABLE", 0)
    assert (await reactor.append(request_id, version, event)).version == version + 1


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_put_is_recorded_once_although_no_append_is_sure_at_first(
    world: World, monkeypatch: pytest.MonkeyPatch, recorded: bool
) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    forget(world.app.log, monkeypatch, recorded=recorded)
    request, sealed = a_request(uri="vault://app/db"), Sealed()
    request_id = await again(lambda: user.ask(request))
    grant = reactor.grant_for(request, "anna")
    await appended(reactor, request_id, 1, reactor.provided(grant))
    with refused("UNAVAILABLE"):
        await user.send(request_id, sealed)
    sending = asyncio.create_task(user.send(request_id, sealed))
    await reactor.next("SecretUploadRequested")
    await appended(reactor, request_id, 3, reactor.started(grant, sealed.sha256))
    await appended(reactor, request_id, 4, reactor.uploaded(grant, sealed.sha256))
    assert (await sending).outcome == upload_pb2.OUTCOME_UPLOADED
    assert [event.type for event in (await user.events(request_id=request_id)).events] == [
        "SecretUploadKeyRequested",
        "SecretUploadKeyProvided",
        "SecretUploadRequested",
        "SecretUploadStarted",
        "SecretUploaded",
    ]


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_caller_that_does_not_send_again_is_told_that_it_is_not_known(
    world: World, monkeypatch: pytest.MonkeyPatch, recorded: bool
) -> None:
    administrator = world.administrator()
    forget(world.app.log, monkeypatch, recorded=recorded)
    with pytest.raises(CallError) as caught:
        await administrator.create("another", Signer().shown, active=False)
    assert caught.value.reason == "OUTCOME_UNKNOWN"


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_reactor_whose_login_is_not_sure_is_attached_once(
    world: World, monkeypatch: pytest.MonkeyPatch, recorded: bool
) -> None:
    await world.attached()
    forget(world.app.log, monkeypatch, recorded=recorded)
    reactor = world.reactor()
    await reactor.open()
    with pytest.raises(CallError):
        await reactor.attach()
    once_more = world.reactor(replica=reactor.replica)
    assert isinstance(await once_more.attach(), reactor_pb2.Attached)
    attached = [event for event in await world.app.log.read_stream("reactor/vault") if event.type == "ReactorAttached"]
    assert len(attached) == 2


@pytest.mark.parametrize(
    ("command", "method", "fix"),
    [
        (("create", "--role", "administrator", "--subject", "root"), "issue", "nobody has that: revoke it"),
        (("revoke", "0" * 32), "revoke", "Revoke it again"),
    ],
)
def test_a_token_command_says_what_to_look_at(
    command: tuple[str, ...], method: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object, **__: object) -> None:
        raise UnknownAppendError

    monkeypatch.setattr(Tokens, method, lost)
    folder = lay_out(Plan(folder=tmp_path / "m8", listen=HostPort("127.0.0.1", 0))).folder
    ended = click.testing.CliRunner().invoke(token, [command[0], "--dir", str(folder), *command[1:]])
    assert isinstance(ended.exception, OutcomeUnknownError)
    assert ended.exception.code is Code.OUTCOME_UNKNOWN
    assert fix in ended.exception.fix
    assert ended.stdout == ""
