"""Approvals in the console, as ben meets them whom anna asks: at a real m8 and reactor, and at an m8 that lies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from monoskope.api.gateway.v1 import changes_pb2
from monoskope.client import KeySigner, ProposedChange, SyncClient
from monoskope.protocol.change import parse_change
from monoskope.protocol.identity import Namespace, approval_statement
from monoskope.protocol.sshsig import parse
from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster, editing
from monoskope.testing.cluster.commands import User
from monoskope.testing.engines.openssh import Agent, make_key
from monoskope.testing.parts import program, wait_until
from monoskope.testing.scripted.client import settings_for
from tests.console.conftest import Shared, upstream
from tests.console.firefox import HEADING, PRESS, SAYS, Firefox
from tests.console.page import ConsolePage
from tests.e2e.ran import ok
from tests.support.browser import Chromium
from tests.support.console import Console
from tests.support.quick_cluster import QuickCluster
from tests.support.ssh import TouchedAgent, keygen, need_security_key, shown
from tests.unit.client.changes.world import ANNA, a_put
from tests.unit.monoctl.as_alice import environment
from tests.unit.monoctl.console.operations.knowing_m8 import KnowingM8

BEN = "ben@example.org"
VALUE = b"a value that ben never sees: 5be1"
WITHOUT = ("/bin/sh", "-c", 'exec "$@" </dev/null', "sh", program("monoctl"))
"""Starts monoctl so that nothing can be typed into it."""
_TYPED = re.compile(r"To sign exactly this, type: (approve [0-9a-f]{8})")


@dataclass
class House:
    """A store that asks for one approval, anna who proposes, and ben who approves."""

    cluster: Cluster
    anna: User
    ben: User
    ben_key: Path

    def propose(self, path: str) -> dict[str, Any]:
        words = ("put", "secret", f"vault://{path}", "--from-file", "password=-", "--propose", "--requester", ANNA)
        ran = ok(self.anna.monoctl(*words, "--reason", "quarterly rotation", "-o", "json", input=VALUE))
        return dict(ran.json())


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("h")
    keys = {name: keygen(folder / f"{name}-key") for name in ("anna", "ben")}
    with QuickCluster(folder / "c") as cluster:
        cluster.start_m8()
        cluster.start_openbao()
        _serve(cluster, keys)
        anna = cluster.add_user("anna", prefixes=["vault://app"], rights=("put", "see-hash", "propose"))
        ben = cluster.add_user("ben", prefixes=["vault://app"], rights=("see-hash", "approve"))
        ok(anna.monoctl("config", "set", "signing_key", str(keys["anna"])))
        ok(ben.monoctl("config", "set", "signing_key", str(keys["ben"])))
        yield House(cluster, anna, ben, keys["ben"])


def _serve(cluster: Cluster, keys: dict[str, Path]) -> None:
    cluster.make_vault_reactor("vault", readable=True)
    cluster.share_fingerprint_key("reactor-vault")
    home = cluster.folder / "reactor-vault"
    for file, name, key in (("allowed_signers", ANNA, keys["anna"]), ("allowed_approvers", BEN, keys["ben"])):
        public = " ".join(Path(f"{key}.pub").read_text(encoding="utf-8").split()[:2])
        write_private(home / file, f"{name} {public}\n# end\n".encode(), replace=True)
    about = {"prefixes": ["app"], "purposes": ["upload"]}
    with editing(home / "reactor.toml") as table:
        table["signers"] = {
            "file": "allowed_signers",
            "revoked": "revoked_keys",
            "approvers": "allowed_approvers",
            "unsigned": ["verify"],
            "may": [{"principal": ANNA, "approvals": 1} | about],
            "approve": [{"principals": [BEN]} | about],
        }
    cluster.add_store("vault")
    cluster.start_reactor("vault")


@pytest.fixture(scope="module")
def console(house: House) -> Iterator[Console]:
    with Console(house.ben) as running:
        yield running


@pytest.fixture
def page(console: Console, chromium: Chromium) -> Iterator[Page]:
    with chromium.visit() as tab:
        ConsolePage.begin(tab, console.next_address())
        yield tab


def word(console: Console, asked: int = 1) -> str:
    """Wait until the terminal asks for the word, and return it."""
    wait_until(lambda: len(_TYPED.findall(console.terminal())) >= asked, what="a question in the terminal")
    return str(_TYPED.findall(console.terminal())[-1])


def open_change(page: Page, change: dict[str, Any]) -> None:
    ConsolePage(page).go("Approvals")
    page.get_by_role("link", name=f"Put {change['uri']}: look at the change").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Put a secret")


def badge(page: Page) -> str:
    """What a screen reader hears beside the link."""
    link = page.get_by_role("navigation", name="Views").get_by_role("link", name="Approvals", exact=True)
    described = link.get_attribute("aria-describedby")
    return page.locator(f"#{described}").inner_text() if described else ""


def test_the_badge_tells_of_a_change_and_the_word_in_the_terminal_approves_it(
    house: House, console: Console, page: Page
) -> None:
    assert badge(page) == ""
    change = house.propose("app/word")
    expect(page.locator(".side-count")).to_have_text("1")
    assert badge(page) == "1 change waits for you"
    open_change(page, change)
    main = page.get_by_role("main")
    for line in (change["sha256"], f"UPLOAD {change['uri']}", "quarterly rotation", "password"):
        expect(main).to_contain_text(line)
    expect(main).to_contain_text("which is pinned here Checked here")
    expect(main).to_contain_text(re.compile("m8 says OPEN m8.s word"))
    main.get_by_role("button", name="Approve", exact=True).press("Enter")
    typed = word(console)
    expect(main).to_contain_text(f"type there: {typed}")
    assert f"SHA-256: {change['sha256']}" in console.terminal()
    console.type(typed)
    expect(main).to_contain_text(f"{shown(house.ben_key)}, which m8 got from ben Checked here")
    expect(page.locator(".side-count")).to_have_count(0)
    run = ("run", "change", change["change_id"], "--sha256", change["sha256"], "--from-file", "password=-")
    done = ok(house.anna.monoctl(*run, "-o", "json", input=VALUE)).json()
    assert [one["principal"] for one in done["approvers"]] == [BEN]
    assert upstream(house.cluster, "app/word") == {"password": VALUE.decode()}
    expect(main).to_contain_text(re.compile("It was done: the receipt of the store.s pinned identity proves it"))
    ConsolePage(page).go("Events")
    page.get_by_role("link", name="A change was approved: open the change").first.click()
    expect(main).to_contain_text(change["sha256"])
    ConsolePage(page).go("Secrets")
    ConsolePage(page).show(change["uri"])
    expect(main).to_contain_text(f"approved by {BEN} with {shown(house.ben_key)}")


def test_another_word_approves_nothing_and_a_decline_tells_anna_why(house: House, console: Console, page: Page) -> None:
    change = house.propose("app/declined")
    open_change(page, change)
    main = page.get_by_role("main")
    asked = len(_TYPED.findall(console.terminal())) + 1
    main.get_by_role("button", name="Approve", exact=True).click()
    word(console, asked)
    console.type("yes")
    expect(main.get_by_role("alert")).to_contain_text("nothing was signed")
    main.get_by_role("button", name="Decline", exact=True).click()
    page.get_by_label("Why, for its requester").fill("not on a Friday")
    page.get_by_role("dialog").get_by_role("button", name="Decline the change").click()
    expect(main).to_contain_text("m8 says: Somebody who may approve declined it.")
    said = ok(house.anna.monoctl("describe", "change", change["change_id"], "-o", "json")).json()
    assert (said["state"], said["decline_reason"], said["approvals"]) == ("DECLINED", "not on a Friday", [])


def test_without_a_terminal_a_key_without_touch_cannot_approve_and_the_page_says_so(
    house: House, chromium: Chromium
) -> None:
    change = house.propose("app/no-terminal")
    with Console(house.ben, starts=WITHOUT) as running, chromium.visit() as tab:
        ConsolePage.begin(tab, running.next_address())
        open_change(tab, change)
        approve = tab.get_by_role("main").get_by_role("button", name="Approve", exact=True)
        expect(approve).to_have_attribute("aria-disabled", "true")
        expect(tab.get_by_role("note").filter(has_text="no terminal")).to_contain_text("sign with a security key")


def test_firefox_approves_by_the_word_too(firefox: Firefox, house: House, console: Console) -> None:
    change = house.propose("app/firefox")
    asked = len(_TYPED.findall(console.terminal())) + 1
    firefox.open(console.next_address())
    firefox.wait_for(f"() => ({HEADING})() === 'Secrets'")
    for link in ('[data-at="view approvals"]', f'[data-at="change {change["change_id"]}"]'):
        firefox.wait_for(
            "at => { const found = document.querySelector(at); found?.click(); return found !== null; }", link
        )
    firefox.wait_for(PRESS, "Approve")
    console.type(word(console, asked))
    firefox.wait_for(SAYS, "which m8 got from ben")


class Asked(KnowingM8):
    """An m8 that shows ben a change of anna's."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.approvals = 1
        self.folder = folder

    def propose(self) -> ProposedChange:
        with SyncClient(settings_for(self, self.folder), signer=KeySigner(keygen(self.folder / "anna"))) as anna:
            proposed = anna.changes.propose(a_put(), requester=ANNA, reason="rotation")
        self.view.subject = "anna"
        return proposed

    @property
    def view(self) -> changes_pb2.SecretChange:
        (view,) = self.changes.by_id.values()
        return view


