"""The two flows against somebody who wants in: other programs of the machine, web pages, other issuers, the issuer."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
from contextlib import suppress
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from monoskope.client.login.browser import MOST_CONNECTIONS, Callback, CodeFlow, NotOursError, listening
from monoskope.client.login.device import begin, wait
from monoskope.client.login.issuer import OAuthError, Provider, discover
from monoskope.errors import Error, ProtocolError, RefusedError, TimedOutError, UsageError
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
def test_the_answer_of_another_issuer_and_a_refusal_end_the_login(
    fields: dict[str, str], names_itself: bool, said: str
) -> None:
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
    code = begin(issuer, provider, client_id="monoctl", scopes="openid")
    pauses: list[float] = []
    try:
        return wait(issuer, provider, code, client_id="monoctl", sleep=pauses.append, now=lambda: sum(pauses)), pauses
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
    assert found == {"id_token": "t"}
    assert pauses == [5, 5, 10, 10, 20]
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
def test_a_device_login_ends_with_its_sentence(
    scripted: ScriptedIssuer, code: str, kind: type[Error], said: str
) -> None:
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
def test_a_code_that_could_fool_a_terminal_or_its_reader_is_not_shown(
    scripted: ScriptedIssuer, changed: dict[str, object]
) -> None:
    scripted.answers["/device_authorization"] = [(200, given(scripted, **changed))]
    issuer = scripted.issuer()
    with pytest.raises((ProtocolError, UsageError)):
        begin(issuer, discover(issuer), client_id="monoctl", scopes="openid")


def test_an_address_with_the_code_in_it_is_shown_only_if_it_is_the_issuers(scripted: ScriptedIssuer) -> None:
    issuer = scripted.issuer()
    strange = given(scripted, verification_uri_complete="https://evil.example/x", interval="often", expires_in=-1)
    scripted.answers["/device_authorization"] = [(200, strange)]
    found = begin(issuer, discover(issuer), client_id="monoctl", scopes="openid")
    assert (found.complete_uri, found.interval_s, found.lasts_s) == ("", 5, 1800)
    assert "'d'" not in repr(found)
