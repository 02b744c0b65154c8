"""What comes back by itself is waited for, with real processes (docs/waiting.md). The table of reasons is
`tests/unit/client/test_sent_again.py`.
"""

from __future__ import annotations

import socket

from monoskope.exit_codes import ExitCode
from monoskope.host_port import HostPort
from tests.crash.breaking import FIRST, Crash


def test_a_put_that_begins_while_m8_restarts_succeeds(crash: Crash) -> None:
    crash.cluster.m8.kill()
    at = HostPort.parse(crash.cluster.server)
    with socket.create_server((at.host, at.port)) as nobody:
        put = crash.put(background=True)
        nobody.accept()[0].close()  # it has asked, and there is no m8
    crash.m8()
    crash.check(put, 0)
    assert crash.versions(put) == 1
    assert len(crash.audit.requests(put.uri)) == 1


def test_a_reactor_that_is_killed_is_waited_for_until_it_is_back(crash: Crash) -> None:
    crash.cluster.reactors[FIRST].kill()
    put = crash.put(background=True)
    crash.audit.wait_for(put.uri, "SecretUploadKeyRequested")
    crash.reactor()
    crash.check(put, 0)
    assert crash.versions(put) == 1


def test_a_reactor_that_does_not_come_back_is_told_after_the_time(crash: Crash) -> None:
    crash.cluster.reactors[FIRST].kill()
    put = crash.put("--retry-for", "0.5")
    ran = put.ended()  # its request ends later: that is m8's to do
    assert (ran.code, "no reactor of the store" in ran.err) == (ExitCode.UNAVAILABLE, True)
    assert crash.versions(put) == 0
