"""The two flows against somebody who wants in, and what is kept of a login."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import keyring
import keyring.backend
import keyring.backends.fail
import keyring.errors
import pytest
from msgspec import structs

from monoskope.client.known.sources import find
from monoskope.client.login import renewing, starting
from monoskope.client.login.browser import MOST_CONNECTIONS, Callback, CodeFlow, NotOursError, listening
from monoskope.client.login.credential import Exchange, Issued, KeptLogin, Login, login_path, read, seconds
from monoskope.client.login.issuer import OAuthError, Provider, discover
from monoskope.client.login.renewing import read_whole, remove, write
from monoskope.client.login.starting import ask_for_code, wait_for_tokens
from monoskope.client.runtime.blocking import BlockingRuntime, run
from monoskope.errors import Error, ProtocolError, RefusedError, TimedOutError, UnauthenticatedError, UsageError
from monoskope.settings import write_private
from tests.support.scripted_issuer import ScriptedIssuer

ISSUER = "https://login.example.org"


def flow(*, names_itself: bool = False) -> tuple[CodeFlow, str]:
    """Return a flow and its state."""
    provider = Provider(
        issuer=ISSUER,
        authorization_endpoint=f"{ISSUER}/auth?tenant=1",
        token_endpoint=f"{ISSUER}/token",
        jwks_uri=f"{ISSUER}/jwks",
        names_itself=names_itself,
    )
    made = CodeFlow(provider, client_id="monoctl", scopes="openid offline_access")
    [state] = parse_qs(urlsplit(made.address("http://127.0.0.1:1/callback")).query)["state"]
    return made, state


def test_an_address_asks_for_a_code_that_is_bound_to_this_login() -> None:
    one, _ = flow()
    asked = {
        name: value for name, [value] in parse_qs(urlsplit(one.address("http://127.0.0.1:1/callback")).query).items()
    }
    digest = hashlib.sha256(one.verifier.encode()).digest()
    assert asked["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert (asked["code_challenge_method"], asked["response_type"], asked["tenant"]) == ("S256", "code", "1")
    assert asked["nonce"] == one.nonce
    other, state = flow()
    assert len({one.verifier, one.nonce, other.verifier, other.nonce, asked["state"], state}) == 6


def test_the_answer_with_the_state_has_the_code() -> None:
    one, state = flow(names_itself=True)
    assert one.code(urlencode({"code": "c", "state": state, "iss": ISSUER})) == "c"


@pytest.mark.parametrize(
    "query",
    ["", "code=c", "code=c&state=", "code=c&state=other", "state={state}", "code=c&code=d&state={state}", "{long}"],
)
def test_what_is_no_answer_to_this_login_does_not_end_it(query: str) -> None:
    one, state = flow()
    with pytest.raises(NotOursError):
        one.code(query.replace("{state}", state).replace("{long}", f"code={'x' * 9000}&state={state}"))


@pytest.mark.parametrize(
    ("fields", "names_itself", "said"),
    [
        ({"iss": "https://evil.example"}, False, "from another issuer"),
        ({"iss": f"{ISSUER}/"}, True, "from another issuer"),
        ({}, True, "does not say that it is from"),
        ({"error": "x", "iss": "https://evil.example"}, False, "from another issuer"),
        ({"error": "access_denied\x1b[2J", "error_description": "\u202e" * 300}, False, "access_denied"),
    ],
    ids=["other", "slash", "silent", "error", "denied"],
)
def test_another_issuer_and_a_refusal_end_the_login(fields: dict[str, str], names_itself: bool, said: str) -> None:
    one, state = flow(names_itself=names_itself)
    with pytest.raises(RefusedError) as caught:
        one.code(urlencode({"code": "c", "state": state} | fields))
    assert said in caught.value.message
    assert caught.value.message.isprintable()


def sent(callback: Callback, text: str) -> str:
    """Send text to a callback, and return all that it answers."""
    port = callback.server_address[1]
    with socket.create_connection(("127.0.0.1", int(port)), timeout=30) as connection:
        with suppress(OSError):  # what is refused is answered before all of it was sent, and the connection ended
            connection.sendall(text.replace("{host}", f"127.0.0.1:{port}").encode())
            connection.shutdown(socket.SHUT_WR)
        answer = bytearray()
        with suppress(ConnectionResetError):
            while more := connection.recv(65_536):
                answer += more
        return answer.decode()


GET = "GET /callback?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n"


def test_the_callback_takes_the_code_and_shows_nothing_of_what_came() -> None:
    one, state = flow()
    with listening(one.code) as callback:
        evil = GET.replace("{query}", "error=<script>alert(1)</script>&state=x&code=<b>")
        answer = sent(callback, evil)
        assert answer.startswith("HTTP/1.1 400 ")
        assert "script" not in answer
        answer = sent(callback, GET.replace("{query}", f"code=abc&state={state}"))
        assert "You can close this page." in answer
        assert "abc" not in answer
        head = answer.partition("\r\n\r\n")[0]
        for header in ("default-src 'none'", "no-store", "no-referrer", "nosniff", "frame-ancestors 'none'"):
            assert header in head
        assert callback.wait(30) == "abc"


@pytest.mark.parametrize(
    "text",
    [
        GET.replace("{host}", "evil.example:1"),
        GET.replace("{host}", "localhost:1"),
        GET.replace("\r\nHost: {host}", ""),
        GET.replace("GET", "POST"),
        GET.replace("/callback", "/other"),
        GET.replace("Host: {host}", "Host: {host}\r\nHost: {host}"),
        "\r\n\r\n",
        "GET /callback?{query} HTTP/1.1 x\r\nHost: {host}\r\n\r\n",
        "x" * 40_000,
    ],
    ids=["rebound", "localhost", "no-host", "post", "path", "two-hosts", "empty", "words", "long"],
)
def test_other_requests_end_no_login(text: str) -> None:
    one, state = flow()
    with listening(one.code) as callback:
        assert not sent(callback, text.replace("{query}", f"code=c&state={state}")).startswith("HTTP/1.1 200")
        with pytest.raises(TimedOutError, match="nobody logged in"):
            callback.wait(0.001)


def test_connections_that_say_nothing_keep_nobody_out() -> None:
    one, state = flow()
    with listening(one.code) as callback:
        silent = [socket.create_connection(("127.0.0.1", int(callback.server_address[1]))) for _ in range(8)]
        try:
            sent(callback, GET.replace("{query}", f"code=c&state={state}"))
            assert callback.wait(30) == "c"
        finally:
            for connection in silent:
                connection.close()


def test_connections_that_say_nothing_are_ended_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that the browser makes is the newest, and others take neither its place nor this program's memory."""
    monkeypatch.setattr("monoskope.client.login.browser._Handler.timeout", 300)
    one, state = flow()
    with listening(one.code) as callback:
        where = ("127.0.0.1", int(callback.server_address[1]))
        silent = [socket.create_connection(where, timeout=60) for _ in range(MOST_CONNECTIONS + 20)]
        try:
            assert [connection.recv(1) for connection in silent[:20]] == [b""] * 20
            sent(callback, GET.replace("{query}", f"code=c&state={state}"))
            assert callback.wait(30) == "c"
        finally:
            for connection in silent:
                connection.close()


