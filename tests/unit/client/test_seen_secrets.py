"""What m8 showed before on this machine, and what is said when it shows something else."""

from __future__ import annotations

import hashlib
import multiprocessing
from pathlib import Path

import pytest

from monoskope.client.known.seen import DIGESTS, Difference, SeenSecrets, Shown
from monoskope.errors import RefusedError, UsageError
from monoskope.uri import UriPrefix

SERVER = "m8:7443"
A, B, OTHER = "vault://team-a/a", "vault://team-a/b", "vault://team-b/c"


def receipt(number: int, *, proven: bool = True) -> Shown:
    """Return the receipt of a version that replaced the one before."""
    return Shown(hashlib.sha256(bytes([number])).digest(), proven, version=str(number), prior=str(number - 1))


def deletion(number: int) -> Shown:
    """Return the receipt that this version was deleted."""
    return Shown(hashlib.sha256(bytes([100, number])).digest(), proven=True, version=str(number), deleted=True)


NONE = Shown(None, proven=False)
SAME = Difference((), (), (), (), 0)


@pytest.fixture
def seen(tmp_path: Path) -> SeenSecrets:
    return SeenSecrets(tmp_path / "new" / "seen_secrets")


def test_the_same_again_and_what_is_new_is_nothing_to_tell(seen: SeenSecrets) -> None:
    for shown in ({A: receipt(1)}, {A: receipt(1)}, {A: receipt(2), B: NONE}, {A: receipt(2), B: receipt(3)}):
        assert seen.compare(SERVER, shown) == SAME
    assert seen.path.stat().st_mode & 0o777 == 0o600


def test_what_is_listed_no_more_is_told_each_time_until_its_deletion_is_proven(seen: SeenSecrets) -> None:
    seen.compare(SERVER, {A: receipt(1), B: receipt(2)})
    for _ in range(2):
        assert seen.compare(SERVER, {A: receipt(1)}).gone == (B,)
    assert seen.accept(SERVER, {B: deletion(2)}) == {B}
    assert seen.compare(SERVER, {A: receipt(1)}) == SAME


def test_what_never_had_a_proven_receipt_is_told_once(seen: SeenSecrets) -> None:
    """As for somebody who may not see receipts, when somebody else deletes a secret."""
    seen.compare(SERVER, {A: NONE, B: NONE})
    assert seen.compare(SERVER, {A: NONE}).gone == (B,)
    assert seen.compare(SERVER, {A: NONE}) == SAME


def test_a_deletion_from_before_what_was_shown_last_proves_nothing(seen: SeenSecrets) -> None:
    seen.compare(SERVER, {A: receipt(1)})
    assert seen.accept(SERVER, {A: deletion(1)}) == {A}
    assert seen.compare(SERVER, {A: receipt(2)}) == SAME
    assert seen.compare(SERVER, {A: receipt(1)}).older == (A,)
    for _ in range(2):
        assert seen.compare(SERVER, {}).gone == (A,)
        assert seen.accept(SERVER, {A: deletion(1)}) == frozenset()


def test_a_deletion_of_an_older_version_is_not_remembered(seen: SeenSecrets) -> None:
    for number in range(1, DIGESTS + 4):
        assert seen.compare(SERVER, {A: receipt(number)}) == SAME
    for older in (1, 2, DIGESTS):
        assert seen.accept(SERVER, {A: deletion(older)}) == frozenset()
    assert seen.compare(SERVER, {}).gone == (A,)
    assert seen.accept(SERVER, {A: deletion(DIGESTS + 3)}) == {A}
    assert seen.compare(SERVER, {}) == SAME


def test_a_receipt_that_does_not_follow_moves_nothing_before_it_is_confirmed(seen: SeenSecrets) -> None:
    seen.compare(SERVER, {A: receipt(5)})
    for _ in range(2):
        assert seen.compare(SERVER, {A: receipt(2)}).unlinked == (A,)
        assert seen.accept(SERVER, {A: receipt(2)}) == frozenset()
        assert seen.accept(SERVER, {A: deletion(2)}) == frozenset()
    assert seen.accept(SERVER, {A: receipt(9)}, confirmed=True) == {A}
    assert seen.compare(SERVER, {A: receipt(9)}) == SAME
    assert seen.accept(SERVER, {A: deletion(9)}) == {A}


def test_what_came_back_is_not_hidden_by_the_deletion_that_was_undone(seen: SeenSecrets) -> None:
    """The engine gives it its former version, so no receipt tells which deletion came last: the store must."""
    back = Shown(bytes(32), proven=True, version="1", restored=True)
    unchanged = Shown(bytes([1] * 32), proven=True, version="1")
    for shown in (back, unchanged):
        assert seen.compare(SERVER, {A: shown}) == SAME
    assert seen.accept(SERVER, {A: deletion(1)}) == frozenset()
    assert seen.compare(SERVER, {}).gone == (A,)
    assert seen.accept(SERVER, {A: deletion(1)}, confirmed=True) == {A}
    assert seen.compare(SERVER, {}) == SAME


def test_only_what_lies_below_the_prefixes_and_at_the_server_can_be_missing(seen: SeenSecrets) -> None:
    seen.compare(SERVER, {A: receipt(1), OTHER: receipt(2)})
    assert seen.compare(SERVER, {}, [UriPrefix.parse("vault://team-a")]).gone == (A,)
    assert seen.compare("elsewhere:7443", {}) == SAME
    assert seen.compare(SERVER, {}).gone == (A, OTHER)


