"""What strangers hold m8 to: notes, checkpoints, keys, tiles and proofs (C2SP)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from monoskope.protocol.tlog import merkle
from monoskope.protocol.tlog.checkpoint import Checkpoint, VerifierKey
from monoskope.protocol.tlog.forms import LogProofError, NoteError
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.note import Note, parse_signature_lines
from monoskope.protocol.tlog.proof_file import ProofFile
from monoskope.protocol.tlog.tiles import Tile
from monoskope.protocol.tlog.upload_proof import UploadProof
from tools.fuzz import samples
from tools.fuzz.reader import FindingError, Reader, text

_ORIGIN = "monoskope/0123456789abcdef"
_ROOT = b"r" * 32


@cache
def _key() -> LogKey:
    return LogKey.make(_ORIGIN)


@cache
def _note() -> bytes:
    return _key().sign(Checkpoint(_ORIGIN, 7, _ROOT), 1_800_000_000)


def _verified(content: bytes) -> object:
    """Verify a note under the keys of another log: what verifies is the checkpoint that was signed."""
    note = Note.parse(content)
    found = note.verified(_key().vkeys)
    if found and note.text != Note.parse(_note()).text:
        raise FindingError("another text verifies")
    return found


def _hashes(content: bytes) -> list[bytes]:
    return [content[at : at + 32] for at in range(0, len(content), 32)]


def _consistent(content: bytes) -> None:
    """Verify a proof between trees of random content: only sizes that are the same can hold."""
    old, new, rest = content[:1], content[1:2], content[2:]
    sizes = int.from_bytes(old), int.from_bytes(new)
    merkle.verify_consistency(sizes[0], rest[:32], sizes[1], rest[32:64], _hashes(rest[64:]))
    if sizes[0] > sizes[1] or (sizes[0] == sizes[1] and rest[:32] != rest[32:64]):
        raise FindingError(f"a tree of {sizes[1]} leaves is a later state of one of {sizes[0]}")


def _included(content: bytes) -> None:
    """Verify a proof of an entry: it holds for no entry beyond the tree."""
    index, size, rest = int.from_bytes(content[:1]), int.from_bytes(content[1:2]), content[2:]
    merkle.verify_inclusion(index, size, rest[:32], _hashes(rest[64:]), rest[32:64])
    if index >= size:
        raise FindingError(f"entry {index} is in a tree of {size}")


def _trees() -> Iterable[bytes]:
    first, second = merkle.leaf_hash(b"a" * 32), merkle.leaf_hash(b"b" * 32)
    root = merkle.node_hash(first, second)
    yield b"\x01\x02" + first + root + second
    yield b"\x02\x02" + root + root
    yield b"\x00\x02" + first + root + second


def _proof() -> bytes:
    return bytes(ProofFile(1, (b"h" * 32,), Note.parse(_note()), b"extra"))


def _proofs() -> Iterable[bytes]:
    yield _proof()
    yield bytes(ProofFile(0, (), Note.parse(_note())))


def _texts(*texts: str) -> Callable[[], Iterable[bytes]]:
    return lambda: [one.encode() for one in texts]


READERS = (
    Reader(
        "note",
        "m8, witnesses, and users who show one another notes",
        ("protocol/tlog/note.py", "protocol/tlog/forms.py"),
        Note.parse,
        errors=(NoteError,),
        again=bytes,
        exact=True,
        seeds=lambda: [_note()],
    ),
    Reader(
        "note-that-verifies",
        "m8, witnesses, and users who show one another notes",
        ("protocol/tlog/note.py", "protocol/tlog/checkpoint.py"),
        _verified,
        errors=(NoteError, LogProofError),
        seeds=lambda: [_note()],
    ),
    Reader(
        "cosignatures",
        "witnesses",
        ("protocol/tlog/note.py",),
        parse_signature_lines,
        errors=(NoteError,),
        seeds=lambda: [_note().partition(b"\n\n")[2]],
    ),
    Reader(
        "checkpoint",
        "m8 and witnesses",
        ("protocol/tlog/checkpoint.py", "protocol/tlog/forms.py"),
        lambda content: Checkpoint.parse(content.decode("utf-8", "replace")),
        errors=(NoteError,),
        again=lambda found: found.text.encode(),
        seeds=lambda: [Checkpoint(_ORIGIN, 7, _ROOT).text.encode()],
    ),
    Reader(
        "verifier-key",
        "users, settings, and m8 at first contact",
        ("protocol/tlog/checkpoint.py", "protocol/tlog/forms.py"),
        text(VerifierKey.parse),
        errors=(NoteError,),
        again=lambda found: str(found).encode(),
        exact=True,
        seeds=lambda: [str(one).encode() for one in _key().vkeys],
    ),
    Reader(
        "log-key",
        "m8's folder",
        ("protocol/tlog/log_key.py",),
        LogKey.from_pem,
        errors=(NoteError,),
        seeds=lambda: [_key().to_pem()],
    ),
    Reader(
        "tile-path",
        "auditors, at the HTTP door",
        ("protocol/tlog/tiles.py",),
        text(Tile.parse),
        errors=(NoteError,),
        again=lambda tile: tile.path.encode(),
        exact=True,
        seeds=_texts("tile/0/x001/067.p/3", "tile/1/000"),
    ),
    Reader(
        "entries-path",
        "auditors, at the HTTP door",
        ("protocol/tlog/tiles.py",),
        text(Tile.parse_entries),
        errors=(NoteError,),
        seeds=_texts("tile/entries/x001/067.p/3", "tile/entries/000"),
    ),
    Reader(
        "proof-file",
        "whoever shows a proof",
        ("protocol/tlog/proof_file.py", "protocol/tlog/forms.py"),
        ProofFile.parse,
        errors=(NoteError,),
        again=bytes,
        exact=True,
        seeds=_proofs,
    ),
    Reader(
        "upload-proof",
        "whoever shows a proof",
        ("protocol/tlog/upload_proof.py",),
        UploadProof.parse,
        errors=(NoteError,),
        again=lambda proof: bytes(proof.file),
        exact=True,
        seeds=samples.upload_proofs,
    ),
    Reader(
        "consistency-proof",
        "m8",
        ("protocol/tlog/merkle.py",),
        _consistent,
        errors=(LogProofError,),
        seeds=_trees,
    ),
    Reader("inclusion-proof", "m8", ("protocol/tlog/merkle.py",), _included, errors=(LogProofError,), seeds=_trees),
)
