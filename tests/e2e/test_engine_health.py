"""An OpenBao that is killed or sealed, and back: users are told before they wait, and served at once after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monoskope.testing.engines.openbao import OpenBao
from monoskope.testing.parts import wait_until
from tests.e2e.conftest import Team
from tests.e2e.ran import ok, refused


def kill(bao: OpenBao) -> None:
    bao.kill()


def seal(bao: OpenBao) -> None:
    bao.call("PUT", "sys/seal")


@pytest.fixture
def bao(team: Team) -> Iterator[OpenBao]:
    """The engine of the store `vault`, running again after the test."""
    yield team.cluster.bao
    team.cluster.bao.restart()
    wait_until(lambda: described(team)["engine"] == "ok", what="the reactor finds its engine again")


def described(team: Team) -> dict[str, Any]:
    shown: dict[str, Any] = ok(team.user.monoctl("describe", "secret-store", "vault", "-o", "json")).json()
    return shown


def head(team: Team) -> int:
    events = team.cluster.must("m8", "events", "--dir", "m8", "-o", "json").json()
    return len(events)


@pytest.mark.parametrize("take_down", [pytest.param(kill, marks=pytest.mark.soak), seal])
def test_an_engine_that_is_down_is_told_before_a_user_waits(
    team: Team, bao: OpenBao, take_down: Callable[[OpenBao], None]
) -> None:
    ok(team.put(team.uri("vault")))
    assert described(team)["engine"] == "ok"
    take_down(bao)
    # The first to run into it is answered as ever, and makes the reactor look; unless it has looked by itself just now.
    first = refused(team.put(team.uri("vault", "first")), 7)
    assert "UPSTREAM_UNAVAILABLE" in first
    reached = "since 20" not in first
    wait_until(lambda: described(team)["engine"] == "unavailable", what="the reactor says that its engine is away")

    def is_told_before_anything_is_asked() -> bool:
        """Whether it is: m8 passes a request on if no reactor tells it in time of a look since then."""
        events = head(team)
        said = refused(team.put(team.uri("vault", "second")), 7)
        if "since 20" not in said:
            return False
        assert "the engine of the store vault does not answer (UPSTREAM_UNAVAILABLE)" in said
        assert head(team) == events, "nothing was asked of a reactor"
        return True

    wait_until(is_told_before_anything_is_asked, what="m8 refuses by itself")

    def attached() -> dict[str, Any]:
        (found,) = [one for one in described(team)["reactors"] if one["attached"]]
        return dict(found)

    # A later heartbeat than the one that told of the engine may bring it.
    if reached:
        wait_until(lambda: attached()["last_failure"] == "UPSTREAM_UNAVAILABLE", what="the reactor says why")
        reactor = attached()
        assert reactor["last_failure_at"] >= reactor["engine_since_at"][:4]
    table = ok(team.user.monoctl("get", "secret-stores")).out
    assert [line.split()[4] for line in table.splitlines() if line.startswith(("local", "vault"))] == [
        "ok",
        "unavailable",
    ]
    ok(team.put(team.uri("local")))
    bao.restart()
    ok(team.put(team.uri("vault", "second")))


def test_people_see_it_in_words(team: Team) -> None:
    shown = ok(team.user.monoctl("describe", "secret-store", "vault")).out
    lines = {line.split(":")[0].strip(): line.split(":", 1)[-1].strip() for line in shown.splitlines() if ":" in line}
    assert lines["Engine"] == "ok"
    assert lines["Pending requests"] == "0"
    assert "ENGINE" in shown
    assert "LAST FAILURE" in shown
