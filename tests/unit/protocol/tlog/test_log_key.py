"""The two keys of a log and what they sign, and how cosignatures come to a note."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys

import pytest

from monoskope.protocol.tlog.checkpoint import Checkpoint, Kind, VerifierKey
from monoskope.protocol.tlog.forms import Fault, LogProofError, NoteError
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.merkle import EMPTY_ROOT
from monoskope.protocol.tlog.note import LogKeys, Note, NoteSignature, Policy, parse_signature_lines

KEY = LogKey.make("monoskope/0123456789abcdef")
CHECKPOINT = Checkpoint(KEY.origin, 5, b"r" * 32)
NOTE = KEY.sign(CHECKPOINT, 1_798_000_000)
STRANGER = NoteSignature("witness.example/w", b"abcd", b"x" * 72)


def test_both_keys_sign_and_the_second_one_says_when() -> None:
    assert [key.kind for key in KEY.vkeys] == [Kind.ED25519, Kind.COSIGNATURE_ML_DSA_44]
    assert Note.parse(NOTE).verified(KEY.vkeys) == {KEY.vkeys[0]: None, KEY.vkeys[1]: 1_798_000_000}
    believed = Policy(LogKeys.of(KEY.vkeys[::-1])).believe(NOTE)
    assert (believed.checkpoint, believed.signed_at_s, believed.cosigned) == (CHECKPOINT, 1_798_000_000, ())


def test_the_file_holds_origin_and_keys() -> None:
    again = LogKey.from_pem(KEY.to_pem())
    assert (again.origin, again.vkeys, again.to_pem()) == (KEY.origin, KEY.vkeys, KEY.to_pem())
    assert set(Note.parse(again.sign(CHECKPOINT, 1)).verified(KEY.vkeys)) == set(KEY.vkeys)


@pytest.mark.parametrize(
    "fault",
    [
        b"",
        b"\xff",
        KEY.to_pem()[:-1],
        KEY.to_pem() + b"\n",
        KEY.to_pem().partition(b"\n")[2],
        KEY.to_pem().replace(b"origin: ", b"origin: a b"),
        re.sub(rb"-\nM", b"-\n+M", KEY.to_pem(), count=1),
        b"".join(re.findall(rb"origin.*\n|-----BEGIN(?s:.)*?-----END PRIVATE KEY-----\n", KEY.to_pem())[::-1]),
    ],
    ids=["empty", "bytes", "cut", "longer", "no origin", "no name", "no key", "turned round"],
)
def test_another_file_is_refused_and_nothing_of_it_is_shown(fault: bytes) -> None:
    with pytest.raises(NoteError) as refused:
        LogKey.from_pem(fault)
    assert "PRIVATE" not in str(refused.value)


@pytest.mark.parametrize("order", [(0, 0), (1, 1), (1, 0)], ids=["Ed25519 twice", "ML-DSA-44 twice", "turned round"])
def test_a_file_has_both_keys_in_their_order(order: tuple[int, int]) -> None:
    blocks = re.findall(rb"-----BEGIN(?s:.)*?-----END PRIVATE KEY-----\n", KEY.to_pem())
    with pytest.raises(NoteError, match="must be as `m8 log init` makes it"):
        LogKey.from_pem(f"origin: {KEY.origin}\n".encode() + b"".join(blocks[at] for at in order))


def test_the_keys_are_never_shown_and_never_leave() -> None:
    assert repr(KEY) == f"LogKey({KEY.origin!r})"
    for leave in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            leave(KEY)


def test_a_log_signs_for_itself_alone_and_names_a_time() -> None:
    with pytest.raises(NoteError):
        KEY.sign(Checkpoint("monoskope/other", 5, b"r" * 32), 1)
    for at_s in (0, -1, 2**63):
        with pytest.raises(NoteError):
            KEY.sign(CHECKPOINT, at_s)
    with pytest.raises(NoteError) as refused:
        LogKey.make("a b")
    assert refused.value.fault is Fault.NAME


def test_an_empty_tree_is_signed_too() -> None:
    note = KEY.sign(Checkpoint(KEY.origin, 0, EMPTY_ROOT), 1)
    assert Policy(LogKeys.of(KEY.vkeys)).believe(note).checkpoint.size == 0


def test_cosignatures_are_added_and_a_later_one_of_a_key_takes_its_place() -> None:
    note = Note.parse(NOTE)
    once = note.with_signatures([STRANGER])
    again = once.with_signatures([NoteSignature(STRANGER.name, STRANGER.key_id, b"y" * 72)])
    assert bytes(once).startswith(NOTE)
    assert once.signatures[2] == STRANGER
    assert [each.signature for each in again.signatures[2:]] == [b"y" * 72]
    with pytest.raises(NoteError) as refused:
        note.with_signatures(NoteSignature("w", bytes([number]) * 4, b"x") for number in range(31))
    assert refused.value.fault is Fault.SIZE


def test_the_lines_of_a_witness_are_read_alone() -> None:
    assert parse_signature_lines(STRANGER.line.encode()) == (STRANGER,)
    for lines in ("", "x", STRANGER.line + "\n" + STRANGER.line, "text\n\n" + STRANGER.line, STRANGER.line * 2):
        with pytest.raises(NoteError):
            parse_signature_lines(lines.encode())


def test_a_signature_of_the_log_that_does_not_verify_is_worth_no_other_one() -> None:
    note = Note.parse(NOTE)
    other = Note.parse(KEY.sign(Checkpoint(KEY.origin, 6, b"r" * 32), 1))
    mixed = bytes(Note(note.text, (note.signatures[0], other.signatures[1])))
    with pytest.raises(LogProofError) as refused:
        Policy(LogKeys.of(KEY.vkeys)).believe(mixed)
    assert refused.value.fault is Fault.SIGNATURE


def test_what_verifies_no_note_loads_no_cryptography() -> None:
    """A put must not pay for the log before it has a note to check."""
    modules = ["note", "checkpoint", "merkle", "tiles", "proof_file"]
    code = "\n".join(f"import monoskope.protocol.tlog.{module}" for module in modules)
    script = f"{code}\nimport sys; print([name for name in sys.modules if name.startswith('cryptography')])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_keys_of_a_log_are_two_kinds_under_one_name() -> None:
    ed25519, ml_dsa_44 = KEY.vkeys
    other = LogKey.make("monoskope/fedcba9876543210").vkeys
    for keys in ([ed25519], [ed25519, ed25519], [ed25519, ml_dsa_44, ml_dsa_44], [ed25519, other[1]], []):
        with pytest.raises(NoteError) as refused:
            LogKeys.of(keys)
        assert refused.value.fault is Fault.KEY


def test_a_policy_has_witnesses_that_can_cosign_and_a_quorum_that_can_be_met() -> None:
    log = LogKeys.of(KEY.vkeys)
    witnesses = [VerifierKey(f"w{number}", Kind.COSIGNATURE_ED25519, bytes([number]) * 32) for number in range(31)]
    assert Policy(log, tuple(witnesses[:30]), 30).quorum == 30
    signs_text = VerifierKey("w", Kind.ED25519, b"w" * 32)
    same_witness = VerifierKey("w0", Kind.COSIGNATURE_ML_DSA_44, b"w" * 1_312)
    named_as_the_log = VerifierKey(KEY.origin, Kind.COSIGNATURE_ED25519, b"w" * 32)
    same_key = VerifierKey("another", Kind.COSIGNATURE_ED25519, witnesses[0].public_key)
    for keys, quorum, fault in (
        (witnesses[:1], 2, Fault.QUORUM),
        (witnesses[:1], -1, Fault.QUORUM),
        (witnesses, 1, Fault.SIZE),
        ([signs_text], 1, Fault.KEY),
        ([witnesses[0], same_key], 2, Fault.KEY),
        ([witnesses[0], same_witness], 2, Fault.KEY),
        ([named_as_the_log], 1, Fault.KEY),
        ([KEY.vkeys[1]], 1, Fault.KEY),
    ):
        with pytest.raises(NoteError) as refused:
            Policy(log, tuple(keys), quorum)
        assert refused.value.fault is fault
