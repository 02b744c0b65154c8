"""Every command through its form, at a real m8, real reactors and a real OpenBao; and what was really done upstream."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from monoskope.testing.cluster import MOUNT, PREFIX
from tests.console.conftest import upstream
from tests.console.page import ConsolePage
from tests.e2e.conftest import Team
from tests.e2e.ran import ok

VALUE = "a value through the console: 3fd2"


@pytest.fixture
def made(team: Team) -> str:
    """A secret with the keys `user` and `password`, put in the terminal; its path."""
    path = f"{team.name}/made"
    put = ("put", "secret", f"vault://{path}", "--from-json", "-", "--overwrite")
    ok(team.user.monoctl(*put, input=json.dumps({"password": VALUE, "user": "anna"}).encode()))
    return path


def test_put_writes_what_was_typed_and_the_table_shows_it_as_proven(page: ConsolePage, team: Team) -> None:
    path = f"{team.name}/put"
    form = page.open_put().to("vault", path).value("password", VALUE)
    form.press("Add a key")
    form.value("user", "anna\nand a second line", number=2)
    result = form.sent("Put the secret")
    expect(result).to_contain_text("Uploaded")
    expect(result.get_by_role("note", name="Proven")).to_be_visible()
    form.press("Close")
    expect(page.row(f"vault://{path}")).to_contain_text(team.user.name)
    assert upstream(team.cluster, path) == {"password": VALUE, "user": "anna\nand a second line"}


def test_patch_changes_one_key_and_removes_another(page: ConsolePage, team: Team, made: str) -> None:
    form = page.act(f"vault://{made}", "Change keys")
    form.value("password", "another value: 77ab")
    form.panel.get_by_role("checkbox", name="user").check()
    expect(form.sent("Change the keys")).to_contain_text("Uploaded")
    assert upstream(team.cluster, made) == {"password": "another value: 77ab"}


def test_generate_makes_what_nobody_sees_and_shows_the_public_half(page: ConsolePage, team: Team) -> None:
    path = f"{team.name}/generated"
    page.page.get_by_role("main").get_by_role("button", name="Generate", exact=True).click()
    form = page.form().to("vault", path)
    form.field("Made as").select_option("ed25519")
    result = form.sent("Make the secret")
    expect(result).to_contain_text("Uploaded")
    private = upstream(team.cluster, path)["private-key"]
    public = result.locator("pre").inner_text()
    assert "PRIVATE" in private
    assert public
    assert private not in page.page.content()


def test_generate_puts_values_together_and_says_what_everybody_sees(page: ConsolePage, team: Team) -> None:
    path = f"{team.name}/together"
    page.page.get_by_role("main").get_by_role("button", name="Generate", exact=True).click()
    form = page.form().to("vault", path)
    form.press("Another key")
    row = form.panel.get_by_role("group", name="a new key")
    row.get_by_label("Made as", exact=True).select_option("text")
    expect(row).to_contain_text("Not secret: everybody who may see the request sees it.")
    row.get_by_label("Text", exact=True).fill("db://app:{password|url}@db")
    row.get_by_label("Key", exact=True).fill("url")
    expect(form.sent("Make the secret")).to_contain_text("Uploaded")
    made = upstream(team.cluster, path)
    assert made["url"] == f"db://app:{made['password']}@db"


@pytest.mark.soak
def test_compare_says_whether_it_is_the_same_and_which_key_differs(page: ConsolePage, team: Team, made: str) -> None:
    form = page.act(f"vault://{made}", "Compare")
    for value, said in ((VALUE, "exactly these values"), ("something else", "It differs in these keys: password")):
        form.value("password", value)
        if form.field("Key 2").count() == 0:
            form.press("Add a key")
        form.value("user", "anna", number=2)
        expect(form.sent("Compare")).to_contain_text(said)
        form.press("Back to the form")


def test_copy_takes_the_secret_to_the_other_store(page: ConsolePage, team: Team, made: str) -> None:
    form = page.act(f"vault://{made}", "Copy")
    expect(form.sent("Copy the secret")).to_contain_text(f"local://{made}")
    form.press("Close")
    page.go("Secrets")
    expect(page.row(f"local://{made}")).to_be_visible()


def test_of_a_secret_some_keys_are_copied_within_its_store(page: ConsolePage, team: Team, made: str) -> None:
    form = page.act(f"vault://{made}", "Copy")
    form.field("Store").last.select_option("vault")
    form.field("Path").last.fill(f"{made}-alone")
    form.panel.get_by_text("all of them").click()
    form.panel.get_by_role("checkbox", name="user").check()
    expect(form.sent("Copy the secret")).to_contain_text(f"vault://{made}-alone")
    assert upstream(team.cluster, f"{made}-alone") == {"user": "anna"}


def test_a_rotation_makes_what_nobody_sees_and_knows_the_next_time_what_it_was_asked_for(
    page: ConsolePage, team: Team
) -> None:
    """Two secrets of the other store are the accounts: what logs in is tested in tests/e2e/test_rotation.py."""
    path, accounts = f"{team.name}/rotated", [f"local://{team.name}/{name}" for name in ("app_a", "app_b")]
    there = {"username": "app_a", "password": VALUE, "url": "db://"}
    put = ("put", "secret", f"vault://{path}", "--from-json", "-")
    ok(team.user.monoctl(*put, input=json.dumps(there).encode()))
    form = page.act(f"vault://{path}", "Rotate now")
    for label, account in zip(("One account", "The other one (optional)"), accounts, strict=True):
        form.field(label).fill(account)
    form.press("Add these keys")
    form.field("Text").fill("db://{username}:{password|url}@db")
    form.panel.get_by_text("no day on which it is due again").click()
    form.field("Due again after (optional)").fill("30d")
    form.press("Show the plan")
    expect(form.panel).to_contain_text("It would stop: Nothing is at")
    form.panel.get_by_role("checkbox", name="Begin anew from what is live").check()
    form.press("Show the plan")
    expect(form.panel).to_contain_text(f"A new round begins: {accounts[1]} gets a new password.")
    result = form.sent("Rotate now")
    expect(result).to_contain_text("Rotated")
    expect(result.get_by_role("note", name="Proven")).to_be_visible()
    expect(result).to_contain_text(accounts[1])
    made = upstream(team.cluster, path)
    assert made["url"] == f"db://app_b:{made['password']}@db"
    assert made["password"] not in page.page.content()
    assert ok(team.user.monoctl("verify", "secret", accounts[1], "-o", "json")).json()["outcome"] == "IN_SYNC"
    form.press("Close")
    page.go("Expiring")
    page.page.get_by_role("main").get_by_role("button", name="Show them").first.click()
    due = page.page.get_by_role("listitem").filter(has_text=f"vault://{path}.next")
    expect(due).to_contain_text("rotation due in 30 days")
    due.get_by_role("button", name="Rotate now").click()
    form = page.form()
    expect(form.field("One account")).to_have_value(accounts[1])
    expect(form.field("Text")).to_have_value("db://{username}:{password|url}@db")
    form.field("The other one (optional)").fill(accounts[0])
    form.press("Show the plan")
    expect(form.panel).to_contain_text("It would stop: A write of the last round may still be under way")
    assert upstream(team.cluster, path) == made


def test_import_adopts_what_others_put_into_the_engine(page: ConsolePage, team: Team) -> None:
    path = f"{team.name}/by-hand"
    team.cluster.bao.call("POST", f"{MOUNT}/data/{PREFIX}/{path}", {"data": {"password": VALUE}})
    page.go("Secrets")
    page.page.get_by_role("button", name="Import", exact=True).click()
    form = page.form().to("vault", team.name)
    form.press("List what is there")
    form.panel.get_by_role("checkbox", name="by-hand").check()
    expect(form.sent("Import the secret")).to_contain_text("Imported")
    form.press("Close")
    expect(page.row(f"vault://{path}")).to_be_visible()


def test_verify_finds_what_somebody_changed_in_the_engine(page: ConsolePage, team: Team, made: str) -> None:
    expect(page.act(f"vault://{made}", "Verify").sent("Verify")).to_contain_text("In sync")
    page.form().press("Close")
    team.cluster.bao.call("POST", f"{MOUNT}/data/{PREFIX}/{made}", {"data": {"password": "changed by hand"}})
    expect(page.act(f"vault://{made}", "Verify").sent("Verify")).to_contain_text("Drifted")
    page.form().press("Close")
    page.go("Drift")
    expect(page.page.get_by_role("main")).to_contain_text(made)


@pytest.mark.soak
def test_labels_and_expiry_are_edited_and_shown(page: ConsolePage, team: Team, made: str) -> None:
    form = page.act(f"vault://{made}", "Label")
    form.press("Add a label")
    form.field("Name of label 1").fill("owner")
    form.field("Value of label 1").fill("anna")
    form.sent("Save the labels")
    form.press("Close")
    form = page.act(f"vault://{made}", "Expiry")
    form.field("Day").fill("2031-05-17")
    form.sent("Save the day")
    form.press("Close")
    found = ok(team.user.monoctl("get", "secret", f"vault://{made}", "-o", "json")).json()
    assert (found["labels"], found["expires_on"]) == ({"owner": "anna"}, "2031-05-17")
    page.go("Secrets")
    expect(page.row(f"vault://{made}")).to_contain_text("anna")


def test_a_deletion_is_typed_then_undone_and_an_earlier_version_comes_back(
    page: ConsolePage, team: Team, made: str
) -> None:
    uri = f"vault://{made}"
    ok(team.put(uri, "--overwrite", value=b"the second version"))
    form = page.act(uri, "Delete")
    typed = form.panel.get_by_label("To confirm, type what stands below")
    typed.fill("vault://something-else")
    form.press("Delete the secret")
    expect(form.panel.get_by_text("Type it exactly.")).to_be_visible()
    typed.fill(uri)
    expect(form.sent("Delete the secret")).to_contain_text("Deleted")
    form.press("Close")
    page.page.get_by_role("button", name="Undelete").first.click()
    form = page.form()
    expect(form.sent("Bring it back")).to_contain_text("Undeleted")
    form.press("Close")
    assert upstream(team.cluster, made) == {"password": "the second version"}
    form = page.act(uri, "Roll back")
    form.panel.get_by_role("radio").first.check()
    expect(form.sent("Roll back")).to_contain_text("Rolled back")
    assert upstream(team.cluster, made)["password"] == VALUE


def test_files_are_dropped_as_one_secret_and_the_preview_has_names_without_values(
    page: ConsolePage, team: Team
) -> None:
    form = page.open_put().to("vault", f"{team.name}/dropped")
    form.drop({".env": f"USER_NAME=anna\nTOKEN='{VALUE}'\n", "tls.key": "line one\nline two\n"})
    expect(form.panel.get_by_label("Keys that monoctl found")).to_contain_text("TOKEN")
    form.press("Preview")
    preview = form.panel.get_by_label(f"Preview of vault://{team.name}/dropped")
    expect(preview).to_contain_text("tls.key")
    assert VALUE not in page.page.content()
    expect(form.sent("Put the secret")).to_contain_text("Uploaded")
    expected = {"USER_NAME": "anna", "TOKEN": VALUE, "tls.key": "line one\nline two\n"}
    assert upstream(team.cluster, f"{team.name}/dropped") == expected


@pytest.mark.soak
def test_a_json_file_is_put_as_one_secret_for_each_key(page: ConsolePage, team: Team) -> None:
    form = page.open_put()
    form.panel.get_by_role("checkbox", name="One secret for each key").check()
    form.to("local", f"{team.name}/each/")
    form.drop({"all.json": json.dumps({"one": VALUE, "two": "second"})})
    expect(form.panel.get_by_label("Keys that monoctl found")).to_contain_text("two")
    expect(form.sent("Put the secrets")).to_contain_text("All 2 are done.")
    form.press("Close")
    for name in ("one", "two"):
        expect(page.row(f"local://{team.name}/each/{name}")).to_be_visible()


@pytest.mark.soak
def test_a_value_that_stands_in_two_places_is_changed_in_both(page: ConsolePage, team: Team) -> None:
    path = f"{team.name}/twice"
    for store in ("vault", "local"):
        ok(team.put(f"{store}://{path}", value=b"the same in both: 51c0"))
    page.go("Same values")
    page.page.get_by_placeholder("Search a place or a key").fill(path)
    page.page.get_by_role("button", name="stands in two places").click()
    page.page.get_by_role("button", name="Change it in all two places").click()
    form = page.form()
    form.field("the value of password").fill("new in both: 77d1")
    expect(form.sent("Change the keys")).to_contain_text("All 2 are done.")
    assert upstream(team.cluster, path) == {"password": "new in both: 77d1"}


@pytest.mark.soak
def test_a_file_of_more_keys_than_a_secret_has_is_put_as_one_secret_for_each(page: ConsolePage, team: Team) -> None:
    form = page.open_put()
    form.panel.get_by_role("checkbox", name="One secret for each key").check()
    form.to("local", f"{team.name}/each/")
    form.drop({"many.env": "".join(f"K{number}=v\n" for number in range(65))})
    expect(form.panel.get_by_text("K64")).to_be_visible()
    expect(form.sent("Put the secrets")).to_contain_text("All 65 are done.")


@pytest.mark.soak
def test_a_put_names_the_keys_that_the_secret_would_lose(page: ConsolePage, made: str) -> None:
    form = page.act(f"vault://{made}", "Put")
    form.value("password", "only this")
    expect(form.panel).to_contain_text("user")
    expect(form.panel).to_contain_text("A put replaces all of it")
