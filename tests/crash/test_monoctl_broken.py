"""monoctl is killed or interrupted at each of its failpoints: nothing half-told, and what it left ends by itself."""

from __future__ import annotations

import json
import signal

import pytest

from monoskope.testing.cluster_commands import Ran
from monoskope.testing.parts import wait_until
from tests.crash.conftest import LIFETIME_S, M8_TIMINGS, Crash, Putting, dies

BEFORE_SENDING = ("after-request", "after-grant")
AFTER_SENDING = ("before-send", "after-send", "before-print")


def said(ran: Ran) -> tuple[str, str]:
    """The message and the fix of the one error that was printed."""
    error = json.loads(ran.err.splitlines()[-1])["error"]
    assert error["exit_code"] == ran.code
    return error["message"], error["fix"]


def test_killed_anywhere_it_leaves_requests_that_end_and_a_log_that_is_true(crash: Crash) -> None:
    left: list[Putting] = []
    for place in (*BEFORE_SENDING, *AFTER_SENDING):
        putting = crash.put(failpoints=f"monoctl.{place}=kill")
        assert putting.ended().code == -signal.SIGKILL
        left.append(putting)
    bound = LIFETIME_S + M8_TIMINGS["granted_grace"] + 10
    for putting in left:
        crash.audit.check(putting.path, putting.ended(), putting.value, seconds=float(bound))
    written = [bool(crash.audit.versions(putting.path)) for putting in left]
    assert written == [False, False, False, True, True]


def test_interrupted_before_anything_was_sent_it_says_so(crash: Crash) -> None:
    ran = crash.put(failpoints="monoctl.after-request=interrupt").ended()
    assert (ran.code, said(ran)[0]) == (130, "interrupted; nothing was sent.")


@pytest.mark.parametrize("place", ["after-grant", "before-send"])
def test_interrupted_while_sending_it_says_what_is_not_known_and_how_to_ask(crash: Crash, place: str) -> None:
    ran = crash.put(failpoints=f"monoctl.{place}=interrupt").ended()
    assert ran.code == 9
    assert "may or may not be written" in said(ran)[0]
    assert said(ran)[1].startswith("Ask with `monoctl get upload ")


@pytest.mark.parametrize("place", ["after-send", "before-print"])
def test_interrupted_once_the_end_was_there_it_says_which(crash: Crash, place: str) -> None:
    ran = crash.check(crash.put(failpoints=f"monoctl.{place}=interrupt"), 9)
    assert "ended as UPLOADED" in said(ran)[0]


def test_interrupted_during_a_new_attempt_it_still_tells_of_the_one_before(crash: Crash) -> None:
    part = crash.reactor("reactor.before-open=kill")
    putting = crash.put(failpoints="monoctl.after-request=interrupt@2", background=True)
    dies(part)
    crash.reactor()
    ran = putting.ended()
    assert ran.code == 9
    assert "may or may not be written" in said(ran)[0]


def test_an_interrupted_comparison_says_that_nothing_was_written(crash: Crash) -> None:
    crash.put(path="compared")
    ran = crash.user.monoctl(
        *("compare", "secret", f"vault://{crash.team}/compared", "--from-file", "password=-", "-o", "json"),
        input=b"x",
        environment={"MONOSKOPE_FAILPOINTS": "monoctl.before-send=interrupt"},
    )
    assert ran.code == 9
    assert "nothing was written" in said(ran)[0]


def test_interrupted_while_it_waits_for_the_receipt(crash: Crash) -> None:
    part = crash.reactor("reactor.before-open=stop")
    words = ("monoctl", "put", "secret", f"vault://{crash.team}/w", "--from-file", "password=value.txt", "-o", "json")
    (crash.cluster.folder / "value.txt").write_bytes(b"waiting")
    monoctl = crash.user.background(*words, log="waiting.log")
    wait_until(
        lambda: any("SecretUploadRequested" in one.types for one in crash.audit.requests("w").values()),
        what="it is sent",
    )
    assert monoctl.pid is not None
    monoctl._signal(signal.SIGINT)
    dies(monoctl)
    message = json.loads(monoctl.log.read_text().splitlines()[-1])["error"]
    assert (message["exit_code"], "may or may not be written" in message["message"]) == (9, True)
    part._signal(signal.SIGCONT)
    crash.audit.all_end("w")
