"""monoctl is killed or interrupted at each of its failpoints: nothing half-told, and what it left ends by itself."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.failpoints import VARIABLE
from monoskope.testing.cluster.commands import Ran
from monoskope.testing.parts import Part
from tests.crash.breaking import FIRST, Command, Crash
from tests.faults.parts import LIFETIME_S, REACTOR_TIMINGS
from tests.faults.processes import dies, wake

SENT = "SecretUploadRequested"
BEFORE_SENDING = ("after-request", "after-grant", "before-send")
EXPIRED_S = LIFETIME_S + 30.0
LIKE_AFTER_SEND = pytest.param("before-print", marks=pytest.mark.soak)
"""The end is known, and was not printed."""
LIKE_AFTER_GRANT = pytest.param("after-request", marks=pytest.mark.soak)
"""Nothing was sent, and nothing is sealed."""


@dataclass(frozen=True, slots=True)
class Left:
    """What is left behind at the start: its keys live for half a minute, and the other tests run meanwhile."""

    replica: Part
    """Sleeps with a key and what was sealed for it."""
    held: Command
    """The put that it was about."""
    killed: list[Command]
    """Puts whose monoctl died with a key."""
    asleep: Part
    """A monoctl that sleeps with a sealed secret."""
    late: str
    """What it is about."""


@pytest.fixture(scope="module", autouse=True)
def left(local: Crash) -> Iterator[Left]:
    """Leave it behind, in a store that no other test here touches."""
    folders = ("reactor-local", "reactor-local-2")
    local.spared.update(folders)
    local.team = "left"
    replica = local.reactor("reactor.before-open=stop", folder=folders[0])
    held = local.put(uri=local.uri("local"), background=True)
    local.audit.wait_for(held.uri, SENT)
    local.reactor(folder=folders[1])
    held.ended()
    killed = [local.put(uri=local.uri("local"), failpoints=f"monoctl.{place}=kill") for place in BEFORE_SENDING]
    late = local.uri("local")
    (local.cluster.folder / "late.txt").write_bytes(b"late")
    words = ("monoctl", "put", "secret", late, "--from-file", "password=late.txt", "-o", "json")
    asleep = local.cluster.part("monoctl", *words, log="late.log", user=local.user)
    asleep.start({VARIABLE: "monoctl.before-send=stop"})
    local.audit.wait_for(late, "SecretUploadKeyProvided")
    yield Left(replica, held, killed, asleep, late)
    local.spared.difference_update(folders)
    # Also where the tests that wake and stop them are not run: a second replica would serve what later tests break.
    local.again()


def said(ran: Ran) -> tuple[str, str]:
    """The message and the fix of the one error that was printed."""
    error = json.loads(ran.err.splitlines()[-1])["error"]
    assert error["exit_code"] == ran.code
    return error["message"], error["fix"]


@pytest.mark.parametrize("place", ["after-send", LIKE_AFTER_SEND])
def test_killed_after_it_sent_what_it_sent_is_written_once(crash: Crash, place: str) -> None:
    put = crash.put(failpoints=f"monoctl.{place}=kill")
    crash.check(put, -signal.SIGKILL)
    assert crash.versions(put) == 1


@pytest.mark.parametrize("place", [LIKE_AFTER_GRANT, "after-grant"])
def test_interrupted_before_anything_was_sent_it_says_so(crash: Crash, place: str) -> None:
    put = crash.put(failpoints=f"monoctl.{place}=interrupt")
    assert (put.ended().code, said(put.ended())[0]) == (130, "interrupted; nothing was sent.")


@pytest.mark.parametrize("place", ["before-send", pytest.param("after-send", marks=pytest.mark.soak)])
def test_interrupted_while_sending_it_says_what_is_not_known_and_how_to_ask(crash: Crash, place: str) -> None:
    ran = crash.put(failpoints=f"monoctl.{place}=interrupt").ended()
    assert ran.code == 9
    assert "may or may not be written" in said(ran)[0]
    assert said(ran)[1].startswith("Ask with `monoctl get upload ")


def test_interrupted_once_the_end_was_there_it_says_which(crash: Crash) -> None:
    ran = crash.check(crash.put(failpoints="monoctl.before-print=interrupt"), 9)
    assert "ended as UPLOADED" in said(ran)[0]


def test_interrupted_during_a_new_attempt_it_still_tells_of_the_one_before(crash: Crash) -> None:
    sleeper = crash.reactor("reactor.before-write=stop")
    put = crash.put(failpoints="monoctl.after-request=interrupt@2", background=True)
    crash.audit.wait_for(put.uri, "SecretUploadStarted")
    time.sleep(float(str(REACTOR_TIMINGS["write_window"])))  # its own clock has to pass it: there is nothing to ask
    wake(sleeper)
    ran = put.ended()
    assert ran.code == 9
    assert "may or may not be written" in said(ran)[0]
    crash.audit.can_be_asked_about(ran, crash.audit.requests(put.uri))


def test_an_interrupted_comparison_says_that_nothing_was_written(crash: Crash) -> None:
    put = crash.put()
    ran = crash.compare(put, failpoints="monoctl.before-send=interrupt").ended()
    assert ran.code == 9
    assert "nothing was written" in said(ran)[0]


def test_interrupted_while_it_waits_for_the_receipt(crash: Crash) -> None:
    part = crash.reactor("reactor.before-open=stop")
    uri = crash.uri()
    words = ("monoctl", "put", "secret", uri, "--from-file", "password=value.txt", "-o", "json")
    (crash.cluster.folder / "value.txt").write_bytes(b"waiting")
    monoctl = crash.user.background(*words, log="waiting.log")
    crash.audit.wait_for(uri, SENT)
    monoctl._signal(signal.SIGINT)
    dies(monoctl)
    message = json.loads(monoctl.log.read_text().splitlines()[-1])["error"]
    assert (message["exit_code"], "may or may not be written" in message["message"]) == (9, True)
    wake(part)
    crash.reactor_is_back(FIRST)
    crash.audit.check(uri, {})


def test_killed_before_it_sent_it_leaves_requests_that_end_and_nothing_else(crash: Crash, left: Left) -> None:
    for put in left.killed:
        crash.check(put, -signal.SIGKILL, seconds=EXPIRED_S)
        assert crash.versions(put) == 0
        assert [one.reason for one in crash.audit.requests(put.uri).values()] == [upload_pb2.REASON_EXPIRED]


def test_a_secret_that_comes_after_the_keys_lifetime_is_not_written(crash: Crash, left: Left) -> None:
    crash.audit.all_end(left.late, seconds=EXPIRED_S)
    wake(left.asleep)
    dies(left.asleep)
    line = left.asleep.log.read_text().splitlines()[-1]
    ran = Ran("user", (), json.loads(line)["error"]["exit_code"], "", line)
    assert ran.code == 9
    crash.audit.check(left.late, {"late": ran})
    assert crash.audit.history(left.late) == []


def test_a_replica_that_slept_through_its_keys_lifetime_opens_nothing_more(crash: Crash, left: Left) -> None:
    crash.audit.all_end(left.late, seconds=EXPIRED_S)  # its own key is older than that request's
    wake(left.replica)
    crash.reactor_is_back("reactor-local")
    crash.cluster.reactors["reactor-local-2"].stop()
    crash.check(crash.put(uri=crash.uri("local")), 0)
    crash.check(left.held, 9)
    assert crash.versions(left.held) == 0
