from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.errors import UsageError
from monoskope.uri import SecretUri, UriPrefix
from tests.support.vectors import VECTORS

GRAMMAR = re.compile(
    r"[a-z][a-z0-9-]{0,62}://[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,127}){0,15}"
)
SEGMENT = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)


@pytest.mark.parametrize("text", VECTORS["bad_uris"])
def test_bad_uris_of_the_vectors_are_refused_with_a_fix(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        SecretUri.parse(text)
    assert caught.value.fix


@given(st.one_of(st.text(max_size=40), st.from_regex(GRAMMAR, fullmatch=True)))
def test_the_parser_accepts_the_grammar_and_nothing_else(text: str) -> None:
    expected = GRAMMAR.fullmatch(text) is not None and len(text) <= 512
    try:
        accepted = str(SecretUri.parse(text)) == text
    except UsageError:
        accepted = False
    assert accepted == expected


@given(st.lists(SEGMENT, min_size=1, max_size=6), st.lists(SEGMENT, max_size=3))
def test_a_prefix_covers_what_lies_below_by_whole_segments(path: list[str], more: list[str]) -> None:
    prefix = UriPrefix.parse("vault://" + "/".join(path))
    assert prefix.covers(SecretUri.parse("vault://" + "/".join([*path, *more])))
    assert not prefix.covers(SecretUri.parse("vault://" + "/".join([*path[:-1], path[-1] + "x", *more])))
    assert not prefix.covers(SecretUri.parse("other://" + "/".join([*path, *more])))


def test_a_bare_store_covers_all_of_it() -> None:
    prefix = UriPrefix.parse("vault://")
    assert prefix.covers(SecretUri.parse("vault://a/b"))
    assert str(prefix) == "vault://"
    assert UriPrefix.parse("vault://team-a/") == UriPrefix.parse("vault://team-a")


@pytest.mark.parametrize(
    "text", ["", "vault", "vault:/", "Vault://a", "vault://a//b", "vault://..", "://", "vault:///"]
)
def test_bad_prefixes_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        UriPrefix.parse(text)
