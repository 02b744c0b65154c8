"""Approvals at the other parts: m8's log in PostgreSQL, age files, keys of every kind, and parts that start anew.

Of the table a selection goes on at age files: what the engine has a part in, and one of each way to be one too few.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from monoskope.client.results.changes import ProposedChange
from monoskope.client.signing.agent import Agent as AgentClient
from monoskope.client.signing.agent import AgentSigner
from monoskope.client.signing.signer import LocalSigner
from monoskope.errors import ConflictError, NotAuthorizedError
from monoskope.testing.engines.openssh import Agent, make_key
from monoskope.testing.engines.postgres import Postgres
from tests.attack.approvals.scenes import FIRST, SENT, Purpose, Scene, Stage, present, text
from tests.attack.approvals.stores import lay_out
from tests.attack.approvals.table import CASES, COPY, DELETE, TWO, UNDELETE, UPLOAD
from tests.support.approvals_world import ANNA, BEN, EVA, GIL, SETTER, company
from tests.support.ssh import has_security_key, need_security_key

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT_FILES = (
    "one too few",
    "two keys of one name",
    "wrong namespace",
    "other version",
    "too far ahead",
    "other keys than approved",
    "fingerprint differs",
    "done before",
)
PAIRS = [
    (purpose, name) for name in AT_FILES for purpose in (UPLOAD, DELETE, UNDELETE) if purpose not in CASES[name].not_for
]


@pytest.fixture(scope="module")
def agent() -> Iterator[Agent]:
    with Agent() as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, agent: Agent) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as last:
        world = await last.enter_async_context(company(tmp_path_factory.mktemp("approvals"), postgres))
        if has_security_key():
            for name in ("touched", "touched by anna"):
                make_key(world.folder / name, "ed25519-sk")
                world.keys[name] = world.folder / name
                agent.add(world.keys[name])
        agent.add(world.key("agent"))
        yield await lay_out(world, last)


@pytest.mark.parametrize("purpose", [UPLOAD, DELETE, UNDELETE])
async def test_enough_people_approve_a_change_of_age_files(stage: Stage, purpose: Purpose) -> None:
    scene = await stage.scene(purpose, "files")
    done = await scene.by_people(BEN, EVA)
    assert [one.principal for one in done.approvers] == [BEN, EVA]
    assert scene.is_done()


@pytest.mark.parametrize(("purpose", "name"), PAIRS)
async def test_what_is_wrong_with_approvals_leaves_the_age_files_as_they_were(
    stage: Stage, purpose: Purpose, name: str
) -> None:
    case = CASES[name]
    await case.is_refused(await stage.scene(purpose, "files", absent=case.absent))


def signer_of(stage: Stage, agent: Agent, kind: str) -> tuple[str, LocalSigner]:
    """Return who approves with a kind of key, and with what."""
    world, socket = stage.company, AgentClient(str(agent.socket))
    if kind == "certificate":
        return EVA, world.certified("certified", EVA)
    if kind == "file":
        return GIL, world.signer(GIL)
    public = world.keys[kind].with_name(f"{kind}.pub").read_text()
    return GIL, AgentSigner(public, agent=socket)


@pytest.mark.parametrize("kind", ["file", "agent", "touched", "certificate"])
async def test_a_key_of_every_kind_approves(stage: Stage, agent: Agent, kind: str) -> None:
    need_security_key("ed25519-sk" if kind == "touched" else "ed25519")
    name, signer = signer_of(stage, agent, kind)
    scene = await stage.scene(UPLOAD)
    proposed = await scene.propose()
    async with stage.company.client(name, signer) as client:
        shown = await client.changes.approve(await client.changes.get(proposed.change_id))
    [approval] = shown.approvals
    assert (approval.why_not, approval.principal) == ("", EVA if kind == "certificate" else "")
    assert (approval.certificate_ends_at is not None) == (kind == "certificate")
    done = await scene.by_people(BEN)
    assert (approval.key, name) in {(one.key, one.principal) for one in done.approvers}
    assert scene.is_done()


@pytest.mark.parametrize("kind", ["touched by anna", "certificate of anna"])
async def test_a_requester_signs_with_a_key_of_every_kind(stage: Stage, agent: Agent, kind: str) -> None:
    """A certificate says who she is, so she need not."""
    need_security_key("ed25519-sk" if kind == "touched by anna" else "ed25519")
    scene = await stage.scene(UPLOAD)
    if kind == "touched by anna":
        public = stage.company.keys[kind].with_name(f"{kind}.pub").read_text()
        signer: LocalSigner = AgentSigner(public, agent=AgentClient(str(agent.socket)))
        requester = ANNA
    else:
        signer, requester = stage.company.certified(kind, ANNA), ""
    async with stage.company.client(ANNA, signer) as anna:
        proposed = await anna.changes.propose(scene.proposal(), requester=requester)
        assert proposed.requester == ANNA
        for name in TWO:
            await stage.approved_by(name, proposed.change_id)
        done = await anna.changes.run(await anna.changes.get(proposed.change_id), SENT)
    assert (done.signer, done.signer_key) == (ANNA, signer.public().shown)
    assert scene.is_done()


# --- a second time ---


async def deleted(stage: Stage) -> tuple[Scene, list[bytes]]:
    """Let anna delete a secret with two approvals; return where, and the approvals."""
    scene = await stage.scene(DELETE)
    approvals = stage.approval(await scene.change(), *TWO)
    await scene.present(await scene.change(), approvals)
    assert scene.is_done()
    return scene, approvals


async def refused_as_done(scene: Scene, approvals: list[bytes]) -> None:
    before = scene.there()
    with pytest.raises(ConflictError, match="done already"):
        await scene.present(await scene.change(), approvals)
    assert scene.there() == before


async def start_anew(stage: Stage, *, m8: bool = False) -> None:
    """Start the reactor of `vault` anew, and m8, while the clients here notice that their connections end."""
    cluster = stage.company.cluster
    await asyncio.to_thread(cluster.reactors["reactor-vault"].stop)
    if m8:
        await asyncio.to_thread(cluster.m8.stop)
        await asyncio.to_thread(cluster.start_m8)
    await asyncio.to_thread(cluster.start_reactor, "vault")


async def test_a_second_time_is_refused_by_the_process_that_did_it_and_by_the_receipt_after_a_restart(
    stage: Stage,
) -> None:
    scene, approvals = await deleted(stage)
    await scene.by_others("undelete")
    await refused_as_done(scene, approvals)
    await start_anew(stage)
    await refused_as_done(scene, approvals)


async def test_where_the_newest_receipt_is_another_one_a_restart_gives_the_requester_a_second_time_and_nobody_else(
    stage: Stage,
) -> None:
    """Exactly that: the same change at the same version, signed anew by her, once for each process."""
    scene, approvals = await deleted(stage)
    await stage.setter.undelete_secret(scene.uri)
    await refused_as_done(scene, approvals)
    await start_anew(stage)
    before, change = scene.there(), await scene.change()
    with pytest.raises(NotAuthorizedError):
        await present(stage.company.clients[SETTER], change, approvals)
    with pytest.raises(NotAuthorizedError):
        await scene.present(await scene.change(reason="another one"), approvals)
    assert scene.there() == before
    await scene.present(change, approvals)
    assert scene.is_done()
    await scene.by_others("undelete")
    await refused_as_done(scene, approvals)


async def test_of_a_copy_the_receipts_do_not_tell_so_after_a_restart_the_requester_has_a_second_time(
    stage: Stage,
) -> None:
    """If the place is empty again, and the source is as it was: her own copy, of what was approved."""
    scene = await stage.scene(COPY)
    approvals = stage.approval(await scene.change(), *TWO)
    await scene.present(await scene.change(), approvals)
    await scene.bring_back()
    await refused_as_done(scene, approvals)
    await start_anew(stage)
    await scene.present(await scene.change(), approvals)
    assert scene.is_done()
    await refused_as_done(scene, approvals)


# --- parts that start anew ---


async def test_approvals_outlive_m8_and_the_reactor(stage: Stage) -> None:
    """Both start anew after the proposal, between two approvals, and before the end."""
    scene = await stage.scene(UPLOAD)
    proposed = await scene.propose()
    for name in (BEN, EVA):
        await start_anew(stage, m8=True)
        await stage.approved_by(name, proposed.change_id)
    await start_anew(stage, m8=True)
    found = await stage.anna.changes.get(proposed.change_id)
    assert [(one.subject, one.why_not) for one in found.approvals] == [("ben", ""), ("eva", "")]
    done = await stage.anna.changes.run(found, SENT)
    assert [one.principal for one in done.approvers] == [BEN, EVA]
    history = stage.engine(scene.store).history(scene.path)
    assert [one.content for one in history] == [text(FIRST), text(SENT)]


async def test_a_requester_who_waits_goes_on_by_herself_though_m8_starts_anew(stage: Stage) -> None:
    scene = await stage.scene(UPLOAD)
    news: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
    proposed = await scene.propose()

    def told(change: ProposedChange, needed: int) -> None:
        news.put_nowait((len(change.counting), needed))

    async with asyncio.timeout(60):
        running = asyncio.create_task(stage.anna.changes.run(proposed, SENT, wait=3_600, told=told))
        assert await news.get() == (0, 2)
        await stage.approved_by(BEN, proposed.change_id)
        assert await news.get() == (1, 2)
        assert not scene.is_done()
        await start_anew(stage, m8=True)
        await stage.approved_by(EVA, proposed.change_id)
        done = await running
    assert [one.principal for one in done.approvers] == [BEN, EVA]
    assert scene.is_done()


async def test_the_client_that_blocks_proposes_approves_and_executes(stage: Stage) -> None:
    scene = await stage.scene(UPLOAD)

    def everything() -> tuple[str, ...]:
        with stage.company.sync_client(ANNA) as anna:
            proposed = anna.changes.propose(scene.proposal(), requester=ANNA)
            for name in TWO:
                with stage.company.sync_client(name) as approver:
                    [waiting] = list(approver.changes.list(scene.uri, waiting=True))
                    approver.changes.approve(waiting)
            done = anna.changes.run(anna.changes.get(proposed.change_id), SENT)
        return tuple(one.principal for one in done.approvers)

    assert await asyncio.to_thread(everything) == TWO
    assert scene.is_done()