def test_the_port_is_the_logins_own_from_before_anybody_learns_of_it() -> None:
    one, _ = flow()
    with listening(one.code) as callback, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", callback.server_address[1]))
        assert callback.redirect_uri == f"http://127.0.0.1:{callback.server_address[1]}/callback"


def test_a_refusal_ends_the_wait() -> None:
    one, state = flow()
    with listening(one.code) as callback:
        text = GET.replace("{query}", f"error=access_denied&state={state}")
        thread = threading.Thread(target=lambda: sent(callback, text))
        thread.start()
        with pytest.raises(RefusedError, match="access_denied"):
            callback.wait(30)
        thread.join(30)


GIVEN = {"device_code": "d", "user_code": "ABCD-EFGH", "expires_in": 100, "interval": 5}


def given(scripted: ScriptedIssuer, **changed: object) -> dict[str, object]:
    return GIVEN | {"verification_uri": f"{scripted.url}/device"} | changed


def waited(scripted: ScriptedIssuer, *answers: tuple[int, object]) -> tuple[object, list[float]]:
    """Return what the wait ends with, and the pauses before each question."""
    issuer = scripted.issuer()
    provider = discover(issuer)
    scripted.answers |= {"/device_authorization": [(200, given(scripted))], "/token": list(answers)}
    code = ask_for_code(issuer, provider, client_id="monoctl", scopes="openid")
    pauses: list[float] = []
    try:
        return wait_for_tokens(
            issuer, provider, code, client_id="monoctl", sleep=pauses.append, now=lambda: sum(pauses)
        ), pauses
    except (Error, OAuthError) as error:
        return error, pauses


def refusal(code: str) -> tuple[int, object]:
    return 400, {"error": code}


