"""Display names: which are shown, and how, so that nobody is taken for somebody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.protocol.people import MAX_NAME, is_display_name, with_end, with_id

ONE, OTHER = "0f0d5c0e-7f2a-4c11-8a57-1b2c3d4e5f60", "0f0d5c0e-7f2a-4c11-8a57-1b2ce3f0b1c2"
"""Two random UUIDs that begin alike."""


@pytest.mark.parametrize("name", ["Anna Meyer", "Meyer, Anna (IT)", "Жанна", "אנה", "李娜", "m8r", "A" * MAX_NAME])
def test_names_as_people_have_them_are_shown(name: str) -> None:
    assert is_display_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        " Anna",
        "Anna ",
        "A" * (MAX_NAME + 1),
        "A" * 10_000,
        "user:corp:anna",
        "corp\uff1aanna",
        "vault://app/db",
        "m8",
        "M8",
        "m8 itself",
        "m8/os/root",
        'Anna" (corp:ben)',
        "Anna …e3f0b1c2",
        "Anna\x1b[2J",
        "Anna\nMeyer",
        "Anna\u202ereyeM",
        "Anna\u2066",
        "Anna\u200bMeyer",
        "Anna\u3164",
        "\ud800",
    ],
)
def test_what_is_no_name_is_not_shown(name: str) -> None:
    """What is empty or long, looks like an id, a store, m8 or the end of a name, or steers what shows it."""
    assert not is_display_name(name)


def test_two_people_with_one_name_look_different() -> None:
    shown = {with_end(member, "Anna Meyer") for member in (f"user:corp:{ONE}", f"user:corp:{OTHER}", f"user:a:{ONE}")}
    assert shown == {'"Anna Meyer" (corp:…3d4e5f60)', '"Anna Meyer" (corp:…e3f0b1c2)', '"Anna Meyer" (a:…3d4e5f60)'}


def test_a_uuid_of_random_digits_alone_is_cut() -> None:
    """As OpenBao and Vault make them."""
    assert with_end("user:corp:ab3d7a9b-18e5-bcef-435e-afb39af12bfc", "Anna") == '"Anna" (corp:…9af12bfc)'


@pytest.mark.parametrize(
    "name",
    [
        "anna",
        "anna@example.org",
        "x" * 128,
        "0f0d5c0e-7f2a-1c11-8a57-1b2ce3f0b1c2",
        "1ef0d5c0-7f2a-6c11-aa57-1b2ce3f0b1c2",
        "0F0D5C0E-7F2A-4C11-8A57-1B2CE3F0B1C2",
        "0f0d5c0e-7f2a-4c11-8a57-1b2ce3f0b1c2@example.org",
    ],
)
def test_an_id_that_somebody_may_have_chosen_is_not_cut(name: str) -> None:
    """Nor a UUID with a time and a machine in it: all that one machine makes end alike."""
    assert with_end(f"user:corp:{name}", "Anna Meyer") == f'"Anna Meyer" (corp:{name})'


def test_where_something_is_decided_the_whole_id_stands_first() -> None:
    assert with_id(f"user:corp:{ONE}", "Anna Meyer") == f'user:corp:{ONE} "Anna Meyer"'


@given(st.text(max_size=MAX_NAME + 2), st.text(max_size=40))
def test_no_name_hides_an_id_or_ends_before_its_mark(name: str, member: str) -> None:
    """Whatever a name is: it stands between the only two marks, and the id's end is last."""
    if not is_display_name(name):
        return
    end = member.partition(":")[2] or member
    assert with_end(f"{member}", name) == f'"{name}" ({end})' or "…" in with_end(member, name)
    assert with_id(member, name).startswith(member)
    assert '"' not in name
    assert name.isprintable()


def test_without_a_name_the_id_stands_alone() -> None:
    assert with_end("reactor/vault/1", "") == with_id("reactor/vault/1", "") == "reactor/vault/1"
