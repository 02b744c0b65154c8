"""No byte of a proof, a note or a key can be another one: each change is refused, by an error of ours."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monoskope.protocol.tlog.errors import LogProofError, NoteError
from monoskope.protocol.tlog.note import Note
from monoskope.protocol.tlog.policy import LogKeys, Policy
from monoskope.protocol.tlog.upload_proof import UploadProof
from monoskope.protocol.tlog.vkey import VerifierKey

VECTORS = json.loads((Path(__file__).parents[3] / "vectors-log.json").read_text())
PUT = next(vector for vector in VECTORS["uploads"] if vector["name"] == "a signed put")
PROOF = base64.b64decode(PUT["proof"])
KEYS = [VerifierKey.parse(VECTORS["keys"][name]) for name in PUT["policy"]["log"]]
POLICY = Policy(LogKeys.of(KEYS))


def changed(content: bytes, at: int, put: bytes, removed: int) -> bytes:
    return content[:at] + put + content[at + removed :]


@settings(deadline=None)
@given(st.integers(0, len(PROOF)), st.binary(max_size=3), st.integers(0, 3))
def test_no_byte_of_a_proof_can_be_another_one(at: int, put: bytes, removed: int) -> None:
    faulty = changed(PROOF, at, put, removed)
    if faulty == PROOF:
        return
    with pytest.raises((NoteError, LogProofError)):
        UploadProof.parse(faulty).verify(POLICY, PUT["pins"])


@settings(deadline=None)
@given(st.data())
def test_no_byte_of_a_key_can_be_another_one(data: st.DataObject) -> None:
    key = str(KEYS[0])
    at = data.draw(st.integers(0, len(key) - 1))
    faulty = key[:at] + data.draw(st.characters()) + key[at + 1 :]
    if faulty == key:
        return
    with pytest.raises(NoteError):
        VerifierKey.parse(faulty)


@settings(deadline=None)
@given(st.binary(max_size=300) | st.text(alphabet="a\n— =+/AQ", max_size=60).map(str.encode))
def test_any_bytes_are_a_note_in_its_one_form_or_none(content: bytes) -> None:
    try:
        note = Note.parse(content)
    except NoteError:
        return
    assert bytes(note) == content