def test_the_wait_for_a_device_obeys_the_issuer(scripted: ScriptedIssuer) -> None:
    found, pauses = waited(
        scripted,
        refusal("authorization_pending"),
        refusal("slow_down"),
        refusal("authorization_pending"),
        (503, {}),
        (200, {"id_token": "t"}),
    )
    assert (found, pauses) == ({"id_token": "t"}, [5, 5, 10, 10, 20])
    assert scripted.asked[-1][1] == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "d",
        "client_id": "monoctl",
    }


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("expired_token", TimedOutError, "was not typed in time"),
        ("access_denied", RefusedError, "was declined"),
        ("invalid_client", RefusedError, "refuses the login (invalid_client)"),
    ],
)
def test_a_device_login_ends_with_a_reason(scripted: ScriptedIssuer, code: str, kind: type[Error], said: str) -> None:
    found, _ = waited(scripted, refusal(code))
    assert isinstance(found, kind)
    assert said in found.message


def test_a_code_that_nobody_types_ends(scripted: ScriptedIssuer) -> None:
    found, pauses = waited(scripted, refusal("authorization_pending"))
    assert isinstance(found, TimedOutError)
    assert sum(pauses) < 100


@pytest.mark.parametrize(
    "changed",
    [
        {"verification_uri": "http://localhost/device"},
        {"verification_uri": "https://evil.example/device"},
        {"verification_uri": "https://localhost/\x1b]0;x"},
        {"verification_uri": None},
        {"user_code": "AB\x1b[2JCD"},
        {"user_code": "\u202eABCD"},
        {"user_code": "x" * 100},
        {"user_code": None},
        {"device_code": ""},
        {"device_code": 3},
    ],
    ids=range(10),
)
def test_a_code_that_could_fool_its_reader_is_not_shown(scripted: ScriptedIssuer, changed: dict[str, object]) -> None:
    scripted.answers["/device_authorization"] = [(200, given(scripted, **changed))]
    issuer = scripted.issuer()
    with pytest.raises((ProtocolError, UsageError)):
        ask_for_code(issuer, discover(issuer), client_id="monoctl", scopes="openid")


def test_an_address_with_the_code_in_it_is_shown_only_if_it_is_the_issuers(scripted: ScriptedIssuer) -> None:
    issuer = scripted.issuer()
    strange = given(scripted, verification_uri_complete="https://evil.example/x", interval="often", expires_in=-1)
    scripted.answers["/device_authorization"] = [(200, strange)]
    found = ask_for_code(issuer, discover(issuer), client_id="monoctl", scopes="openid")
    assert (found.complete_uri, found.interval_s, found.lasts_s) == ("", 5, 1800)
    assert "'d'" not in repr(found)


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


@pytest.mark.usefixtures("desktop")
def test_a_keyring_that_fails_is_told_without_its_words(tmp_path: Path) -> None:
    keyring.set_keyring(keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call]
    with pytest.raises(UsageError, match="the desktop's keyring fails: NoKeyringError") as caught:
        write(tmp_path / "m8", starting.in_keyring(KEPT))
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
def test_an_exchanged_token_that_nothing_renews_is_told_as_the_logins_end(tmp_path: Path, used: str, said: str) -> None:
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
def test_without_a_new_refresh_token_the_old_stays(scripted: ScriptedIssuer, tmp_path: Path, given: str | None) -> None:
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
    assert (path.parent, path.suffix) == (tmp_path / "monoskope" / "login", ".toml")


def test_further_issuers_have_names(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    logins = '[logins.lab]\nissuer = "https://lab.example"\nclient_id = "c"\nca_file = "lab.crt"\n'
    write_private(file, f'server = "m8:1,m8:2"\nlogin_issuer = "https://a"\nlogin_scopes = "a"\n{logins}'.encode())
    environ = {"HOME": str(tmp_path), "MONOCTL_LOGIN_HOSTS": "evil.example"}

    found = starting.settings_of("m8:1", find({"server": "m8:1"}, config=file, login="lab", environ=environ))

    assert (found.issuer, found.audience, found.ca_file) == ("https://lab.example", "c", str(tmp_path / "lab.crt"))
    assert (found.scopes, found.hosts) == ("", ""), "what is said of another issuer counts for that one alone"
    with pytest.raises(UsageError, match="names no login 'other', but lab"):
        find({}, config=file, login="other", environ=environ)
    with pytest.raises(UsageError, match="are for the server m8:1,m8:2, not for evil:1"):
        find({"server": "evil:1"}, config=file, login="lab", environ=environ)
