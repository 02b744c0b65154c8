"""A page begins with its first view, and what is asked again is answered as it is now."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from msgspec import structs

from monoskope.errors import UnauthenticatedError
from monoskope.monoctl.console.activity import RecentEvents
from monoskope.monoctl.console.counts import Counts, Figures
from monoskope.monoctl.console.overview import FirstView
from monoskope.monoctl.console.rows import Row
from tests.unit.monoctl.console.operations.knowing_m8 import AT_MS, HASHES, AtConsole, KnowingM8, a_view, at_console

TODAY = dt.date(2026, 11, 26)


async def test_a_page_begins_with_who_one_is_and_its_first_rows(page: AtConsole) -> None:
    for number in range(60):
        page.m8.know(f"vault://app/{number:02}")
    await page.load()
    greeting = FirstView(page.context)

    greeting.prepare()
    begun = await greeting.answer()

    assert begun["me"] == await page.ask("whoami")
    assert begun["first"] == await page.ask("secrets")


async def test_who_one_is_is_asked_while_the_browser_starts_and_again_if_m8_was_away(page: AtConsole) -> None:
    greeting = FirstView(page.context)
    greeting.prepare()
    before = (await greeting.answer())["me"]
    assert isinstance(before, dict)
    assert before["away"] == ""

    page.m8.failing["GetServer"] = [UnauthenticatedError("the token has expired.")]
    greeting.prepare()
    assert (await greeting.answer())["me"] == before
    assert page.m8.failing["GetServer"] == []


async def test_the_first_rows_are_there_before_all_have_been_read(page: AtConsole) -> None:
    for number in range(1_500):
        page.m8.know(f"vault://app/{number:04}")
    await page.load()
    told = [message["loaded"] for message in page.told if message["kind"] == "secrets"]
    assert (told[0], told[-1]) == (100, 1_500)


async def test_an_answer_is_remembered_only_until_a_secret_changes(page: AtConsole) -> None:
    page.m8.know("vault://app/a")
    await page.load()
    assert (await page.ask("secrets", search="app"))["total"] == 1

    page.m8.know("vault://app/b")
    await page.context.secrets.ask(["vault://app/b"])
    assert (await page.ask("secrets", search="app"))["total"] == 2

    page.m8.know("vault://app/b", deleted=True)
    await page.context.secrets.ask(["vault://app/b"])
    assert [row["uri"] for row in (await page.ask("secrets", search="app"))["secrets"]] == ["vault://app/a"]


def test_figures_follow_each_change() -> None:
    rows = [
        Row(a_view("vault://a", expires_on="2026-11-25", drifted=True, values={"x": HASHES[0]})),
        Row(a_view("vault://b", expires_on="2026-12-26", values={"x": HASHES[0], "y": HASHES[1]})),
        Row(a_view("vault://c", expires_on="2026-12-27", values={"x": HASHES[0], "y": HASHES[1]})),
        Row(a_view("vault://d", expires_on="2026-11-26", drifted=True, deleted=True, values={"x": HASHES[1]})),
    ]
    counted = Counts()
    for row in rows:
        counted.add(row)
    zero = Figures(present=0, deleted=1, expired=0, expiring=0, out_of_sync=0, drifted=0, same_values=0)
    figures = structs.replace(zero, present=3, expired=1, expiring=1, drifted=1, same_values=2)
    assert counted.figures(today=TODAY) == figures
    counted.remove(rows[2])
    assert counted.figures(today=TODAY) == structs.replace(figures, present=2, same_values=1)
    counted.remove(rows[0])
    assert counted.figures(today=TODAY) == structs.replace(zero, present=1, expiring=1)


async def test_a_longer_time_reads_only_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    m8 = KnowingM8()
    async with at_console(tmp_path, m8) as page:
        for _ in range(20):
            m8.record("SecretUploaded", "vault://app/a")
        asked: list[int] = []
        read = page.client.queries.last_events

        def counted(count: int, **words: object) -> object:
            asked.append(count)
            return read(count, **words)  # type: ignore[arg-type]  # as it was called

        queries = page.client.queries
        monkeypatch.setattr(queries, "last_events", counted)
        few = RecentEvents(lambda: queries, most=5)
        await few.since(AT_MS + 10)
        m8.record("SecretUploaded", "vault://app/a")

        found, complete = await few.since(AT_MS)

        assert asked.count(5) == 1
        assert ([event.position for event in found], complete) == ([16, 17, 18, 19, 20, 21], False)


async def test_a_quick_look_at_a_busy_day_is_said_to_be_not_all(page: AtConsole) -> None:
    for _ in range(1_500):
        page.m8.record("SecretUploaded", "vault://app/a")

    found, complete = await page.context.recent.newest(AT_MS)
    assert (len(found), found[-1].position, complete) == (1_000, 1_500, False)

    await page.context.recent.since(AT_MS)
    found, complete = await page.context.recent.newest(AT_MS)
    assert (len(found), complete) == (1_500, True)
