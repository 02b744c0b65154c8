"""Whoever leaves a form is asked about what is unsent, also within the frame of the last key.

The page's clock stands still meanwhile: no frame that its script waits for comes between a key and the next.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.console.conftest import Shared
from tests.console.page import ConsolePage, Form
from tests.e2e.conftest import Team
from tests.e2e.ran import ok

KEY = "x"

_MINUTES = itertools.count(1)
"""The page's clock goes on between tests, and can only be stopped at a later moment."""


@pytest.fixture(scope="module")
def tab(shared: Shared, team: Team) -> Iterator[ConsolePage]:
    console = shared.console(team.user)
    with shared.chromium().visit() as found:
        page = ConsolePage.begin(found, console.next_address())
        found.clock.install()
        yield page


@pytest.fixture
def page(tab: ConsolePage) -> Iterator[ConsolePage]:
    yield tab
    tab.page.clock.resume()
    assert tab.is_left_as_found()


def opened(page: ConsolePage, open_form: Callable[[], Form]) -> Form:
    """Open a form, and stop the page once the form has given the focus to its first empty field."""
    form = open_form()
    expect(form.panel.locator(".input:focus")).to_be_visible()
    page.page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=next(_MINUTES)))
    return form


def goes_on(page: ConsolePage) -> None:
    question = page.page.get_by_role("alertdialog", name="Leave without sending?")
    expect(question).to_contain_text("What you entered is not sent yet.")
    question.get_by_role("button", name="Go on with the form").click()
    expect(question).to_have_count(0)


def escape(page: ConsolePage, form: Form) -> None:
    page.page.keyboard.press("Escape")


def cancel(page: ConsolePage, form: Form) -> None:
    form.press("Cancel")


def cross(page: ConsolePage, form: Form) -> None:
    form.press("Close")


def back(page: ConsolePage, form: Form) -> None:
    page.page.go_back()


LEAVES = (escape, cancel, cross, back)


@pytest.mark.parametrize("leave", LEAVES, ids=lambda leave: leave.__name__)
def test_the_last_key_counts_at_once_however_a_form_is_left(
    page: ConsolePage, leave: Callable[[ConsolePage, Form], None]
) -> None:
    page.go("Stores")
    form = opened(page, page.open_put)
    form.field("value 1").press(KEY)
    leave(page, form)
    goes_on(page)
    assert form.values() == [KEY]


@pytest.mark.parametrize("action", ["Put", "Change keys", "Compare"])
def test_every_form_with_values_asks_about_the_last_key(page: ConsolePage, team: Team, action: str) -> None:
    uri = team.uri("vault", "left-at-once")
    ok(team.put(uri, value=b"a value of before: 94ce"))
    form = opened(page, lambda: page.act(uri, action))
    # A comparison begins with the keys that the secret has.
    form.field("the value of password" if action == "Compare" else "value 1").press(KEY)
    page.page.keyboard.press("Escape")
    goes_on(page)
    assert form.values() == [KEY]


def test_a_file_counts_as_soon_as_it_is_dropped(page: ConsolePage) -> None:
    form = opened(page, page.open_put)
    form.drop({"tls.pem": "a file that is not sent: 5d20"})
    page.page.keyboard.press("Escape")
    goes_on(page)
    expect(form.panel.get_by_role("group", name="tls.pem")).to_be_visible()


def test_the_browser_asks_about_the_last_key_before_the_tab_is_closed(page: ConsolePage) -> None:
    form = opened(page, page.open_put)
    form.field("value 1").press(KEY)
    with page.page.expect_event("dialog") as asked:
        page.page.close(run_before_unload=True)
    assert asked.value.type == "beforeunload"
    asked.value.dismiss()
    assert form.values() == [KEY]


def test_a_value_that_was_deleted_again_is_nothing_to_ask_about(page: ConsolePage) -> None:
    form = opened(page, page.open_put)
    form.field("value 1").press(KEY)
    form.field("value 1").press("Backspace")
    page.page.keyboard.press("Escape")
    expect(form.panel).to_have_count(0)
