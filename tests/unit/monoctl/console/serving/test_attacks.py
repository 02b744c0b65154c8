"""Who else could ask the console: another user of the machine, another page of the browser, a page that was there."""

from __future__ import annotations

import asyncio
import json
import secrets

import pytest

from monoskope.monoctl.console import requests as headers
from monoskope.monoctl.console.session import FIRST_S, GONE_S, LINK_S
from tests.support.console_calls import SEALED, Page, framed, value
from tests.unit.monoctl.console.serving.served import HOSTILE, Served, asked, ended, sent

VALUE = b"correct horse battery staple"


async def refused(page: Page, status: int, **changed: str) -> str:
    """What a call and one with values are told, once both are refused and nothing was taken."""
    page.headers = {name.replace("_", "-"): value for name, value in changed.items()}
    told = set()
    for answer in (
        await asked(page.call, "whoami"),
        await asked(page.send, "put", {"uris": ["a://b"]}, [value("k", VALUE)]),
        await asked(page.call, "no-such-operation"),
    ):
        assert answer.status == status, answer.body
        assert not [name for name in answer.headers if name.startswith("access-control")]
        told.add(answer.document["error"]["message"])
    [message] = told  # whoever is refused does not even learn which operations there are
    return str(message)


async def test_a_page_with_a_session_is_answered(page: Page, served: Served) -> None:
    assert (await asked(page.call, "whoami")).document == {"subject": "alice"}
    answer = await asked(page.send, "put", {"uris": ["a://b"]}, [value("k", VALUE)])
    assert (answer.status, served.taken) == (200, [{"k": VALUE}])


async def test_every_answer_forbids_the_browser_what_the_page_does_not_need(page: Page, served: Served) -> None:
    answers = [await asked(page.ask, "GET", path, page.said("")) for path in ("/", "/console.js", "/nothing")]
    answers += [
        await asked(page.call, "whoami"),
        await asked(page.call, "nothing"),
        await asked(served.page.call, "whoami"),
    ]
    for answer in answers:
        for name, wanted in (*headers.ALWAYS, ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")):
            assert answer.headers[name.lower()] == wanted
    for word in ("default-src 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'", "base-uri 'none'"):
        assert word in headers.CSP
    assert "unsafe" not in headers.CSP


# Another user of this machine.


async def test_who_has_no_session_gets_401_and_learns_nothing(served: Served) -> None:
    for session in ("", "x", secrets.token_urlsafe(32), "ü"):
        message = await refused(Page(served.application.port, session), 401)
        assert "session" in message
    assert not served.taken


async def test_who_has_no_link_begins_nothing(served: Served) -> None:
    served.sessions.new_link()
    for token in ("", secrets.token_urlsafe(32)):
        answer = await asked(served.page.begin, token)
        assert (answer.status, answer.code) == (401, "LINK_ENDED")
    assert not served.said


# Another page of the same browser.


@pytest.mark.parametrize(
    "origin", ["", "null", "http://evil.example", "http://localhost:{port}", "https://127.0.0.1:{port}"]
)
async def test_another_pages_call_is_refused_by_its_origin(page: Page, served: Served, origin: str) -> None:
    assert "Origin" in await refused(page, 403, Origin=origin.format(port=page.port))
    assert not served.taken


@pytest.mark.parametrize("site", ["", "cross-site", "same-site", "none"])
async def test_another_pages_call_is_refused_by_what_the_browser_says(served: Served, site: str) -> None:
    assert "Sec-Fetch-Site" in await refused(await served.begun(), 403, Sec_Fetch_Site=site)
    assert not served.taken


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json",
        "application/octet-stream; charset=x",
        "",
    ],
)
async def test_a_body_that_a_form_could_send_is_refused(page: Page, kind: str) -> None:
    page.headers = {"Content-Type": kind}
    assert (await asked(page.call, "whoami")).status == 415


async def test_what_takes_values_takes_no_other_body_and_the_other_way_round(page: Page) -> None:
    assert (await asked(page.call, "put", {"uris": []})).code == "USAGE"
    assert (await asked(page.send, "whoami", {}, [value("k", VALUE)])).code == "USAGE"


