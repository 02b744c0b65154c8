"""Rotations and an m8 that lies, hides or forgets, and stores that do not fit: nothing changes but what is safe."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec import structs

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client import Client, Rotated, Rotation, rotation
from monoskope.client.queries import Queries
from monoskope.client.rotation.hands import SessionHands
from monoskope.client.rotation.round import SetAccount
from monoskope.client.rotation.walk import Copied
from monoskope.client.settings import load_settings
from monoskope.client.walk.target import Resolver
from monoskope.errors import ConflictError, Error, NotAuthorizedError, NotFoundError, OutcomeUnknownError, RefusedError
from monoskope.protocol.identity import ProofError
from monoskope.settings import write_private
from monoskope.testing.cluster import editing
from monoskope.times import now_ms
from tests.e2e.rotating import DB, Rotating, rotating
from tests.support.clocks import Clock, OnClock

ACCOUNTS = ("pg://orders_a", "pg://orders_b")
NEXT = f"{DB}.next"
ROTATION = Rotation.of(DB, ACCOUNTS)
HOUR_S = 3_600


@dataclass
class Stage:
    """A rotation by the SDK, each by a clock that is an hour later."""

    made: Rotating
    later_s: int = 0
    clock: Clock = field(default_factory=Clock)
    told: list[str] = field(default_factory=list)

    def client(self) -> AbstractAsyncContextManager[Client]:
        user = self.made.anna
        config = user.token_file.parent / "config.toml"
        settings = load_settings(config=config, environ={"HOME": str(user.home)})
        settings = structs.replace(settings, signing_key=str(self.made.key))
        none = user.home / "none"
        return Client(settings, system_known_stores=none, runtime=OnClock(self.clock), notify=self.told.append)

    def rotate(self, what: Rotation = ROTATION, **given: Any) -> Rotated:
        async def work() -> Rotated:
            async with self.client() as client:
                return await client.rotate_secret(what, timeout=60, **({"force": True} | given))

        self.later_s += HOUR_S
        return asyncio.run(work())

    def state(self) -> list[object]:
        """What is at `db` and at both accounts."""
        roles = self.made.postgres.sql("SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'orders_%'")
        return [self.made.version(), sorted(map(str, roles))]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with rotating(tmp_path_factory.mktemp("rotations")) as made:
        yield Stage(made)


@pytest.fixture
def stage(running: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """One round is over."""
    running.told.clear()
    monkeypatch.setattr(rotation, "wall_clock", lambda: now_ms() + running.later_s * 1000)
    running.rotate(adopt=True)
    return running


Secret = Callable[[Queries, str], Awaitable[views_pb2.Secret]]


def hides(what: str) -> Callable[[Secret, Stage], Secret]:
    """m8 says that it knows nothing of a secret."""

    def lie(honest: Secret, _: Stage) -> Secret:
        async def secret(queries: Queries, uri: str) -> views_pb2.Secret:
            if uri == what:
                raise NotFoundError("nothing is known of it.")
            return await honest(queries, uri)

        return secret

    return lie


def forges(honest: Secret, stage: Stage) -> Secret:
    """m8 shows labels of a round that would set the live account."""

    async def secret(queries: Queries, uri: str) -> views_pb2.Secret:
        view = await honest(queries, uri)
        for label in view.labels:
            label.value = f"pg://{stage.made.at_db()['username']}" if label.name == "account" else label.value
        return view

    return secret


def shows_the_request_of(other: str) -> Callable[[Secret, Stage], Secret]:
    """m8 says that another request made what is at `db.next`."""

    def lie(honest: Secret, _: Stage) -> Secret:
        async def secret(queries: Queries, uri: str) -> views_pb2.Secret:
            view = await honest(queries, uri)
            if uri == NEXT:
                view.request_id = (await honest(queries, other)).request_id
            return view

        return secret

    return lie


def shows_the_receipt_of_before(honest: Secret, stage: Stage) -> Secret:
    """m8 shows the receipt of the round before as the newest at `db`."""

    async def kept() -> views_pb2.Secret:
        async with stage.client() as client:
            return await honest(client.queries, DB)

    before = asyncio.run(kept())
    stage.rotate()

    async def secret(queries: Queries, uri: str) -> views_pb2.Secret:
        return before if uri == DB else await honest(queries, uri)

    return secret


@pytest.mark.parametrize("adopt", [False, True])
@pytest.mark.parametrize(
    ("lie", "error"),
    [(hides(DB), ConflictError), (shows_the_receipt_of_before, ProofError)],
    ids=["hides db", "an older receipt"],
)
def test_an_m8_that_lies_about_what_is_live_has_nothing_changed(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    lie: Callable[[Secret, Stage], Secret],
    error: type[Error],
    *,
    adopt: bool,
) -> None:
    monkeypatch.setattr(Queries, "secret", lie(Queries.secret, stage))
    before = stage.state()
    with pytest.raises(error):
        stage.rotate(adopt=adopt)
    assert stage.state() == before
    assert stage.made.db_logs_in()


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (hides(NEXT), "never rotated"),
        (shows_the_request_of(DB), "not made by a rotation"),
        (forges, ""),
    ],
    ids=["hides next", "another request", "labels"],
)
def test_an_m8_that_lies_about_the_round_stops_it_or_changes_nothing_of_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, lie: Callable[[Secret, Stage], Secret], said: str
) -> None:
    live, before = stage.made.at_db()["username"], stage.state()
    monkeypatch.setattr(Queries, "secret", lie(Queries.secret, stage))
    if said:
        with pytest.raises(ConflictError, match=said):
            stage.rotate()
        assert stage.state() == before
    else:
        assert stage.rotate().account != f"pg://{live}"
    assert stage.made.db_logs_in()


def test_an_m8_that_hides_an_account_has_it_left_as_it_is(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It expects nothing there, and the database has something."""
    stage.rotate()
    before, other = stage.state(), stage.made.other()
    monkeypatch.setattr(Queries, "secret", hides(f"pg://{other}")(Queries.secret, stage))
    with pytest.raises(ConflictError):
        stage.rotate()
    assert stage.state() == before
    assert stage.made.db_logs_in()


