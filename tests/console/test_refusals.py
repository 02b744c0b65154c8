"""What the console refuses, and how it says so: nothing is lost, and nothing is done by half."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from monoskope.failpoints import VARIABLE
from monoskope.settings import write_private
from monoskope.testing.cluster import MOUNT, PREFIX
from monoskope.testing.cluster.commands import User
from monoskope.testing.engines.openbao_admin import OpenBaoError
from monoskope.testing.parts import wait_until
from tests.console.conftest import IDLE, SILENT, upstream
from tests.console.example import Example
from tests.console.page import ConsolePage
from tests.e2e.conftest import Team
from tests.e2e.ran import ok
from tests.support.browser import Chromium
from tests.support.console import Console

VALUE = "a value that is refused: 90ac"
OTHER = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

WRONG_KEYS = {
    "": "Name the key.",
    "not a key": "A key has 1 to 253 of",
    "k" * 254: "A key has 1 to 253 of",
    "..data": "A key is not “.” and does not begin with “..”.",
    "KEY=value": "A key has no “=”.",
}


def stands_upstream(team: Team, path: str) -> bool:
    """Whether anything stands at a path of the store `vault`."""
    try:
        return bool(team.cluster.bao.call("GET", f"{MOUNT}/metadata/{PREFIX}/{path}"))
    except OpenBaoError:
        return False


def test_a_conflict_is_told_and_what_is_there_stays(page: ConsolePage, team: Team) -> None:
    path = f"{team.name}/conflict"
    ok(team.put(f"vault://{path}", value=b"what was there"))
    form = page.open_put().to("vault", path).value("password", VALUE)
    form.panel.get_by_text("What must be there now").first.click()
    form.panel.get_by_role("radio", name="Nothing", exact=True).check()
    result = form.sent("Put the secret")
    expect(result.get_by_role("alert")).to_contain_text("CONFLICT")
    assert upstream(team.cluster, path) == {"password": "what was there"}


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


def test_what_is_wrong_with_keys_and_values_is_told_before_anything_is_sent(page: ConsolePage, team: Team) -> None:
    path = f"{team.name}/wrong"
    form = page.open_put().to("vault", path).value("password", VALUE)
    key = form.panel.get_by_label("Key 1", exact=True)
    for wrong, said in WRONG_KEYS.items():
        key.fill(wrong)
        form.press("Put the secret")
        expect(form.panel.get_by_text(said)).to_be_visible()
        expect(key).to_be_focused()
    key.fill("password")
    form.press("Add a key")
    form.field("Key 2").fill("password")
    expect(form.panel.get_by_text("This key is there twice. Remove one.").first).to_be_visible()
    form.field("Key 2").fill("user")
    form.press("Put the secret")
    expect(form.panel.get_by_text("Enter the value. If it shall be empty")).to_be_visible()
    form.drop({".env": "".join(f"KEY_{number}=x\n" for number in range(63))})
    expect(form.panel.get_by_text("A secret has at most 64 keys. These are 65.")).to_be_visible()
    form.drop({"large.bin": "x" * 1_048_577})
    expect(form.panel.get_by_text("The file is larger than any secret can be (1 MiB).")).to_be_visible()
    assert VALUE in form.values()  # nothing of it was lost
    assert not stands_upstream(team, path)


def test_what_the_store_or_its_engine_cannot_take_is_told_and_nothing_is_written(page: ConsolePage, team: Team) -> None:
    path = f"{team.name}/unfit"
    form = page.open_put().to(IDLE, path).value("password", VALUE)
    expect(form.panel.get_by_text(f"The store {IDLE} is not active").first).to_be_visible()
    expect(form.panel.get_by_role("button", name="Put the secret")).to_have_attribute("aria-disabled", "true")
    form.to("vault", path).value("password", "x" * 1_048_000)
    form.press("Add a key")
    form.value("user", "x" * 1_000, number=2)
    form.press("Put the secret")
    expect(form.panel.get_by_role("alert")).to_contain_text("USAGE")
    form.press("Remove user")
    form.press("Remove password")
    form.drop({"tls.der": "\x00\x01\x02"})
    result = form.sent("Put the secret")
    expect(result.get_by_role("alert")).to_contain_text("UPSTREAM_REFUSED")
    assert not stands_upstream(team, path)


def test_what_is_gone_upstream_is_not_found(page: ConsolePage, team: Team) -> None:
    path = f"{team.name}/gone"
    ok(team.put(f"vault://{path}"))
    team.cluster.bao.call("DELETE", f"{MOUNT}/metadata/{PREFIX}/{path}")
    form = page.act(f"vault://{path}", "Change keys").value("password", VALUE)
    result = form.sent("Change the keys")
    expect(result.get_by_role("alert")).to_contain_text("NOT_FOUND")


def test_too_many_guesses_are_refused_with_a_time_to_come_back(page: ConsolePage, team: Team) -> None:
    uri = team.uri("local", "guessed")
    ok(team.put(uri))
    form = page.act(uri, "Compare").value("password", "a first guess")
    expect(form.sent("Compare")).to_contain_text("It differs")
    form.press("Back to the form")
    form.value("password", "a second guess")
    refused = form.sent("Compare").get_by_role("alert")
    expect(refused).to_contain_text("RATE_LIMITED")
    expect(refused).to_contain_text("Try again in")


def test_a_view_that_was_refused_counts_down_to_its_next_try(chromium: Chromium) -> None:
    example = Example()
    with chromium.visit() as tab:
        example.refuse("drift", retry_after_s=30)
        example.open(tab, stands_still=False)
        page = ConsolePage(tab)
        page.go("Drift")
        again = tab.get_by_role("main").get_by_role("button", name="Try again")
        expect(again).to_have_text("Try again in 30 s")
        expect(again).to_have_attribute("aria-disabled", "true")
        for _ in range(30):
            tab.clock.run_for(1_000)
        expect(again).to_have_text("Try again")
        example.accept("drift")
        again.click()
        expect(again).to_have_count(0)


def test_a_reactor_that_dies_after_it_began_to_write_leaves_an_unknown_end_and_never_a_success(
    page: ConsolePage, team: Team
) -> None:
    reactor = team.cluster.reactors["reactor-local"]
    reactor.stop()
    reactor.environment[VARIABLE] = "reactor.after-started=kill"
    team.cluster.start_reactor("local")
    del reactor.environment[VARIABLE]
    form = page.open_put().to("local", f"{team.name}/unknown").value("password", VALUE)
    form.press("Put the secret")
    wait_until(lambda: reactor.pid is None, what="the reactor dies")
    team.cluster.start_reactor("local")
    unknown = form.results().get_by_role("alert")
    expect(unknown).to_contain_text("It may or may not have been done.")
    expect(form.results()).not_to_contain_text("Uploaded")
    unknown.get_by_role("button", name="Look at the request").click()
    expect(page.page.get_by_role("main")).to_contain_text("Compare")


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
            expect(button).to_have_accessible_description(f"Your credential has no right “{right}”. Ask whoever gave it to you.")
        form = page.open_put().to("vault", f"{team.name}/revoked").value("password", VALUE)
        issued = team.cluster.must("m8", "token", "list", "--dir", "m8", "-o", "json").json()
        [token] = [one for one in issued if one["subject"] == user.name]
        team.cluster.must("m8", "token", "revoke", token["id"], "--dir", "m8")
        form.press("Put the secret")
        expect(form.panel.get_by_role("alert").first).to_contain_text("UNAUTHENTICATED")
    assert not stands_upstream(team, f"{team.name}/revoked")