async def test_a_preflight_gets_no_permission(served: Served) -> None:
    page = served.page
    asking = page.said("") | {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = await asked(page.ask, "OPTIONS", "/api/put", asking)
    assert answer.status == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_operations_are_called_with_post_alone(page: Page, method: str) -> None:
    answer = await asked(page.ask, method, "/api/whoami", page.said(""))
    assert answer.status == 405
    assert method == "HEAD" or json.loads(answer.body)["error"]["message"] == "operations are called with POST alone."


async def test_the_page_is_no_part_of_another_page(served: Served) -> None:
    page = served.page
    for kind in ("iframe", "object", "script"):
        assert (await asked(page.ask, "GET", "/", page.said("") | {"Sec-Fetch-Dest": kind})).status == 403
    assert (await asked(page.ask, "GET", "/console.js", page.said("") | {"Sec-Fetch-Site": "cross-site"})).status == 403
    assert (
        await asked(page.ask, "GET", "/", {"Host": f"127.0.0.1:{page.port}", "Sec-Fetch-Dest": "document"})
    ).status == 200


# DNS rebinding.


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:{port}",
        "localhost:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1.:{port}",
        "127.0.0.1:0{port}",
        "127.0.0.2:{port}",
        "127.1:{port}",
        "2130706433:{port}",
        "0x7f.1:{port}",
        "0.0.0.0:{port}",
        "somebody@127.0.0.1:{port}",
        "[::1]:{port}",
        "[::ffff:127.0.0.1]:{port}",
    ],
)
async def test_a_name_that_somebody_let_point_here_is_misdirected(page: Page, served: Served, host: str) -> None:
    host = host.format(port=page.port)
    assert "Host" in await refused(page, 421, Host=host, Origin=f"http://{host}")
    for path in ("/", "/console.js"):
        assert (await asked(page.ask, "GET", path, {"Host": host})).status == 421
    assert not served.taken


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("POST http://127.0.0.1:{port}/api/whoami HTTP/1.1", 400),
        ("POST //api/whoami HTTP/1.1", 405),
        ("POST /%61pi/whoami HTTP/1.1", 405),
        ("POST /x/../api/whoami HTTP/1.1", 405),
        ("POST /api/whoami/ HTTP/1.1", 404),
        ("POST /api/whoami?x HTTP/1.1", 404),
        ("CONNECT 127.0.0.1:{port} HTTP/1.1", 501),
        ("TRACE /api/whoami HTTP/1.1", 501),
    ],
)
async def test_an_operation_has_one_address_alone(page: Page, line: str, status: int) -> None:
    assert await first_line(page, line.format(port=page.port), []) == status


@pytest.mark.parametrize(
    ("name", "status"),
    [("Host", 400), ("Origin", 403), ("Sec-Fetch-Site", 403), ("Authorization", 401), ("Console-Nonce", 400)],
)
async def test_what_is_said_twice_is_not_said(page: Page, name: str, status: int) -> None:
    again = (name, page.said(SEALED)[name])
    assert await first_line(page, "POST /api/whoami HTTP/1.1", [again]) == status


async def first_line(page: Page, line: str, more: list[tuple[str, str]]) -> int:
    """The status of the answer to a request with a line of its own, and more fields."""
    body = page.side.seal("whoami", b"{}")
    fields = [*page.said(SEALED).items(), *more, ("Content-Length", str(len(body)))]
    reader, writer = await sent(page, line, fields, body)
    status = (await reader.readline()).split()[1]
    await ended(writer)
    return int(status)


# A stolen link.


async def test_a_link_counts_once_and_who_comes_second_ends_the_first_session(served: Served) -> None:
    link = served.sessions.new_link()
    first, second = served.page, served.page
    assert (await asked(first.begin, link)).status == 200
    assert served.cleared == 1
    live = first.live()
    assert (await asked(next, live))["kind"] == "m8"
    assert (await asked(first.call, "whoami")).status == 200

    answer = await asked(second.begin, link)

    assert (answer.status, answer.code) == (401, "LINK_USED")
    assert "a stranger has read it" in answer.document["error"]["message"]
    over = await asked(first.call, "whoami")
    assert (over.status, over.code, over.is_proven) == (401, "SESSION_ENDED", True)
    assert await asked(list, live) is not None  # its stream ends, too
    assert [sentence.split(".")[0] for sentence in served.said] == [
        "A page has begun",
        "A link was used a second time: the session that it began has ended",
    ]


async def test_a_link_counts_for_two_minutes(served: Served) -> None:
    link = served.sessions.new_link()
    served.now += LINK_S + 1
    assert not served.sessions.is_awaited()
    assert (await asked(served.page.begin, link)).code == "LINK_ENDED"


async def test_a_page_that_is_loaded_again_is_told_how_a_new_one_opens(served: Served) -> None:
    answer = await asked(served.page.begin, "")
    assert "Press Enter in the terminal" in answer.document["error"]["fix"]


# A session whose page is gone.


async def test_a_session_ends_a_minute_after_its_page_is_gone(page: Page, served: Served) -> None:
    live = page.live()
    await asked(next, live)
    served.now += 10 * GONE_S
    served.sessions.sweep()
    assert (await asked(page.call, "whoami")).status == 200

    await asked(live.close)
    while not is_quiet(served):
        await asyncio.sleep(0)
    served.now += GONE_S + 1
    served.sessions.sweep()

    assert (await asked(page.call, "whoami")).code == "SESSION_ENDED"
    assert not served.sessions.is_over()
    served.now += GONE_S + 1
    assert served.sessions.is_over()


def is_quiet(served: Served) -> bool:
    return all(session.streams == 0 for session in served.sessions._sessions)


