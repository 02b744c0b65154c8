"""Each part is killed (SIGKILL) between a proposal and its end: no approval is lost, and none counts twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

import pytest
import pytest_asyncio

from monoskope.client.results.changes import ProposedChange
from monoskope.errors import Error, NotAuthorizedError, UnavailableError
from monoskope.settings import write_private
from monoskope.testing.parts import Part, listens, wait_until
from tests.attack.approvals.scenes import FIRST, SENT, Scene, Stage, text
from tests.attack.approvals.stores import lay_out
from tests.attack.approvals.table import UPLOAD
from tests.crash.breaking import around
from tests.faults.parts import M8_TIMINGS, shorten, shorten_reactor
from tests.faults.processes import arm, dies, killed
from tests.support.approvals_world import ANNA, BEN, GIL, company
from tests.support.ssh import keygen

pytestmark = pytest.mark.asyncio(loop_scope="module")
T = TypeVar("T")

M8, REACTOR = "m8", "reactor-vault"
AT_M8 = (
    *around("SecretChangeProposed", "m8.before-answer.ProposeSecretChange"),
    *around("SecretChangeApproved", "m8.before-answer.ApproveSecretChange"),
    *around("SecretUploadRequested"),
    *around("SecretUploadStarted"),
    *around("SecretUploaded", "m8.before-answer.RequestUploadSecret"),
)
APPROVED_TWICE = {"m8.after-append.SecretChangeApproved", "m8.before-answer.ApproveSecretChange"}
"""Where an approval was recorded, and its approver not told: who approves again with such a key signs other bytes."""
AT_REACTOR = ("after-grant", "before-open", "after-started", "before-write", "after-write", "before-receipt")
LIKE_ANOTHER = {*around("SecretUploadRequested"), "reactor.before-open", "reactor.before-write"}
"""Between two places at which the same is found."""
ROWS = [
    pytest.param(name, place, marks=[pytest.mark.soak] if place in LIKE_ANOTHER else [])
    for name, place in (*((M8, one) for one in AT_M8), *((REACTOR, f"reactor.{one}") for one in AT_REACTOR))
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as last:
        world = await last.enter_async_context(company(tmp_path_factory.mktemp("killed")))
        # Of such a key each signature has other bytes.
        world.keys[GIL] = keygen(world.folder / "gil", "ecdsa-256")
        stage = await lay_out(world, last)
        shorten_reactor(world.home("vault"))
        yield stage


def part_of(stage: Stage, name: str) -> Part:
    return stage.company.cluster.m8 if name == M8 else stage.company.cluster.reactors[name]


def start_armed(stage: Stage, name: str, place: str) -> None:
    """Start m8 and the reactor anew, one of them so that it dies at a place; return when both can be reached."""
    cluster = stage.company.cluster
    reactor = cluster.reactors[REACTOR]
    reactor.stop()
    cluster.m8.stop()
    # However slow the machine is, m8 does not give up a reactor that comes back; one that is dead it does.
    issuer_gone = 20.0 if name == M8 else M8_TIMINGS["issuer_gone"]
    shorten(cluster.folder / "m8" / "m8.toml", timings={**M8_TIMINGS, "issuer_gone": issuer_gone})
    arm(cluster.m8, f"{place}=kill" if name == M8 else "")
    cluster.m8.wait_for(lambda: listens(cluster.server))
    known = reactor.said_bytes
    arm(reactor, f"{place}=kill" if name == REACTOR else "")
    wait_until(lambda: '"attached"' in reactor.said_since(known), what="the reactor is attached")


def start_again(stage: Stage, name: str) -> None:
    """Start a part once it has died."""
    dies(part_of(stage, name))
    if name == M8:
        stage.company.cluster.start_m8()
    else:
        stage.company.cluster.start_reactor("vault")


async def stubborn(work: Callable[[], Awaitable[T]]) -> T:
    """Do something again until m8 is there."""
    while True:
        try:
            return await work()
        except UnavailableError:
            await asyncio.sleep(0.05)


async def executed(scene: Scene, change_id: str) -> ProposedChange:
    """Let anna execute a change, as often as that does not end for sure; return it as it is then."""
    changes = scene.stage.anna.changes
    while True:
        found = await stubborn(lambda: changes.get(change_id))
        if found.state == "DONE":
            return found
        try:
            await changes.run(found, scene.values)
        except NotAuthorizedError:
            raise
        except Error:  # it may have been written: m8 shows that once the next process has looked
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(("name", "place"), ROWS, ids=lambda one: one)
async def test_no_approval_is_lost_and_none_counts_twice(stage: Stage, name: str, place: str) -> None:
    scene = await stage.scene(UPLOAD)
    await asyncio.to_thread(start_armed, stage, name, place)
    mending = asyncio.create_task(asyncio.to_thread(start_again, stage, name))
    async with asyncio.timeout(120):
        change_id = (await stubborn(scene.propose)).change_id
        twice = await stubborn(lambda: stage.approved_by(GIL, change_id))
        if place in APPROVED_TWICE and len(twice.approvals) == 1:
            # m8 was back so soon that the client sent the same bytes again, which m8 had.
            twice = await stubborn(lambda: stage.approved_by(GIL, change_id))
        assert len(twice.approvals) == (2 if place in APPROVED_TWICE else 1)
        if place in APPROVED_TWICE:
            with pytest.raises(NotAuthorizedError):
                await scene.present(twice.change, [one.content for one in twice.approvals])
        await stubborn(lambda: stage.approved_by(BEN, change_id))
        done = await executed(scene, change_id)
    await mending  # it did die
    assert [(one.principal, one.key) for one in done.approvers] == [
        (one, stage.company.signer(one).public().shown) for one in (BEN, GIL)
    ]
    assert [one.content for one in stage.engine("vault").history(scene.path)] == [text(FIRST), text(SENT)]
    good = [one for one in done.approvals if not one.why_not]
    assert sorted(one.subject for one in good) == ["ben", "gil"]


async def test_a_change_waits_for_an_engine_that_is_gone(stage: Stage) -> None:
    scene = await stage.scene(UPLOAD)
    bao = stage.company.cluster.bao
    with killed(bao):
        proposed = await scene.propose()
        for who in (BEN, GIL):
            await stage.approved_by(who, proposed.change_id)
        with pytest.raises(UnavailableError):
            await stage.anna.changes.run(await stage.anna.changes.get(proposed.change_id), SENT, timeout=3)
    done = await executed(scene, proposed.change_id)
    assert [one.principal for one in done.approvers] == [BEN, GIL]
    assert [one.content for one in stage.engine("vault").history(scene.path)] == [text(FIRST), text(SENT)]


async def test_a_requester_whose_program_is_gone_goes_on_with_another_one(stage: Stage) -> None:
    """Its value was in that program's memory alone: she gives it again."""
    company, scene = stage.company, await stage.scene(UPLOAD)
    files = ("--from-file", "password=password", "--from-file", "user=user", "-o", "json")
    key = ("--signing-key", str(company.key(ANNA)))
    for name, value in SENT.items():
        write_private(company.cluster.folder / name, value, replace=True)
    words = ("monoctl", "put", "secret", scene.uri, *files, *key, "--propose", "--wait", "1h", "--requester", ANNA)
    waiting = company.users[ANNA].background(*words, log="waiting.log")
    await asyncio.to_thread(waiting.wait_for, lambda: "waiting for more" in waiting.log.read_text())
    waiting.kill()
    [proposed] = [one async for one in stage.anna.changes.list(scene.uri, mine=True)]
    for who in (BEN, GIL):
        await stage.approved_by(who, proposed.change_id)
    again = ("run", "change", proposed.change_id, "--sha256", proposed.sha256, *files, *key)
    ran = await asyncio.to_thread(company.users[ANNA].monoctl, *again)
    assert ran.code == 0, ran.err
    assert [one["principal"] for one in ran.json()["approvers"]] == [BEN, GIL]
    assert [one.content for one in stage.engine("vault").history(scene.path)] == [text(FIRST), text(SENT)]
