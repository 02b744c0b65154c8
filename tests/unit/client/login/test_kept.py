"""What is kept of a login: in its file, in the desktop's keyring, and for how long it counts."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backend
import keyring.backends.fail
import keyring.errors
import pytest
from msgspec import structs

from monoskope.client.known.sources import ConfigFile, LoginTable
from monoskope.client.login import renewing, starting
from monoskope.client.login.credential import Exchange, Issued
from monoskope.client.login.file import KeptLogin, Login, login_path, read, seconds
from monoskope.client.login.renewing import read_whole, remove, write
from monoskope.client.runtime.blocking import BlockingRuntime, run
from monoskope.errors import UnauthenticatedError, UsageError
from tests.support.scripted_issuer import ScriptedIssuer

KEPT = KeptLogin(
    server="https://m8:1",
    issuer="https://i.example",
    client_id="c",
    audience="c",
    id_token="the-id-token",
    refresh_token='the "refresh\\token',
)


class _Keyring(keyring.backend.KeyringBackend):
    """A desktop's keyring in memory: no real one was met."""

    priority = 9.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def delete_password(self, service: str, username: str) -> None:
        if self.kept.pop((service, username), None) is None:
            raise keyring.errors.PasswordDeleteError("nothing there")


@pytest.fixture
def desktop() -> Iterator[_Keyring]:
    before, found = keyring.get_keyring(), _Keyring()
    keyring.set_keyring(found)
    yield found
    keyring.set_keyring(before)


async def _no_exchange(token: str, kind: str) -> Issued:
    raise AssertionError((token, kind))


NO_EXCHANGE: Exchange = _no_exchange


def test_what_is_written_is_read_and_nobody_else_may(tmp_path: Path) -> None:
    path = tmp_path / "m8"
    write(path, KEPT)
    assert read(path) == read_whole(path) == KEPT
    assert path.stat().st_mode & 0o777 == 0o600


def test_with_a_keyring_no_token_of_the_issuer_is_in_the_file(tmp_path: Path, desktop: _Keyring) -> None:
    path = tmp_path / "m8"
    kept = starting.in_keyring(KEPT)
    write(path, kept)
    assert "the-id-token" not in path.read_text()
    assert "refresh" not in path.read_text()
    assert read_whole(path) == kept
    remove(path, read(path))
    assert desktop.kept == {}
    assert not path.exists()
    remove(path, kept)  # twice does no harm


def test_a_keyring_that_fails_is_told_without_its_words(tmp_path: Path) -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call]
    try:
        with pytest.raises(UsageError, match="the desktop's keyring fails: NoKeyringError") as caught:
            write(tmp_path / "m8", starting.in_keyring(KEPT))
    finally:
        keyring.set_keyring(before)
    assert "monoskope[keyring]" in caught.value.fix


@pytest.mark.parametrize(
    ("left_s", "counts"), [(900, True), (61, True), (59, False), (-1, False), (4000, False)], ids=str
)
def test_a_token_counts_while_it_lasts(left_s: int, monkeypatch: pytest.MonkeyPatch, *, counts: bool) -> None:
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.0)
    kept = structs.replace(KEPT, token="t", token_ends_at=f"{1_800_000_000 + left_s}")
    assert (kept.issued("") is not None) is counts
    assert kept.issued("t") is None


@pytest.mark.parametrize("text", ["", "-1", "x", "1e9", "1" * 30, "\u0661"])
def test_a_time_that_is_none_is_over(text: str) -> None:
    assert seconds(text) == 0


def test_a_login_that_was_removed_meanwhile_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnauthenticatedError, match="you have logged out meanwhile"):
        run(Login(tmp_path / "m8", "it").issue(NO_EXCHANGE, BlockingRuntime(), refused=""))


@pytest.mark.parametrize(
    ("used", "said"), [("yes", "your login at .* has ended: m8's token has run out"), ("", "no rule fits")]
)
def test_a_token_that_m8_has_exchanged_once_and_that_nothing_renews_is_told_as_the_end_of_the_login(
    tmp_path: Path, used: str, said: str
) -> None:
    claims = urlsafe_b64encode(json.dumps({"aud": KEPT.audience}).encode()).decode().rstrip("=")
    ends_at = f"{time.time() + 900:.0f}"
    id_token = f"e30.{claims}.c2ln"
    write(
        tmp_path / "m8", structs.replace(KEPT, id_token=id_token, id_token_ends_at=ends_at, refresh_token="", used=used)
    )

    async def refuse(token: str, kind: str) -> Issued:
        raise UnauthenticatedError("no rule fits." if not used else "the token was exchanged before.")

    with pytest.raises(UnauthenticatedError, match=said) as caught:
        run(Login(tmp_path / "m8", "it").issue(refuse, BlockingRuntime(), refused=""))
    assert ("monoctl login" in caught.value.fix) is bool(used)


@pytest.mark.parametrize("given", [None, "", "new"], ids=str)
def test_without_a_new_refresh_token_the_old_one_is_kept(
    scripted: ScriptedIssuer, tmp_path: Path, given: str | None
) -> None:
    path = tmp_path / "m8"
    own = {"server": KEPT.server, "issuer": scripted.url, "client_id": "monoctl", "audience": "monoctl"}
    write(path, KeptLogin(**own, subject="anna", ca_file=str(scripted.ca_file), refresh_token="old"))
    scripted.answers["/token"] = [(200, {"id_token": scripted.id_token(nonce=None), "refresh_token": given})]
    assert renewing.current(path, anew=False)[1]
    kept = read_whole(path)
    assert kept is not None
    assert kept.refresh_token == (given or "old")


def test_a_file_that_is_no_login_is_told(tmp_path: Path) -> None:
    path = tmp_path / "m8"
    path.write_text('server = "x"\nissuer = "y"\nclient_id = "z"\naudience = "z"\nmore = "1"\n')
    path.chmod(0o600)
    with pytest.raises(UsageError, match="more"):
        read(path)


@pytest.mark.parametrize("server", ["m8.example.org:7443", "[::1]:7443"])
def test_each_server_has_a_place_of_its_own(server: str, tmp_path: Path) -> None:
    path = login_path(server, {"XDG_STATE_HOME": str(tmp_path)})
    assert path is not None
    assert path.parent == tmp_path / "monoskope" / "login"
    assert path.suffix == ".toml"


def test_further_issuers_have_names(tmp_path: Path) -> None:
    file = ConfigFile(server="m8:1,m8:2", logins={"lab": LoginTable("https://lab.example", "c", ca_file="lab.crt")})
    found = starting.settings_named("m8:1", "lab", file, tmp_path / "config.toml")
    assert (found.issuer, found.audience, found.ca_file) == ("https://lab.example", "c", str(tmp_path / "lab.crt"))
    with pytest.raises(UsageError, match="names no login 'other', but lab"):
        starting.settings_named("m8:1", "other", file, tmp_path / "config.toml")
    with pytest.raises(UsageError, match="are for the server m8:1,m8:2, not for evil:1"):
        starting.settings_named("evil:1", "lab", file, tmp_path / "config.toml")
