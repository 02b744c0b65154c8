"""What the console refuses, and how it says so: nothing is lost, and nothing is done by half."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from monoskope.settings import write_private
from monoskope.testing.cluster.commands import User
from tests.console.conftest import SILENT, upstream
from tests.console.page import ConsolePage
from tests.e2e.conftest import Team
from tests.e2e.ran import ok
from tests.support.browser import Chromium
from tests.support.console import Console

VALUE = "a value that is refused: 90ac"
OTHER = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def test_a_conflict_is_told_and_what_is_there_stays(page: ConsolePage, team: Team) -> None:
    path = f"{team.name}/conflict"
    ok(team.put(f"vault://{path}", value=b"what was there"))
    form = page.open_put().to("vault", path).value("password", VALUE)
    form.panel.get_by_text("What must be there now").first.click()
    form.panel.get_by_role("radio", name="Nothing", exact=True).check()
    result = form.sent("Put the secret")
    expect(result.get_by_role("alert")).to_contain_text("CONFLICT")
    assert upstream(team.cluster, path) == {"password": "what was there"}
    result.get_by_role("button", name="Look at the request").click()
    # Why, and what to do, in words of the page: it has no options.
    expect(page.page.get_by_role("main")).to_contain_text("“What must be there now”")
    expect(page.page.get_by_role("main")).not_to_contain_text("--")


@pytest.mark.soak
def test_a_store_without_a_reactor_is_told_before_anything_is_sent(page: ConsolePage, team: Team) -> None:
    form = page.open_put().to(SILENT, f"{team.name}/nobody").value("password", VALUE)
    expect(form.panel.get_by_text("No reactor of this store is connected")).to_be_visible()


@pytest.mark.soak
def test_a_place_beyond_the_credential_is_refused_by_m8(page: ConsolePage, team: Team) -> None:
    form = page.open_put().to("vault", "someone-else/db").value("password", VALUE)
    expect(form.panel.get_by_text("Your credential reaches only what lies below")).to_be_visible()
    form.press("Put the secret")
    expect(form.panel.get_by_role("alert").first).to_be_visible()


@pytest.mark.soak
def test_a_malformed_key_and_a_missing_value_are_told_at_the_field(page: ConsolePage, team: Team) -> None:
    form = page.open_put().to("vault", f"{team.name}/wrong")
    form.field("Key 1").fill("not a key")
    form.press("Put the secret")
    wrong = form.field("Key 1")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(wrong).to_be_focused()


@pytest.mark.soak
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("app/a b", "A path has no spaces."),
        ("APP=1", "A path has no “=”."),
        ("app/.hidden", "does not begin with"),
        ("app/", "does not end in"),
        ("", "Name the path"),
    ],
)
def test_a_wrong_path_says_what_is_wrong_with_it(page: ConsolePage, path: str, said: str) -> None:
    form = page.open_put().to("vault", path).value("password", VALUE)
    form.press("Put the secret")
    expect(form.panel).to_contain_text(said)
    expect(form.field("Path")).to_be_focused()


@pytest.mark.soak
def test_a_folder_and_an_empty_file_are_told(page: ConsolePage) -> None:
    form = page.open_put()
    form.drop({"empty.txt": ""})
    expect(form.panel).to_contain_text("This file is empty")
    page.page.evaluate("DataTransferItem.prototype.webkitGetAsEntry = () => ({ isDirectory: true })")
    form.drop({"certs": ""})
    expect(form.panel).to_contain_text("“certs” is a folder.")


@pytest.fixture
def newcomer(team: Team) -> Iterator[tuple[User, Console]]:
    """A user of the team who has agreed to no store yet, with a console."""
    name = f"newcomer-of-{team.name}"
    user = team.cluster.add_user(name, prefixes=[f"vault://{team.name}"], pin=False)
    with Console(user) as running:
        yield user, running


def test_first_contact_asks_for_the_identity_and_another_one_is_a_full_stop(
    chromium: Chromium, newcomer: tuple[User, Console], team: Team
) -> None:
    user, running = newcomer
    path = f"{team.name}/first"
    with chromium.visit() as tab:
        page = ConsolePage.begin(tab, running.next_address())
        form = page.open_put().to("vault", path).value("password", VALUE)
        form.press("Put the secret")
        question = tab.get_by_role("alertdialog")
        agree = question.get_by_role("button", name="Trust this identity")
        expect(agree).to_have_attribute("aria-disabled", "true")
        told = question.get_by_label("The identity that the operator told you")
        told.fill(OTHER)
        expect(question.get_by_text("This is another identity. Do not go on.")).to_be_visible()
        expect(agree).to_have_attribute("aria-disabled", "true")
        told.fill(team.cluster.identities["vault"])
        agree.click()
        expect(form.panel.get_by_role("status").filter(has=tab.get_by_role("list"))).to_contain_text("Uploaded")
        form.press("Close")
        pins = user.known_stores.read_text(encoding="utf-8")
        assert team.cluster.identities["vault"] in pins
        write_private(user.known_stores, pins.replace(team.cluster.identities["vault"], OTHER).encode(), replace=True)
        page.open_put().to("vault", path)
        stop = tab.get_by_role("alertdialog")
        expect(stop.get_by_role("heading", level=2)).to_contain_text("is not the one that you trusted")
        assert stop.get_by_role("button").all_inner_texts() == ["Leave"]
    assert upstream(team.cluster, path) == {"password": VALUE}
