"""`monoctl login` and `logout` as their user meets them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from monoskope.errors import Error, RefusedError, UnauthenticatedError
from tests.support.exchanging import ExchangingM8
from tests.support.logins import Home, address_of, said_by
from tests.support.openid_provider import CLIENT_ID, OpenIdProvider, User


@pytest.fixture
def m8(tmp_path: Path) -> Iterator[ExchangingM8]:
    with ExchangingM8().serving_in_thread(tmp_path) as scripted:
        yield scripted


@pytest.fixture
def home(provider: OpenIdProvider, m8: ExchangingM8, tmp_path: Path) -> Home:
    return Home(
        tmp_path,
        m8,
        login_issuer=provider.issuer,
        login_client_id=CLIENT_ID,
        login_ca_file=str(provider.ca_file),
    )


def log_in(home: Home, provider: OpenIdProvider, *words: str) -> str:
    process = home.start("login", "--no-browser", *words)
    User(provider).sign_in(address_of(process))
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def test_after_a_login_every_command_is_the_users_until_the_logout(
    home: Home, m8: ExchangingM8, provider: OpenIdProvider
) -> None:
    out = log_in(home, provider)
    assert out == f"You are logged in at {provider.issuer}, and m8 calls you user:corp:anna.\n"

    code, out, err = home.run("put", "secret", "vault://app", "--from-file", f"k={__file__}")
    assert (code, "UPLOADED" in out) == (0, True), err
    assert len(m8.exchanged) == 1  # by the login; the put took the token that is kept
    code, out, err = home.run("whoami")
    assert f"the login at {provider.issuer}" in out
    code, out, err = home.run("config", "view")
    assert f"the login at {provider.issuer}" in out
    assert "eyJ" not in out

    assert home.run("logout") == (0, f"You are logged out of {m8.server}.\n", "")
    assert m8.revoked == [f"{1:032x}"]  # m8's own token, too
    code, out, err = home.run("whoami")
    assert code == 2
    assert "you are not logged in" in err
    assert home.run("logout")[0] == 4


def test_a_token_that_m8_refuses_is_renewed_once_and_then_told(
    home: Home, m8: ExchangingM8, provider: OpenIdProvider
) -> None:
    log_in(home, provider)
    m8.failing["GetServer"] = [UnauthenticatedError("the token was revoked.")]
    assert home.run("whoami")[0] == 0
    assert len(m8.exchanged) == 2

    m8.failing["GetServer"] = [UnauthenticatedError("the token was revoked.")] * 2
    code, _, err = home.run("whoami")
    assert (code, "the token was revoked" in err) == (10, True)

    m8.failing["RevokeToken"] = [RefusedError("not today.")]
    code, out, err = home.run("logout")
    assert (code, out) == (0, f"You are logged out of {m8.server}.\n")
    assert "m8 did not revoke its token, which counts for 15 minutes at most: m8 says: not today." in err


def test_a_token_that_was_given_counts_before_the_login(home: Home, m8: ExchangingM8, provider: OpenIdProvider) -> None:
    token = home.folder / "token"
    token.write_text("given")
    token.chmod(0o600)
    log_in(home, provider)

    for given in ({"MONOCTL_TOKEN": "given"}, {"MONOCTL_TOKEN_FILE": str(token)}):
        [name] = given
        code, out, _ = home.run("whoami", **given)
        assert code == 0
        assert name in out
    assert len(m8.exchanged) == 1
    # And a login counts before what a build job has.
    assert f"the login at {provider.issuer}" in home.run("whoami", MONOCTL_ID_TOKEN="e30.e30.c2ln")[1]


@pytest.mark.parametrize(("kind", "ends"), [(UnauthenticatedError, 10), (RefusedError, 3)])
def test_a_login_that_m8_refuses_is_not_kept(
    home: Home, m8: ExchangingM8, provider: OpenIdProvider, kind: type[Error], ends: int
) -> None:
    m8.failing["ExchangeToken"] = [kind("no rule of the issuer fits.")] * 2
    process = home.start("login", "--no-browser")
    User(provider).sign_in(address_of(process))
    _, err = process.communicate(timeout=300)
    assert (process.returncode, "no rule of the issuer fits" in err) == (ends, True)
    assert "no token_file is configured" in home.run("whoami")[2]


def test_a_login_ends_with_ctrl_c_and_leaves_nothing(home: Home, m8: ExchangingM8, provider: OpenIdProvider) -> None:
    process = home.start("login", "--no-browser", SSH_CONNECTION="here")
    address, said = said_by(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode == 130
    assert "monoctl login --device" in said
    assert address.startswith(provider.issuer)
    assert m8.calls == []


def test_the_settings_of_a_login_count_for_the_server_of_their_file_alone(home: Home, m8: ExchangingM8) -> None:
    code, _, err = home.run("login", "--no-browser", "--server", "https://evil.example:7443")
    assert code == 2
    assert "no login_issuer is configured for evil.example:7443." in err
    code, _, err = home.run("login", "--issuer", "lab", "--no-browser")
    assert code == 2
    assert "names no login 'lab'" in err


def test_what_one_m8_is_given_reaches_no_other(
    home: Home, m8: ExchangingM8, provider: OpenIdProvider, tmp_path: Path
) -> None:
    (home.folder / "token").write_text("given")
    (home.folder / "token").chmod(0o600)
    assert home.run("config", "set", "token_file", str(home.folder / "token"))[0] == 0
    assert home.run("whoami")[0] == 0
    issuer = {
        "MONOCTL_LOGIN_ISSUER": provider.issuer,
        "MONOCTL_LOGIN_CLIENT_ID": CLIENT_ID,
        "MONOCTL_LOGIN_CA_FILE": str(provider.ca_file),
    }
    (tmp_path / "evil").mkdir()
    with ExchangingM8().serving_in_thread(tmp_path / "evil") as evil:
        there = ("--server", evil.server, "--ca-file", str(evil.ca_file))
        code, _, err = home.run("whoami", *there)
        assert (code, f"no token_file is configured for {evil.server}" in err) == (2, True)
        code, _, err = home.run("whoami", *there, MONOCTL_SERVER=m8.server, MONOCTL_TOKEN="given")
        assert (code, f"MONOCTL_TOKEN is for {m8.server} (MONOCTL_SERVER) alone" in err) == (2, True)
        code, _, err = home.run("login", "--device", *there, MONOCTL_SERVER=m8.server, **issuer)
        assert (code, f"MONOCTL_LOGIN_ISSUER is for {m8.server} (MONOCTL_SERVER) alone" in err) == (2, True)
        assert evil.calls == []


def test_who_has_not_logged_in_is_told_how(home: Home) -> None:
    code, _, err = home.run("get", "secrets")
    assert code == 2
    assert "Log in with `monoctl login`" in err
