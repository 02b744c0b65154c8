"""A put through `monoctl console` whose reactor breaks after the sending: no user is told of a success."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from monoskope.testing.parts import wait_until
from tests.crash.breaking import SECOND, Crash
from tests.faults.processes import dies, wake
from tests.support.console import Console
from tests.support.console_calls import Page, value

VALUE = b"sent through the console: 51b0"


@contextmanager
def page_of(crash: Crash) -> Iterator[tuple[Console, Page]]:
    """A console of the cluster's user, and a page of it."""
    with Console(crash.user) as console:
        found = re.fullmatch(r"http://127.0.0.1:(\d+)/#(\S+)", console.address())
        assert found
        page = Page(int(found[1]))
        assert page.begin(found[2]).status == 200
        yield console, page


def test_the_page_is_told_that_the_end_is_not_known_and_which_request_it_was(crash: Crash) -> None:
    part = crash.reactor("reactor.after-started=kill")
    uri = crash.uri()
    with page_of(crash) as (_, page):
        answers: list[dict[str, Any]] = []

        def put() -> None:
            answers.append(page.send("put", {"uris": [uri]}, [value("password", VALUE)]).document)

        putting = threading.Thread(target=put)
        putting.start()
        dies(part)
        crash.reactor(folder=SECOND)
        putting.join()
        [row] = answers[0]["results"]
        assert row["failed"]["code"] == "OUTCOME_UNKNOWN", row
        assert row["failed"]["uri"] == uri
        request = page.call("upload", {"request_id": row["failed"]["request_id"]}).document
        assert (request["proven"], request["outcome"], request["is_false"]) == (False, "FAILED", False)
        assert page.call("secrets", {"search": uri}).document["total"] == 0


def test_a_second_ctrl_c_says_what_was_sent_and_may_or_may_not_be_written(crash: Crash) -> None:
    part = crash.reactor("reactor.before-write=stop")
    uri = crash.uri()
    with page_of(crash) as (console, page):
        live = page.live()
        next(live)  # it is open: what follows is told to it
        asking = threading.Thread(target=_cut, args=(page, uri))
        asking.start()
        while next(live).get("stage") != "SENT":
            pass
        crash.audit.wait_for(uri, "SecretUploadStarted")
        console.interrupt()
        wait_until(lambda: "Ctrl-C ends at once" in console.terminal(), what="it waits for what is under way")
        console.interrupt()
        assert console.end() == 9
        assert f"{uri} was sent and may or may not be" in " ".join(console.terminal().split())
        asking.join()
    wake(part)


def _cut(page: Page, uri: str) -> None:
    """Put, and be left without an answer."""
    try:
        page.send("put", {"uris": [uri]}, [value("password", VALUE)])
    except OSError:
        return
    raise AssertionError("the put was answered")
