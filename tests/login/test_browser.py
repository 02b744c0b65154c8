"""A real Chromium walks the browser's half of a login: by code at this machine, and with the code of a device."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from monoskope.testing.parts import wait_until
from tests.support.browser import Chromium, Watched, chromium
from tests.support.exchanging import ExchangingM8
from tests.support.logins import Home
from tests.support.openid_provider import CLIENT_ID, OpenIdProvider


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Chromium) -> Iterator[Page]:
    # The provider's own pages want a font from elsewhere, which no test can reach.
    with browser.visit(ignore_https_errors=True, watched=Watched()) as page:
        yield page


@pytest.fixture
def home(provider: OpenIdProvider, tmp_path: Path) -> Iterator[Home]:
    with ExchangingM8().serving_in_thread(tmp_path) as m8:
        given = {"login_issuer": provider.issuer, "login_client_id": CLIENT_ID}
        yield Home(tmp_path, m8, login_ca_file=str(provider.ca_file), **given)


def sign_in(page: Page, name: str = "anna") -> None:
    page.fill("input[name=login]", name)
    page.fill("input[name=password]", "any")
    page.click("button[type=submit]")
    page.click("button:has-text('Continue')")


def test_the_browser_that_monoctl_opens_logs_its_user_in(
    home: Home, page: Page, provider: OpenIdProvider, tmp_path: Path
) -> None:
    opened = tmp_path / "opened"
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\ncat "${{1#file://}}" > {opened}.new && mv {opened}.new {opened}\n')
    program.chmod(0o755)
    process = home.start("login", BROWSER=f"{program} %s")
    wait_until(opened.exists, what="the browser")
    # The address is in a file that the user alone can read, never on a command line.
    found = re.search(r"url=(?P<address>[^\"]+)", opened.read_text())
    assert found is not None
    page.goto(found["address"].replace("&amp;", "&"))
    sign_in(page)

    page.wait_for_selector("text=You can close this page.")
    assert page.url.startswith("http://127.0.0.1:")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (
        0,
        f"You are logged in at {provider.issuer}, and m8 calls you user:corp:anna.\n",
    ), err
    with socket.socket() as late:
        assert late.connect_ex(("127.0.0.1", urlsplit(page.url).port or 0)) != 0  # nobody listens there any more


def test_a_code_that_is_typed_in_a_browser_logs_a_device_in(home: Home, page: Page, provider: OpenIdProvider) -> None:
    process = home.start("login", "--device")
    assert process.stderr is not None
    found = re.search(r"Open (?P<uri>https://\S+) in a browser, .*: (?P<code>\S+)", process.stderr.readline())
    assert found is not None
    _, lasts = process.stderr.readline(), process.stderr.readline()
    assert re.fullmatch(r"The code counts for \d+ minutes\. Never type a code that you were sent\.\n", lasts)
    page.goto(found["uri"])
    page.fill("input[name=user_code]", found["code"])
    page.click("button[type=submit]")
    page.click("button:has-text('Continue')")
    sign_in(page, "bert")

    page.wait_for_selector("text=Sign-in Success")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, "m8 calls you user:corp:bert" in out) == (0, True), err
