"""No byte of a proof, a note or a key can be another one: each change is refused, by an error of ours."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.protocol.tlog.checkpoint import MAX_VKEY_LENGTH, VerifierKey
from monoskope.protocol.tlog.forms import Fault, LogProofError, NoteError
from monoskope.protocol.tlog.note import LogKeys, Note, Policy
from monoskope.protocol.tlog.upload_proof import UploadProof

VECTORS = json.loads((Path(__file__).parents[3] / "vectors-log.json").read_text())
PUT = next(vector for vector in VECTORS["uploads"] if vector["name"] == "a signed put")
PROOF = base64.b64decode(PUT["proof"])
KEYS = [VerifierKey.parse(VECTORS["keys"][name]) for name in PUT["policy"]["log"]]
POLICY = Policy(LogKeys.of(KEYS))


def changed(content: bytes, at: int, put: bytes, removed: int) -> bytes:
    return content[:at] + put + content[at + removed :]


@given(st.integers(0, len(PROOF)), st.binary(max_size=3), st.integers(0, 3))
def test_no_byte_of_a_proof_can_be_another_one(at: int, put: bytes, removed: int) -> None:
    faulty = changed(PROOF, at, put, removed)
    if faulty == PROOF:
        return
    with pytest.raises((NoteError, LogProofError)):
        UploadProof.parse(faulty).verify(POLICY, PUT["pins"])


@given(st.data())
def test_no_byte_of_a_key_can_be_another_one(data: st.DataObject) -> None:
    key = str(KEYS[0])
    at = data.draw(st.integers(0, len(key) - 1))
    faulty = key[:at] + data.draw(st.characters()) + key[at + 1 :]
    if faulty == key:
        return
    with pytest.raises(NoteError):
        VerifierKey.parse(faulty)


def without(line: bytes) -> bytes:
    """The proof without the one line that begins so."""
    return b"".join(each for each in PROOF.splitlines(keepends=True) if not each.startswith(line))


@pytest.mark.parametrize(
    ("faulty", "said", "fault"),
    [
        (PROOF.replace(b"\nextra ", b"\nextra " + base64.b64encode(bytes(786_432)), 1), "1,048,576 bytes", Fault.SIZE),
        (PROOF.partition(b"\n\n")[0], "an empty line before its checkpoint", Fault.FORM),
        (b"\n\n".join((PROOF.partition(b"\n")[0], PROOF.partition(b"\n\n")[2])), "a line with the index", Fault.FORM),
        (without(b"index "), "a line with the index", Fault.FORM),
    ],
    ids=["large", "no checkpoint", "no lines", "no index"],
)
def test_a_proof_that_lacks_a_part_or_is_too_large_says_so(faulty: bytes, said: str, fault: Fault) -> None:
    with pytest.raises(NoteError, match=said) as refused:
        UploadProof.parse(faulty)
    assert refused.value.fault is fault


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.kind.name)
@pytest.mark.parametrize("signature", [b"", bytes(7), bytes(65)], ids=len)
def test_a_signature_of_another_length_is_refused_by_its_length(key: VerifierKey, signature: bytes) -> None:
    with pytest.raises(LogProofError, match="wrong length"):
        key.verify_text(UploadProof.parse(PROOF).file.note.text, signature)


def test_a_long_verifier_key_is_refused_before_it_is_read() -> None:
    with pytest.raises(NoteError, match="must be a name, 8 hex digits and base64"):
        VerifierKey.parse(str(KEYS[0]) + "A" * MAX_VKEY_LENGTH)


@given(st.binary(max_size=300) | st.text(alphabet="a\n— =+/AQ", max_size=60).map(str.encode))
def test_any_bytes_are_a_note_in_its_one_form_or_none(content: bytes) -> None:
    try:
        note = Note.parse(content)
    except NoteError:
        return
    assert bytes(note) == content
