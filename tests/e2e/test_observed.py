"""What an operator sees of a running m8 and a reactor: metrics, alerts of a real Prometheus, one trace a request."""

from __future__ import annotations

import json
import re
import resource
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from monoskope.testing.cluster import Cluster, editing
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.parts import needed, wait_until
from monoskope.testing.search import Wanted, look
from tests.support.operations import address_of, asked, prometheus, samples
from tests.support.otlp import Collector, Received, collecting

STORE = "vault"
REACTOR = f"reactor-{STORE}"
OF_LOAD = {("M8Down", ""), ("M8AppendsSlow", "")}
"""The alerts that a busy machine may raise: a scrape has 200 ms here, and no alert waits."""


@dataclass
class Observed:
    """A cluster whose parts export spans to `collector`."""

    cluster: Cluster
    collector: Collector
    user: User

    @property
    def m8(self) -> str:
        return address_of(self.cluster.folder / "m8")

    @property
    def reactor(self) -> str:
        return address_of(self.cluster.folder / REACTOR)

    def put(self, path: str, value: bytes, *words: str) -> Ran:
        arguments = ("put", "secret", f"{STORE}://{path}", "--from-file", "password=-", "-o", "json", *words)
        return self.user.monoctl(*arguments, input=value, environment=tracing(self.collector))


def tracing(collector: Collector) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50"}


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    with collecting() as collector:
        environments = dict.fromkeys(("m8", REACTOR), tracing(collector))
        with Cluster(tmp_path_factory.mktemp("observed"), environments=environments) as cluster:
            cluster.start_m8()
            cluster.start_openbao()
            heard = ("write", "-f", "sys/config/auditing/request-headers/traceparent", "hmac=false")
            assert cluster.run_bao(*heard).code == 0
            cluster.make_vault_reactor(STORE, readable=True)
            with editing(cluster.folder / REACTOR / "reactor.toml") as settings:
                settings |= {"operations_listen": "127.0.0.1:0", "log_file": "own.log"}
            cluster.share_fingerprint_key(REACTOR)
            cluster.add_store(STORE)
            cluster.start_reactor(STORE)
            yield Observed(cluster, collector, cluster.add_user("anna", prefixes=[f"{STORE}://"]))


def one_trace(observed: Observed, request_id: str) -> list[Received]:
    """The spans of the trace of a request, once its last one has come."""

    def found() -> list[Received]:
        spans = observed.collector.spans()
        traces = {one.trace for one in spans if one.attributes.get("monoskope.request_id") == request_id}
        assert len(traces) <= 1, "a request has one trace"
        return [one for one in spans if one.trace in traces]

    wait_until(
        lambda: (
            {"request", "handle request", "write upstream", "RequestUploadSecret"} <= {one.name for one in found()}
            and all(one.parent in {"", *(other.span for other in found())} for one in found())
        ),
        what="the whole trace is exported",
    )
    return found()


