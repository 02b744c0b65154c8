"""The logs: one line an event, listed fields alone, one request id through all, and no value at any verbosity."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from monoskope.operating_log import FIELDS
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import User
from monoskope.testing.parts import wait_until
from monoskope.testing.search import Wanted, look, look_below
from tests.e2e.conftest import Team
from tests.e2e.ran import UPLOADED, ok, put_inside, refused

LOUD = {
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONDEVMODE": "1",
    "PYTHONVERBOSE": "1",
}
KEY_LOG = "SSLKEYLOGFILE"
AUDITED = {"time", "request_id", "uri", "subject", "purpose", "outcome", "reason", "upstream_version"}
AUDITED |= {"destination", "detail", "signer", "signer_key", "certificate", "signers_sha256", "revoked_sha256"}
AUDITED |= {"approvers_sha256", "rules_sha256", "change_sha256", "approvers", "break_glass"}


def lines(file: Path) -> list[dict[str, Any]]:
    whole = file.read_text(encoding="utf-8").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def entry_of(log: Path, field: str, value: str) -> dict[str, Any]:
    """The one line of a reactor's log about a request. It comes once m8 has its receipt, as the user's answer does."""

    def found() -> list[dict[str, Any]]:
        return [line for line in lines(log) if line.get(field) == value]

    wait_until(lambda: bool(found()), what=f"{log} tells of the request")
    (entry,) = found()
    return entry


def test_one_request_can_be_followed_through_every_log(team: Team) -> None:
    folder, uri = team.cluster.folder, team.uri("local")
    put = ok(put_inside(team.user, uri)).json()
    request_id = put["request_id"]

    calls = [line for line in lines(team.cluster.m8.log) if line.get("request_id") == request_id]
    assert {line["method"] for line in calls} >= {"RequestSecretUploadKey", "RequestUploadSecret"}
    assert {line["code"] for line in calls if line["event"] == "call"} == {"OK"}

    assert [event["type"] for event in team.events(ok(put_inside(team.user, uri, value=b"another")))] == UPLOADED

    audit = [line for line in lines(folder / "reactor-local" / "audit.jsonl") if line["request_id"] == request_id]
    assert [line["outcome"] for line in audit] == ["GRANTED", "STARTED", "UPLOADED"]
    assert {(line["uri"], line["subject"]) for line in audit} == {(uri, team.user.name)}

    entry = entry_of(folder / "reactor-local" / "reactor.log", "request_id", request_id)
    assert (entry["event"], entry["level"], entry["uri"]) == ("request", "info", uri)
    assert (entry["purpose"], entry["outcome"], entry["reason"]) == ("UPLOAD", "UPLOADED", "")
    assert entry["duration_ms"] >= 0


def test_what_the_reactor_refuses_is_in_its_log_with_the_reason(team: Team) -> None:
    uri, log = team.uri("vault"), team.cluster.folder / "reactor-vault" / "reactor.log"
    refused(team.user.monoctl("patch", "secret", uri, "--remove", "a", "-o", "json"), 4)
    entry = entry_of(log, "uri", uri)
    assert (entry["event"], entry["purpose"]) == ("request", "PATCH")
    assert (entry["outcome"], entry["reason"]) == ("FAILED", "NOT_FOUND")
    (call,) = [
        line
        for line in lines(team.cluster.m8.log)
        if line.get("request_id") == entry["request_id"] and line["method"] == "RequestUploadSecret"
    ]
    assert (call["code"], call["uri"]) == ("OK", uri)


def test_every_line_is_one_object_of_listed_fields(team: Team) -> None:
    ok(put_inside(team.user, team.uri("local")))
    for name, allowed in {
        "m8/m8.log": FIELDS,
        "reactor-local/reactor.log": FIELDS,
        "reactor-vault/reactor.log": FIELDS,
        "reactor-local/audit.jsonl": AUDITED,
    }.items():
        found = lines(team.cluster.folder / name)
        assert found, name
        for line in found:
            assert set(line) <= set(allowed) - {"dropped"}, (name, line)


class LoudCluster(Cluster):
    """Every program says all that Python can be made to say, and is asked to write down the keys of its connections."""

    def _environment(self, user: User | None) -> Mapping[str, str]:  # type: ignore[override]
        return {**super()._environment(user), **LOUD, KEY_LOG: str(self.folder / "tls-keys")}


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with LoudCluster(tmp_path_factory.mktemp("loud")) as cluster:
        cluster.start_m8()
        cluster.make_local_reactor("local")
        cluster.share_fingerprint_key("reactor-local")
        cluster.add_store("local")
        cluster.start_reactor("local")
        yield cluster


def test_no_value_is_in_any_log_however_much_is_logged(loud: Cluster) -> None:
    value, control = secrets.token_hex(24).encode(), secrets.token_hex(12)
    user = loud.add_user("anna", prefixes=["local://"])
    words = ("--from-file", "password=-", "-o", "json")
    put = user.monoctl("put", "secret", f"local://{control}/db", *words, input=value)
    compared = user.monoctl("compare", "secret", f"local://{control}/db", *words, input=value)
    assert (put.code, compared.code) == (0, 0)

    token = user.token_file.read_bytes().strip()[-43:]
    wanted = [Wanted.of("value", value), Wanted.of("token", token), Wanted.of("control", control.encode())]
    logs = [one for one in look_below(loud.folder, wanted) if one.place.endswith((".log", ".jsonl"))]
    said = [look(f"what {ran.arguments[1]} said", [ran.err.encode()], wanted) for ran in (put, compared)]
    assert {one.place for one in logs} >= {"m8/m8.log", "reactor-local/reactor.log", "reactor-local/audit.jsonl"}
    for one in (*logs, *said):
        assert one.total("value") == 0, one.place
        if one.place.startswith(("m8/", "reactor-")):
            assert one.total("token") == 0, one.place
    assert sum(one.total("control", "raw") for one in logs) > 0
    for name in ("m8/m8.log", "reactor-local/reactor.log"):
        # The switches do work: beside our own lines there are others.
        assert [line for line in (loud.folder / name).read_text().splitlines() if not line.startswith("{")], name


def test_no_program_writes_tls_keys_to_a_file_and_none_leaves_a_core(loud: Cluster) -> None:
    if not Path("/proc/self/limits").exists():
        pytest.skip("this system shows no limits of processes")
    user = loud.add_user("ben", prefixes=["local://team"])
    put = ("put", "secret", "local://team/db", "--from-file", "password=-")
    assert user.monoctl(*put, input=b"correct horse").code == 0
    assert not (loud.folder / "tls-keys").exists()
    for name, log in (("m8", "m8/m8.log"), ("reactor-local", "reactor-local/reactor.log")):
        assert f"{KEY_LOG} IS IGNORED" in (loud.folder / log).read_text()
        limits = Path(f"/proc/{loud.pids[name]}/limits").read_text()
        (core,) = (line for line in limits.splitlines() if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"], name
