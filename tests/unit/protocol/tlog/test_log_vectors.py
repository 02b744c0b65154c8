"""The vectors of the witnessed log, made apart from the verifier (tools/log_vectors): each is read as it says."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.tlog.checkpoint import VerifierKey
from monoskope.protocol.tlog.forms import Fault, LogProofError, NoteError
from monoskope.protocol.tlog.merkle import leaf_hash, node_hash, root_plan, verify_consistency, verify_inclusion
from monoskope.protocol.tlog.note import LogKeys, Note, Policy
from monoskope.protocol.tlog.proof_file import ProofFile
from monoskope.protocol.tlog.tiles import Tile
from monoskope.protocol.tlog.upload_proof import ProvenUpload, UploadProof

Vector = dict[str, Any]

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[3] / "vectors-log.json").read_text())
MALFORMED = {Fault.FORM, Fault.SIZE, Fault.BASE64, Fault.NUMBER, Fault.NAME, Fault.KEY, Fault.DUPLICATE, Fault.ROOT}


def fault_of(refused: pytest.ExceptionInfo[Exception]) -> Fault:
    assert isinstance(refused.value, NoteError | LogProofError)
    return refused.value.fault


def raw(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def policy_of(vector: Vector) -> Policy:
    keys = {name: VerifierKey.parse(text) for name, text in VECTORS["keys"].items()}
    said = vector["policy"]
    witnesses = tuple(keys[name] for name in said["witnesses"])
    return Policy(LogKeys.of([keys[name] for name in said["log"]]), witnesses, said["quorum"])


def read_vkey(vector: Vector) -> Vector:
    key = VerifierKey.parse(vector["vkey"])
    assert str(key) == vector["vkey"]
    return {"key_name": key.name, "key_id": key.key_id.hex()}


def read_note(vector: Vector) -> Vector:
    note = Note.parse(raw(vector["note"]))
    assert bytes(note) == raw(vector["note"])
    return {"text": note.text, "signatures": len(note.signatures)}


def read_checkpoint(vector: Vector) -> Vector:
    believed = policy_of(vector).believe(raw(vector["note"]))
    return {
        "origin": believed.checkpoint.origin,
        "size": believed.checkpoint.size,
        "root": base64.b64encode(believed.checkpoint.root).decode(),
        "signed_at_s": believed.signed_at_s,
        "cosigned": {key.name: at_s for key, at_s in believed.cosigned},
    }


def read_tile(vector: Vector) -> Vector:
    tile = Tile.parse(vector["path"])
    assert tile.path == vector["path"]
    return {"level": tile.level, "index": tile.index, "width": tile.width}


def read_inclusion(vector: Vector) -> Vector:
    proof = [raw(each) for each in vector["proof"]]
    verify_inclusion(vector["index"], vector["size"], raw(vector["leaf"]), proof, raw(vector["root"]))
    return {}


def read_consistency(vector: Vector) -> Vector:
    proof = [raw(each) for each in vector["proof"]]
    old, new = raw(vector["old_root"]), raw(vector["new_root"])
    verify_consistency(vector["old_size"], old, vector["new_size"], new, proof)
    return {}


def read_proof_file(vector: Vector) -> Vector:
    proof = ProofFile.parse(raw(vector["proof"]))
    assert bytes(proof) == raw(vector["proof"])
    return {"index": proof.index, "hashes": len(proof.hashes), "extra": base64.b64encode(proof.extra).decode()}


def read_upload(vector: Vector) -> Vector:
    proven = UploadProof.parse(raw(vector["proof"])).verify(policy_of(vector), vector["pins"])
    return {
        "uri": str(proven.request.uri),
        "purpose": spelled(upload_pb2.Purpose, proven.request.purpose),
        "outcome": "" if proven.receipt is None else spelled(upload_pb2.Outcome, proven.receipt.outcome),
        "ended": proven.ended,
        "position": proven.position,
        "recorded_at_ms": proven.recorded_at_ms,
        "identity": proven.identity,
        "signer": "" if proven.receipt is None else proven.receipt.signer,
        "by_s": proven.by_s,
        **approved_by(proven),
    }


def approved_by(proven: ProvenUpload) -> Vector:
    """What is said of a change and of a broken glass, nothing where there is neither."""
    receipt = proven.receipt
    if receipt is None or not (proven.change or receipt.break_glass):
        return {}
    return {
        "change_sha256": "" if proven.change is None else proven.change.sha256.hex(),
        "approvers": [[one.principal, one.key.fingerprint] for one in proven.approvals],
        "break_glass": receipt.break_glass,
    }


READERS: dict[str, Callable[[Vector], Vector]] = {
    "vkeys": read_vkey,
    "notes": read_note,
    "checkpoints": read_checkpoint,
    "tiles": read_tile,
    "inclusions": read_inclusion,
    "consistencies": read_consistency,
    "proof_files": read_proof_file,
    "uploads": read_upload,
}
ALL = [(group, vector) for group in READERS for vector in VECTORS[group]]


@pytest.mark.parametrize(("group", "vector"), ALL, ids=[f"{group}: {vector['name']}" for group, vector in ALL])
def test_a_vector_is_read_as_it_says(group: str, vector: Vector) -> None:
    wanted = vector["expected"]
    if "fault" not in wanted:
        assert READERS[group](vector) == wanted
        return
    with pytest.raises((NoteError, LogProofError)) as refused:
        READERS[group](vector)
    assert fault_of(refused) is Fault(wanted["fault"])


def test_every_class_of_fault_has_a_vector() -> None:
    assert {vector["expected"].get("fault") for _, vector in ALL} - {None} == {fault.value for fault in Fault}


def test_malformed_and_not_proven_are_two_errors() -> None:
    for group, vector in ALL:
        if "fault" in vector["expected"]:
            with pytest.raises((NoteError, LogProofError)) as refused:
                READERS[group](vector)
            fault = fault_of(refused)
            # A quorum that cannot be met is malformed, one that is not met is not.
            assert isinstance(refused.value, NoteError) == (fault in MALFORMED) or fault is Fault.QUORUM


@pytest.mark.parametrize("vector", VECTORS["roots"], ids=lambda vector: vector["name"])
def test_a_root_is_what_the_vector_says(vector: Vector) -> None:
    level = [leaf_hash(hashlib.sha256(str(number).encode()).digest()) for number in range(vector["size"])]
    levels = [level]
    while len(level) > 1:
        level = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        levels.append(level)
    plan = root_plan(vector["size"])
    assert plan.build({node: levels[node.level][node.index] for node in plan.needs}) == raw(vector["root"])
