"""`monoctl verify proof`: what it says of a proof, and what it asks for where this machine knows too little."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monoskope.monoctl.main import cli

VECTORS = json.loads((Path(__file__).parents[2] / "vectors-log.json").read_text())
PROOFS = {vector["name"]: vector for vector in VECTORS["uploads"]}
KEYS = VECTORS["keys"]
LOG = [KEYS["log, Ed25519"], KEYS["log, ML-DSA-44"]]
WITNESSES = [KEYS["witness one"], KEYS["witness two"], KEYS["witness three"]]
IDENTITY = PROOFS["a put"]["pins"]["vault"]
SERVER = "m8.example:8443"
BY_HAND = ("--log-vkey", LOG[0], "--log-vkey", LOG[1], "--store-identity", f"vault={IDENTITY}")
SECOND_EARLIEST = "2026-12-23T04:26:44.000Z"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that knows nothing, and has no server."""
    for name in ("MONOCTL_SERVER", "MONOCTL_TOKEN", "MONOCTL_TOKEN_FILE", "MONOCTL_STORE_IDENTITY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("MONOCTL_KNOWN_STORES", str(tmp_path / "known_stores"))
    return tmp_path


def check(home: Path, name: str, *words: str) -> Result:
    file = home / "proof"
    file.write_bytes(base64.b64decode(PROOFS[name]["proof"]))
    return CliRunner().invoke(cli, ["verify", "proof", str(file), *words])


def document(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def knows(home: Path, *, server: str = SERVER) -> None:
    """Pin the log and the store."""
    note = base64.b64encode(base64.b64decode(PROOFS["a put"]["proof"]).partition(b"\n\n")[2]).decode()
    for file, line in (
        ("known_logs", f"{server} {LOG[0]} {LOG[1]} {note}\n"),
        ("known_stores", f"{server} vault {IDENTITY}\n"),
    ):
        (home / file).write_text(line)
        (home / file).chmod(0o600)


def test_a_machine_that_used_the_server_needs_nothing_more(home: Path) -> None:
    knows(home)
    said = document(check(home, "a signed put", "-o", "json"))
    assert (said["purpose"], said["uri"], said["outcome"]) == ("UPLOAD", "vault://team-a/db", "UPLOADED")
    assert said["hash"].startswith("fp1:")
    assert said["signer"] == "anna@example.org"
    assert said["identity"] == IDENTITY
    assert said["witnessed_at"] == ""


def test_everything_can_be_given_by_hand(home: Path) -> None:
    said = document(check(home, "a put", *BY_HAND, "-o", "json"))
    assert said["position"] == 5
    assert said["log"] == "monoskope/0123456789abcdef"


def test_a_quorum_says_since_when(home: Path) -> None:
    witnesses = [word for key in WITNESSES for word in ("--witness", key)]
    said = document(check(home, "with three witnesses", *BY_HAND, *witnesses, "--quorum", "2", "-o", "json"))
    assert len(said["witnesses"]) == 3
    assert said["witnessed_at"] == SECOND_EARLIEST
    refused = check(home, "a put", *BY_HAND, *witnesses, "--quorum", "2")
    assert refused.exit_code == 18
    assert "0 of its witnesses" in refused.stderr


def test_a_person_is_told_whose_word_is_what(home: Path) -> None:
    result = check(home, "a put", *BY_HAND)
    assert "UPLOAD vault://team-a/db" in result.stdout
    assert "Outcome:" in result.stdout
    assert "REQUESTED BY and RECORDED are m8's word" in result.stderr
    assert "only m8 says since when" in result.stderr
    alone = check(home, "ended by m8", *BY_HAND[:4])
    assert alone.exit_code == 0
    assert "the store signed nothing" in alone.stderr.lower()
    assert "had not ended" in check(home, "under way", *BY_HAND).stderr


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ((), "log_vkeys"),
        (BY_HAND[:4], "`store_identity` STORE="),
        (BY_HAND[:2], "two verifier keys, of type 0x01 and of type 0x06"),
        ((*BY_HAND, "--quorum", "1"), "the quorum must be at most the number of witnesses"),
        ((*BY_HAND, "--witness", LOG[1]), "none may be the log's own"),
    ],
    ids=["no keys", "no identity", "one key", "no witnesses", "the log as its witness"],
)
def test_what_is_missing_or_wrong_is_named(home: Path, words: tuple[str, ...], wanted: str) -> None:
    result = check(home, "a put", *words)
    assert result.exit_code == 2
    assert wanted in result.stderr


def test_keys_of_another_log_do_not_count(home: Path) -> None:
    knows(home)
    result = check(home, "a checkpoint of another log")
    assert result.exit_code == 2
    assert "monoskope/fedcba9876543210" in result.stderr


@pytest.mark.parametrize(
    "name", [name for name, vector in PROOFS.items() if vector["expected"].get("fault") not in {None, "QUORUM", "FORM"}]
)
def test_a_proof_that_does_not_hold_has_an_exit_code_of_its_own(home: Path, name: str) -> None:
    pins = [f"--store-identity={store}={identity}" for store, identity in PROOFS[name]["pins"].items()]
    witnesses = [f"--witness={KEYS[key]}" for key in PROOFS[name]["policy"]["witnesses"]]
    result = check(home, name, *BY_HAND[:4], *pins, *witnesses, f"--quorum={PROOFS[name]['policy']['quorum']}")
    if "vault" not in PROOFS[name]["pins"]:
        assert result.exit_code == 2  # it says whose identity it needs
    else:
        assert result.exit_code == 18
        assert not result.stdout


def test_what_is_no_proof_is_a_usage_error(home: Path) -> None:
    (home / "proof").write_bytes(b"c2sp.org/tlog-proof@v1\n")
    for file in ("proof", "not there"):
        assert CliRunner().invoke(cli, ["verify", "proof", str(home / file)]).exit_code == 2
    content = base64.b64decode(PROOFS["a put"]["proof"])
    taken = CliRunner().invoke(cli, ["verify", "proof", "-", *BY_HAND], input=content)
    assert taken.exit_code == 0
