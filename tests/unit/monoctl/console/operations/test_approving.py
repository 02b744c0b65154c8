"""Approvals on the page: what it shows of changes, and that nothing is signed but what was shown and agreed to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import changes_pb2
from monoskope.client.people import People
from monoskope.errors import (
    ConflictError,
    Error,
    IdentityChangedError,
    NotAgreedError,
    RefusedError,
    TimedOutError,
    UsageError,
)
from monoskope.monoctl.console.word import Word
from monoskope.monoctl.output.changes import described
from monoskope.protocol.change import parse_change
from monoskope.protocol.identity import Namespace, approval_statement
from monoskope.protocol.sshsig import parse
from monoskope.testing.engines.openssh import Agent, make_key
from monoskope.testing.scripted.changes import end
from tests.support.ssh import keygen, need_security_key
from tests.unit.client.changes.world import ANNA, a_put
from tests.unit.client.changes.world import client as client_of
from tests.unit.monoctl.console.operations.knowing_m8 import AtConsole, at_console


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("people")
    return {name: keygen(folder / name) for name in ("anna", "ben")}


class Desk:
    """ben at his console, before a change that anna proposed."""

    def __init__(self, at: AtConsole, change: str) -> None:
        self.at = at
        self.change = change
        self.said: list[str] = []
        self.word = at.context.word = Word(self.said.append, within_s=30)
        self.word.can_be_typed = True

    @property
    def view(self) -> changes_pb2.SecretChange:
        return self.at.m8.changes.by_id[bytes.fromhex(self.change)]

    async def shown(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.at.ask("change", change_id=self.change)
        return found

    def approving(self, sha256: str) -> asyncio.Task[Any]:
        return asyncio.ensure_future(self.at.ask("approve", change_id=self.change, sha256=sha256))

    async def asked(self, approving: asyncio.Task[Any]) -> None:
        """Wait until the terminal asks."""
        while not any("type:" in line for line in self.said):
            assert not approving.done(), approving.exception()
            await asyncio.sleep(0)

    def signed(self) -> bytes:
        """Return the one approval that m8 has."""
        (one,) = self.view.approvals
        return one.approval


async def desk_of(at: AtConsole, folder: Path, keys: dict[str, Path]) -> Desk:
    at.m8.approvals = 1
    async with client_of(at.m8, folder / "anna", keys["anna"]) as anna:
        proposed = await anna.changes.propose(a_put(), requester=ANNA, reason="rotation")
    desk = Desk(at, proposed.change_id)
    desk.view.subject = "anna"
    return desk


@pytest.fixture
async def desk(tmp_path: Path, keys: dict[str, Path]) -> AsyncIterator[Desk]:
    (tmp_path / "anna").mkdir()
    async with at_console(tmp_path, signing_key=str(keys["ben"])) as at:
        yield await desk_of(at, tmp_path, keys)


async def test_lists_and_the_page_of_a_change_show_what_describe_prints(desk: Desk) -> None:
    listed = await desk.at.ask("changes", waiting=True)
    assert [one["change_id"] for one in listed["changes"]] == [desk.change]
    assert listed["more"] is False
    shown, found = await desk.shown(), await desk.at.client.changes.get(desk.change)
    assert [(one["name"], one["text"], one["said_by"]) for one in shown["lines"]] == [
        (one.name, one.text, one.said_by) for one in described(found, People())
    ]
    said_by = {one["name"]: one["said_by"] for one in shown["lines"]}
    assert (said_by["Keys"], said_by["State"], said_by["Identity"]) == ("change", "m8", "here")
    assert (shown["by"], shown["why_not"], shown["own"]) == ("word", None, False)


async def test_the_word_in_the_terminal_below_all_lines_approves_what_stands_there(desk: Desk) -> None:
    shown = await desk.shown()
    approving = desk.approving(shown["sha256"])
    await desk.asked(approving)
    for line in shown["lines"]:
        assert f"{line['name']}: {line['text']}" in desk.said
    assert desk.view.approvals == []
    assert desk.word.heard(f"{shown['word']}\n")
    answer = await approving
    assert answer["approved"] == 1
    assert "approved" in answer["why_not"]["message"]
    parse(desk.signed(), Namespace.APPROVAL).verify(approval_statement(bytes.fromhex(shown["sha256"])))
    assert not desk.word.heard("\n"), "Enter opens a new page again"


@pytest.mark.parametrize("typed", ["", "approve", "yes", "approve 00000000"])
async def test_anything_else_signs_nothing(desk: Desk, typed: str) -> None:
    approving = desk.approving((await desk.shown())["sha256"])
    await desk.asked(approving)
    desk.word.heard(typed)
    with pytest.raises(UsageError, match="nothing was signed"):
        await approving
    assert desk.view.approvals == []


async def test_what_is_typed_too_late_or_as_the_console_ends_signs_nothing(desk: Desk) -> None:
    sha256 = (await desk.shown())["sha256"]
    approving = desk.approving(sha256)
    await desk.asked(approving)
    with pytest.raises(ConflictError, match="another change already"):
        await desk.approving(sha256)
    desk.word.end()
    with pytest.raises(UsageError, match="nothing was signed"):
        await approving
    desk.at.context.word = Word(desk.said.append, within_s=0)
    desk.at.context.word.can_be_typed = True
    with pytest.raises(TimedOutError, match="nothing was signed"):
        await desk.approving(sha256)
    assert desk.view.approvals == []


async def test_without_a_terminal_a_key_that_needs_no_touch_approves_nothing(desk: Desk) -> None:
    desk.word.can_be_typed = False
    shown = await desk.shown()
    assert (shown["by"], shown["why_not"]["code"]) == ("", "REFUSED")
    assert "no terminal" in shown["why_not"]["message"]
    with pytest.raises(RefusedError, match="no terminal"):
        await desk.approving(shown["sha256"])
    assert desk.view.approvals == []


async def test_without_a_terminal_a_security_key_approves_by_its_touch(
    tmp_path: Path, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    need_security_key("ed25519-sk")
    (tmp_path / "anna").mkdir()
    make_key(tmp_path / "sk", "ed25519-sk")
    with Agent() as agent:
        agent.add(tmp_path / "sk")
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent.socket))
        async with at_console(tmp_path, signing_key=str(tmp_path / "sk.pub")) as at:
            desk = await desk_of(at, tmp_path, keys)
            desk.word.can_be_typed = False
            shown = await desk.shown()
            assert (shown["by"], shown["why_not"]) == ("touch", None)
            await desk.approving(shown["sha256"])
            parse(desk.signed(), Namespace.APPROVAL).verify(approval_statement(bytes.fromhex(shown["sha256"])))
            assert f"SHA-256: {shown['sha256']}" in desk.said


def altered(view: changes_pb2.SecretChange, reason: str) -> None:
    """Have m8 show another change under the same id."""
    message = parse_change(view.change)
    view.change = view.change.replace(message.reason.encode(), reason.encode())
    assert parse_change(view.change).reason == reason


async def test_a_change_that_m8_altered_since_it_was_shown_is_not_signed(desk: Desk) -> None:
    sha256 = (await desk.shown())["sha256"]
    altered(desk.view, "Rotation")
    with pytest.raises(IdentityChangedError, match="you looked at another one; nothing was signed"):
        await desk.approving(sha256)
    assert desk.said == []
    assert desk.view.approvals == []


async def test_a_change_that_m8_alters_while_the_terminal_asks_is_signed_as_it_was_shown(desk: Desk) -> None:
    shown = await desk.shown()
    approving = desk.approving(shown["sha256"])
    await desk.asked(approving)
    altered(desk.view, "Rotation")
    desk.word.heard(shown["word"])
    await asyncio.wait([approving])
    parse(desk.signed(), Namespace.APPROVAL).verify(approval_statement(bytes.fromhex(shown["sha256"])))


async def test_a_store_that_is_not_pinned_gets_no_approval(tmp_path: Path, keys: dict[str, Path]) -> None:
    (tmp_path / "anna").mkdir()
    async with at_console(tmp_path, pins=False, signing_key=str(keys["ben"])) as at:
        desk = await desk_of(at, tmp_path, keys)
        shown = await desk.shown()
        assert not shown["pinned"]
        assert shown["why_not"]["code"] == "NOT_AGREED"
        with pytest.raises(NotAgreedError, match="pinned here"):
            await desk.approving(shown["sha256"])
        assert desk.said == []


async def test_ones_own_change_is_no_approvers_and_is_withdrawn(desk: Desk) -> None:
    desk.view.subject = "alice"
    shown = await desk.shown()
    assert shown["own"]
    assert "your own" in shown["why_not"]["message"]
    with pytest.raises(RefusedError, match="your own"):
        await desk.approving(shown["sha256"])
    assert (await desk.at.ask("withdraw", change_id=desk.change))["state"] == "WITHDRAWN"


async def test_a_decline_says_why_and_what_ended_is_not_approved(desk: Desk) -> None:
    sha256 = (await desk.shown())["sha256"]
    declined = await desk.at.ask("decline", change_id=desk.change, reason="not on a Friday")
    assert (declined["state"], declined["decline_reason"]) == ("DECLINED", "not on a Friday")
    with pytest.raises(Error, match="not on a Friday"):
        await desk.approving(sha256)
    assert desk.said == []
    end(desk.view, changes_pb2.CHANGE_STATE_OVERTAKEN)
    with pytest.raises(ConflictError, match="overtaken"):
        await desk.approving(sha256)


async def test_of_many_changes_some_are_shown_and_it_says_so(
    desk: Desk, tmp_path: Path, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monoskope.monoctl.console.approvals._MOST", 2)
    for _ in range(2):
        await desk_of(desk.at, tmp_path, keys)
    listed = await desk.at.ask("changes")
    assert (len(listed["changes"]), listed["more"]) == (2, True)
