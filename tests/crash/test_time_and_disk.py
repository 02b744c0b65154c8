"""A replica that sleeps through its deadlines, a wrong clock, a full disk."""

from __future__ import annotations

import resource
import signal
import time

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.testing.parts import wait_until
from tests.crash.conftest import LIFETIME_S, REACTOR_TIMINGS, SECOND, Crash, Putting


def has(crash: Crash, putting: Putting, kind: str) -> bool:
    return any(kind in one.types for one in crash.audit.requests(putting.path).values())


def test_a_replica_that_slept_through_its_write_window_does_not_write_late(crash: Crash) -> None:
    sleeper = crash.reactor("reactor.before-write=stop")
    putting = crash.put(background=True)
    wait_until(lambda: has(crash, putting, "SecretUploadStarted"), what="STARTED is recorded")
    heir = crash.cluster.start_reactor("vault", folder=SECOND)
    crash.check(putting, 0)
    versions = crash.audit.versions(putting.path)
    sleeper._signal(signal.SIGCONT)
    crash.check(crash.put(), 0)
    assert crash.audit.versions(putting.path) == versions == [1]
    heir.stop()


def test_a_replica_that_slept_before_started_cannot_start_any_more(crash: Crash) -> None:
    sleeper = crash.reactor("reactor.before-started=stop")
    putting = crash.put(background=True)
    wait_until(lambda: has(crash, putting, "SecretUploadRequested"), what="the secret is sent")
    heir = crash.cluster.start_reactor("vault", folder=SECOND)
    crash.check(putting, 0)
    sleeper._signal(signal.SIGCONT)
    crash.check(crash.put(), 0)
    assert crash.audit.versions(putting.path) == [1]
    heir.stop()


def test_a_replica_alone_that_slept_through_its_write_window_says_so(crash: Crash) -> None:
    sleeper = crash.reactor("reactor.before-write=stop")
    putting = crash.put(background=True)
    wait_until(lambda: has(crash, putting, "SecretUploadStarted"), what="STARTED is recorded")
    time.sleep(float(str(REACTOR_TIMINGS["write_window"])))  # its own clock has to pass it: there is nothing to ask
    sleeper._signal(signal.SIGCONT)
    crash.check(putting, 0)
    reasons = [one.receipt.reason for one in crash.audit.requests(putting.path).values() if one.receipt is not None]
    assert upload_pb2.REASON_KEY_LOST in reasons
    assert crash.audit.versions(putting.path) == [1]


def test_a_secret_that_comes_after_the_keys_lifetime_is_not_written(crash: Crash) -> None:
    crash.reactor()
    words = ("monoctl", "put", "secret", f"vault://{crash.team}/late", "--from-file", "password=late.txt", "-o", "json")
    (crash.cluster.folder / "late.txt").write_bytes(b"late")
    sleeper = crash.cluster.part("monoctl", *words, log="late.log", user=crash.user)
    sleeper.start({"MONOSKOPE_FAILPOINTS": "monoctl.before-send=stop"})
    wait_until(
        lambda: any("SecretUploadKeyProvided" in o.types for o in crash.audit.requests("late").values()), what="x"
    )
    crash.audit.all_end("late", seconds=LIFETIME_S + 15)
    sleeper._signal(signal.SIGCONT)
    wait_until(lambda: sleeper.pid is None, what="monoctl ends")
    assert '"exit_code": 9' in sleeper.log.read_text()
    assert crash.audit.versions("late") == []


def test_a_clock_that_jumps_ahead_and_back_ends_nothing_early_and_nothing_never(crash: Crash) -> None:
    crash.m8("m8.clock=shift+600@40")
    crash.reactor_is_back()
    crash.check(crash.put(), 0)
    crash.check(crash.put(), 0)
    asleep = crash.reactor("reactor.before-grant=stop")
    unanswered = crash.put("--timeout", "40", background=True)
    wait_until(lambda: has(crash, unanswered, "SecretUploadKeyRequested"), what="the key is asked for")
    crash.m8()
    ran = crash.check(unanswered, 7)
    assert "NO_REACTOR" in ran.err
    asleep.kill()
    crash.reactor()
    crash.check(crash.put(), 0)


def test_a_clock_that_is_behind_refuses_newer_tokens_by_name_and_nothing_is_sent(crash: Crash) -> None:
    crash.m8("m8.clock=shift-600")
    putting = crash.put()
    crash.m8()
    ran = crash.check(putting, 10)
    assert "correct this server's clock" in ran.err
    crash.reactor_is_back()
    crash.check(crash.put(), 0)


def test_a_full_disk_refuses_what_it_cannot_keep_and_loses_nothing_that_it_kept(crash: Crash) -> None:
    before = crash.put()
    crash.check(before, 0)
    m8 = crash.cluster.m8.pid
    assert m8 is not None
    largest = max(file.stat().st_size for file in (crash.cluster.folder / "m8").glob("log.db*"))
    limits = resource.prlimit(m8, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    full = crash.put("--timeout", "10")
    resource.prlimit(m8, resource.RLIMIT_FSIZE, limits)
    crash.check(full, 0, 7, 8, 9)
    assert crash.cluster.m8.pid == m8
    crash.check(before, 0)
    crash.check(crash.put(), 0)
