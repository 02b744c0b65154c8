"""What no honest user, client or reactor sends or holds, at the real programs: what is said, and that all go on.

Every case has its unit tests; here is what only the programs together show.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import commands_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import client
from monoskope.protocol.wire import serialise
from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster, editing
from tests.e2e.conftest import Team
from tests.e2e.ran import Caller, inside, ok, put_inside, refused
from tests.support.m8_user import refused as refuses
from tests.support.vectors import VECTORS, a_request


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (lambda token: token[:-8], "its signature is wrong"),
        (lambda _: "s.IamAVaultToken", "the credential is not a token of m8"),
    ],
    ids=["cut", "no token of m8"],
)
def test_a_token_that_does_not_count_is_refused_with_the_reason_and_shown_nowhere(
    patient: Team, tmp_path: Path, spoilt: Callable[[str], str], said: str
) -> None:
    token, file = spoilt(patient.user.token_file.read_text().strip()), tmp_path / "token"
    write_private(file, token.encode())
    for ran in (
        put_inside(patient.user, patient.uri("local"), "--token-file", str(file)),
        inside(patient.user, "get", "secrets", "--token-file", str(file), "-o", "json"),
    ):
        assert said in refused(ran, 10)
        assert token not in ran.err
    assert token not in patient.cluster.m8.log.read_text()


def test_a_request_out_of_sight_looks_like_one_that_is_not(patient: Team, team: Team) -> None:
    put = ok(put_inside(patient.user, patient.uri("local", "mine"))).json()
    there = inside(team.user, "get", "upload", put["request_id"], "-o", "json")
    nowhere = inside(team.user, "get", "upload", "0" * 32, "-o", "json")
    assert refused(there, 4).replace(put["request_id"], "0" * 32) == refused(nowhere, 4)


@pytest.fixture
def silent(patient: Team) -> Iterator[Team]:
    """A team of which the log says no more afterwards than before."""

    def said() -> list[int]:
        return [event["position"] for event in ok(inside(patient.user, "get", "events", "-o", "json")).json()]

    before = said()
    yield patient
    assert said() == before


@pytest.mark.parametrize(
    "uri",
    [
        *(uri for uri in VECTORS["bad_uris"] if "://" in uri and "=" not in uri),  # with "=" it may hold a value
        *("vault ://app/db", " vault://app/db", "vault://app/db\n", "vault://app/db;a", "vault://app/\u202edb"),
        *("vault://vault://app/db", "/app/db", "app/../db", "app\\db/x"),
    ],
)
def test_a_malformed_uri_is_refused_with_its_rule(silent: Team, uri: str) -> None:
    message = refused(put_inside(silent.user, uri), 2)
    assert any(word in message for word in ("path segment", "store name", "segments; at most 16", "bytes; at most 512"))


@pytest.mark.parametrize("uri", VECTORS["bad_uris"])
async def test_m8_refuses_a_malformed_uri_whatever_client_sends_it(silent: Team, cluster: Cluster, uri: str) -> None:
    message = upload_pb2.UploadRequest.FromString(a_request().content)
    message.uri = uri
    with refuses("USAGE") as said:
        await Caller.of(cluster, silent.user).call(
            commands_pb2.RequestSecretUploadKeyRequest(request=serialise(message))
        )
    assert "UploadRequest" in said.message
    assert "uri" in said.message


def test_a_payload_of_another_size_is_taken_by_nobody(patient: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """m8 refuses it, and since m8's word alone proves nothing, the client says what it knows."""
    monkeypatch.setattr(client, "encoded", lambda _values: b'{"a":"YQ=="}'.ljust(600, b" "))
    ran = put_inside(patient.user, patient.uri("local", "another-size"))
    assert "it may or may not have been written" in refused(ran, 9)
    request_id = ran.err.partition("get upload ")[2][:32]
    shown = ok(inside(patient.user, "get", "upload", request_id, "-o", "json")).json()
    assert (shown["state"], shown["outcome"]) == ("GRANTED", "")


def test_a_store_of_age_files_takes_what_its_page_promises(patient: Team) -> None:
    put = ok(put_inside(patient.user, patient.uri("local", "file"), value=b"x" * 700_000))
    assert put.json()["outcome"] == "UPLOADED"
    described = ok(inside(patient.user, "describe", "secret-store", "local", "-o", "json")).json()
    assert described["max_plaintext"] == 1_048_576


@pytest.mark.parametrize("name", ["identity.key", "fingerprint.key", "engine.agekey"])
def test_a_reactor_does_not_start_with_a_key_that_others_can_reach(cluster: Cluster, name: str, tmp_path: Path) -> None:
    home = tmp_path / "reactor"
    left_out = shutil.ignore_patterns("secrets", "*.log", "*.jsonl")
    shutil.copytree(cluster.folder / "reactor-local", home, ignore=left_out)
    with editing(home / "reactor.toml") as table:
        table["engine"]["identity_file"] = str(home / "engine.agekey")
    (home / name).chmod(0o640)
    ran = cluster.run("m8", "reactor", "run", str(home))
    assert (ran.code, f"{name} has mode 0640" in ran.err, "\nfix: " in ran.err) == (3, True, True), ran.err


@pytest.mark.parametrize(
    ("store", "said"),
    [("vault", "knows it under another identity than"), ("unheard-of", "it does not know the store unheard-of")],
)
def test_a_reactor_for_another_store_is_not_let_in(cluster: Cluster, patient: Team, store: str, said: str) -> None:
    """It holds the identity of `local`, and says that it serves another store."""
    home = cluster.folder / f"reactor-impostor-{store}"
    home.mkdir(mode=0o700)
    for name in ("identity.key", "fingerprint.key", "reactor.toml"):
        shutil.copy2(cluster.folder / "reactor-local" / name, home)
    with editing(home / "reactor.toml") as table:
        table["store"], table["engine"]["folder"] = store, str(home / "secrets")
    before = cluster.attached("vault")
    part = cluster.background("impostor", "m8", "reactor", "run", home.name, log=f"{home.name}/reactor.log")
    try:
        part.wait_for(lambda: said in part.log.read_text())
    finally:
        part.stop()
    line = next(json.loads(line) for line in part.log.read_text().splitlines() if said in line)
    assert line["fix"]
    assert cluster.attached("vault") == before
    ok(put_inside(patient.user, patient.uri("vault")))
