"""Whole commands without a mouse: each key as a keyboard sends it, and the focus alone decides where it goes."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.console.conftest import upstream
from tests.console.page import ConsolePage
from tests.e2e.conftest import Team
from tests.e2e.ran import ok

VALUE = "a value by keyboard alone: 2c8f"
MOST_TABS = 60
"""No way from one place of a view or form to another takes more."""


def tab_to(page: ConsolePage, goal: Locator) -> None:
    """Press Tab until `goal` has the focus, once it is there."""
    expect(goal).to_be_visible()
    for _ in range(MOST_TABS):
        if goal.evaluate("one => one === document.activeElement"):
            return
        page.page.keyboard.press("Tab")
    raise AssertionError(f"{MOST_TABS} presses of Tab do not lead to {goal}")


def test_a_secret_is_found_put_and_read_by_keyboard_alone(page: ConsolePage, team: Team) -> None:
    keys, path = page.page.keyboard, f"{team.name}/keyboard"
    keys.press("/")
    expect(page.page.get_by_role("searchbox")).to_be_focused()
    keys.type(path)
    expect(page.page.get_by_text("Nothing matches")).to_be_visible()
    button = page.page.get_by_role("banner").get_by_role("button", name="Put a secret")
    tab_to(page, button)
    keys.press("Enter")
    form = page.form()
    expect(form.field("Store")).to_be_visible()
    tab_to(page, form.field("Store"))
    keys.type("vault")
    for label, text in (("Path", path), ("Key 1", "password"), ("the value of password", VALUE)):
        tab_to(page, form.field(label))
        keys.type(text)
    tab_to(page, form.panel.get_by_role("button", name="Put the secret"))
    keys.press("Enter")
    result = form.results()
    expect(result).to_contain_text("Uploaded")
    expect(form.panel.locator(".form-region")).to_be_focused()  # what is new is read out
    keys.press("Escape")
    expect(form.panel).to_have_count(0)
    expect(button).to_be_focused()
    link = page.row(f"vault://{path}").get_by_role("link", name=f"vault://{path}")
    expect(link).to_be_visible()  # the list has heard of it
    keys.press("/")
    keys.press("Enter")
    expect(link).to_be_focused()
    keys.press("Enter")
    expect(page.page.get_by_role("heading", level=1)).to_have_text(f"vault://{path}")
    assert upstream(team.cluster, path) == {"password": VALUE}


def test_a_deletion_is_confirmed_by_keyboard_alone_and_escape_asks_before_values_are_lost(
    page: ConsolePage, team: Team
) -> None:
    keys, uri = page.page.keyboard, team.uri("vault", "keyboard-deleted")
    ok(team.put(uri, value=VALUE.encode()))
    page.show(uri)
    change = page.page.get_by_role("button", name="Change keys", exact=True)
    tab_to(page, change)
    keys.press("Enter")
    form = page.form()
    tab_to(page, form.panel.locator("textarea").first)
    keys.type("unsent")
    keys.press("Escape")
    question = page.page.get_by_role("alertdialog")
    tab_to(page, question.get_by_role("button", name="Leave", exact=True))
    keys.press("Enter")
    expect(change).to_be_focused()
    delete = page.page.get_by_role("button", name="Delete", exact=True)
    tab_to(page, delete)
    keys.press("Enter")
    tab_to(page, form.panel.get_by_label("To confirm, type what stands below"))
    keys.type(uri)
    keys.press("Enter")
    expect(form.results()).to_contain_text("Deleted")
    keys.press("Escape")
    expect(form.panel).to_have_count(0)


_LABEL = "document.activeElement.labels?.[0]?.textContent }"
_GOES_ON = """([field, link]) => {
  field.focus();
  field.value = link.textContent;
  field.dispatchEvent(new Event("input", {bubbles: true}));
  link.focus();
}"""


def test_who_has_gone_on_from_the_search_field_is_not_called_back_by_the_search(page: ConsolePage, team: Team) -> None:
    uri, other = team.uri("vault", "goes-on"), team.uri("vault", "stays")
    for one in (uri, other):
        ok(team.put(one, value=VALUE.encode()))
    link = page.row(uri).get_by_role("link", name=uri)
    expect(page.row(other)).to_be_visible()
    field = page.page.get_by_role("searchbox")
    link.evaluate("(link, field) => (" + _GOES_ON + ")([field, link])", field.element_handle())
    expect(page.row(other)).to_have_count(0)
    expect(link).to_be_focused()


def test_a_form_has_its_focus_before_anything_can_be_typed(page: ConsolePage, team: Team) -> None:
    uri = team.uri("vault", "focus-at-once")
    ok(team.put(uri, value=VALUE.encode()))
    page.show(uri)
    delete = page.page.get_by_role("button", name="Delete", exact=True)
    # All in one task of the browser: no key is heard before it ends.
    focused = delete.evaluate(
        "async one => { one.click(); for (let at = 0; at < 50; at++) await null; return " + _LABEL
    )
    assert focused == "To confirm, type what stands below"
