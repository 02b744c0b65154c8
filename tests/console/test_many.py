"""The page with 10,000 secrets of a real m8: all are found, sorted, counted and chosen, and it holds one screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.console.conftest import Shared
from tests.console.looks.axe import RULES, axe_script
from tests.console.page import ConsolePage
from tests.support import many_secrets
from tests.support.browser import Chromium
from tests.support.console import Console

COUNT = 10_000

pytestmark = pytest.mark.soak


@dataclass(frozen=True, slots=True)
class _User:
    home: Path


@pytest.fixture(scope="module")
def crowded(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    shared.close()  # beside a browser's event loop there can be none that makes the log
    home = many_secrets.lay_out(tmp_path_factory.mktemp("crowded"), COUNT)
    with many_secrets.running(home), Console(_User(home / many_secrets.USER)) as running:
        yield running


@pytest.fixture
def page(crowded: Console, chromium: Chromium) -> Iterator[ConsolePage]:
    with chromium.visit() as tab:
        found = ConsolePage.begin(tab, crowded.next_address())
        expect(tab.get_by_role("status").get_by_text("Reading what m8 knows")).to_have_count(0)
        expect(rows(found)).to_have_count(50)
        yield found


def rows(page: ConsolePage) -> Locator:
    return page.page.get_by_role("main").get_by_role("table", name="Secrets").locator("tbody tr")


def total(page: ConsolePage) -> int:
    words = page.page.get_by_role("navigation", name="Pages").get_by_role("status").inner_text()
    return int(words.rpartition(" of ")[2].replace(",", ""))


def first(page: ConsolePage) -> str:
    return rows(page).first.get_by_role("link").first.inner_text()


def test_one_of_ten_thousand_is_found_and_the_last_page_is_reached(page: ConsolePage) -> None:
    everything = total(page)
    assert everything > 0.9 * COUNT
    pages = page.page.get_by_role("navigation", name="Pages")
    before = first(page)
    page.page.get_by_role("columnheader").get_by_role("button", name="Secret").click()
    expect(rows(page).first.get_by_role("link").first).not_to_have_text(before)
    wanted = first(page)  # the last one by its name
    page.page.get_by_role("columnheader").get_by_role("button", name="Secret").click()
    expect(rows(page).first.get_by_role("link").first).to_have_text(before)
    pages.get_by_role("combobox").select_option("200")
    expect(rows(page)).to_have_count(200)
    for number in range(2, everything // 200 + 2):
        pages.get_by_role("button", name="Next page").click()
        expect(pages.get_by_text(f"{number} / ")).to_be_visible()
    expect(pages.get_by_role("button", name="Next page")).to_have_attribute("aria-disabled", "true")
    expect(page.row(wanted)).to_be_visible()
    page.search(wanted)
    expect(rows(page)).to_have_count(1)
    page.row(wanted).get_by_role("link", name=wanted).click()
    expect(page.page.get_by_role("heading", level=1)).to_have_text(wanted)


def test_all_of_one_page_are_chosen_and_none_of_another(page: ConsolePage) -> None:
    page.page.get_by_role("checkbox", name="Choose all rows of this page").check()
    expect(page.page.get_by_text("50 chosen")).to_be_visible()
    page.page.get_by_role("navigation", name="Pages").get_by_role("button", name="Next page").click()
    expect(page.page.get_by_role("checkbox", name="Choose all rows of this page")).not_to_be_checked()


def test_axe_finds_nothing_in_a_long_table(crowded: Console, chromium: Chromium) -> None:
    with chromium.visit(bypass_csp=True, reduced_motion="reduce") as tab:
        page = ConsolePage.begin(tab, crowded.next_address())
        tab.get_by_role("navigation", name="Pages").get_by_role("combobox").select_option("200")
        expect(rows(page)).to_have_count(200)
        tab.evaluate(axe_script())
        assert tab.evaluate(RULES) == []
