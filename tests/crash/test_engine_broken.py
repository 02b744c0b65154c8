"""OpenBao killed, sealed, slow, rate-limiting, refusing: the user is told the truth; once it is back all is well."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from monoskope.stores.vault_policy import least_policy
from monoskope.testing.cluster import MOUNT, PREFIX, Cluster
from monoskope.testing.parts import wait_until
from tests.crash.conftest import Crash

ROLE = "m8-reactor-vault"


@contextmanager
def stopped(pid: int | None) -> Iterator[None]:
    """The process stands still meanwhile."""
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def is_sent(crash: Crash, path: str) -> bool:
    return any("SecretUploadRequested" in one.types for one in crash.audit.requests(path).values())


def test_killed_before_a_put_nothing_is_written_and_the_user_is_told(crash: Crash) -> None:
    crash.cluster.bao.kill()
    putting = crash.put()
    crash.cluster.bao.start()
    ran = crash.check(putting, 7)
    assert "UPSTREAM_UNAVAILABLE" in ran.err
    crash.check(crash.put(path=putting.path), 0)


def test_sealed_it_is_unavailable_and_nothing_is_written(crash: Crash) -> None:
    crash.cluster.bao.call("PUT", "sys/seal")
    putting = crash.put()
    crash.cluster.bao.restart()
    crash.check(putting, 7)


def test_slow_past_the_write_window_nothing_is_told_that_is_not_so(crash: Crash) -> None:
    with stopped(crash.cluster.bao.pid):
        putting = crash.put("--timeout", "8", background=True)
        wait_until(lambda: is_sent(crash, putting.path), what="the secret is sent")
        putting.ended()
    crash.check(putting, 7, 9)
    crash.check(crash.put("--overwrite", path=putting.path), 0)


def test_killed_in_the_middle_of_a_write_the_end_is_found_out(crash: Crash) -> None:
    reactor = crash.reactor("reactor.before-write=stop")
    putting = crash.put(background=True)
    wait_until(lambda: started(crash, putting.path), what="STARTED is recorded")
    crash.cluster.bao.kill()
    reactor._signal(signal.SIGCONT)
    crash.cluster.bao.start()
    crash.check(putting, 0, 7, 9)


def started(crash: Crash, path: str) -> bool:
    return any("SecretUploadStarted" in one.types for one in crash.audit.requests(path).values())


def test_rate_limiting_it_is_unavailable_and_nothing_is_written(crash: Crash) -> None:
    bao = crash.cluster.bao
    bao.call("POST", "sys/quotas/rate-limit/none", {"rate": 0.001, "interval": "1h", "path": f"{MOUNT}/"})
    putting = crash.put()
    bao.call("DELETE", "sys/quotas/rate-limit/none")
    crash.check(putting, 7)
    crash.check(crash.put(path=putting.path), 0)


def test_refusing_it_is_refused_and_nothing_is_written(crash: Crash) -> None:
    bao = crash.cluster.bao
    bao.write_policy(ROLE, 'path "sys/none" { capabilities = ["read"] }')
    putting = crash.put()
    allow(crash.cluster)
    ran = crash.check(putting, 3)
    assert "UPSTREAM_REFUSED" in ran.err
    crash.check(crash.put(path=putting.path), 0)


def allow(cluster: Cluster) -> None:
    cluster.bao.write_policy(ROLE, least_policy(mount=MOUNT, prefix=PREFIX, readable=True, binary=True))
