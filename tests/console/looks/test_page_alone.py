"""What the page does by itself, at an example: what it refuses, what it sends, and what it says of what is open."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.console.looks.axe import RULES, axe_script
from tests.console.looks.example import Example
from tests.console.looks.example_answers import ANSWERS, NOW, ROUNDS, SECRETS, written
from tests.console.page import ConsolePage
from tests.support.browser import Chromium

_COPY = """(field, length) => {
  const text = document.createElement('textarea');
  field.after(text);  // beyond the open panel nothing can be selected
  text.value = 'x'.repeat(length);
  text.select();
  document.execCommand('copy');
  text.remove();
}"""


def test_a_field_takes_what_it_can_show_and_refuses_more_with_a_sentence(chromium: Chromium) -> None:
    with chromium.visit() as tab:
        Example().open(tab)
        form = ConsolePage(tab).open_put().to("vault", "app/large")
        form.field("Key 1").fill("password")
        field = form.field("the value of password")
        field.evaluate(_COPY, 1_000_000)
        field.press("Control+v")
        expect(form.panel.get_by_role("alert")).to_contain_text("These 1,000,000 characters are too many for a field.")
        assert form.values() == [""]
        field.evaluate(_COPY, 32_768)
        field.press("Control+v")
        expect(form.panel.get_by_role("alert")).to_have_count(0)
        assert [len(value) for value in form.values()] == [32_768]
        field.press("y")
        expect(form.panel.get_by_role("alert")).to_contain_text("32,769")


@pytest.mark.parametrize(("context", "title"), [("", "monoctl console"), ("lab", "lab · monoctl console")])
def test_the_title_names_the_context(chromium: Chromium, context: str, title: str) -> None:
    with chromium.visit() as tab:
        Example(context=context).open(tab)
        expect(tab).to_have_title(title)
        expect(tab.get_by_role("button", name="You and this console")).to_contain_text(
            f"{context} · " if context else ""
        )


def test_what_is_typed_as_a_filter_of_events_goes_to_m8_only_when_it_is_meant(chromium: Chromium) -> None:
    example = Example()
    with chromium.visit() as tab:
        example.open(tab, stands_still=False)
        page = ConsolePage(tab)
        page.go("Events")
        by = tab.get_by_label("By whom, then Enter")
        by.fill("hunter2")
        tab.get_by_label("Below a prefix").fill("hunter2")
        tab.clock.run_for(5_000)
        expect(tab.get_by_role("main")).to_contain_text("Begin with a store")
        assert "hunter2" not in str(example.asked)
        with tab.expect_response("**/api/events"):
            by.press("Enter")
        assert [asked.get("actor") for operation, asked in example.asked if operation == "events"][-1] == "hunter2"


@pytest.mark.soak  # the words are tested in Node, the list in tests/unit/monoctl/console
@pytest.mark.parametrize("reason", ["KEY_LOST", "OUTCOME_UNKNOWN"])
def test_each_failed_request_is_one_press_away_and_its_page_is_no_surer_than_its_receipt(
    chromium: Chromium, reason: str
) -> None:
    example = Example()
    upload = ANSWERS["upload"]({"request_id": f"{20:032x}"})
    assert isinstance(upload, dict)
    failure = {"code": "UNAVAILABLE", "message": "the reactor lost the key.", "fix": "Try again.", "uri": ""}
    example.answer("upload", upload | {"outcome": "FAILED", "reason": reason, "failure": failure})
    with chromium.visit() as tab:
        example.open(tab)
        page = ConsolePage(tab)
        page.go("Activity")
        main = tab.get_by_role("main")
        failed = main.get_by_role("list", name="Failed requests, the newest first")
        expect(failed.get_by_role("listitem")).to_have_count(5)
        failed.get_by_role("link", name="open the request").first.click()
        expect(main).to_contain_text("Nobody knows whether it was done.")
        expect(main).not_to_contain_text("It failed")
        expect(main).not_to_contain_text("Try again.")


_BEN = {"principal": "ben@example.com", "key": f"SHA256:{'ben' * 14}A"}


@pytest.mark.parametrize(
    ("more", "above", "beside"),
    [
        ({"break_glass": "the site is down"}, "Uploaded, without approvals.", "the glass was broken: the site is down"),
        ({"approvers": [_BEN]}, "Uploaded.", f"approved by {_BEN['principal']} with {_BEN['key']}"),
    ],
)
def test_a_request_says_who_approved_it_and_above_all_whether_the_glass_was_broken(
    chromium: Chromium, more: dict[str, object], above: str, beside: str
) -> None:
    example = Example()
    upload = ANSWERS["upload"]({"request_id": f"{20:032x}"})
    assert isinstance(upload, dict)
    example.answer("upload", upload | more)
    with chromium.visit() as tab:
        example.open(tab)
        ConsolePage(tab).show("vault://payments/db")
        main = tab.get_by_role("main")
        main.get_by_role("link", name="request", exact=True).first.click()
        expect(main.get_by_role("status").first).to_contain_text(above)
        expect(main.get_by_role("definition").filter(has_text="with SHA256:")).to_contain_text(beside)


def test_a_login_that_nothing_renews_is_told_before_it_ends_and_asked_about_before_that(chromium: Chromium) -> None:
    example = Example()
    example.change_me(login="once", expires=written(NOW + dt.timedelta(minutes=3)))
    with chromium.visit() as tab:
        example.open(tab, stands_still=False)
        expect(tab.get_by_text("Your login may end in")).to_be_visible()
        example.change_me(expires=written(NOW + dt.timedelta(minutes=8)))  # somebody has logged in meanwhile
        with tab.expect_response("**/api/whoami"):
            tab.clock.run_for(130_000)
        expect(tab.get_by_text("Your login may end")).to_have_count(0)
        example.change_me(expires=written(NOW + dt.timedelta(minutes=20)))  # and again, before anything is said
        with tab.expect_response("**/api/whoami"):
            tab.clock.run_for(130_000)
        expect(tab.get_by_text("Your login may end")).to_have_count(0)


def test_a_login_that_monoctl_renews_is_never_told_to_end(chromium: Chromium) -> None:
    example = Example()
    example.change_me(login="renewed", expires=written(NOW + dt.timedelta(minutes=1)))
    with chromium.visit() as tab:
        example.open(tab)
        expect(ConsolePage(tab).heading("Secrets")).to_be_visible()
        expect(tab.get_by_text("expires in")).to_have_count(0)
        expect(tab.get_by_text("Your login may end")).to_have_count(0)


def test_a_long_name_leaves_the_end_of_the_id_to_be_seen(chromium: Chromium) -> None:
    example = Example()
    example.name({one["subject"]: f'"{"Anna Meyer of Payments " * 3}" (corp:mallory)' for one in SECRETS})
    with chromium.visit() as tab:
        example.open(tab)
        for view, room in (("Secrets", ".by-below"), ("Events", ".pic-event-who")):
            ConsolePage(tab).go(view)
            column = tab.get_by_role("main").locator(room).filter(has_text="Anna Meyer").first
            end = column.get_by_text("(corp:mallory)")
            expect(end).to_be_visible()
            outer, inner = column.bounding_box(), end.bounding_box()
            assert outer is not None
            assert inner is not None
            assert inner["x"] + inner["width"] <= outer["x"] + outer["width"] + 1


def test_a_user_without_the_right_is_not_told_to_see_hashes(chromium: Chromium) -> None:
    example = Example()
    example.change_me(role="administrator", rights=[], may=[])
    with chromium.visit() as tab:
        example.open(tab)
        expect(tab.get_by_role("main")).to_contain_text("You never see a value.")
        expect(tab.get_by_role("main")).not_to_contain_text("You see hashes")


def test_a_comparison_begins_with_the_keys_of_its_secret(chromium: Chromium) -> None:
    example = Example()
    with chromium.visit() as tab:
        example.open(tab)
        form = ConsolePage(tab).act("vault://payments/db", "Compare")
        expect(form.field("Key 1")).to_have_value("password")
        expect(form.field("Key 2")).to_have_value("user")
        expect(form.panel).not_to_contain_text("The secret has these keys, too")


def test_a_rotation_begins_with_its_last_round_and_is_confirmed_by_its_plan(chromium: Chromium) -> None:
    example = Example()
    with chromium.visit(reduced_motion="reduce") as tab:
        example.open(tab)
        page = ConsolePage(tab)
        page.go("Expiring")
        main = tab.get_by_role("main")
        expect(main).to_contain_text("1 rotation is overdue.")
        main.get_by_role("listitem").filter(has_text="rotation due").get_by_role("button", name="Rotate now").click()
        form = page.form()
        expect(form.field("Path")).to_have_value("checkout/db")
        expect(form.field("One account")).to_have_value("pg://payments_a")
        submit = form.panel.get_by_role("button", name="Rotate now", exact=True)
        expect(submit).to_be_disabled()
        form.press("Show the plan")
        expect(form.panel).to_contain_text("It would stop: pg://payments_b may still be in use.")
        expect(submit).to_be_disabled()
        form.panel.get_by_role("checkbox", name="Do not wait for the grace").check()
        expect(form.panel).not_to_contain_text("It would stop")  # the plan was of another request
        form.press("Show the plan")
        expect(form.panel).to_contain_text("pg://payments_b gets a new password")
        tab.evaluate(axe_script())
        assert tab.evaluate(RULES) == []
        result = form.sent("Rotate now")
        expect(result).to_contain_text("Rotated")
        expect(result).to_contain_text("pg://payments_b")
        asked = dict(example.asked)["rotate"]
    assert asked == {
        "uri": "vault://checkout/db",
        **ROUNDS,
        "grace": "",
        "adopt": False,
        "force": True,
    }


_PLACEHOLDER = """(field) => {
  const style = getComputedStyle(field), pen = document.createElement('canvas').getContext('2d');
  pen.font = style.font;
  return field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)
    - pen.measureText(field.placeholder).width;
}"""


def test_words_in_empty_fields_and_beside_bars_can_be_read(chromium: Chromium) -> None:
    with chromium.visit() as tab:
        Example().open(tab)
        page = ConsolePage(tab)
        page.go("Events")
        for _ in at_each_width(tab):
            assert tab.get_by_label("By whom, then Enter").evaluate(_PLACEHOLDER) >= 0
        page.go("Activity")
        for _ in at_each_width(tab):
            number = tab.locator(".pic-number-failed").bounding_box()
            ends = [bar.bounding_box() for bar in tab.locator(".pic-bars-drawn .pic-kind-failed").all()]
            hours = [hour.bounding_box() for hour in tab.locator(".pic-tick").all()]
            assert number is not None
            assert all(end is None or end["y"] + end["height"] <= number["y"] + 1 for end in ends)
            assert all(hour is None or number["y"] + number["height"] <= hour["y"] + 1 for hour in hours)


def at_each_width(tab: Page) -> Iterator[int]:
    for width in (360, 900, 1280):
        tab.set_viewport_size({"width": width, "height": 800})
        yield width
