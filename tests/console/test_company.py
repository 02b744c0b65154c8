"""People of a company log in at its provider, and put what they sign: in the page, and through the HTTP door."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from monoskope.client import KeySigner, SyncClient
from monoskope.protocol.people import with_end
from monoskope.testing.parts import needed
from tests.console.conftest import Shared, upstream
from tests.console.page import ConsolePage
from tests.support.browser import Chromium
from tests.support.company import ANNA, AtWork, at_work, shown
from tests.support.console import Console
from tests.support.ssh import need_security_key

ROOT = Path(__file__).resolve().parents[2]
VALUE = "a value that anna signs for: 77c1"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AtWork]:
    need_security_key("ed25519-sk")
    with at_work(tmp_path_factory.mktemp("w")) as found:
        yield found


@pytest.fixture(scope="module")
def anna(company: AtWork) -> Iterator[Console]:
    user = company.people["anna"]
    company.log_in(user)
    with Console(user, environment=company.agent.environment) as running:
        yield running


@pytest.fixture(scope="module")
def opened(anna: Console, shared: Shared) -> Iterator[ConsolePage]:
    with shared.chromium().visit() as tab:
        yield ConsolePage.begin(tab, anna.next_address())


@pytest.fixture
def page(opened: ConsolePage, company: AtWork) -> Iterator[ConsolePage]:
    company.agent.touched.set()
    yield opened
    assert opened.is_left_as_found()


def about(page: Page) -> str:
    page.get_by_role("button", name="You and this console: ").click()
    words = page.get_by_role("dialog").inner_text()
    page.keyboard.press("Escape")
    return words


def test_a_put_in_the_page_waits_for_the_touch_and_says_then_by_whom_it_was_signed(
    page: ConsolePage, company: AtWork
) -> None:
    said = about(page.page)
    assert f"the login at {company.company.issuer}" in said
    assert f"{shown(company.security_key)}, when you touch your security key" in said
    assert "group:corp:platform" in said
    assert "Below vault://, by platform" in said

    company.agent.touched.clear()
    form = page.open_put().to("vault", "app/db").value("password", VALUE)
    form.press("Put the secret")
    expect(form.panel.get_by_text("Touch your security key to sign.")).to_be_visible()
    expect(form.panel.get_by_text("signing", exact=True)).to_be_visible()
    company.agent.touched.set()
    expect(form.results()).to_contain_text("Uploaded")
    form.press("Close")
    assert upstream(company.cluster, "app/db") == {"password": VALUE}

    page.show("vault://app/db")
    by = f"{ANNA} with {shown(company.security_key)}"
    expect(page.page.get_by_role("main")).to_contain_text(f"signed by {by}")
    member = company.member("anna")
    expect(page.page.get_by_role("main")).to_contain_text(f"by {with_end(member, 'anna')}")
    expect(page.page.get_by_title(f"{member}. The name is m8's word.").first).to_be_visible()
    page.page.get_by_role("main").get_by_role("link", name="request", exact=True).first.click()
    expect(page.page.get_by_role("main")).to_contain_text(by)


def test_what_the_stores_own_list_does_not_let_a_key_do_is_not_authorized_and_nothing_is_written(
    page: ConsolePage, company: AtWork
) -> None:
    form = page.open_put().to("vault", "other/db").value("password", VALUE)
    refused = form.sent("Put the secret").get_by_role("alert")
    expect(refused).to_contain_text("NOT_AUTHORIZED")
    expect(refused).to_contain_text("Ask the store")
    form.press("Close")
    assert company.cluster.bao.call("LIST", "secret/metadata/m8")["data"]["keys"] == ["app/"]


def test_an_agent_that_lost_the_key_is_told_before_anything_is_sent(page: ConsolePage, company: AtWork) -> None:
    company.behind.forget()
    try:
        form = page.open_put().to("vault", "app/db").value("password", "never sent")
        expect(form.sent("Put the secret").get_by_role("alert")).to_contain_text("ssh-agent")
    finally:
        company.behind.add(company.key.with_name("sk"))
    assert upstream(company.cluster, "app/db") == {"password": VALUE}


def test_an_auditor_sees_who_may_do_what_and_who_signed_and_no_hash(company: AtWork, chromium: Chromium) -> None:
    user = company.people["rev"]
    company.log_in(user)
    with Console(user) as running, chromium.visit() as tab:
        page = ConsolePage.begin(tab, running.next_address())
        expect(tab.get_by_role("button", name="Put a secret")).to_have_count(0)
        assert "Role\nauditor" in about(tab)
        page.go("Role bindings")
        row = tab.get_by_role("row").filter(has_text="group:corp:platform")
        expect(row).to_contain_text("vault://")
        expect(row).to_contain_text("see-hash")
        page.go("Secrets")
        page.show("vault://app/db")
        expect(tab.get_by_text("not shown").first).to_be_visible()
        expect(tab.get_by_role("main")).not_to_contain_text("fp1:")
        tab.get_by_role("main").get_by_role("link", name="request", exact=True).first.click()
        main = tab.get_by_role("main")
        # Receipts hold hashes, so an auditor sees none: what they say of the signer is m8's word.
        expect(main).to_contain_text(f"{ANNA} with {shown(company.security_key)}, unchecked")
        expect(main).to_contain_text("m8 says how, and shows you no receipt.")
        expect(main).not_to_contain_text("It ended without success")


def test_a_login_that_has_run_out_says_what_to_run_and_the_page_goes_on_by_itself(
    page: ConsolePage, company: AtWork
) -> None:
    anna, member = company.people["anna"], company.member("anna")
    issued = company.cluster.must("m8", "token", "list", "--dir", "m8", "-o", "json").json()
    for token in issued:
        if token["subject"] == member:
            company.cluster.must("m8", "token", "revoke", token["id"], "--dir", "m8")
    expect(page.page.get_by_text("monoctl login").first).to_be_visible()
    company.log_in(anna)
    expect(page.page.get_by_text("m8 answers again").first).to_be_visible()
    form = page.open_put().to("vault", "app/again").value("password", VALUE)
    expect(form.sent("Put the secret")).to_contain_text("Uploaded")


def test_the_http_example_logs_in_and_signs(company: AtWork, tmp_path: Path) -> None:
    (tmp_path / "id-token").write_text(company.id_token("anna"))
    cluster, options = company.cluster, ("--id-token-file", str(tmp_path / "id-token"))
    words = [cluster.server, "m8/ca.crt", "-", "vault://app/http", cluster.identities["vault"], "password", *options]
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "http" / "put.py"), *words, "--signing-key", str(company.key)],
        cwd=cluster.folder,
        env={"PATH": os.defpath},
        input=VALUE,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stdout[:13]) == (0, "UPLOADED fp1:"), done.stderr
    assert upstream(cluster, "app/http") == {"password": VALUE}


def test_connects_own_client_logs_in_and_signs(company: AtWork, tmp_path: Path) -> None:
    node, packages = needed("node", "nodejs"), ROOT / "tests" / "node"
    if not (packages / "node_modules" / "@connectrpc" / "connect-web").is_dir():
        pytest.skip("the packages of tests/node are not installed: (cd tests/node && npm ci)")
    (tmp_path / "id-token").write_text(company.id_token("anna"))
    cluster = company.cluster
    words = [str(tmp_path / "id-token"), str(company.key), "vault://app/node", cluster.identities["vault"]]
    done = subprocess.run(
        [node, packages / "signed.js", f"https://{cluster.server}", ROOT / "proto" / "image.binpb", *words],
        env={"NODE_EXTRA_CA_CERTS": str(cluster.folder / "m8" / "ca.crt"), "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    receipt = json.loads(done.stdout)
    assert (receipt["outcome"], receipt["signer"]) == (1, ANNA)
    assert receipt["signerKey"] == shown(company.key.with_name("key.pub"))
    assert receipt["subject"].startswith("user:corp:")
    assert len(upstream(cluster, "app/node")["password"]) > 20


def test_a_program_with_the_sdk_uses_the_login_and_signs(company: AtWork, monkeypatch: pytest.MonkeyPatch) -> None:
    user = company.people["anna"]
    monkeypatch.setenv("HOME", str(user.home))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with SyncClient(signer=KeySigner(str(company.key))) as client:
        put = client.put_secret("vault://app/sdk", {"password": VALUE.encode()})
    assert (put.signer, put.signer_key) == (ANNA, shown(company.key.with_name("key.pub")))
