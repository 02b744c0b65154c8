"""What others published, byte for byte: our parsers and verifiers read it as its authors do."""

from __future__ import annotations

import pytest

from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.forms import LogProofError
from monoskope.protocol.tlog.note import Note
from monoskope.protocol.tlog.tiles import Tile, tiles_of
from monoskope.protocol.tlog.vkey import Kind, VerifierKey

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
