"""Two reactors serve one store: any of them may answer, one wins, and the death of one costs nobody a secret."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from monoskope.exit_codes import ExitCode
from monoskope.testing.cluster import MOUNT, PREFIX, Cluster
from monoskope.testing.cluster.commands import Ran
from monoskope.testing.parts import Part, wait_until
from tests.e2e.conftest import Team
from tests.e2e.ran import UPLOADED, ok

SECOND = "reactor-vault-2"


@pytest.fixture(scope="module")
def pair(cluster: Cluster) -> Iterator[Cluster]:
    """A second reactor of the store `vault`, with the same identity and fingerprint key."""
    cluster.make_vault_reactor("vault", folder=SECOND, readable=True)
    cluster.share_fingerprint_key("reactor-vault", SECOND)
    cluster.start_reactor("vault", folder=SECOND)
    yield cluster
    cluster.reactors[SECOND].stop()
    cluster.start_reactor("vault")


def replica_of(part: Part) -> str:
    """The 16 bytes that a running reactor calls itself, in hex, from its log."""
    lines = (json.loads(line) for line in part.log.read_text().splitlines())
    return str([line["replica"] for line in lines if line.get("event") == "reactor starts"][-1])


def stream_of(cluster: Cluster, team: Team, path: str) -> list[dict[str, object]]:
    """The events of the newest request for a path, from the log itself."""
    events = ok(team.user.monoctl("get", "events", "--prefix", team.uri("vault", path), "-o", "json")).json()
    if not events:
        return []
    newest = events[-1]["stream"]
    found: list[dict[str, object]] = cluster.must(
        "m8", "events", "--stream", newest, "--dir", "m8", "-o", "json"
    ).json()
    return found


def test_of_two_replicas_one_wins_each_request_and_both_serve(pair: Cluster, team: Team) -> None:
    with ThreadPoolExecutor(2) as pool:
        puts = list(pool.map(lambda number: ok(team.put(team.uri("vault", f"n{number}"))), range(6)))
    for put in puts:
        events = team.events(put)
        assert [event["type"] for event in events] == UPLOADED
        assert events[1]["actor"] == events[3]["actor"] == events[4]["actor"]
    assert len(pair.attached("vault")) == 2


@pytest.mark.soak
def test_a_replica_that_dies_with_a_sealed_secret_leaves_it_unknown_and_the_other_serves_on(
    pair: Cluster, team: Team
) -> None:
    """Who made the key is gone: the other replica ends the request, but cannot say that what was sealed is dead."""
    bao = pair.bao.pid
    assert bao is not None
    done: list[Ran] = []
    putting = threading.Thread(target=lambda: done.append(team.put(team.uri("vault", "survives"), value=b"it does")))
    os.kill(bao, signal.SIGSTOP)  # the engine does not answer, so the issuer cannot go on
    try:
        putting.start()
        wait_until(lambda: len(stream_of(pair, team, "survives")) >= 3, what="the sealed secret is with m8")
        issuer = str(stream_of(pair, team, "survives")[1]["actor"]).rpartition("/")[2]
        (part,) = [one for one in pair.reactors.values() if one.pid and replica_of(one).startswith(issuer)]
        assert part.name in {"reactor-vault", SECOND}
        part.kill()
    finally:
        os.kill(bao, signal.SIGCONT)
    putting.join(110)
    assert done[0].code == ExitCode.OUTCOME_UNKNOWN, done[0].err
    assert "It could still be written until" in done[0].err
    put = ok(team.put(team.uri("vault", "survives"), value=b"it does"))
    assert put.json()["outcome"] == "UPLOADED"
    assert [event["type"] for event in team.events(put)] == UPLOADED
    ran = pair.run_bao("kv", "get", f"-mount={MOUNT}", "-format=json", "-field=data", f"{PREFIX}/{team.name}/survives")
    assert ok(ran).json() == {"password": "it does"}
    ends = ok(team.user.monoctl("get", "events", "-o", "json")).json()
    assert "SecretUploadFailed" in {event["type"] for event in ends}
    pair.start_reactor("vault", folder="" if part.name == "reactor-vault" else SECOND)


def test_a_request_is_not_lost_when_a_replica_leaves_cleanly(pair: Cluster, team: Team) -> None:
    pair.reactors["reactor-vault"].stop()
    ok(team.put(team.uri("vault", "after")))
    assert subprocess.list2cmdline(pair.reactors["reactor-vault"].arguments).endswith("run reactor-vault")
    assert pair.reactors["reactor-vault"].pid is None
