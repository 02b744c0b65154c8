"""Checkpoints: published ones, those that other tools make, and what is none."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.protocol.tlog.checkpoint import Checkpoint, Kind, VerifierKey
from monoskope.protocol.tlog.forms import Fault, LogProofError, NoteError
from monoskope.protocol.tlog.merkle import MAX_SIZE, outline
from monoskope.protocol.tlog.note import Note
from monoskope.protocol.tlog.proof_file import ProofFile
from monoskope.protocol.tlog.tiles import Tile, tiles_of
from monoskope.protocol.tlog.upload_proof import UploadProof
from monoskope.testing.parts import needed

ROOT = b"r" * 32


@pytest.mark.parametrize(
    ("origin", "size", "root", "fault"),
    [
        ("a b", 1, ROOT, Fault.NAME),
        ("a", -1, ROOT, Fault.NUMBER),
        ("a", MAX_SIZE + 1, ROOT, Fault.NUMBER),
        ("a", 1, ROOT[:-1], Fault.ROOT),
        ("a", 0, ROOT, Fault.ROOT),
    ],
)
def test_no_checkpoint_is_made_of_it(origin: str, size: int, root: bytes, fault: Fault) -> None:
    with pytest.raises(NoteError) as refused:
        Checkpoint(origin, size, root)
    assert refused.value.fault is fault


def test_the_largest_size_is_read_and_written() -> None:
    checkpoint = Checkpoint("a", MAX_SIZE, ROOT)
    assert Checkpoint.parse(checkpoint.text) == checkpoint


@pytest.mark.parametrize("end", ["", "\nx", "\n\n", "\nx\n"])
def test_a_text_that_ends_otherwise_is_refused(end: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(Checkpoint("a", 1, ROOT).text.removesuffix("\n") + end)


VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""
CHECKPOINT = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501 - as it was published


def test_the_note_of_the_specification_verifies() -> None:
    key = VerifierKey.parse(VKEY)
    assert (key.name, key.kind, key.key_id.hex()) == ("example.com/foo", Kind.ED25519, "530d903a")
    assert str(key) == VKEY
    note = Note.parse(NOTE.encode())
    assert bytes(note) == NOTE.encode()
    assert note.verified([key]) == {key: None}


def test_the_note_of_the_specification_with_another_text_is_refused() -> None:
    note = Note.parse(NOTE.replace("an example", "no example").encode())
    with pytest.raises(LogProofError):
        note.verified([VerifierKey.parse(VKEY)])


def test_the_checkpoint_of_the_specification_is_read() -> None:
    note = Note.parse(CHECKPOINT.encode())
    assert bytes(note) == CHECKPOINT.encode()
    checkpoint = Checkpoint.parse(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text == note.text
    assert int.from_bytes(note.signatures[1].signature[:8], "big") == 1679315147


def test_the_tiles_of_the_specification() -> None:
    assert Tile(0, 1234067).path == "tile/0/x001/x234/067"
    assert tiles_of(70_000) == (Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1))
    assert tiles_of(256) == (Tile(0, 0), Tile(1, 0, 1))


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
