"""The pins file: one form, one line a name, changes whole and under a lock."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.client.known.pins import Pins
from monoskope.client.known.stores import KnownStores
from monoskope.errors import IdentityChangedError, NotFoundError, RefusedError, UsageError
from monoskope.protocol.identity import shown
from monoskope.settings import NotWritableError

SERVER = "m8.example.org:7443"
A, B, C = (shown(bytes([number]) * 32) for number in range(3))

servers = st.from_regex(r"\A[a-z0-9][a-z0-9.-]{0,20}:[1-9][0-9]{0,3}\Z")
stores = st.from_regex(r"\A[a-z][a-z0-9-]{0,10}\Z")


@st.composite
def pins(draw: st.DrawFn) -> Pins:
    names = draw(st.lists(st.tuples(servers, stores), unique=True, max_size=6))
    keys = draw(st.lists(st.binary(min_size=32, max_size=32), unique=True, min_size=len(names), max_size=len(names)))
    return Pins(
        {name: shown(key) for name, key in zip(names, keys, strict=True)},
        draw(st.dictionaries(servers, stores, max_size=3)),
    )


@pytest.fixture
def known(tmp_path: Path) -> KnownStores:
    return KnownStores(tmp_path / "config" / "known_stores", system=tmp_path / "system")


@given(pins())
def test_what_is_written_is_read_back(written: Pins) -> None:
    assert Pins.parse(written.serialise(), where="known_stores") == written


@given(st.text())
def test_any_other_text_is_refused_by_its_line(text: str) -> None:
    if not text or all(line.count(" ") == 2 for line in text.removesuffix("\n").split("\n")):
        return  # may be a good file, which the test above is about
    with pytest.raises(UsageError, match=r"^known_stores, line [1-9]"):
        Pins.parse(text, where="known_stores")


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (f"{SERVER} vault", "is expected"),
        (f"{SERVER}  vault {A}", "is expected"),
        (f"{SERVER} vault {A} ", "is expected"),
        (f"{SERVER} vault {A}\r", "identity"),
        (f"{SERVER} Vault {A}", "store name"),
        (f"m8.example.org/ vault {A}", "host:port"),
        (f"{SERVER} vault SHA256:short", "identity"),
        (f"{SERVER} @default {A}", "store name"),
        ("", "is expected"),
        ("# a comment", "host:port"),
    ],
)
def test_a_malformed_line_is_named(line: str, rule: str) -> None:
    with pytest.raises(UsageError) as caught:
        Pins.parse(f"{SERVER} other {B}\n{line}\n", where="pins")

    assert caught.value.message.startswith("pins, line 2: ")
    assert rule in caught.value.message


@pytest.mark.parametrize("again", [f"{SERVER} vault {B}", f"{SERVER} vault {A}"])
def test_a_store_with_two_lines_is_refused(again: str) -> None:
    with pytest.raises(UsageError, match="line 2: store 'vault'"):
        Pins.parse(f"{SERVER} vault {A}\n{again}\n", where="pins")


@pytest.mark.parametrize("other", [f"{SERVER} local", "other.example.org:7443 vault"])
def test_an_identity_under_two_names_is_refused_and_both_are_named(other: str) -> None:
    with pytest.raises(IdentityChangedError) as caught:
        Pins.parse(f"{SERVER} vault {A}\n{other} {A}\n", where="pins")

    for word in (SERVER, "'vault'", *other.split(" ")):
        assert word.strip("'") in caught.value.message


def test_a_pin_makes_a_private_file_with_one_line(known: KnownStores) -> None:
    known.pin(SERVER, "vault", A, replaces=None)

    assert (known.path.read_text(), stat.S_IMODE(known.path.stat().st_mode)) == (f"{SERVER} vault {A}\n", 0o600)
    assert stat.S_IMODE(known.path.parent.stat().st_mode) == 0o700


def test_a_pin_moves_on_from_the_one_it_replaces_alone(known: KnownStores) -> None:
    known.pin(SERVER, "vault", A, replaces=None)
    known.pin(SERVER, "vault", B, replaces=A)

    with pytest.raises(IdentityChangedError, match="meanwhile") as caught:
        known.pin(SERVER, "vault", C, replaces=A)

    assert B in caught.value.message
    assert C in caught.value.message
    assert known.identity(SERVER, "vault") == B


def test_the_same_pin_again_is_no_change(known: KnownStores) -> None:
    known.pin(SERVER, "vault", A, replaces=None)
    known.pin(SERVER, "vault", A, replaces=None)

    assert known.identity(SERVER, "vault") == A


def test_an_identity_is_not_pinned_under_a_second_name(known: KnownStores) -> None:
    known.pin(SERVER, "vault", A, replaces=None)

    with pytest.raises(IdentityChangedError):
        known.pin(SERVER, "local", A, replaces=None)

    assert known.path.read_text() == f"{SERVER} vault {A}\n"


def test_a_file_that_others_can_reach_is_refused(known: KnownStores) -> None:
    known.pin(SERVER, "vault", A, replaces=None)
    known.path.chmod(0o660)

    with pytest.raises(RefusedError, match="0660"):
        known.identity(SERVER, "vault")


@pytest.mark.parametrize("path", [None, Path("/proc/none/known_stores")], ids=["no file", "read-only"])
def test_what_was_given_needs_no_file_and_what_is_lost_is_said_once(tmp_path: Path, path: Path | None) -> None:
    told: list[str] = []
    known = KnownStores(path, system=tmp_path / "system", notify=told.append)

    known.pin(SERVER, "vault", A, replaces=None, explicit=True)
    known.pin(SERVER, "vault", B, replaces=A, explicit=True)
    known.pin_default(SERVER, "vault", explicit=True)

    assert (known.identity(SERVER, "vault"), known.default(SERVER)) == (B, "vault")
    (sentence,) = told
    assert "for this run alone" in sentence
    assert "'vault'" in sentence
    assert "given or found" in sentence or "/proc/none/known_stores cannot be written" in sentence


def test_in_memory_too_a_pin_moves_on_alone_and_has_one_name(tmp_path: Path) -> None:
    known = KnownStores(None, system=tmp_path / "system")
    known.pin(SERVER, "vault", A, replaces=None, explicit=True)

    with pytest.raises(IdentityChangedError, match="meanwhile"):
        known.pin(SERVER, "vault", B, replaces=C, explicit=True)
    with pytest.raises(IdentityChangedError, match="same identity"):
        known.pin(SERVER, "local", A, replaces=None, explicit=True)
    assert known.read().identities == {(SERVER, "vault"): A}


def test_what_a_person_agreed_to_is_kept_in_a_file_or_not_at_all() -> None:
    """Asked at each run, a person would soon say yes to everything."""
    known = KnownStores(Path("/proc/none/known_stores"), system=Path("/proc/none"))

    with pytest.raises(UsageError, match="cannot be written") as caught:
        known.pin(SERVER, "vault", A, replaces=None)

    assert "`known_stores`" in caught.value.fix
    assert known.identity(SERVER, "vault") is None


def test_pins_that_are_mounted_read_only_count_beside_those_in_memory(tmp_path: Path) -> None:
    class Mounted(KnownStores):
        """A file that can be read and not be written."""

        @contextmanager
        def _changing(self) -> Iterator[Pins]:
            if self.path.exists():
                raise NotWritableError("read-only.")
            yield Pins()

    told: list[str] = []
    KnownStores(tmp_path / "known_stores", system=tmp_path / "system").pin(SERVER, "vault", A, replaces=None)
    known = Mounted(tmp_path / "known_stores", system=tmp_path / "system", notify=told.append)

    known.pin(SERVER, "vault", B, replaces=A, explicit=True)
    known.pin(SERVER, "local", C, replaces=None, explicit=True)

    assert known.read().identities == {(SERVER, "vault"): B, (SERVER, "local"): C}
    assert ((tmp_path / "known_stores").read_text(), len(told)) == (f"{SERVER} vault {A}\n", 1)


def test_the_systems_file_counts_where_the_users_says_nothing(known: KnownStores, tmp_path: Path) -> None:
    (tmp_path / "system").write_text(f"{SERVER} @default vault\n{SERVER} vault {A}\n")
    assert known.identity(SERVER, "vault") == A
    assert known.default(SERVER) == "vault"

    known.pin(SERVER, "vault", B, replaces=A)
    known.pin_default(SERVER, "local")

    assert known.identity(SERVER, "vault") == B
    assert known.default(SERVER) == "local"
    assert A not in known.path.read_text()


def test_a_systems_file_that_others_can_write_is_refused(known: KnownStores, tmp_path: Path) -> None:
    (tmp_path / "system").write_text("")
    (tmp_path / "system").chmod(0o666)

    with pytest.raises(RefusedError, match="0666"):
        known.read()


def test_a_misspelt_default_is_named() -> None:
    with pytest.raises(UsageError, match=r"pins, line 1: '@defalt' is no store; did you mean '@default'\?"):
        Pins.parse("m8.test:1 @defalt vault\n", where="pins")


def test_a_pin_of_the_administrator_is_not_forgotten(known: KnownStores) -> None:
    assert known._system is not None
    known._system.write_text(f"{SERVER} vault {A}\n")
    known._system.chmod(0o644)
    with pytest.raises(RefusedError, match="for all users"):
        known.forget(SERVER, "vault")

    known.path.parent.mkdir(exist_ok=True)
    known.path.write_text(f"{SERVER} vault {B}\n")
    known.path.chmod(0o600)
    assert known.forget(SERVER, "vault") == (B, known.path.with_name("known_stores.old"))
    assert known.identity(SERVER, "vault") == A


def test_forgetting_one_store_keeps_the_others(known: KnownStores) -> None:
    known.pin(SERVER, "vault", A, replaces=None)
    known.pin(SERVER, "local", B, replaces=None)
    known.forget(SERVER, "vault")

    assert known.read().identities == {(SERVER, "local"): B}
    with pytest.raises(NotFoundError):
        known.forget(SERVER, "vault")


OTHER = "m8-2.example.org:7443"


def opened(folder: Path, *servers: str) -> KnownStores:
    return KnownStores(folder / "known_stores", system=folder / "system", servers=servers)


def kept(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "known_stores"
    path.write_text("".join(f"{line}\n" for line in lines))
    path.chmod(0o600)
    return path


def test_a_pin_of_one_server_counts_for_all_of_its_list_in_any_order(tmp_path: Path) -> None:
    opened(tmp_path).pin(OTHER, "vault", A, replaces=None)
    opened(tmp_path).pin_default(OTHER, "vault")
    for servers in ((SERVER, OTHER), (OTHER, SERVER)):
        known = opened(tmp_path, *servers)
        assert known.identity(servers[0], "vault") == A
        assert known.default(servers[0]) == "vault"
        known.read().check_free(servers[0], "vault", A)
        assert known.read_with(servers[0], {"vault": A}).identities == {(servers[0], "vault"): A}
    assert opened(tmp_path).identity(SERVER, "vault") is None


def test_a_pin_stays_under_the_server_at_which_it_was_made(tmp_path: Path) -> None:
    opened(tmp_path).pin(OTHER, "vault", A, replaces=None)
    known = opened(tmp_path, SERVER, OTHER)
    known.pin(SERVER, "vault", B, replaces=A)
    known.pin(SERVER, "local", C, replaces=None)
    assert (tmp_path / "known_stores").read_text() == f"{OTHER} vault {B}\n{SERVER} local {C}\n"
    assert known.forget(SERVER, "vault")[0] == B
    assert (tmp_path / "known_stores").read_text() == f"{SERVER} local {C}\n"
    with pytest.raises(NotFoundError):
        known.forget(SERVER, "vault")


def test_servers_with_different_pins_are_not_taken_for_one(tmp_path: Path) -> None:
    kept(tmp_path, f"{SERVER} vault {A}", f"{OTHER} vault {B}")
    assert opened(tmp_path).identity(SERVER, "vault") == A
    with pytest.raises(IdentityChangedError, match="both are named as servers of one m8") as refused:
        opened(tmp_path, SERVER, OTHER).read()
    assert A in refused.value.message
    assert B in refused.value.message


def test_the_administrators_pin_of_one_server_counts_for_the_list(tmp_path: Path) -> None:
    (tmp_path / "system").write_text(f"{OTHER} vault {A}\n")
    known = opened(tmp_path, SERVER, OTHER)
    assert known.identity(SERVER, "vault") == A
    with pytest.raises(IdentityChangedError, match="meanwhile"):
        known.pin(SERVER, "vault", B, replaces=None)
    with pytest.raises(RefusedError):
        known.forget(SERVER, "vault")


@pytest.mark.parametrize(
    "other",
    ["other.example.org:7443", "m8.example.org.attacker.test:7443", "m8.example.org:443"],
    ids=["another host", "a longer host", "another port of the host"],
)
def test_no_pin_of_another_server_counts(tmp_path: Path, other: str) -> None:
    known = KnownStores(kept(tmp_path, f"{other} vault {A}"), system=tmp_path / "system", servers=(SERVER,))
    assert known.identity(SERVER, "vault") is None
    with pytest.raises(IdentityChangedError, match="show the same identity"):
        known.read().check_free(SERVER, "vault", A)


def test_a_server_may_be_written_in_any_spelling(tmp_path: Path) -> None:
    known = KnownStores(kept(tmp_path, f"https://{SERVER.upper()} vault {A}"), system=tmp_path / "system")
    assert known.identity(SERVER, "vault") == A


def test_what_is_forgotten_is_the_pin_that_counts_and_no_other(known: KnownStores, tmp_path: Path) -> None:
    known.pin(OTHER, "vault", B, replaces=None)
    (tmp_path / "system").write_text(f"{SERVER} vault {A}\n")
    with pytest.raises(RefusedError, match="for all users"):
        known.forget(SERVER, "vault")
    assert known.identity(OTHER, "vault") == B


def test_a_pin_that_the_administrator_has_under_another_name_can_go(known: KnownStores, tmp_path: Path) -> None:
    known.pin(OTHER, "vault", A, replaces=None)
    (tmp_path / "system").write_text(f"{SERVER} vault {A}\n")
    assert known.forget(OTHER, "vault")[0] == A
