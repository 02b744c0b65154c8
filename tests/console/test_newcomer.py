"""What a user meets who agreed to no store yet, has few rights, and loses even these."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from monoskope.settings import write_private
from monoskope.testing.cluster.commands import User
from tests.console.conftest import upstream
from tests.console.page import ConsolePage
from tests.e2e.conftest import Team
from tests.e2e.ran import ok
from tests.support.browser import Chromium
from tests.support.console import Console

VALUE = "a value of a newcomer: 1d7b"
OTHER = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture(scope="module")
def newcomer(team: Team) -> Iterator[tuple[User, Console]]:
    """A user without the rights to compare and to delete, who has agreed to no store yet, with a console."""
    rights = ("put", "see-hash")
    user = team.cluster.add_user("newcomer", prefixes=[f"vault://{team.name}"], rights=rights, pin=False)
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


def test_a_right_that_is_missing_is_told_at_its_button_and_a_credential_that_was_revoked_by_m8(
    chromium: Chromium, newcomer: tuple[User, Console], team: Team
) -> None:
    user, running = newcomer
    uri = team.uri("vault", "no-right")
    ok(team.put(uri, value=VALUE.encode()))
    team.cluster.pin_all(user)
    with chromium.visit() as tab:
        page = ConsolePage.begin(tab, running.next_address())
        page.show(uri)
        for action, right in (("Compare", "compare"), ("Delete", "delete")):
            button = tab.get_by_role("button", name=action, exact=True)
            expect(button).to_have_attribute("aria-disabled", "true")
            why = f"You have no right “{right}”. Ask an administrator for a token with it."
            expect(button).to_have_accessible_description(why)
        form = page.open_put().to("vault", f"{team.name}/revoked").value("password", VALUE)
        issued = team.cluster.must("m8", "token", "list", "--dir", "m8", "-o", "json").json()
        [token] = [one for one in issued if one["subject"] == user.name]
        team.cluster.must("m8", "token", "revoke", token["id"], "--dir", "m8")
        form.press("Put the secret")
        expect(form.panel.get_by_role("alert").first).to_contain_text("UNAUTHENTICATED")
        assert VALUE in form.values()  # nothing was sent, and nothing is lost