def test_one_put_is_one_trace_from_monoctl_to_the_engine_and_holds_no_secret(observed: Observed) -> None:
    value, key, path = secrets.token_hex(24).encode(), f"key-{secrets.token_hex(8)}", f"path-{secrets.token_hex(8)}"
    arguments = ("put", "secret", f"{STORE}://{path}", "--from-file", f"{key}=-", "-o", "json")
    put = observed.user.monoctl(*arguments, input=value, environment=tracing(observed.collector))
    assert put.code == 0, put.err
    request_id = put.json()["request_id"]

    spans = one_trace(observed, request_id)
    assert {one.service for one in spans} == {"monoctl", "m8", "m8-reactor"}
    (root,) = [one for one in spans if not one.parent]
    assert (root.service, root.name, root.attributes["monoskope.outcome"]) == ("monoctl", "request", "UPLOADED")
    of_reactor = {one.name for one in spans if one.service == "m8-reactor"}
    steps = {"grant key", "handle request", "wait for turn", "wait for first look", "open", "write upstream"}
    assert of_reactor == {*steps, "engine request"}
    # The fourth process, the engine, was told the same trace: it says so itself.
    heard = observed.cluster.bao.audit_log.read_text().splitlines()
    told = {h for line in heard for h in json.loads(line)["request"].get("headers", {}).get("traceparent", [])}
    assert {one.split("-")[1] for one in told if one.split("-")[1] == root.trace} == {root.trace}
    assert {one.split("-")[2] for one in told} & {one.span for one in spans if one.name == "engine request"}

    # Nothing of it was exported: no value, key, path, token or fingerprint; and the search can see.
    token = observed.user.token_file.read_bytes().strip()
    wanted = [Wanted.of("value", value), Wanted.of("key", key.encode()), Wanted.of("path", path.encode())]
    shown = observed.user.monoctl("get", "secret", f"{STORE}://{path}", "-o", "json").json()
    fingerprint = re.search(r"fp1:[^:]+:([0-9a-f]{64})", json.dumps(shown))
    assert fingerprint is not None, shown
    wanted += [Wanted.of("token", token[-43:]), Wanted.of("fingerprint", fingerprint[1].encode())]
    wanted += [Wanted.of("control", b"UPLOADED")]
    seen = look("what was exported", observed.collector.raw, wanted)
    assert {one.name: seen.total(one.name) > 0 for one in wanted} == {
        **dict.fromkeys(("value", "key", "path", "token", "fingerprint"), False),
        "control": True,
    }
    assert all(one.events == 0 for one in spans), "no exception is recorded in a span"


def test_log_lines_of_a_traced_request_name_its_trace(observed: Observed) -> None:
    put = observed.put("logged", b"value")
    (root, *_) = [one for one in one_trace(observed, put.json()["request_id"]) if not one.parent]
    own = observed.cluster.folder / REACTOR / "own.log"
    # The reactor writes its line when it has heard from m8 that its receipt is recorded; so has the user.
    wait_until(lambda: put.json()["request_id"] in own.read_text(), what="the reactor's log names the request")
    for log in (observed.cluster.folder / "m8" / "m8.log", own):
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        found = [line for line in lines if line.get("request_id") == put.json()["request_id"]]
        assert found
        assert {line["trace_id"] for line in found} == {root.trace}


def test_metrics_count_what_users_did_and_name_no_secret_subject_or_request(observed: Observed) -> None:
    before = samples(asked(observed.m8, "/metrics")[1])
    path = f"path-{secrets.token_hex(8)}"
    put = observed.put(path, b"counted")
    assert put.code == 0
    missing = observed.user.monoctl("delete", "secret", f"{STORE}://nowhere", "--yes", "-o", "json")
    assert missing.code == 4, missing.err

    text = asked(observed.m8, "/metrics")[1]
    after = samples(text)

    def more(name: str, **labels: str) -> float:
        key = (name, frozenset(labels.items()))
        return after.get(key, 0.0) - before.get(key, 0.0)

    assert more("m8_requests_total", store=STORE, purpose="UPLOAD", outcome="UPLOADED") == 1
    assert more("m8_requests_total", store=STORE, purpose="DELETE", outcome="FAILED") == 1
    assert more("m8_calls_total", method="RequestUploadSecret", code="OK") == 2
    assert more("m8_append_group_size_count") >= 5
    now = {name: value for (name, labels), value in after.items() if labels in (frozenset(), {("store", STORE)})}
    assert (now["m8_reactors_attached"], now["m8_database_up"], now["m8_database_writable"]) == (1, 1, 1)
    assert now["m8_database_last_position"] > 0
    assert now["m8_oldest_open_request_age_seconds"] == 0

    key = ("m8_reactor_requests_total", frozenset({("purpose", "UPLOAD"), ("outcome", "UPLOADED"), ("reason", "")}))
    # The reactor counts when it has heard from m8 that its receipt is recorded; so has the user.
    wait_until(lambda: samples(asked(observed.reactor, "/metrics")[1]).get(key, 0) >= 1, what="the reactor has counted")
    of_reactor = asked(observed.reactor, "/metrics")[1]
    ended = samples(of_reactor)
    assert ended["m8_reactor_attached", frozenset()] == 1
    expires = after["m8_certificate_expiry_timestamp_seconds", frozenset()]
    assert ended["m8_reactor_server_certificate_expiry_timestamp_seconds", frozenset()] == expires
    for told in (text, of_reactor):
        for word in (path, "anna", put.json()["request_id"], "password", "counted", "fp1:"):
            assert word.encode() not in told


