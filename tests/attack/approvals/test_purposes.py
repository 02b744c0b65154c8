"""Every purpose with everything that can be wrong with its approvals: m8, a reactor and OpenBao, and age files.

A copy goes from OpenBao into the age files. Whoever presents approvals here keeps none back, so the reactor counts.
What it refuses leaves both engines as they were, by their own clients.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import ConflictError
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.purposes import PURPOSES
from tests.attack.approvals.scenes import SENT, Purpose, Stage
from tests.attack.approvals.stores import lay_out
from tests.attack.approvals.table import CASES, COPY, NAMED, WRITING
from tests.support.approvals_world import ANNA, BEN, EVA, company

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as last:
        world = await last.enter_async_context(company(tmp_path_factory.mktemp("approvals")))
        found = await lay_out(world, last)
        await found.prepare(*WRITING)
        yield found


def word(purpose: Purpose) -> str:
    return spelled(upload_pb2.Purpose, purpose)


PAIRS = [(purpose, name) for name, case in CASES.items() for purpose in WRITING if purpose not in case.not_for]


async def test_every_case_is_tried_with_every_purpose_or_says_why_not() -> None:
    assert ["enough", *CASES] == [" ".join(name.split()) for name in NAMED.split(",")]
    assert {word(purpose) for purpose in WRITING} == {
        "UPLOAD", "PATCH", "GENERATE", "DELETE", "UNDELETE", "ROLLBACK", "COPY"
    }  # fmt: skip
    for case in CASES.values():
        assert all(case.not_for.values())
        assert case.not_for.keys() < set(WRITING)


@pytest.mark.parametrize("purpose", WRITING, ids=word)
async def test_enough_people_approve_what_anna_proposed_and_it_is_done(stage: Stage, purpose: Purpose) -> None:
    scene = await stage.scene(purpose)
    if PURPOSES[purpose].puts_whole:
        await scene.propose(fingerprint=await scene.fingerprint())
    before = scene.there()
    done = await scene.by_people(BEN, EVA)
    assert [one.principal for one in done.approvers] == [BEN, EVA]
    assert [one.key for one in done.approvers] == [stage.company.signer(one).public().shown for one in (BEN, EVA)]
    assert done.signer == ANNA
    assert scene.there() != before
    assert scene.is_done()
    proposed = await stage.anna.changes.get((scene.proposed or await scene.propose()).change_id)
    assert (proposed.state, proposed.done) == ("DONE", purpose != upload_pb2.PURPOSE_COPY)


@pytest.mark.parametrize(("purpose", "name"), PAIRS, ids=lambda one: one if isinstance(one, str) else word(one))
async def test_what_is_wrong_with_approvals_leaves_the_engine_as_it_was(
    stage: Stage, purpose: Purpose, name: str
) -> None:
    case = CASES[name]
    scene = await stage.scene(purpose, absent=case.absent) if case.own else stage.scenes[purpose]
    await case.is_refused(scene)


async def test_an_approved_copy_replaces_nothing_that_came_to_its_place_since(stage: Stage) -> None:
    scene = await stage.scene(COPY)
    approvals = stage.approval(await scene.change(), BEN, EVA)
    await stage.setter.put_secret(scene.destination, SENT)
    before = scene.there()
    with pytest.raises(ConflictError):
        await scene.present(await scene.change(), approvals)
    assert scene.there() == before
