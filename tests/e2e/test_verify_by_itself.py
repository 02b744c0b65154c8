"""m8 verifies by itself what it heard nothing of for long, and its log proves a put with published keys alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from monoskope.failpoints import VARIABLE
from monoskope.testing.cluster import Cluster, editing
from monoskope.testing.cluster.commands import User
from monoskope.testing.parts import listens, wait_until
from tests.e2e.conftest import Team
from tests.e2e.ran import ok, refused


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, User]]:
    """A store of age files in which one secret is as it was put and another one is gone; m8 looks each hour."""
    with Cluster(tmp_path_factory.mktemp("later")) as cluster:
        cluster.start_m8()
        cluster.make_local_reactor("local")
        cluster.share_fingerprint_key("reactor-local")
        cluster.add_store("local")
        cluster.start_reactor("local")
        user = cluster.add_user("anna", prefixes=["local://team-a"])
        for name in ("kept", "gone"):
            ok(user.monoctl("put", "secret", f"local://team-a/{name}", "--from-file", "p=-", input=b"value"))
        cluster.m8.stop()
        with editing(cluster.folder / "m8" / "m8.toml") as settings:
            settings["verify_every_hours"] = 1
        found = [path for path in (cluster.folder / "reactor-local" / "secrets").rglob("gone*") if path.is_dir()]
        assert len(found) == 1
        shutil.rmtree(found[0])
        cluster.m8.start({VARIABLE: "m8.clock=shift+7200"})
        cluster.m8.wait_for(lambda: listens(cluster.server))
        yield cluster, user


def test_each_secret_is_verified_and_what_is_gone_is_listed(later: tuple[Cluster, User]) -> None:
    cluster, user = later

    def sync() -> dict[str, str]:
        listed = ok(user.monoctl("get", "secrets", "-o", "json")).json()
        return {one["uri"].rpartition("/")[2]: one["sync"] for one in listed}

    with cluster.quietly():
        wait_until(lambda: all(sync().values()), what="both secrets are verified")
    assert sync() == {"kept": "IN_SYNC", "gone": "GONE"}
    listed = ok(user.monoctl("get", "secrets", "--state", "out-of-sync", "-o", "json")).json()
    assert [one["uri"] for one in listed] == ["local://team-a/gone"]
    events = cluster.must("m8", "events", "--dir", "m8", "-o", "json").json()
    own = [one["type"] for one in events if one["type"] in {"SecretVerified", "SecretDriftDetected"}]
    assert sorted(own) == ["SecretDriftDetected", "SecretVerified"]


LOG_MISMATCH = 18


def test_a_put_is_proven_to_somebody_who_knows_published_keys_alone(team: Team, tmp_path: Path) -> None:
    user, uri = team.user, team.uri("local")
    put = ok(team.put(uri)).json()
    file, note = tmp_path / "put.tlog-proof", tmp_path / "note"
    ok(user.monoctl("get", "upload", put["request_id"], "--proof", str(file)))
    log = ok(user.monoctl("get", "log", "-o", "json")).json()
    store = ok(user.monoctl("describe", "secret-store", "local", "-o", "json")).json()

    stranger = {"MONOCTL_KNOWN_STORES": str(tmp_path / "none"), "MONOCTL_TOKEN_FILE": str(tmp_path / "none")}
    keys = [f"--log-vkey={key}" for key in log["vkeys"]]
    by_hand = ["verify", "proof", str(file), *keys, f"--store-identity=local={store['identity']}", "-o", "json"]
    said = ok(user.monoctl(*by_hand, environment=stranger)).json()
    known = ok(user.monoctl("verify", "proof", str(file), "-o", "json")).json()

    assert said == known
    assert (said["request_id"], said["uri"], said["outcome"]) == (put["request_id"], uri, "UPLOADED")
    assert (said["hash"], said["upstream_version"]) == (put["hash"], put["upstream_version"])
    assert (said["identity"], said["log"], said["subject"]) == (store["identity"], log["origin"], user.name)
    note.write_text(log["note"])
    ok(user.monoctl("verify", "log", str(note)))
    file.write_bytes(file.read_bytes().replace(b"\nindex ", b"\nindex 1", 1))
    refused(user.monoctl(*by_hand, environment=stranger), LOG_MISMATCH)