def test_without_a_terminal_a_touch_of_the_security_key_approves(tmp_path: Path, shared: Shared) -> None:
    need_security_key("ed25519-sk")
    make_key(tmp_path / "sk", "ed25519-sk")
    honest = Asked(tmp_path)
    with honest.serving_in_thread(tmp_path), Agent() as behind:
        behind.add(tmp_path / "sk")
        given = environment(honest, tmp_path) | {"MONOCTL_SIGNING_KEY": str(tmp_path / "sk.pub")}
        with (
            TouchedAgent(behind, behind.socket.with_name("touched")) as agent,
            Console(Home(tmp_path), starts=WITHOUT, environment=given | agent.environment) as running,
            shared.chromium().visit() as tab,
        ):
            proposed = honest.propose()
            ConsolePage.begin(tab, running.next_address())
            open_change(tab, {"uri": proposed.uri})
            main = tab.get_by_role("main")
            main.get_by_role("button", name="Approve", exact=True).click()
            expect(main).to_contain_text("Touch your security key to approve exactly this change.")
            assert not honest.view.approvals
            agent.touched.set()
            expect(main).to_contain_text("Checked here")
            expect(main).to_contain_text("Approval 1")
            wait_until(lambda: f"SHA-256: {proposed.sha256}" in running.terminal(), what="what is signed, told")
        (approval,) = honest.view.approvals
    parse(approval.approval, Namespace.APPROVAL).verify(approval_statement(bytes.fromhex(proposed.sha256)))


