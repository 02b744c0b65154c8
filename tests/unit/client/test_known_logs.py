"""`known_logs`: which line counts, what is never lowered, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.client.known.logs import KnownLogs, LogPin
from monoskope.errors import LogMismatchError, NotFoundError, RefusedError, UsageError
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.settings import NotWritableError
from monoskope.testing.scripted.log import ORIGIN, ScriptedLog

SERVER, SECOND = "m8.example.org:7443", "m8-b.example.org:7443"
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

    found = known.pin(SERVER)
    assert found is not None
    assert found.size == 6


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

    copy = known.accept(SERVER, pin(2, STRANGER))

    assert copy.read_bytes() == before
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
    found = known.pin(SERVER)
    assert found is not None
    assert found.size == 4
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


def test_a_renewal_that_was_accepted_at_one_server_of_a_list_is_accepted_at_the_other_and_then_fits(
    tmp_path: Path,
) -> None:
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
