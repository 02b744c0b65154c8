"""A put, its proof from a real m8, and somebody who checks it with nothing but published keys."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import Team
from tests.e2e.ran import ok, refused

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