def test_a_console_that_nobody_opens_ends_after_five_minutes() -> None:
    served = Served()
    served.now += FIRST_S - 1
    assert not served.sessions.is_over()
    served.now += 2
    assert served.sessions.is_over()


# A port that somebody else has taken after the console ended. What is sealed and proven: test_sealed.py.


async def test_every_answer_of_a_session_is_proven_and_what_strangers_get_is_not(served: Served) -> None:
    page = served.page
    begun = await asked(page.begin, served.sessions.new_link())
    answers = [
        begun,
        *[await asked(page.call, name) for name in ("whoami", "hostile", "conflict", "defect", "nothing")],
    ]
    assert [(answer.status, answer.is_proven) for answer in answers] == [
        *[(200, True)] * 3, (409, True), (500, True), (404, True)
    ]  # fmt: skip
    assert not (await asked(Page(page.port, page.session).call, "whoami")).is_proven
    assert not (await asked(served.page.begin, secrets.token_urlsafe(32))).is_proven


async def test_a_page_that_comes_second_believes_why_it_gets_nothing(served: Served) -> None:
    link = served.sessions.new_link()
    await asked(served.page.begin, link)
    second = await asked(served.page.begin, link)
    assert (second.status, second.code, second.is_proven) == (401, "LINK_USED", True)


async def test_the_token_and_the_keys_are_in_no_request(served: Served) -> None:
    token = served.sessions.new_link()
    assert served.sessions._links[0].beginning.name != token
    page = served.page
    page.headers = {"Content-Type": "application/json"}
    answer = await asked(page.ask, "POST", "/api/begin", page.said("x"), json.dumps({"token": token}).encode())
    assert (answer.status, answer.code) == (401, "LINK_ENDED")  # the token itself begins nothing


async def test_a_call_that_came_before_is_refused_and_does_nothing(page: Page, served: Served) -> None:
    sealed = page.side.seal("put", framed({"uris": ["a://b"]}, [value("k", VALUE)]))
    assert (await asked(page.post, "put", sealed)).status == 200
    answer = await asked(page.post, "put", sealed)
    assert (answer.status, answer.code, answer.is_proven) == (403, "UNAUTHENTICATED", True)
    assert served.taken == [{"k": VALUE}]


async def test_who_has_the_session_without_its_keys_can_call_nothing(page: Page, served: Served) -> None:
    thief = Page(page.port, page.session)
    for answer in (
        await asked(thief.call, "whoami"),
        await asked(thief.send, "put", {"uris": ["a://b"]}, [value("k", VALUE)]),
        await asked(thief.post, "put", framed({"uris": ["a://b"]}, [value("k", VALUE)])),
        await asked(thief.call, "live"),
    ):
        assert (answer.status, answer.code) == (403, "UNAUTHENTICATED")
    assert not served.taken


async def test_a_body_counts_for_the_operation_and_the_session_alone_that_it_was_made_for(served: Served) -> None:
    page, other = await served.begun(), await served.begun()
    sealed = page.side.seal("whoami", b"{}")
    for caller, operation in ((page, "held"), (other, "whoami")):
        assert (await asked(caller.post, operation, sealed)).code == "UNAUTHENTICATED"
    assert (await asked(page.post, "whoami", sealed)).status == 200


@pytest.mark.parametrize("nonce", ["", "x", "A" * 21, "A" * 24])
async def test_a_call_without_a_nonce_is_refused(page: Page, nonce: str) -> None:
    page.headers = {"Console-Nonce": nonce}
    assert (await asked(page.call, "whoami")).status == 400


async def test_a_page_that_says_the_last_number_has_said_all(page: Page, served: Served) -> None:
    last, seal = 2**96 - 1, page.side.seal
    put = framed({"uris": ["a://b"]}, [value("k", VALUE)])
    for number, status in ((last, 200), (0, 403), (1, 403), (last, 403), (last - 1_023, 200), (last - 1_024, 403)):
        assert (await asked(page.post, "put", seal("put", put, number=number))).status == status
    assert len(served.taken) == 2


# A hostile m8, and defects.


async def test_what_a_hostile_m8_says_is_escaped_as_by_monoctl(served: Served) -> None:
    answer = await asked((await served.begun()).call, "hostile")
    assert answer.body.decode().isprintable()
    assert (answer.document, answer.headers["content-type"]) == ({"subject": HOSTILE}, "application/json")


async def test_a_refusal_says_what_the_command_says(served: Served) -> None:
    answer = await asked((await served.begun()).call, "conflict")
    assert answer.status == 409
    assert answer.document["error"] == {
        "code": "CONFLICT",
        "exit_code": 6,
        "message": "something else is there.",
        "fix": "Look at `expect`.",
        "by_m8": False,
        "reason": "CONFLICT",
        "retry_after_s": None,
        "uri": "",
    }


async def test_a_defect_is_told_without_what_it_says(served: Served) -> None:
    answer = await asked((await served.begun()).call, "defect")
    assert (answer.status, answer.code) == (500, "INTERNAL")
    assert b"correct horse" not in answer.body
