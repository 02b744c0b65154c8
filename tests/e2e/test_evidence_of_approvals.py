"""What is left of approvals in the log: an auditor recounts them from a backup, without m8 and without a reactor."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from monoskope.client import Proposal, verify_upload_proof
from monoskope.client.walk.results import Proven
from monoskope.errors import LogMismatchError
from monoskope.protocol.identity import Namespace
from monoskope.testing.parts import wait_until
from tests.e2e.ran import ok
from tests.support.approvals_world import ANNA, BEN, EVA, GIL, SETTER, Company, line, public, with_oncall, write_list
from tests.support.ssh import run

pytestmark = pytest.mark.asyncio(loop_scope="module")

URI = "files://app/db"
WHY = "the site is down"


@dataclass
class Done:
    """A company in which anna's change was approved and executed, and the glass was broken."""

    company: Company
    approved: Proven
    alone: Proven


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def done(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Done]:
    async with AsyncExitStack() as last:
        found, signer = await with_oncall(last, tmp_path_factory.mktemp("evidence"), ANNA, BEN, EVA)
        changes = found.clients[ANNA].changes
        change = await changes.propose(Proposal.put(URI, {"p": b"v"}), requester=ANNA, reason="quarterly")
        for name in (EVA, BEN):
            other = found.clients[name].changes
            await other.approve(await other.get(change.change_id))
        approved = await changes.run(await changes.get(change.change_id), {"p": b"v"})
        async with found.client(SETTER, signer) as oncall:
            broken = await oncall.changes.break_glass(Proposal.put(URI, {"p": b"w"}), WHY)
        signed = found.users[ANNA].monoctl
        wait_until(lambda: signed("get", "log").code == 0, what="m8 has signed its log")
        yield Done(found, approved, broken)


async def test_a_proof_says_to_somebody_with_published_keys_and_the_list_who_approved(
    done: Done, tmp_path: Path
) -> None:
    user, file = done.company.users[ANNA], tmp_path / "put.tlog-proof"
    ok(user.monoctl("get", "upload", done.approved.request_id, "--proof", str(file)))
    vkeys = ok(user.monoctl("get", "log", "-o", "json")).json()["vkeys"]
    identity = ok(user.monoctl("describe", "secret-store", "files", "-o", "json")).json()["identity"]
    verify = partial(verify_upload_proof, file.read_bytes(), log_vkeys=vkeys, store_identities={"files": identity})
    listed = (done.company.home("files") / "allowed_approvers").read_text()
    said = verify(approvers={"of files": listed})
    assert [(one.principal, one.lists) for one in said.approvers] == [(BEN, ("of files",)), (EVA, ("of files",))]
    assert (said.signer, said.change_reason, said.expect, said.break_glass) == (ANNA, "quarterly", "ABSENT", "")
    without_eva = "".join(one for one in listed.splitlines(keepends=True) if EVA not in one)
    with pytest.raises(LogMismatchError, match=EVA):
        verify(approvers={"of files": without_eva})


async def test_a_proof_says_first_that_the_glass_was_broken(done: Done, tmp_path: Path) -> None:
    user, file = done.company.users[SETTER], tmp_path / "put.tlog-proof"
    ok(user.monoctl("get", "upload", done.alone.request_id, "--proof", str(file)))
    said = ok(user.monoctl("verify", "proof", str(file)))
    assert said.out.splitlines()[0].split(maxsplit=2) == ["GLASS", "BROKEN:", WHY]
    assert "the glass was broken" in said.err


async def test_events_say_it_in_words(done: Done) -> None:
    user = done.company.users[ANNA]
    said = {one["type"]: one["detail"] for one in ok(user.monoctl("get", "events", "-o", "json")).json()}
    assert said["SecretChangeProposed"] == f"UPLOAD of {URI} where nothing is, by {ANNA}: quarterly"
    assert said["SecretChangeApproved"] == f"by the key {done.company.signer(BEN).public().shown}"
    own = ok(user.monoctl("get", "events", "--request-id", done.approved.request_id, "-o", "json")).json()
    told = {one["type"]: one["detail"] for one in own}
    assert told["SecretUploadStarted"].startswith(f"approved by {BEN}, {EVA}, ")
    audited = ok(done.company.cluster.run("m8", "events", "--dir", "m8", "-o", "json")).json()
    broken = [one["detail"] for one in audited if WHY in one["detail"]]
    assert broken[0] == f"UPLOAD of {URI} without approvals: {WHY}"
    assert broken[1].startswith(f"without approvals ({WHY}), ")


def check(script: Path, *, lists: Path, signatures: Path) -> str:
    """Run the loops of docs/operate/check-signatures.md, and return what they print."""
    page = (Path(__file__).parents[2] / "docs/operate/check-signatures.md").read_text()
    [words] = [text.split("```")[0] for text in page.split("```sh\n")[1:] if "approved.txt" in text]
    script.write_text(words.replace("../allowed", f"{lists}/allowed").replace("cd signatures", f"cd {signatures}"))
    return run("sh", str(script))


async def test_an_auditor_recounts_a_restored_log_with_the_lists_and_ssh_keygen_alone(
    done: Done, tmp_path: Path
) -> None:
    cluster, home = done.company.cluster, done.company.home("files")
    recipient = cluster.must("m8", "backup", "key", "identity").out.strip()
    cluster.must("m8", "backup", "create", "all.age", "--recipient", recipient, "--dir", "m8")
    cluster.must("m8", "init", "folder", "--dir", "restored")
    cluster.must("m8", "backup", "restore", "all.age", "--identity", "identity", "--dir", "restored")
    assert "The log holds" in cluster.must("m8", "events", "--dir", "restored", "verify").out

    out = tmp_path / "signatures"
    listed = cluster.must("m8", "events", "--dir", "restored", "signatures", "--out", str(out), "-o", "json")
    rows = {one["request_id"]: one for one in listed.json()}
    approved, alone = rows[done.approved.request_id], rows[done.alone.request_id]
    keys = [f"{who} {done.company.signer(who).public().shown}" for who in (BEN, EVA)]
    assert (approved["approvers"], approved["wrong"], approved["break_glass"]) == (keys, "", "")
    assert (alone["approvers"], alone["wrong"], alone["break_glass"]) == ([], "", WHY)
    assert "2 approvals, 0 wrong. The glass was broken 1 time" in listed.err
    assert "-n approval@monoskope -I APPROVER" in listed.err

    assert check(tmp_path / "check.sh", lists=home, signatures=out) == ""
    shutil.copy(home / "allowed_signers", tmp_path)
    other = [line(who, public(done.company.key(who)), Namespace.APPROVAL) for who in (BEN, GIL)]
    write_list(tmp_path / "allowed_approvers", other)
    told = check(tmp_path / "check.sh", lists=tmp_path, signatures=out)
    assert told == f"{done.approved.request_id}: {EVA} is not on the list of approvers\n"
