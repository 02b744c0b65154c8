"""What the console refuses, and how it says so: nothing is lost, and nothing is done by half."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from monoskope.failpoints import VARIABLE
from monoskope.testing.cluster import MOUNT, PREFIX
from monoskope.testing.engines.openbao_admin import OpenBaoError
from monoskope.testing.parts import wait_until
from tests.console.conftest import IDLE, SILENT, Visit, upstream
from tests.console.looks.example import Example
from tests.console.page import ConsolePage
from tests.e2e.conftest import Team
from tests.e2e.ran import ok
from tests.support.browser import WAIT_MS, Chromium

VALUE = "a value that is refused: 90ac"

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
def test_a_folder_and_an_empty_file_are_told(visit: Visit) -> None:
    with visit() as page:
        form = page.open_put()
        form.drop({"empty.txt": ""})
        expect(form.panel).to_contain_text("This file is empty")
        page.page.evaluate("DataTransferItem.prototype.webkitGetAsEntry = () => ({ isDirectory: true })")
        form.drop({"certs": ""})
        expect(form.panel).to_contain_text("“certs” is a folder.")


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
    form.drop({"large.bin": "x" * 1_048_577})
    expect(form.panel.get_by_text("The file is larger than any secret can be (1 MiB).")).to_be_visible()
    form.drop({".env": "".join(f"KEY_{number}=x\n" for number in range(62))})
    expect(form.panel.get_by_text("A secret has at most 64 keys. These are 65.")).to_be_visible()
    assert VALUE in form.values()  # nothing of it was lost
    assert not stands_upstream(team, path)


def test_what_the_store_or_its_engine_cannot_take_is_told_and_nothing_is_written(page: ConsolePage, team: Team) -> None:
    path = f"{team.name}/unfit"
    form = page.open_put().value("password", VALUE)
    form.field("Path").fill(f"{IDLE}://{path}")
    expect(form.panel.get_by_text(f"The store {IDLE} is not active").first).to_be_visible()
    expect(form.panel.get_by_role("button", name="Put the secret")).to_have_attribute("aria-disabled", "true")
    form.to("local", path).value("password", "x" * 5_000)
    form.press("Put the secret")
    expect(form.panel.get_by_role("alert")).to_contain_text("REFUSED")
    assert "x" * 5_000 in form.values()  # nothing was sent, and nothing is lost
    form.to("vault", path).press("Remove password")
    form.drop({"tls.der": b"\x30\x82\xff\xfe"})
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
    form = page.act(uri, "Compare")
    form.press("Compare")
    form.value("password", "a first guess")
    expect(form.sent("Compare")).to_contain_text("It differs")
    form.press("Back to the form")
    # The page emptied the field: that is told once, and not as a mistake of the user's.
    expect(form.panel.get_by_text("The page cleared all values when it sent them.")).to_be_visible()
    expect(form.panel.get_by_text("Enter the value.")).to_have_count(0)
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


@pytest.mark.soak  # a reactor is started twice; tests/crash has this end for the page, too
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
    unknown = form.panel.get_by_role("alert")
    # Until the key's lifetime is over, another reactor could still be asked.
    expect(unknown).to_contain_text("It may or may not have been done.", timeout=4 * WAIT_MS)
    expect(form.panel).not_to_contain_text("Uploaded")
    unknown.get_by_role("button", name="Look at the request").click()
    expect(page.page.get_by_role("main")).to_contain_text("Nobody knows whether it was done.")
    expect(page.page.get_by_role("main")).not_to_contain_text("It failed")
