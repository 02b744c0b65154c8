"""Breaking the glass: alone, with a security key's touch, ten times an hour at most, and seen by the store's owner."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monoskope import operating_log
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.open_receipt import open_receipt
from monoskope.reactor.admission import GLASS_AN_HOUR
from monoskope.reactor.report.audit_log import AuditEntry
from monoskope.reactor.signers.approvals import Presented
from monoskope.reactor.signers.settings import MayRule
from tests.support.reactor_requests import SECRET, ask
from tests.support.reactor_world import World
from tests.support.signed_requests import Person, approvers, may, signers, table
from tests.unit.reactor.approving import BEN, SecurityKey

ONCALL = SecurityKey("oncall@example.org")
WHY = "the database is down, and ben sleeps"
REFUSED = ["FAILED NOT_AUTHORIZED"]


def a_world(folder: Path, *rules: MayRule, person: Person = ONCALL) -> World:
    entries = rules or (may(person, "upload", approvals=1, break_glass=True),)
    return World(
        signers=signers(folder, person, file=table(*entries, approve=[approvers(BEN)]), approvers=[BEN], identity="")
    )


async def broken(world: World, person: Person = ONCALL, why: str = WHY, **fields: Any) -> list[str]:
    await world.handler.handle(
        world.sealed(ask(break_glass=why, expect=upload_pb2.EXPECT_OVERWRITE), SECRET, sign=person.signs, **fields)
    )
    return world.outcomes()


async def test_it_is_done_and_every_receipt_and_both_logs_say_so_and_why(tmp_path: Path) -> None:
    world, stream = a_world(tmp_path), io.StringIO()
    operating_log.set_up(stream)
    delivered = world.sealed(ask(break_glass=WHY), SECRET, sign=ONCALL.signs)
    assert await world.handler.handle(delivered)
    assert world.outcomes() == ["STARTED", "UPLOADED"]
    assert [world.receipt(index).break_glass for index in (0, 1)] == [WHY, WHY]
    signed = world.log.events[-1]
    assert hasattr(signed, "receipt")
    open_receipt(signed.receipt, identity=world.identity.shown, grant=delivered.grant, sealed_sha256=delivered.sha256)
    first = world.audit.entries[0]
    assert (first.outcome, first.signer, first.break_glass) == ("AUTHORIZED", ONCALL.name, WHY)
    [alert] = [line for line in map(json.loads, stream.getvalue().splitlines()) if line["event"] == "break glass"]
    assert (alert["level"], alert["purpose"]) == ("error", "UPLOAD")
    assert alert["message"] == f"{ONCALL.name} ({ONCALL.key}) does this without approvals: {WHY}"
    assert alert["uri"] == str(world.uri)


class FullDisk:
    """An audit log that takes nothing."""

    def write(self, entry: AuditEntry) -> None:
        raise OSError(28, entry.outcome)


async def test_what_the_audit_log_cannot_record_first_is_not_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, stream = a_world(tmp_path), io.StringIO()
    operating_log.set_up(stream)
    monkeypatch.setattr(world.gate, "audit", FullDisk())
    assert await broken(world) == ["FAILED KEY_LOST"]
    assert not world.memory.content
    assert "break glass" not in stream.getvalue()


async def test_a_key_that_a_program_can_use_alone_breaks_no_glass(tmp_path: Path) -> None:
    plain = Person("oncall@example.org")
    assert await broken(a_world(tmp_path, person=plain), plain) == REFUSED


@pytest.mark.parametrize("why", [" ", "  ", "\u3164", "\u2800 \uffa0"])
async def test_who_says_nothing_that_shows_breaks_no_glass(tmp_path: Path, why: str) -> None:
    assert await broken(a_world(tmp_path), why=why) == REFUSED


async def test_without_a_touch_there_is_no_signature(tmp_path: Path) -> None:
    untouched = SecurityKey("oncall@example.org")
    untouched.flags = 0
    assert await broken(a_world(tmp_path, person=untouched), untouched) == REFUSED


async def test_it_is_no_way_around_an_entry_with_the_highest_number(tmp_path: Path) -> None:
    """Entries never combine: one that allows it says nothing of another one with the same number, or a higher one."""
    allowing = may(ONCALL, "upload", approvals=1, break_glass=True)
    for other in (may(ONCALL, approvals=0), may(ONCALL, "upload", approvals=1), may(ONCALL, "upload", approvals=2)):
        listed = other if other.approvals else may(ONCALL, "upload", "compare")
        expected = ["STARTED", "UPLOADED"] if not other.approvals else REFUSED
        assert await broken(a_world(tmp_path, allowing, listed)) == expected
    assert await broken(a_world(tmp_path, may(ONCALL, "upload"))) == REFUSED, "where nothing is asked, no glass is"
    both = may(ONCALL, "upload", approvals=2, break_glass=True)
    assert await broken(a_world(tmp_path, may(ONCALL, "upload", approvals=1), both)) == ["STARTED", "UPLOADED"]


async def test_approvals_beside_a_broken_glass_are_refused(tmp_path: Path) -> None:
    assert await broken(a_world(tmp_path), presented=Presented(b"", (b"approval",))) == REFUSED


async def test_m8_cannot_break_it_for_somebody_or_hide_why(tmp_path: Path) -> None:
    """The reason is a part of what was signed: another one, or none, is another request."""
    world = a_world(tmp_path)
    signed = world.sealed(ask(), SECRET, sign=ONCALL.signs)
    glass = world.sealed(ask(break_glass="m8's own"), SECRET)
    await world.handler.handle(replace(glass, signature=signed.signature))
    assert world.outcomes() == REFUSED


async def test_the_eleventh_in_an_hour_is_refused_and_an_hour_later_one_is_not(tmp_path: Path) -> None:
    world, stream = a_world(tmp_path), io.StringIO()
    operating_log.set_up(stream)
    for _ in range(GLASS_AN_HOUR):
        assert (await broken(world))[-1] == "UPLOADED" or world.outcomes()[-1] == "UNCHANGED"
    assert (await broken(world))[-1] == "FAILED RATE_LIMITED"
    assert world.receipt().retry_after_s == 3_600
    assert stream.getvalue().count('"break glass"') == GLASS_AN_HOUR == 10
    world.now.time += 3_600.0
    assert (await broken(world))[-1] in {"UPLOADED", "UNCHANGED"}
