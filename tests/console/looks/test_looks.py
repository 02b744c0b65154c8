"""Every view and form in an example that never changes: for all eyes, all hands and all screens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.console.looks.axe import RULES, axe_script
from tests.console.looks.example import DELETED, Example
from tests.console.looks.example_answers import SECRETS
from tests.console.page import ConsolePage
from tests.support.browser import Chromium

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "docs" / "images" / "console"

VIEWS = ("Secrets", "Approvals", "Same values", "Expiring", "Drift", "Activity", "Events", "Stores")
ACTIONS = (
    "Put",
    "Change keys",
    "Generate",
    "Rotate now",
    "Compare",
    "Verify",
    "Copy",
    "Label",
    "Expiry",
    "Roll back",
    "Delete",
)
WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def axe() -> str:
    return axe_script()


def opened(page: Page, role: str = "user", *, has_rarities: bool = True) -> ConsolePage:
    Example(role, has_rarities=has_rarities).open(page)
    found = ConsolePage(page)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return found


def shown(console: ConsolePage) -> Iterator[str]:
    """Show each view, one secret, and each form, one after the other; yield what is shown."""
    for view in VIEWS:
        console.go(view)
        yield view
    yield from with_dialog(console, "You and this console: anna m8.example.com:7443")
    yield from with_dialog(console, "Compare and pin")
    yield from with_dialog(console, "See both identities")
    console.go("Secrets")
    yield from with_dialog(console, "Import")
    console.show(DELETED)
    yield "a deleted secret"
    yield from with_dialog(console, "Undelete")
    console.show(SECRETS[0]["uri"])
    yield "one secret"
    for action in ACTIONS:
        yield from with_dialog(console, action)
    console.page.get_by_role("link", name="request", exact=True).first.click()
    expect(console.page.get_by_role("heading", name="The walk")).to_be_visible()
    yield "one request"
    console.go("Approvals")
    console.page.get_by_role("link", name=": look at the change").first.click()
    expect(console.page.get_by_role("heading", name="What is asked")).to_be_visible()
    yield "one change"
    yield from with_dialog(console, "Decline")


def with_dialog(console: ConsolePage, button: str) -> Iterator[str]:
    """Open what a button opens, yield its name, and leave it."""
    over = console.page.locator("dialog[open]")
    console.page.get_by_role("button", name=button, exact=True).first.click()
    expect(over.last).to_be_visible()
    yield button
    console.page.keyboard.press("Escape")
    expect(over).to_have_count(0)


def problems(page: Page, width: int) -> list[str]:
    """What axe finds at a usual size, and by how many pixels what is shown is wider than a narrow one."""
    found: list[str] = page.evaluate(RULES)
    page.set_viewport_size({"width": width, "height": 900})
    if pixels := page.evaluate(WIDE):
        found.append(f"{pixels} px wider than {width}")
    page.set_viewport_size({"width": 1280, "height": 900})
    return found


def test_axe_finds_nothing_in_any_view_or_form_and_nothing_is_wider_than_a_telephone(
    chromium: Chromium, axe: str
) -> None:
    with chromium.visit(reduced_motion="reduce") as page:  # what fades in has the contrast of its end
        console = opened(page)
        page.evaluate(axe)
        found = {what: wrong for what in shown(console) if (wrong := problems(page, 360))}
    assert found == {}


@pytest.mark.soak
def test_axe_finds_nothing_in_the_dark(chromium: Chromium, axe: str) -> None:
    with chromium.visit(colors="dark", reduced_motion="reduce") as page:
        console = opened(page)
        page.evaluate(axe)
        found = {what: wrong for what in shown(console) if (wrong := page.evaluate(RULES))}
    assert found == {}


@pytest.mark.soak
@pytest.mark.parametrize("width", [360, 768, 1024, 1280, 3840])
def test_nothing_is_wider_than_the_screen(chromium: Chromium, width: int) -> None:
    too_wide: dict[str, int] = {}
    with chromium.visit(width=width) as page:
        for what in shown(opened(page)):
            if pixels := page.evaluate(WIDE):
                too_wide[what] = pixels
    assert too_wide == {}


def test_an_administrator_sees_the_status_and_role_bindings_and_is_offered_nothing_that_users_do(
    chromium: Chromium, axe: str
) -> None:
    with chromium.visit() as page:
        console = opened(page, "administrator")
        # Nothing is offered that only users do.
        expect(page.get_by_role("main").get_by_role("link", name=SECRETS[0]["uri"])).to_be_visible()
        expect(page.get_by_role("main").get_by_role("checkbox")).to_have_count(0)
        expect(page.get_by_role("main")).not_to_contain_text("your secrets")
        page.evaluate(axe)
        for view in ("Status", "Role bindings"):
            console.go(view)
            expect(page.get_by_role("main").get_by_role("table").first).to_be_visible()
            assert problems(page, 360) == []
        expect(page.get_by_role("button", name="Put a secret")).to_have_count(0)


@pytest.mark.soak
def test_the_pictures_of_the_documentation_are_taken(chromium: Chromium, tmp_path: Path) -> None:
    images = IMAGES if "CONSOLE_IMAGES" in os.environ else tmp_path  # `make console-images` takes them for docs
    with chromium.visit(height=800) as page:
        console = opened(page, has_rarities=False)
        for view in ("Secrets", "Same values", "Expiring", "Activity", "Stores"):
            console.go(view)
            _taken(images, page, view.lower().replace(" ", "-"))
        console.go("Secrets")
        console.open_put().to("vault", "payments/db").field("Key 1").fill("password")
        _taken(images, page, "put")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Leave", exact=True).or_(console.heading("Secrets")).first.click()
        console.show(SECRETS[0]["uri"])
        _taken(images, page, "secret")
        console.go("Approvals")
        page.get_by_role("link", name=": look at the change").first.click()
        expect(page.get_by_role("heading", name="What is asked")).to_be_visible()
        _taken(images, page, "change")
        console.go("Stores")
        page.get_by_role("button", name="Compare and pin").first.click()
        _taken(images, page, "pin", of=page.get_by_role("dialog"))
    with chromium.visit(height=800, colors="dark") as page:
        opened(page, has_rarities=False)
        _taken(images, page, "secrets-dark")
    with chromium.visit(height=800) as page:
        opened(page, "administrator", has_rarities=False).go("Status")
        _taken(images, page, "status")


def _taken(images: Path, page: Page, name: str, *, of: Locator | None = None) -> None:
    expect(page.locator(".skeleton, [aria-busy=true]")).to_have_count(0)
    (of or page).screenshot(path=images / f"{name}.png", animations="disabled", caret="hide")
    assert (images / f"{name}.png").stat().st_size < 150_000, name