def test_a_reactor_that_is_gone_and_a_disk_that_is_full_raise_their_alerts(observed: Observed, tmp_path: Path) -> None:
    cluster = observed.cluster
    targets = {"m8": observed.m8, "m8-reactor": observed.reactor}
    with prometheus(tmp_path / "prometheus", targets) as running:
        assert running.firing() <= OF_LOAD
        cluster.reactors[REACTOR].stop()
        gone = ("M8StoreWithoutReactor", STORE)
        wait_until(lambda: gone in running.firing(), what="the alert about the reactor fires")
        cluster.start_reactor(STORE)
        wait_until(lambda: gone not in running.firing(), what="it ends")

        assert cluster.m8.pid is not None
        files = [file.stat().st_size for file in (cluster.folder / "m8").glob("log.db*") if "reserve" not in file.name]
        limits = resource.prlimit(cluster.m8.pid, resource.RLIMIT_FSIZE, (max(files), resource.RLIM_INFINITY))
        try:

            def is_told_of() -> bool:
                """Whether the alert fires, once more was put: a put may also fail because it had no time."""
                observed.put("full", secrets.token_bytes(20_000), "--timeout", "2", "--retry-for", "0")
                return ("M8LogNotWritable", "") in running.firing()

            wait_until(is_told_of, what="the alert about the disk fires")
            status, body = asked(observed.m8, "/readyz")
            assert (status, json.loads(body)["checks"]["log"]) == (503, "not writable")
            assert asked(observed.m8, "/healthz")[0] == 200
        finally:
            resource.prlimit(cluster.m8.pid, resource.RLIMIT_FSIZE, limits)
        wait_until(lambda: asked(observed.m8, "/readyz")[0] == 200, what="m8 is ready again")


def test_logrotate_moves_the_log_away_and_the_reactor_writes_on_in_a_new_one(
    observed: Observed, tmp_path: Path
) -> None:
    program = needed("logrotate", "logrotate")
    log = observed.cluster.folder / REACTOR / "own.log"
    pid = observed.cluster.reactors[REACTOR].pid
    assert pid is not None
    example = (Path(__file__).resolve().parents[2] / "deploy" / "observe" / "logrotate.conf").read_text()
    block = re.sub(r"^\S+ \{", f"{log} {{", example[example.rindex("\n/") + 1 :])
    block = re.sub(r"systemctl kill .*", f"kill -HUP {pid}", re.sub(r"    su .*\n", "", block))
    config = tmp_path / "logrotate.conf"
    config.write_text(block)
    config.chmod(0o600)
    observed.cluster.folder.chmod(0o700)
    subprocess.run([program, "--force", "--state", str(tmp_path / "state"), str(config)], check=True)
    put = observed.put("rotated", b"value")
    assert put.code == 0, put.err
    wait_until(lambda: log.exists() and put.json()["request_id"] in log.read_text(), what="a line in the new file")
    old = log.with_name(f"{log.name}.1").read_text()
    assert put.json()["request_id"] not in old
    assert all(json.loads(line) for line in (old + log.read_text()).splitlines())
    assert log.stat().st_mode & 0o777 == 0o600


def test_an_m8_that_ended_leaves_no_address_behind_and_a_new_one_is_ready(observed: Observed) -> None:
    status, body = asked(observed.m8, "/readyz")
    assert (status, json.loads(body)["ready"]) == (200, True)
    folder = observed.cluster.folder / "m8"
    observed.cluster.m8.stop()
    assert not (folder / "operations-address").exists()
    observed.cluster.start_m8()
    wait_until((folder / "operations-address").exists, what="it says where it answers")
    assert asked(observed.m8, "/readyz")[0] == 200
