"""`m8 events signatures` recounts approvals, so that an auditor needs the stores' lists and ssh-keygen alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.m8.cli import signatures
from monoskope.m8.cli.signatures import Done
from monoskope.protocol.identity import Namespace
from tests.support.executed import ANNA, BEN, EVA, EVE, Executed, a_change
from tests.support.m8_walk import Walk
from tests.support.signed_log import done
from tests.support.signed_requests import Person, write_lists
from tests.support.ssh import run
from tests.support.vectors import a_grant, a_request


def executed(*approvers: Person) -> tuple[Walk, Executed]:
    """Return a change that was executed, as m8 has it in its log; the receipt names `approvers`."""
    walk = Walk()
    made = Executed(walk.signer, *approvers)
    walk.request, walk.grant = made.grant.request, made.grant
    made.signature = ANNA.signs(made.grant, walk.digest)
    return walk, made


def events_of(walk: Walk, made: Executed, *approvals: bytes) -> list[Message]:
    sent = walk.sent()
    sent.request_signature, sent.change = made.signature, made.change.content
    sent.approvals.extend(approvals or made.approvals)
    started, uploaded = walk.started("1@x", **made.fields), walk.uploaded("2@x", "1@x", **made.fields)
    return [walk.asked(), walk.provided(), sent, started, uploaded]


async def one_of(walk: Walk, events: list[Message]) -> Done:
    [one] = await done(walk, events)
    return one


async def test_each_approver_of_a_receipt_is_shown_with_a_signature() -> None:
    walk, made = executed(BEN, EVA)
    one = await one_of(walk, events_of(walk, made, EVE.approves(made.change), *made.approvals))
    assert (one.row["wrong"], one.row["approvers"]) == ("", [f"{who.name} {who.key}" for who in (BEN, EVA)])
    assert one.row["change_sha256"] == made.change.sha256.hex()
    assert [approval.principal for approval in one.approvals] == [BEN.name, EVA.name], (
        "what did not count is passed over"
    )


FORGED: dict[str, Callable[[Executed], bytes]] = {
    "another key": lambda made: Person(BEN.name).approves(made.change),
    "another change": lambda made: BEN.approves(a_change(made.store.shown)),
    "cut": lambda made: BEN.approves(made.change)[:-1],
}


@pytest.mark.parametrize("fault", FORGED)
async def test_a_forged_approval_is_found(fault: str) -> None:
    walk, made = executed(BEN, EVA)
    one = await one_of(walk, events_of(walk, made, FORGED[fault](made), EVA.approves(made.change)))
    assert "names the approver ben@example.org, and there is no approval by the key" in str(one.row["wrong"])
    assert one.approvals == ()


async def test_a_change_that_was_swapped_is_found() -> None:
    walk, made = executed(BEN)
    events = events_of(walk, made)
    events[2].change = a_change(made.store.shown).content  # type: ignore[attr-defined]
    assert "the change is not the one that was executed" in str((await one_of(walk, events)).row["wrong"])


async def test_a_broken_glass_is_shown_with_its_reason() -> None:
    expects: dict[str, Any] = {"expect": upload_pb2.EXPECT_VERSION, "expect_version": "1@x"}
    walk = Walk(a_request(break_glass="the site is down", **expects))
    walk.grant = a_grant(walk.request, signature_required=True, approvals=1)
    made = Executed(walk.signer)
    sent = walk.sent()
    sent.request_signature = ANNA.signs(walk.grant, walk.digest)
    one = await one_of(walk, [walk.asked(), walk.provided(), sent, walk.started("1@x", **made.fields)])
    assert (one.row["wrong"], one.row["break_glass"], one.row["approvers"]) == ("", "the site is down", [])
    assert "The glass was broken 1 time" in signatures._told([one])


def loop(lists: Path, out: Path) -> str:
    """Run the loop of docs/operate/check-signatures.md over what was written, and return what it prints."""
    page = (Path(__file__).parents[3] / "docs/operate/check-signatures.md").read_text()
    [script] = [text for text in page.split("```sh\n")[1:] if "approved.txt" in text]
    words = script.split("```")[0].replace("../allowed", f"{lists}/allowed").replace("cd signatures", f"cd {out}")
    return run("sh", "-euc", words)


async def test_ssh_keygen_alone_recounts_what_was_written(tmp_path: Path) -> None:
    walk, made = executed(BEN, EVE)
    one = await one_of(walk, events_of(walk, made))
    out, lists = tmp_path / "out", tmp_path / "lists"
    lists.mkdir()
    out.mkdir()
    signatures._write(out, one)
    (out / signatures.INDEX).write_text("".join(signatures._signed_lines([one])))
    (out / signatures.APPROVED).write_text("".join(signatures._approved_lines([one])))
    write_lists(lists, ANNA, approvers=[BEN, EVE])
    assert loop(lists, out) == ""
    write_lists(lists, ANNA, approvers=[BEN, EVA, Person(EVE.name)])
    assert loop(lists, out) == f"{walk.request.request_id.hex()}: {EVE.name} is not on the list of approvers\n"
    assert (out / f"{walk.request.request_id.hex()}.approved").read_bytes().endswith(made.change.sha256)
    assert (out / f"{walk.request.request_id.hex()}.change").read_bytes() == made.change.content
    assert Namespace.APPROVAL.value in signatures._AGAINST_THE_LISTS
