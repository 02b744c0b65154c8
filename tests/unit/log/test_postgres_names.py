"""The names of streams as PostgreSQL keeps them."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from monoskope.m8.log.postgres import records as names

REQUEST = "upload/" + "0123456789abcdef" * 2


@given(st.one_of(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)))
@example(REQUEST)
@example(REQUEST.upper())
@example(f"upload/{REQUEST}")
@example(REQUEST[:-1])
@example("upload/" + "٣" * 32)
def test_a_name_is_read_as_it_was_stored(name: str) -> None:
    assert names.read_name(names.stored(name)) == name


def test_the_name_of_a_request_takes_17_bytes() -> None:
    assert len(names.stored(REQUEST)) == 17


@given(st.binary())
@example(REQUEST.encode())
@example(b"\0" + bytes(15))
@example(b"\xff")
def test_a_name_has_one_form(body: bytes) -> None:
    """So a stream that was written in another form beside ours is noticed."""
    name = names.read_name(body)
    assert name is None or names.stored(name) == body
