"""Administrators are told 30 days before m8's certificate expires."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import RefusedError
from monoskope.testing.scripted.m8 import ScriptedM8
from monoskope.times import now_ms
from tests.unit.monoctl.as_alice import Run, ends

DAY_MS = 86_400_000


def said(m8: ScriptedM8, run: Run, server: Callable[[], queries_pb2.GetServerResponse]) -> str:
    """What `monoctl get secret-stores` prints on stderr."""
    m8.answers[queries_pb2.GetServerRequest] = lambda _: server()
    result = ends(run("get", "secret-stores"), 0)
    assert "vault" in result.stdout
    return str(result.stderr)


def expiring(left_ms: int, role: events_pb2.Role = events_pb2.ROLE_ADMINISTRATOR) -> queries_pb2.GetServerResponse:
    at_ms = now_ms() + left_ms if left_ms else 0
    return queries_pb2.GetServerResponse(role=role, certificate_expires_at_ms=at_ms)


def test_an_administrator_is_told_and_how_to_renew_it(m8: ScriptedM8, run: Run) -> None:
    note = said(m8, run, lambda: expiring(29 * DAY_MS + DAY_MS // 2))
    assert "m8 says that its certificate expires at" in note
    assert "in 29 days" in note
    assert "m8 tls renew" in note


@pytest.mark.parametrize(
    "answer",
    [expiring(31 * DAY_MS), expiring(DAY_MS, events_pb2.ROLE_USER), expiring(0)],
    ids=["later", "a user", "an older m8"],
)
def test_nobody_else_is_told(m8: ScriptedM8, run: Run, answer: queries_pb2.GetServerResponse) -> None:
    assert said(m8, run, lambda: answer) == ""


def test_an_m8_that_does_not_answer_this_fails_nothing(m8: ScriptedM8, run: Run) -> None:
    def refused() -> queries_pb2.GetServerResponse:
        raise RefusedError("no.")

    assert said(m8, run, refused) == ""