class Home:
    """Where ben's console runs."""

    def __init__(self, home: Path) -> None:
        self.home = home


def test_a_change_that_m8_altered_under_the_readers_eyes_is_not_signed_and_the_page_says_why(
    tmp_path: Path, shared: Shared
) -> None:
    lying = Asked(tmp_path)
    with lying.serving_in_thread(tmp_path):
        given = environment(lying, tmp_path) | {"MONOCTL_SIGNING_KEY": str(keygen(tmp_path / "ben"))}
        proposed, view = lying.propose(), lying.view
        with Console(Home(tmp_path), environment=given) as running, shared.chromium().visit() as tab:
            ConsolePage.begin(tab, running.next_address())
            open_change(tab, {"uri": proposed.uri})
            main = tab.get_by_role("main")
            expect(main).to_contain_text(proposed.sha256)
            view.change = view.change.replace(b"rotation", b"Rotation")
            main.get_by_role("button", name="Approve", exact=True).click()
            expect(main).to_contain_text("you looked at another one; nothing was signed")
            expect(main).to_contain_text("m8 shows another change than before.")
            approve = main.get_by_role("button", name="Approve", exact=True)
            expect(approve).to_have_attribute("aria-disabled", "true")
            expect(main).to_contain_text(parse_change(view.change).sha256.hex())
            assert not _TYPED.findall(running.terminal())
    assert not view.approvals
