"""A verifier that nobody here wrote, `spicy-litetlog` of Debian's `litetlog`, on the proofs that we make."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.protocol.outline import outline
from monoskope.protocol.tlog.proof_file import ProofFile
from monoskope.protocol.tlog.upload_proof import UploadProof
from monoskope.testing.parts import needed

VECTORS = json.loads((Path(__file__).parents[3] / "vectors-log.json").read_text())
PUTS = {vector["name"]: vector for vector in VECTORS["uploads"]}


def verified(folder: Path, proof: bytes, entry: bytes) -> bool:
    """Return whether the tool verifies that `entry` is in the log. It reads a draft without first line and `extra`."""
    (folder / "entry").write_bytes(entry)
    (folder / "entry.spicy").write_bytes(b"index " + proof.partition(b"\nindex ")[2])
    key = VECTORS["keys"]["log, Ed25519"]
    command = [needed("spicy-litetlog", "litetlog"), "-verify", key, str(folder / "entry")]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("name", ["a put", "with three witnesses"])
def test_another_verifier_takes_the_proof(name: str, tmp_path: Path) -> None:
    content = base64.b64decode(PUTS[name]["proof"])
    entry = hashlib.sha256(outline(event_pb2.Event.FromString(UploadProof.parse(content).evidence.record))).digest()
    assert verified(tmp_path, content, entry)
    assert not verified(tmp_path, content, hashlib.sha256(b"another record").digest())


def test_another_verifier_refuses_what_we_refuse(tmp_path: Path) -> None:
    content = base64.b64decode(PUTS["a put"]["proof"])
    proof = ProofFile.parse(content)
    entry = hashlib.sha256(outline(event_pb2.Event.FromString(UploadProof.parse(content).evidence.record))).digest()
    shorter = bytes(ProofFile(proof.index, proof.hashes[:-1], proof.note, proof.extra))
    elsewhere = bytes(ProofFile(proof.index + 1, proof.hashes, proof.note, proof.extra))
    for faulty in (shorter, elsewhere):
        assert not verified(tmp_path, faulty, entry)