def test_a_receipt_from_before_the_one_shown_last_is_older_each_time(seen: SeenSecrets) -> None:
    for number in (1, 2, 3):
        seen.compare(SERVER, {A: receipt(number)})
    for number in (1, 2, 1):
        assert seen.compare(SERVER, {A: receipt(number)}).older == (A,)
    assert seen.compare(SERVER, {A: receipt(2, proven=False)}).older == (A,)
    assert seen.compare(SERVER, {A: receipt(3)}) == SAME


def test_a_receipt_that_proves_nothing_is_told_after_one_that_did_and_never_remembered(seen: SeenSecrets) -> None:
    seen.compare(SERVER, {A: receipt(1)})
    for unproven in (NONE, receipt(2, proven=False), receipt(2, proven=False)):
        assert seen.compare(SERVER, {A: unproven}).unproven == (A,)
    # The same bytes stay what they were, though the identity that signed them was replaced meanwhile.
    assert seen.compare(SERVER, {A: receipt(1, proven=False)}) == SAME


def test_it_is_bounded(tmp_path: Path) -> None:
    seen = SeenSecrets(tmp_path / "seen_secrets", most=2)
    assert seen.compare(SERVER, {A: NONE, B: NONE, OTHER: NONE}).not_remembered == 1
    for number in range(3 * DIGESTS):
        seen.compare(SERVER, {A: receipt(number), B: NONE})
    lines = seen.path.read_text().splitlines()
    assert sorted(len(line.split(" ")) for line in lines) == [2, 3 + DIGESTS]


@pytest.mark.parametrize(
    "line",
    [
        "m8:7443",
        "m8:7443 nothing",
        "m8:7443 vault://a/b xyz",
        f"m8:7443 vault://a/b {'0' * 32}",
        "m8:7443 vault://a/b =1",
        "M/8 vault://a/b",
        "m8:7443 vault://a/b  ",
        f"m8:7443 {A}\nm8:7443 {A}",
        "é:7443 vault://a/b",
    ],
)
def test_a_malformed_line_is_named_and_the_file_stays(tmp_path: Path, line: str) -> None:
    seen = SeenSecrets(tmp_path / "seen_secrets")
    seen.path.write_text(f"{line}\n")
    seen.path.chmod(0o600)
    with pytest.raises(UsageError, match="line "):
        seen.compare(SERVER, {B: NONE})
    assert seen.path.read_text() == f"{line}\n"


def test_a_file_that_others_can_reach_is_refused(seen: SeenSecrets) -> None:
    seen.compare(SERVER, {A: NONE})
    seen.path.chmod(0o644)
    with pytest.raises(RefusedError):
        seen.compare(SERVER, {A: NONE})


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        SeenSecrets(tmp_path / "file" / "seen_secrets").compare(SERVER, {})


def test_what_is_no_uri_gets_into_no_line(seen: SeenSecrets) -> None:
    with pytest.raises(UsageError):
        seen.compare(SERVER, {"vault://a\nm8:7443 vault://b": NONE})
    assert not seen.path.exists()


def _remember(path: str, number: int) -> None:
    SeenSecrets(Path(path)).compare(SERVER, {f"vault://team-a/{number}": receipt(number)})


def test_two_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    path = str(tmp_path / "seen_secrets")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.starmap(_remember, [(path, number) for number in range(16)])
    assert len(Path(path).read_text().splitlines()) == 16


def test_what_any_server_of_a_list_showed_is_known_at_the_others(seen: SeenSecrets) -> None:
    """Else a list would let m8 hide what it showed at the server that was dialled alone before."""
    one, two = SERVER, "m8-2:7443"
    seen.compare(one, {A: receipt(1)})
    seen.compare(two, {A: receipt(1)})
    seen.compare(two, {A: receipt(2), B: receipt(3), OTHER: NONE})
    both = SeenSecrets(seen.path, servers=(one, two))
    found = both.compare(one, {A: receipt(1)})
    assert (found.gone, found.older) == ((B, OTHER), (A,))
    assert both.accept(two, {B: deletion(3)}) == {B}
    assert both.compare(two, {A: receipt(2)}) == SAME


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "older"])
@pytest.mark.parametrize("newer_at", [0, 1])
def test_no_deletion_hides_what_another_server_showed(seen: SeenSecrets, newer_at: int, *, deleted: bool) -> None:
    """One server showed version 1, or that it is deleted, and the other one a later version."""
    second = "m8-2:7443"
    before, newer = [(SERVER, second), (second, SERVER)][1 - newer_at]
    seen.compare(before, {A: receipt(1)})
    if deleted:
        seen.accept(before, {A: deletion(1)})
    seen.compare(newer, {A: receipt(9)})
    both = SeenSecrets(seen.path, servers=(SERVER, second))
    for _ in range(2):
        assert both.compare(SERVER, {}).gone == (A,)
        assert both.accept(SERVER, {A: deletion(1)}) == frozenset()
    both.compare(SERVER, {A: receipt(2)})  # which follows from version 1
    assert both.accept(SERVER, {A: deletion(2)}) == frozenset()
    assert both.accept(SERVER, {A: deletion(9)}, confirmed=True) == {A}
    assert both.compare(SERVER, {}) == SAME
    assert seen.compare(newer, {}) == SAME
    both.compare(SERVER, {A: receipt(10)})


def test_servers_of_different_lists_share_nothing(seen: SeenSecrets) -> None:
    seen.compare("elsewhere:7443", {B: receipt(3)})
    assert SeenSecrets(seen.path, servers=(SERVER, "m8-2:7443")).compare(SERVER, {A: receipt(1)}) == SAME
