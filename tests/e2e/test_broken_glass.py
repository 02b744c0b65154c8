"""The glass is broken at real parts: a reactor, age files, an ssh-agent, and a security key that was touched.

What an m8 that lies makes of it is in tests/lies/test_broken_glass.py.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from monoskope.client import Client, Proposal
from monoskope.errors import Error, NotAuthorizedError, RateLimitedError
from monoskope.reactor.admission import GLASS_AN_HOUR
from monoskope.testing.parts import Part
from tests.faults.processes import full_disk
from tests.support.approvals_world import ANNA, SETTER, Company, with_oncall

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHY = "the site is down"


@dataclass
class Emergency:
    """The setter may break the glass below `app`, but not below `app/vault`, where another entry asks as many."""

    company: Company
    reactor: Part
    touched: Client
    """The setter's, with a security key."""
    untouched: Client
    """The same person's, with a key that any program can use."""

    def audit(self) -> list[dict[str, Any]]:
        """Its whole lines: a disk that fills up takes a part of one."""
        text = (self.company.home("files") / "audit.jsonl").read_text(encoding="utf-8")
        return [json.loads(one) for one in text.splitlines() if one.endswith("}")]

    def alerts(self) -> list[dict[str, Any]]:
        said = [json.loads(one) for one in self.reactor.log.read_text().splitlines() if one.startswith("{")]
        return [one for one in said if one["event"] == "break glass"]

    def files(self) -> set[str]:
        """What the engine holds, by its own files."""
        return {path.name for path in (self.company.home("files") / "secrets").rglob("*") if path.is_file()}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def emergency(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Emergency]:
    folder = tmp_path_factory.mktemp("emergency")
    async with AsyncExitStack() as last:
        never = {"principal": SETTER, "prefixes": ["app/vault"], "purposes": ["upload"], "approvals": 2}
        company, signer = await with_oncall(last, folder, ANNA, may=[never])
        touched = await last.enter_async_context(company.client(SETTER, signer))
        reactor = company.cluster.reactors["reactor-files"]
        yield Emergency(company, reactor, touched, company.clients[SETTER])


def a_put(name: str) -> Proposal:
    return Proposal.put(f"files://app/{name}", {"password": name.encode()})


async def test_a_the_glass_is_broken_with_a_touch_and_both_logs_of_the_reactor_say_so(emergency: Emergency) -> None:
    done = await emergency.touched.changes.break_glass(a_put("first"), WHY)
    own = [one for one in emergency.audit() if one["request_id"] == done.request_id]
    assert [one["outcome"] for one in own] == ["GRANTED", "AUTHORIZED", "STARTED", "UPLOADED"]
    assert {one["break_glass"] for one in own} == {WHY}
    [alert] = emergency.alerts()
    assert (alert["level"], alert["request_id"]) == ("error", done.request_id)


async def test_b_neither_a_programs_key_nor_where_one_highest_entry_forbids_it(emergency: Emergency) -> None:
    before, alerts = emergency.files(), emergency.alerts()
    for client, name, why in (
        (emergency.untouched, "plain", "a security key's touch"),
        (emergency.touched, "vault/db", "does not allow break_glass"),
    ):
        with pytest.raises(NotAuthorizedError):
            await client.changes.break_glass(a_put(name), WHY)
        refused = [one["detail"] for one in emergency.audit() if one["outcome"] == "REFUSED"][-1]
        assert why in refused
    assert (emergency.files(), emergency.alerts()) == (before, alerts)


async def test_c_where_the_audit_log_is_full_nothing_is_done(emergency: Emergency) -> None:
    """There is room for the line that the key was given, and not for the one that must come before the write."""
    before, alerts = emergency.files(), emergency.alerts()
    file = emergency.company.home("files") / "audit.jsonl"
    granted = max(len(json.dumps(one)) for one in emergency.audit() if one["outcome"] == "GRANTED")
    with full_disk(emergency.reactor, [file], granted + 40), pytest.raises(Error) as caught:
        await emergency.touched.changes.break_glass(a_put("full"), WHY, timeout=5)
    assert caught.value.message
    assert (emergency.files(), emergency.alerts()) == (before, alerts)
    assert not any(one["outcome"] == "AUTHORIZED" for one in emergency.audit() if one["uri"] == "files://app/full")


async def test_d_the_eleventh_in_an_hour_is_not_done(emergency: Emergency) -> None:
    """What could not be recorded counts, too."""
    said: Error | None = None
    before = emergency.files()
    for number in range(GLASS_AN_HOUR + 1):
        before = emergency.files()
        try:
            await emergency.touched.changes.break_glass(a_put(f"many-{number}"), WHY)
        except RateLimitedError as error:
            said = error
            break
    assert isinstance(said, RateLimitedError)
    assert (said.retry_after_s or 0) > 3_000
    assert emergency.files() == before
    assert GLASS_AN_HOUR - 1 <= len(emergency.alerts()) <= GLASS_AN_HOUR