def test_it_waits_for_an_end_that_is_not_known_and_goes_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    honest, lost = SessionHands.set_account, ["once"]

    async def set_account(self: SessionHands, step: SetAccount) -> Copied:
        copied = await honest(self, step)
        if lost:
            lost.pop()
            raise OutcomeUnknownError("its answer was lost.")
        return copied

    monkeypatch.setattr(SessionHands, "set_account", set_account)
    before, began = stage.made.version(), stage.clock.time
    done = stage.rotate()
    assert stage.clock.time - began >= 120
    assert any("its answer was lost. It is looked at again in 120 s." in one for one in stage.told)
    assert stage.made.version() == before + 1
    assert done.account == f"pg://{stage.made.at_db()['username']}"
    assert stage.made.db_logs_in()


@pytest.mark.parametrize(
    ("capability", "said"),
    [
        ("check_and_set", "cannot replace exactly one version"),
        ("copied_keys", "cannot copy single keys"),
        ("copies_to", "does not copy to"),
    ],
)
def test_a_store_that_announces_that_a_step_would_fail_is_refused_before_the_first(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capability: Any, said: str
) -> None:
    honest = Resolver.store

    async def store(self: Resolver, name: str, **given: Any) -> views_pb2.SecretStore:
        view = views_pb2.SecretStore.FromString((await honest(self, name, **given)).SerializeToString())
        for reactor in view.reactors if view.name == "vault" else ():
            reactor.capabilities.ClearField(capability)
        return view

    monkeypatch.setattr(Resolver, "store", store)
    before = (stage.state(), stage.made.version("orders/db.next"))
    with pytest.raises(RefusedError, match=said) as refused:
        stage.rotate()
    assert refused.value.fix
    assert (stage.state(), stage.made.version("orders/db.next")) == before


@pytest.mark.parametrize(
    ("other", "said", "makes"), [("billing_a", "outside", 0), ("orders_gone", "UPSTREAM_REFUSED", 1)]
)
def test_an_account_that_cannot_be_set_leaves_all_as_it_is(stage: Stage, other: str, said: str, makes: int) -> None:
    """Where the reactor does not serve it nothing is made, either."""
    before, made = stage.state(), stage.made.version("orders/db.next")
    accounts = [f"pg://{stage.made.at_db()['username']}", f"pg://{other}"]
    with pytest.raises(RefusedError, match=said) as refused:
        stage.rotate(Rotation.of(DB, accounts))
    assert refused.value.fix
    assert stage.state() == before
    assert stage.made.version("orders/db.next") == made + makes
    assert stage.made.db_logs_in()


def test_a_clock_that_jumped_stops_it(stage: Stage) -> None:
    before = stage.state()
    stage.later_s -= 10 * HOUR_S
    with pytest.raises(ConflictError, match="in the future") as stopped:
        stage.rotate()
    stage.later_s += 10 * HOUR_S
    assert "clock" in stopped.value.fix
    assert stage.state() == before


def test_a_key_that_is_asked_for_approvals_is_refused_before_the_first_step(stage: Stage) -> None:
    """The store asks others all along; once it asks the rotation, too, nothing is made."""
    cluster, home = stage.made.cluster, stage.made.cluster.folder / "reactor-vault"
    write_private(home / "allowed_approvers", b"# end\n")

    def asked(principal: str) -> None:
        cluster.reactors["reactor-vault"].stop()
        with editing(home / "reactor.toml") as table:
            asks = {"principal": principal, "prefixes": ["orders/db"], "purposes": ["upload"], "approvals": 1}
            table["signers"]["approvers"] = "allowed_approvers"
            table["signers"]["may"] = [one for one in table["signers"]["may"] if not one.get("approvals")] + [asks]
        cluster.start_reactor("vault")

    asked("ben@example.org")
    stage.rotate()
    asked("copies-from-vault")
    before = (stage.state(), stage.made.version("orders/db.next"))
    with pytest.raises(NotAuthorizedError) as refused:
        stage.rotate()
    assert "entries of its own" in refused.value.fix
    assert (stage.state(), stage.made.version("orders/db.next")) == before
