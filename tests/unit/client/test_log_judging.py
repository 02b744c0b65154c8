"""Whether what m8 shows of its log fits, and `known_logs`: each way in which it may not, and the evidence."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import log_pb2
from monoskope.client.known.demand import Demand
from monoskope.client.known.logs import KnownLogs, LogPin
from monoskope.client.log.judging import STALE_S, Judge, Verdict
from monoskope.errors import LogMismatchError, NotFoundError, RefusedError, UsageError
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.note import Note, NoteSignature
from monoskope.settings import NotWritableError
from monoskope.testing.scripted.log import ORIGIN, ScriptedLog, ScriptedWitness

SERVER = "m8.example.org:7443"
Answer = log_pb2.GetCheckpointResponse


def pinned(log: ScriptedLog, size: int) -> LogPin:
    first, second = log.vkeys
    return LogPin((first, second), log.note(size))


def shown(log: ScriptedLog, known: int = 0) -> Answer:
    return log.answer(log_pb2.GetCheckpointRequest(size=known))


def judged(answer: Answer, pin: LogPin | None = None, demand: Demand | None = None, *, after_s: int = 0) -> Verdict:
    return Judge(SERVER, pin, demand or Demand()).judge(answer, int(time.time()) + after_s)


@pytest.fixture
def log() -> ScriptedLog:
    return ScriptedLog(5)


@pytest.fixture
def watched(log: ScriptedLog) -> Demand:
    """Three witnesses cosign, of which two are demanded."""
    log.witnesses = [ScriptedWitness(f"witness.example/{name}") for name in "abc"]
    return Demand(witnesses=tuple(each.vkey for each in log.witnesses), quorum=2)


def test_first_contact_pins_what_is_shown(log: ScriptedLog) -> None:
    verdict = judged(shown(log))

    assert (verdict.pin.origin, verdict.pin.size, verdict.pin.vkeys) == (ORIGIN, 5, tuple(log.vkeys))


@pytest.mark.parametrize("known", [1, 2, 3, 4, 5])
def test_a_larger_tree_that_continues_the_known_one_is_pinned(log: ScriptedLog, known: int) -> None:
    pin = pinned(log, known)
    log.grow(4)

    assert judged(shown(log, known), pin).pin.size == 9


def test_the_same_tree_signed_again_changes_nothing(log: ScriptedLog) -> None:
    pin = pinned(log, 5)
    log.at_s = 1_000

    assert judged(shown(log, 5), pin).pin is pin


def bent(note: bytes, place: int) -> bytes:
    """Return a note of which one signature is wrong."""
    found = Note.parse(note)
    signatures = list(found.signatures)
    wrong = signatures[place]
    signatures[place] = NoteSignature(wrong.name, wrong.key_id, wrong.signature[:-1] + bytes([wrong.signature[-1] ^ 1]))
    return bytes(Note(found.text, tuple(signatures)))


@pytest.mark.parametrize("place", [0, 1], ids=["Ed25519", "ML-DSA"])
def test_what_is_shown_again_counts_byte_for_byte_alone(log: ScriptedLog, place: int) -> None:
    pin, answer = pinned(log, 5), shown(log, 5)
    answer.newest.note = pin.note
    assert judged(answer, pin).pin is pin

    answer.newest.note = bent(pin.note, place)
    with pytest.raises(LogMismatchError, match="does not verify"):
        judged(answer, pin)


def test_a_note_that_the_log_never_signed_does_not_count_because_it_is_pinned(log: ScriptedLog) -> None:
    """Who can write `known_logs` alone, and answers for m8, has no log to show."""
    pin, answer = pinned(log, 5), shown(log, 5)
    note = Note.parse(pin.note)
    origin, size, _, rest = note.text.split("\n", 3)
    forged = bytes(Note(f"{origin}\n{size}\n{'A' * 43}=\n{rest}", note.signatures))
    answer.newest.note = forged
    with pytest.raises(LogMismatchError, match="does not verify"):
        judged(answer, LogPin(pin.vkeys, forged))


def test_cosignatures_of_what_is_shown_again_are_verified(log: ScriptedLog, watched: Demand) -> None:
    pin, answer = pinned(log, 5), shown(log, 5)
    answer.newest.note = answer.witnessed.note = pin.note
    assert judged(answer, pin, watched).pin is pin

    wrong = LogPin(pin.vkeys, bent(pin.note, 2))
    answer.witnessed.note = wrong.note
    with pytest.raises(LogMismatchError, match="does not verify"):
        judged(answer, wrong, watched)


Lie = Callable[[ScriptedLog, Answer], object]


def _swap_note(log: ScriptedLog, answer: Answer) -> None:
    """The note of a fork that has the pinned size."""
    fork = ScriptedLog(3, key=log.key, seed="fork")
    answer.newest.note = fork.note(3)
    del answer.newest.consistency[:]


def _fork(log: ScriptedLog, answer: Answer) -> None:
    fork = ScriptedLog(8, key=log.key, seed="fork")
    answer.newest.CopyFrom(shown(fork, 3).newest)


def _rolled_back(log: ScriptedLog, answer: Answer) -> None:
    answer.newest.note = log.note(2)
    answer.newest.consistency[:] = log.proof(2, 3)


def _one_signature(place: int) -> Lie:
    def change(_: ScriptedLog, answer: Answer) -> None:
        note = Note.parse(answer.newest.note)
        answer.newest.note = bytes(Note(note.text, (note.signatures[place],)))

    return change


def _other_log(_: ScriptedLog, answer: Answer) -> None:
    other = ScriptedLog(5, key=LogKey.make("monoskope/fedcba9876543210"))
    answer.CopyFrom(shown(other))


def _bent(_: ScriptedLog, answer: Answer) -> None:
    answer.newest.note = answer.newest.note.replace(b"\n5\n", b"\n6\n")


def _bent_proof(_: ScriptedLog, answer: Answer) -> None:
    answer.newest.consistency[0] = bytes(32)


def _garbage(_: ScriptedLog, answer: Answer) -> None:
    answer.newest.note = b"\xff not a note"


LIES: dict[str, tuple[Lie, str, int]] = {
    "another tree of the pinned size": (_swap_note, "two different trees of 3 entries", 2),
    "another tree that is larger": (_fork, "does not continue", 2),
    "an older tree": (_rolled_back, "with 2 entries, and it showed 3 before", 2),
    "no ML-DSA signature": (_one_signature(0), "not signed by both keys", 2),
    "no Ed25519 signature": (_one_signature(1), "not signed by both keys", 2),
    "another log": (_other_log, "shows the log monoskope/fedcba9876543210, and the one that is pinned is", 2),
    "other keys under the same name": (lambda _, it: it.CopyFrom(shown(ScriptedLog(5), 3)), "does not count", 2),
    "a size that nobody signed": (_bent, "does not verify", 2),
    "no note": (lambda _, answer: answer.ClearField("newest"), "shows no checkpoint", 1),
    "no proof": (lambda _, answer: answer.newest.ClearField("consistency"), "does not continue", 2),
    "another proof": (_bent_proof, "does not continue", 2),
    "no text": (_garbage, "must be UTF-8", 2),
}


@pytest.mark.parametrize(("lie", "says", "notes"), list(LIES.values()), ids=list(LIES))
def test_a_lie_is_told_and_its_notes_are_shown_whole(log: ScriptedLog, lie: Lie, says: str, notes: int) -> None:
    pin = pinned(log, 3)
    answer = shown(log, 3)
    lie(log, answer)

    with pytest.raises(LogMismatchError) as caught:
        judged(answer, pin)

    assert says in caught.value.message
    assert (len(caught.value.notes), caught.value.notes[0]) == (notes, pin.note.decode())
    assert notes == 1 or caught.value.notes[1] == answer.newest.note.decode("utf-8", "replace")


def test_a_renewal_is_told_in_m8s_words_and_is_an_error_until_it_is_accepted(log: ScriptedLog) -> None:
    pin = pinned(log, 3)
    answer = shown(ScriptedLog(1, key=LogKey.make("monoskope/fedcba9876543210")))
    answer.renewal.reason = "the disk\x1b[2J was lost"
    answer.renewal.renewed_at_ms = 1_700_000_000_000

    with pytest.raises(LogMismatchError) as caught:
        judged(answer, pin)

    assert "“the disk\\u001b[2J was lost”" in caught.value.message
    assert "2023-11-14T22:13:20" in caught.value.message
    assert "monoctl accept-log" in caught.value.fix


def test_keys_that_are_given_hold_m8_at_first_contact(log: ScriptedLog) -> None:
    assert judged(shown(log), demand=Demand(tuple(reversed(log.vkeys)))).pin.size == 5

    with pytest.raises(LogMismatchError, match="does not count"):
        judged(shown(ScriptedLog(5)), demand=Demand(tuple(log.vkeys)))


def test_keys_that_are_given_and_are_not_the_pinned_ones_are_an_error(log: ScriptedLog) -> None:
    with pytest.raises(LogMismatchError, match="the settings give other keys"):
        Judge(SERVER, pinned(log, 3), Demand(tuple(ScriptedLog().vkeys)))


@pytest.mark.parametrize("vkeys", [0, 1], ids=["none", "one"])
def test_keys_that_cannot_be_checked_are_not_pinned(log: ScriptedLog, vkeys: int) -> None:
    answer = shown(log)
    del answer.vkeys[vkeys:]

    with pytest.raises(LogMismatchError, match="the keys that"):
        judged(answer)


def test_a_quorum_that_is_demanded_must_have_cosigned(log: ScriptedLog, watched: Demand) -> None:
    assert judged(shown(log, 3), pinned(log, 3), watched).pin.size == 5

    two, log.witnesses = log.witnesses[1:], log.witnesses[:1]
    with pytest.raises(LogMismatchError, match="cosigned by 1 of its witnesses, not by 2"):
        judged(shown(log, 3), pinned(log, 3), watched)
    log.witnesses = two
    assert judged(shown(log, 3), pinned(log, 3), watched).witnessed is not None
    log.witnesses = []
    with pytest.raises(LogMismatchError, match="none has the cosignatures of 2 of your witnesses"):
        judged(shown(log), None, watched)


def test_witnesses_may_be_behind_what_is_pinned_if_they_saw_the_same_log(log: ScriptedLog, watched: Demand) -> None:
    log.witnessed_size = 2
    verdict = judged(shown(log, 4), pinned(log, 4), watched)
    assert (verdict.pin.size, verdict.witnessed and verdict.witnessed.checkpoint.size) == (4, 2)

    answer = shown(log, 4)
    fork = ScriptedLog(2, key=log.key, seed="fork")
    fork.witnesses = log.witnesses
    answer.witnessed.note = fork.note(2)
    with pytest.raises(LogMismatchError, match="does not continue"):
        judged(answer, pinned(log, 4), watched)


def test_a_fork_that_no_witness_saw_is_not_acted_on(log: ScriptedLog, watched: Demand) -> None:
    """It continues what is pinned, but not what the witnesses cosigned."""
    answer = shown(log, 3)
    fork = ScriptedLog(3, key=log.key)
    fork.grow(5, seed="fork")
    answer.newest.CopyFrom(shown(fork, 3).newest)

    assert judged(answer, pinned(log, 3), watched).pin.note == answer.witnessed.note


@pytest.mark.parametrize(("size", "after_s", "seen"), [(4, 61, False), (4, 60, True), (5, 61, True)])
def test_a_tree_without_a_quorum_is_ahead_of_the_witnessed_one_for_a_minute_at_most(
    log: ScriptedLog, watched: Demand, size: int, after_s: int, seen: bool
) -> None:
    log.witnessed_size, log.at_s = size, int(time.time())

    verdict = Judge(SERVER, pinned(log, 3), watched).judge(shown(log, 3), log.at_s + after_s)

    assert (verdict.unseen is None) is seen
    assert verdict.unseen is None or "1 entry of its log that your witnesses have not cosigned" in str(verdict.unseen)


@pytest.mark.parametrize("known", [0, 3])
def test_a_size_that_no_log_can_have_is_not_pinned(log: ScriptedLog, known: int) -> None:
    answer = shown(log, known)
    answer.newest.note = log.key.sign(Checkpoint(ORIGIN, 2**63 - 1, bytes(32)), int(time.time()))

    with pytest.raises(LogMismatchError, match="9223372036854775807 entries, which no log can have"):
        judged(answer, pinned(log, known) if known else None)


def test_the_witnessed_tree_is_the_one_that_first_contact_pins(log: ScriptedLog, watched: Demand) -> None:
    log.witnessed_size = 4

    assert judged(shown(log), None, watched).pin.size == 4


def test_two_trees_of_one_size_in_one_answer_are_evidence_without_a_pin(log: ScriptedLog, watched: Demand) -> None:
    answer = shown(log)
    fork = ScriptedLog(5, key=log.key, seed="fork")
    answer.newest.note = fork.note(5)

    with pytest.raises(LogMismatchError, match="two different trees of 5 entries") as caught:
        judged(answer, None, watched)

    assert caught.value.notes == (answer.witnessed.note.decode(), answer.newest.note.decode())


@pytest.mark.parametrize("after_s", [STALE_S + 60, -STALE_S - 60], ids=["old", "in the future"])
def test_a_stale_checkpoint_is_an_error_with_a_quorum(log: ScriptedLog, watched: Demand, after_s: int) -> None:
    assert judged(shown(log), after_s=after_s).newest_at_s
    with pytest.raises(LogMismatchError, match=r"2\.0 h"):
        judged(shown(log), None, watched, after_s=after_s)


def test_one_witness_cannot_make_the_others_look_fresh(log: ScriptedLog, watched: Demand) -> None:
    now_s = int(time.time())
    log.at_s = now_s - 2 * STALE_S
    answer = shown(log)
    fresh = log.witnesses[0].cosign(log.checkpoint(5), now_s)
    answer.witnessed.note = bytes(Note.parse(answer.witnessed.note).with_signatures([fresh]))

    with pytest.raises(LogMismatchError, match=r"4\.0 h ago"):
        judged(answer, None, watched)


def test_the_trees_of_the_scripted_log_are_those_of_rfc_6962() -> None:
    assert ScriptedLog(0).checkpoint(0) == Checkpoint(
        ORIGIN, 0, bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    )


SECOND = "m8-b.example.org:7443"
LOG = ScriptedLog(9)
FORK = ScriptedLog(9, key=LOG.key, seed="fork")
STRANGER = ScriptedLog(9, key=LogKey.make("monoskope/fedcba9876543210"))


def pin(size: int, log: ScriptedLog = LOG) -> LogPin:
    return LogPin((log.vkeys[0], log.vkeys[1]), log.note(size))


@pytest.fixture
def known(tmp_path: Path) -> KnownLogs:
    return opened(tmp_path)


def opened(folder: Path, *servers: str) -> KnownLogs:
    return KnownLogs(folder / "known_logs", system=folder / "system", servers=servers)


def test_what_is_written_is_read_again(known: KnownLogs, tmp_path: Path) -> None:
    known.remember(SERVER, pin(4), replaces=None)

    found = opened(tmp_path).pin(SERVER)

    assert found is not None
    assert (found.origin, found.size, found.vkeys) == (ORIGIN, 4, tuple(LOG.vkeys))
    assert opened(tmp_path).pin("elsewhere.example.org:7443") is None


def test_the_servers_of_a_list_have_one_log(tmp_path: Path) -> None:
    opened(tmp_path).remember(SECOND, pin(4), replaces=None)
    several = opened(tmp_path, SERVER, SECOND)

    several.remember(SERVER, pin(5), replaces=pin(4))

    assert [found.size for server in (SERVER, SECOND) if (found := several.pin(server))] == [5, 5]


@pytest.mark.parametrize(
    ("other", "says"), [(STRANGER, "have different logs"), (FORK, "two roots for the size 9")], ids=["log", "root"]
)
def test_servers_of_a_list_with_different_logs_are_an_error(tmp_path: Path, other: ScriptedLog, says: str) -> None:
    opened(tmp_path).remember(SERVER, pin(9), replaces=None)
    opened(tmp_path).remember(SECOND, pin(9, other), replaces=None)

    with pytest.raises(LogMismatchError, match=says) as caught:
        opened(tmp_path, SERVER, SECOND).pin(SERVER)
    assert len(caught.value.notes) == 2


def test_a_pin_is_never_lowered(known: KnownLogs) -> None:
    known.remember(SERVER, pin(6), replaces=None)
    known.remember(SERVER, pin(4), replaces=pin(2))

    assert _size(known) == 6


def test_what_another_process_saw_meanwhile_must_fit(known: KnownLogs) -> None:
    known.remember(SERVER, pin(6), replaces=None)

    with pytest.raises(LogMismatchError, match="two roots for the size 6") as caught:
        known.remember(SERVER, pin(6, FORK), replaces=pin(3))
    assert len(caught.value.notes) == 2
    with pytest.raises(LogMismatchError, match=r"another log of .* was pinned meanwhile"):
        known.remember(SERVER, pin(7, STRANGER), replaces=None)


def test_a_renewed_log_takes_the_place_of_the_old_one_and_a_copy_is_kept(known: KnownLogs, tmp_path: Path) -> None:
    known.remember(SERVER, pin(6), replaces=None)
    before = (tmp_path / "known_logs").read_bytes()

    assert known.accept(SERVER, pin(2, STRANGER)).read_bytes() == before
    found = known.pin(SERVER)
    assert found is not None
    assert (found.origin, found.size) == ("monoskope/fedcba9876543210", 2)


def test_a_log_that_is_forgotten_is_kept_in_a_copy(known: KnownLogs, tmp_path: Path) -> None:
    known.remember(SERVER, pin(6), replaces=None)

    found, copy = known.forget(SERVER)

    assert (found.size, known.pin(SERVER)) == (6, None)
    assert ORIGIN in copy.read_text()
    with pytest.raises(NotFoundError, match="knows no log of"):
        known.forget(SERVER)


def test_the_administrators_file_counts_and_is_changed_by_nobody_else(known: KnownLogs, tmp_path: Path) -> None:
    (tmp_path / "system").write_text(f"{SERVER} {' '.join(LOG.vkeys)} -\n")
    found = known.pin(SERVER)
    assert found is not None
    assert (found.size, found.note) == (0, b"")

    known.remember(SERVER, pin(4), replaces=found)
    with pytest.raises(RefusedError, match="for all users of this machine"):
        known.forget(SERVER)
    with pytest.raises(RefusedError, match="for all users of this machine"):
        known.accept(SERVER, pin(2, STRANGER))
    (tmp_path / "system").chmod(0o666)
    with pytest.raises(RefusedError, match="others than its owner can write it"):
        known.pin(SERVER)


def test_a_file_that_others_can_reach_is_refused(known: KnownLogs, tmp_path: Path) -> None:
    known.remember(SERVER, pin(4), replaces=None)
    (tmp_path / "known_logs").chmod(0o644)

    with pytest.raises(RefusedError, match="others than its owner can reach it"):
        known.pin(SERVER)


KEYS = " ".join(LOG.vkeys)
BAD = {
    "three fields": f"{SERVER} {KEYS}",
    "five fields": f"{SERVER} {KEYS} - -",
    "no server": f"m8.example.org {KEYS} -",
    "upper case": f"M8.example.org:7443 {KEYS} -",
    "no key": f"{SERVER} {LOG.vkeys[0]} key -",
    "no base64": f"{SERVER} {KEYS} *",
    "no note": f"{SERVER} {KEYS} YWJj",
    "twice": f"{SERVER} {KEYS} -\n{SERVER} {KEYS} -",
}


@pytest.mark.parametrize("text", list(BAD.values()), ids=list(BAD))
def test_a_malformed_line_is_named_and_nothing_of_the_file_counts(known: KnownLogs, tmp_path: Path, text: str) -> None:
    (tmp_path / "known_logs").touch(0o600)
    (tmp_path / "known_logs").write_text(f"{text}\n")

    with pytest.raises(UsageError, match=rf"known_logs, line {text.count(chr(10)) + 1} is not") as refused:
        known.pin(SERVER)
    assert refused.value.message.endswith(" is not 'server vkey vkey note', or the second line of its server.")


def test_what_cannot_be_written_is_kept_in_memory_and_said(tmp_path: Path) -> None:
    (tmp_path / ".known_logs.lock").mkdir()
    known = opened(tmp_path)

    assert "cannot be written" in known.remember(SERVER, pin(4), replaces=None)
    assert _size(known) == 4
    assert "no file" in KnownLogs(None, system=tmp_path / "system").remember(SERVER, pin(4), replaces=None)


def test_without_a_file_no_log_is_accepted_or_forgotten(tmp_path: Path) -> None:
    known = KnownLogs(None, system=tmp_path / "system")
    for change in (lambda: known.accept(SERVER, pin(2)), lambda: known.forget(SERVER)):
        with pytest.raises(NotWritableError, match="no file for known_logs is given or found"):
            change()


def test_what_is_in_memory_and_what_another_process_wrote_are_both_to_be_continued(tmp_path: Path) -> None:
    """A file that could not be written once: neither this process nor the other one has seen what the other has."""
    lock = tmp_path / ".known_logs.lock"
    lock.mkdir()
    known = opened(tmp_path)
    assert "cannot be written" in known.remember(SERVER, pin(4), replaces=None)
    lock.rmdir()
    opened(tmp_path).remember(SERVER, pin(6), replaces=None)

    assert _sizes(known) == [4, 6]
    assert "cannot be written" in known.remember(SERVER, pin(9), replaces=pin(4))
    assert _sizes(known) == [6, 9]
    known.remember(SERVER, pin(9), replaces=pin(6))
    assert _sizes(known) == [9]
    assert _size(opened(tmp_path)) == 6


def test_a_renewal_accepted_at_one_server_of_a_list_is_accepted_at_the_other(tmp_path: Path) -> None:
    for server in (SERVER, SECOND):
        opened(tmp_path).remember(server, pin(9), replaces=None)
    opened(tmp_path).accept(SERVER, pin(2, STRANGER))
    with pytest.raises(LogMismatchError, match="accept it at the others, too: `monoctl accept-log`"):
        opened(tmp_path, SERVER, SECOND).pin(SERVER)
    opened(tmp_path).accept(SECOND, pin(2, STRANGER))
    assert _sizes(opened(tmp_path, SERVER, SECOND)) == [2]


@pytest.mark.parametrize("written", [True, False], ids=["in the file", "in memory"])
@pytest.mark.parametrize("size", [5, 8], ids=["smaller", "larger"])
def test_a_pin_is_replaced_by_what_continues_it_alone(tmp_path: Path, size: int, written: bool) -> None:
    """Another process pinned 7 entries while this one was shown that others continue the 4 of before."""
    known = opened(tmp_path) if written else KnownLogs(None, system=tmp_path / "system")
    known.remember(SERVER, pin(4), replaces=None)
    known.remember(SERVER, pin(7), replaces=pin(4))

    known.remember(SERVER, pin(size, FORK), replaces=pin(4))
    assert _size(known) == 7
    known.remember(SERVER, pin(size, FORK), replaces=None)
    assert _size(known) == 7


def test_each_note_of_a_list_of_servers_is_replaced_by_what_continues_it_alone(tmp_path: Path) -> None:
    opened(tmp_path).remember(SERVER, pin(7), replaces=None)
    opened(tmp_path).remember(SECOND, pin(4), replaces=None)
    several = opened(tmp_path, SERVER, SECOND)

    assert _sizes(several) == [4, 7]
    several.remember(SERVER, pin(9), replaces=pin(4))
    assert [_size(opened(tmp_path), server) for server in (SERVER, SECOND)] == [7, 9]
    assert _sizes(several) == [7, 9]
    several.remember(SERVER, pin(9), replaces=pin(7))
    assert [_size(opened(tmp_path), server) for server in (SERVER, SECOND)] == [9, 9]


def _size(known: KnownLogs, server: str = SERVER) -> int:
    found = known.pin(server)
    assert found is not None
    return found.size


def _sizes(known: KnownLogs) -> list[int]:
    return [each.size for each in known.pins(SERVER)]
