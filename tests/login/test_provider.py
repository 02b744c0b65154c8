"""Logging in at a certified provider, and what becomes of a login: renewed, taken twice, out of reach, ended."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from pathlib import Path

import pytest
from msgspec import structs

from monoskope.client.login import renewing, starting
from monoskope.client.login.credential import ID_TOKEN, Issued, IssuerAwayError, KeptLogin, Login, read
from monoskope.client.login.id_token import claims_of
from monoskope.client.login.renewing import write
from monoskope.client.login.starting import DeviceCode, log_out
from monoskope.client.runtime.blocking import BlockingRuntime, run
from monoskope.client.runtime.on_asyncio import ASYNCIO
from monoskope.errors import Code, IdentityChangedError, UnauthenticatedError
from monoskope.m8.http import tls
from tests.support.openid_provider import CLIENT_ID, OpenIdProvider, User


def logged_in(provider: OpenIdProvider, path: Path, **changed: str) -> KeptLogin:
    settings = provider.settings(**changed)
    kept = starting.with_browser(settings, lambda address, _: _signed_in(provider, address))
    starting.keep(path, kept)
    return kept


def _signed_in(provider: OpenIdProvider, address: str) -> None:
    assert "You can close this page" in User(provider).sign_in(address)


def ran_out(path: Path) -> KeptLogin:
    kept = read(path)
    assert kept is not None
    over = structs.replace(kept, id_token_ends_at="1", token="", token_ends_at="")
    write(path, over)
    return over


class Exchanges:
    """Takes ID tokens as m8 does, and refuses the first few."""

    def __init__(self, *, refuses: int = 0) -> None:
        self.taken: list[str] = []
        self._refuses = refuses

    async def __call__(self, token: str, kind: str) -> Issued:
        assert kind == ID_TOKEN
        self.taken.append(token)
        if len(self.taken) <= self._refuses:
            raise UnauthenticatedError("m8 says: no key of the issuer has signed this.")
        return Issued(f"m8-{len(self.taken)}", 900.0)


def issued(path: Path, exchanges: Exchanges, refused: str = "") -> str:
    login = Login(path, "it")
    return run(login.issue(exchanges, BlockingRuntime(), refused=refused)).token


def test_a_login_by_code_and_pkce_brings_an_id_token_for_this_client_alone(
    provider: OpenIdProvider, path: Path
) -> None:
    kept = logged_in(provider, path, scopes="groups")

    claims = claims_of(kept.id_token)
    assert (claims["iss"], claims["aud"], claims["sub"]) == (provider.issuer, CLIENT_ID, "anna")
    assert claims["groups"] == ["platform"]
    assert kept.refresh_token
    assert path.stat().st_mode & 0o777 == 0o600
    for secret in (kept.id_token, kept.refresh_token):
        assert secret not in repr(kept)


def test_a_login_with_a_device_shows_a_code_and_brings_the_same(provider: OpenIdProvider) -> None:
    codes: list[DeviceCode] = []

    def sleep(_: float) -> None:
        if len(codes) == 1:
            User(provider, "bert").sign_in(codes[0].complete_uri)
            codes.append(codes[0])

    kept = starting.with_device(provider.settings(), codes.append, sleep=sleep)

    assert codes[0].verification_uri.startswith(provider.issuer)
    assert (claims_of(kept.id_token)["sub"], kept.subject) == ("bert", "bert")


def test_many_programs_at_once_refresh_once(provider: OpenIdProvider, path: Path) -> None:
    before = logged_in(provider, path)
    ran_out(path)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(renewing.current(path, anew=False)[0])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(found) == 8
    assert len(set(found)) == 1
    assert found[0] != before.id_token
    assert provider.change()["grants"]["refresh_token"] == 1
    after = read(path)
    assert after is not None
    assert after.refresh_token not in {"", before.refresh_token}


def test_many_programs_at_once_have_one_token_of_m8(provider: OpenIdProvider, path: Path) -> None:
    logged_in(provider, path)
    exchanges = Exchanges()

    async def at_once() -> set[str]:
        login = Login(path, "it")
        found = await asyncio.gather(*(login.issue(exchanges, ASYNCIO, refused="") for _ in range(6)))
        return {one.token for one in found}

    assert asyncio.run(at_once()) == {"m8-1"}
    assert len(exchanges.taken) == 1
    assert issued(path, exchanges) == "m8-1"
    assert issued(path, exchanges, refused="m8-1") == "m8-2"
    assert len(set(exchanges.taken)) == 2  # each ID token goes to m8 once


def test_a_refresh_token_that_is_used_twice_ends_the_login_with_a_clear_sentence(
    provider: OpenIdProvider, path: Path
) -> None:
    logged_in(provider, path)
    old = ran_out(path)
    renewing.current(path, anew=False)
    newer = read(path)
    assert newer is not None
    write(path, old)  # as somebody does who has a copy of the file

    with pytest.raises(UnauthenticatedError) as caught:
        renewing.current(path, anew=False)
    assert caught.value.message == (
        f"your login at {provider.issuer} has ended: the issuer no longer takes its refresh token. The session there is"
        " over, or an old copy of the token was used, after which the issuer ends them all."
    )
    assert caught.value.fix == "Log in again: `monoctl login`."
    write(path, structs.replace(newer, id_token_ends_at="1"))
    with pytest.raises(UnauthenticatedError, match="no longer takes its refresh token"):
        renewing.current(path, anew=False)  # the newest one, too
    with pytest.raises(UnauthenticatedError, match="has run out"):
        renewing.current(path, anew=False)  # nothing is sent any more


def test_who_logs_in_again_goes_on_in_the_programs_that_run(provider: OpenIdProvider, path: Path) -> None:
    kept = logged_in(provider, path)
    write(path, structs.replace(kept, refresh_token="", id_token_ends_at="1"))
    login, exchanges = Login(path, "it"), Exchanges()  # as a console has it that was started before
    with pytest.raises(UnauthenticatedError, match="has ended"):
        run(login.issue(exchanges, BlockingRuntime(), refused=""))
    logged_in(provider, path)
    assert run(login.issue(exchanges, BlockingRuntime(), refused="")).token == "m8-1"


def test_an_issuer_that_is_down_is_named_and_ends_nothing(provider: OpenIdProvider, path: Path) -> None:
    logged_in(provider, path)
    ran_out(path)
    provider.change(down=True)

    with pytest.raises(IssuerAwayError) as caught:
        renewing.current(path, anew=False)
    assert caught.value.code is Code.UNAVAILABLE
    assert caught.value.message == (
        "the issuer's host localhost does not answer: there is no connection, or no answer in time."
    )
    provider.change(down=False)
    assert renewing.current(path, anew=False)[1]


def test_a_login_survives_new_keys_of_the_issuer(provider: OpenIdProvider, path: Path) -> None:
    logged_in(provider, path)
    provider.change(rotate=True)
    exchanges = Exchanges(refuses=1)  # what the old key has signed

    assert issued(path, exchanges) == "m8-2"
    assert len(set(exchanges.taken)) == 2
    assert provider.change()["grants"]["refresh_token"] == 1


def test_what_m8_refuses_of_a_new_id_token_is_not_refreshed_again(provider: OpenIdProvider, path: Path) -> None:
    logged_in(provider, path)
    ran_out(path)
    exchanges = Exchanges(refuses=9)

    with pytest.raises(UnauthenticatedError, match="m8 says"):
        issued(path, exchanges)
    assert len(exchanges.taken) == 1


@pytest.mark.parametrize("clock_s", [60, -60])
def test_a_clock_that_is_off_by_a_minute_does_no_harm(provider: OpenIdProvider, path: Path, clock_s: int) -> None:
    provider.change(clock_s=clock_s)
    kept = logged_in(provider, path)
    assert kept.id_token


@pytest.mark.parametrize(("clock_s", "word"), [(3600, "behind"), (-3600, "ahead of")])
def test_a_clock_that_is_off_by_an_hour_is_named(provider: OpenIdProvider, path: Path, clock_s: int, word: str) -> None:
    def sign_in(address: str, _: str) -> None:
        _signed_in(provider, address)
        provider.change(clock_s=clock_s)

    with pytest.raises(UnauthenticatedError) as caught:
        starting.with_browser(provider.settings(), sign_in)
    assert caught.value.message == (
        f"the login does not count: the clock of this machine is 60 minutes {word} the issuer's."
    )
    assert caught.value.fix.startswith("Set the clock of this machine.")
    assert not path.exists()


def test_logging_out_revokes_the_refresh_token_and_removes_the_login(provider: OpenIdProvider, path: Path) -> None:
    kept = logged_in(provider, path)

    assert log_out(path) == []
    assert not path.exists()
    write(path, structs.replace(kept, id_token_ends_at="1"))
    with pytest.raises(UnauthenticatedError, match="no longer takes its refresh token"):
        renewing.current(path, anew=False)


def test_logging_out_removes_the_login_when_the_issuer_is_down(provider: OpenIdProvider, path: Path) -> None:
    logged_in(provider, path)
    provider.change(down=True)

    [sentence] = log_out(path)
    assert "does not answer" in sentence
    assert sentence.endswith("counts at the issuer until it runs out there.")
    assert not path.exists()


def test_a_token_for_another_audience_is_not_kept(provider: OpenIdProvider, path: Path) -> None:
    with pytest.raises(UnauthenticatedError) as caught:
        logged_in(provider, path, audience="https://m8.example.org:7443")
    assert "its audience is not exactly 'https://m8.example.org:7443'. It was not sent." in caught.value.message
    assert not path.exists()


def test_the_issuers_certificate_must_be_of_an_authority_that_is_trusted(
    provider: OpenIdProvider, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tls.make(["localhost"], now=dt.datetime.now(dt.UTC))
    (path.parent / "other.crt").write_bytes(other.ca)
    monkeypatch.setenv("SSL_CERT_FILE", str(path.parent / "other.crt"))
    with pytest.raises(IdentityChangedError) as caught:
        starting.with_browser(provider.settings(ca_file=""), lambda *_: None)
    assert "login_ca_file" in caught.value.fix
    assert not path.exists()
