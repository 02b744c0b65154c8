"""The runbooks of a store without its reactor, from the alert to the cure, with a real Prometheus."""

from __future__ import annotations

import datetime as dt
import json
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from monoskope.m8.http import tls
from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster, editing
from monoskope.testing.parts import Part, free_port, wait_until
from tests.faults.parts import M8_TIMINGS, shorten
from tests.support.operations import address_of, asked, cures, prometheus

STORE, REACTOR = "local", "reactor-local"
ALERTS = {("M8StoreWithoutReactor", STORE), ("M8ReactorDetached", "")}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """m8, and a reactor of age files that attaches at its HTTP door and says what it does at an address of its own."""
    with Cluster(tmp_path_factory.mktemp("runbooks")) as cluster:
        cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server)
        shorten(cluster.folder / "m8" / "m8.toml", timings=dict(M8_TIMINGS))  # so that a silent reactor is soon gone
        cluster.start_m8()
        cluster.make_local_reactor(STORE, server=cluster.server)
        with editing(cluster.folder / REACTOR / "reactor.toml") as settings:
            settings["operations_listen"] = f"127.0.0.1:{free_port()}"
        cluster.share_fingerprint_key(REACTOR)
        cluster.add_store(STORE)
        cluster.start_reactor(STORE)
        yield cluster


@contextmanager
def full(cluster: Cluster) -> Iterator[None]:
    """No file of m8's can grow meanwhile, so its log takes no write."""
    assert cluster.m8.pid is not None
    limits = resource.prlimit(cluster.m8.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(cluster.m8.pid, resource.RLIMIT_FSIZE, limits)


@contextmanager
def other_authority(cluster: Cluster) -> Iterator[None]:
    """The reactor's `ca_file` holds an authority that signed nothing of m8."""
    file = cluster.folder / "m8" / "ca.crt"
    right = file.read_bytes()
    write_private(file, tls.make(["127.0.0.1"], now=dt.datetime.now(dt.UTC)).ca, replace=True)
    try:
        yield
    finally:
        write_private(file, right, replace=True)


@contextmanager
def other_port(cluster: Cluster) -> Iterator[None]:
    """The reactor's `server` names a port at which nothing listens."""
    file = cluster.folder / REACTOR / "reactor.toml"
    right = file.read_bytes()
    write_private(file, right.replace(cluster.server.encode(), f"127.0.0.1:{free_port()}".encode()), replace=True)
    try:
        yield
    finally:
        write_private(file, right, replace=True)


def said_last(reactor: Part, known: int) -> str:
    """What the reactor's log said last, after its first `known` bytes, of why a session ended."""
    lines = [json.loads(line) for line in reactor.said_since(known).splitlines() if line.startswith("{")]
    return next((line["message"] for line in reversed(lines) if line["event"] == "session ended"), "")


@pytest.mark.parametrize(
    ("broken", "says", "mended_by_itself"),
    [
        (full, "is m8, and m8 refuses this reactor for now", True),
        (other_authority, "shows a certificate that this reactor does not trust", False),
        (other_port, "does not answer, or not as m8", False),
    ],
)
def test_a_reactor_that_is_not_attached_says_what_the_page_has_a_cure_for(
    cluster: Cluster,
    tmp_path: Path,
    broken: Callable[[Cluster], AbstractContextManager[None]],
    says: str,
    mended_by_itself: bool,
) -> None:
    reactor = cluster.reactors[REACTOR]
    targets = {"m8": address_of(cluster.folder / "m8"), "m8-reactor": address_of(cluster.folder / REACTOR)}
    with prometheus(tmp_path / "prometheus", targets) as running:
        reactor.stop()  # in good order, so that m8 has recorded that it is gone
        known = reactor.said_bytes
        with broken(cluster):
            reactor.start()
            wait_until(lambda: running.firing() >= ALERTS, what="both alerts fire")
            wait_until(lambda: bool(said_last(reactor, known)), what="the reactor says why")
            said = said_last(reactor, known)
            assert [row for row in cures() if row in said] == [says]
            if mended_by_itself:
                sent = ("M8LogNotWritable", "")
                assert sent[0] in cures()[says]
                wait_until(lambda: sent in running.firing(), what="m8's own alert fires, to which the page sends")
                assert json.loads(asked(targets["m8"], "/readyz")[1])["checks"]["log"] == "not writable"
        if not mended_by_itself:
            assert "start" in cures()[says]
            reactor.stop()
            reactor.start()
        wait_until(lambda: not running.firing() & ALERTS, what="both alerts end")
        assert len(cluster.attached(STORE)) == 1


def test_a_reactor_that_does_not_run_is_started(cluster: Cluster, tmp_path: Path) -> None:
    reactor = cluster.reactors[REACTOR]
    alert = ("M8StoreWithoutReactor", STORE)
    with prometheus(tmp_path / "prometheus", {"m8": address_of(cluster.folder / "m8")}) as running:
        reactor.kill()
        wait_until(lambda: alert in running.firing(), what="the alert fires")
        cluster.start_reactor(STORE)
        wait_until(lambda: alert not in running.firing(), what="the alert ends")
