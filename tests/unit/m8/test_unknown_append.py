"""The log goes away while it commits, and nobody knows what became of it: who is told what, what is sent again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click.testing
import pytest

from monoskope.client.refusal import error_in
from monoskope.errors import Code, OutcomeUnknownError
from monoskope.host_port import HostPort
from monoskope.m8.cli.access import token
from monoskope.m8.credentials.tokens import Tokens
from monoskope.m8.init import Plan, lay_out
from monoskope.m8.log.event_log import UnknownAppendError
from monoskope.protocol.events import upload_stream
from tests.support.http_calls import CallError
from tests.support.m8_world import Sealed, World
from tests.support.vectors import a_request


def lose_answers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every append be recorded, and its answer be lost."""
    append = world.app.log.append

    async def lost(*event: Any, **rest: Any) -> Any:
        await append(*event, **rest)
        raise UnknownAppendError

    monkeypatch.setattr(world.app.log, "append", lost)


def code_of(caught: pytest.ExceptionInfo[CallError]) -> Code | None:
    error = error_in(caught.value.status)
    return None if error is None else error.code


async def test_the_steps_of_a_request_are_asked_for_again_and_recorded_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    request, sealed = a_request(), Sealed()
    with monkeypatch.context() as lossy:
        lose_answers(world, lossy)
        with pytest.raises(CallError) as caught:
            await user.ask(request)
    assert code_of(caught) is Code.UNAVAILABLE
    assert await user.ask(request) == request.request_id
    assert len(await world.app.log.read_stream(upload_stream(request.request_id))) == 1

    grant = reactor.grant_for(request, "anna")
    with monkeypatch.context() as lossy:
        lose_answers(world, lossy)
        answer = await reactor.append(request.request_id, 1, reactor.provided(grant))
    assert (answer.error, answer.version) == ("UNAVAILABLE", 0)
    answer = await reactor.append(request.request_id, 1, reactor.provided(grant))
    assert (answer.error, answer.version) == ("", 2)

    with monkeypatch.context() as lossy:
        lose_answers(world, lossy)
        with pytest.raises(CallError) as caught:
            await user.send(request.request_id, sealed)
    assert code_of(caught) is Code.UNAVAILABLE
    assert len(await world.app.log.read_stream(upload_stream(request.request_id))) == 3


async def test_an_administrators_command_is_told_that_it_may_be_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_answers(world, monkeypatch)
    admin = world.administrator()
    with pytest.raises(CallError) as caught:
        await admin.deactivate("vault")
    assert code_of(caught) is Code.OUTCOME_UNKNOWN


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
