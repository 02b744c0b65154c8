"""OpenBao killed, sealed, slow, rate-limiting, refusing: the user is told the truth; once it is back all is well."""

from __future__ import annotations

from monoskope.stores.vault.config import least_policy
from monoskope.testing.cluster import MOUNT, PREFIX, Cluster
from tests.crash.breaking import Crash, stopped, wake

ROLE = "m8-reactor-vault"


def test_killed_before_a_put_nothing_is_written_and_the_user_is_told(crash: Crash) -> None:
    crash.cluster.bao.kill()
    put = crash.put()
    crash.cluster.bao.start()
    ran = crash.check(put, 7)
    assert "UPSTREAM_UNAVAILABLE" in ran.err
    crash.check(crash.put(uri=put.uri), 0)


def test_sealed_it_is_unavailable_and_nothing_is_written(crash: Crash) -> None:
    crash.cluster.bao.call("PUT", "sys/seal")
    put = crash.put()
    crash.cluster.bao.kill()
    crash.cluster.bao.start()
    ran = crash.check(put, 7)
    assert "UPSTREAM_UNAVAILABLE" in ran.err


def test_slow_before_a_write_it_is_unavailable_and_nothing_is_written(crash: Crash) -> None:
    with stopped(crash.cluster.bao.pid):
        put = crash.put()
    ran = crash.check(put, 7)
    assert "UPSTREAM_UNAVAILABLE" in ran.err
    crash.check(crash.put(uri=put.uri), 0)


def test_slow_past_the_write_window_nothing_is_told_that_is_not_so(crash: Crash) -> None:
    reactor = crash.reactor("reactor.before-write=stop")
    put = crash.put(background=True)
    crash.audit.wait_for(put.uri, "SecretUploadStarted")
    with stopped(crash.cluster.bao.pid):
        wake(reactor)
        put.ended()
    # What was on its way may be written yet: nobody was told that it was, nor that it was not.
    ran = crash.check(put, 9)
    assert "may or may not have been written" in ran.err
    crash.check(crash.put("--overwrite", uri=put.uri), 0)


def test_killed_in_the_middle_of_a_write_the_end_is_found_out(crash: Crash) -> None:
    reactor = crash.reactor("reactor.before-write=stop")
    put = crash.put(background=True)
    crash.audit.wait_for(put.uri, "SecretUploadStarted")
    crash.cluster.bao.kill()
    wake(reactor)
    crash.cluster.bao.start()
    crash.check(put, 0, 7, 9)


def test_rate_limiting_it_is_unavailable_and_nothing_is_written(crash: Crash) -> None:
    bao = crash.cluster.bao
    bao.call("POST", "sys/quotas/rate-limit/none", {"rate": 0.001, "interval": "1h", "path": f"{MOUNT}/"})
    put = crash.put()
    bao.call("DELETE", "sys/quotas/rate-limit/none")
    crash.check(put, 7)
    crash.check(crash.put(uri=put.uri), 0)


def test_refusing_it_is_refused_and_nothing_is_written(crash: Crash) -> None:
    bao = crash.cluster.bao
    bao.write_policy(ROLE, 'path "sys/none" { capabilities = ["read"] }')
    put = crash.put()
    allow(crash.cluster)
    ran = crash.check(put, 3)
    assert "UPSTREAM_REFUSED" in ran.err
    crash.check(crash.put(uri=put.uri), 0)


def allow(cluster: Cluster) -> None:
    policy = least_policy(mount=MOUNT, prefix=PREFIX, readable=True, patchable=True, binary=True, delete=True)
    cluster.bao.write_policy(ROLE, policy)
