"""Values from files, stdin and JSON: exact or refused, by line or key, and never shown."""

from __future__ import annotations

import base64
import io
import json
import os
import re

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from monoskope.errors import UsageError
from monoskope.monoctl.input.files import MOST_ENTRIES, parse_env, parse_json
from monoskope.monoctl.input.values import split_words

keys = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,20}\Z")
plain = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"))


def env(text: str) -> dict[str, bytes]:
    return dict(parse_env(text.encode(), where="app.env"))


@given(st.dictionaries(keys, plain, min_size=1), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "export "]))
def test_single_quotes_carry_any_text(values: dict[str, str], end: str, export: str) -> None:
    escaped = {key: value.replace("\\", "\\\\").replace("'", "\\'") for key, value in values.items()}
    text = "".join(f"{export}{key}='{value}'{end}" for key, value in escaped.items())

    assert env(text) == {key: value.encode() for key, value in values.items()}


@given(st.binary())
def test_any_other_bytes_are_read_or_refused_by_line(content: bytes) -> None:
    try:
        parse_env(content, where="app.env")
    except UsageError as error:
        assert re.match(r"app\.env(, line [1-9]| holds no KEY=VALUE line)", error.message)  # noqa: PT017


@given(st.dictionaries(keys, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1))
def test_what_is_read_is_what_dotenv_reads_without_interpolation(values: dict[str, str]) -> None:
    text = "".join(f"{key}={value}\n" for key, value in values.items())
    try:
        parsed = env(text)
    except UsageError:
        return
    theirs = dotenv_values(stream=io.StringIO(text, newline=None), interpolate=False)
    assert {key: value.decode() for key, value in parsed.items()} == theirs


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A='two\nlines'", "two\nlines"),
        ('A="two\nlines"', "two\nlines"),
        ("A='two\r\nlines'\r\n", "two\nlines"),
        (r'A="a\nb"', "a\nb"),
        (r"A='a\nb'", r"a\nb"),
        (r"A=a\nb", r"a\nb"),
        (r'A="say \"hi\" \\ \t"', 'say "hi" \\ \t'),
        (r"A='it\'s'", "it's"),
        (r'A="\$1 \u00e9"', r"\$1 \u00e9"),
        ("A=two words", "two words"),
        ("  A = indented  ", "indented"),
        ("export A=1", "1"),
        ("export\tA=1", "1"),
        ("A=$HOME ${HOME} `id` $(id)", "$HOME ${HOME} `id` $(id)"),
        ('A="${HOME}"', "${HOME}"),
        ("A=", ""),
        ("A=''", ""),
        ("A=a#b", "a#b"),
        ("A=#b", "#b"),
        ("A=a # comment", "a"),
        ("A= # comment", ""),
        ("A='a # b' # comment", "a # b"),
        ("A=''# comment", ""),
        ("A=a'b c'", "a'b c'"),
        ("A==b=", "=b="),
        ("'A'=1", "1"),
        ("# A=0\n\n   # no\nA=1", "1"),
        ("A=\xe9", "\xe9"),
    ],
)
def test_the_forms_that_dotenv_reads(text: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/elsewhere")
    monkeypatch.setenv("A", "of the environment")
    before = dict(os.environ)

    assert env(text) == {"A": value.encode()}
    assert dict(os.environ) == before


@pytest.mark.parametrize("before", ["OK=1\n", "OK='1\n2'\n", "\n\n# comment\n\nOK=1\n\n\n"])
@pytest.mark.parametrize(
    "line",
    [
        "hunter2 ter2",
        "KEY: hunter2",
        "KEY",
        "export KEY",
        "KEY='hunter2",
        'KEY="hunter2',
        "KEY='hunter2'x",
        "KEY='hun''ter2'",
        "KEY=hunter2\x00",
        "=hunter2",
        "K/Y=hunter2",
        "KEY/=hunter2",
        "'K Y'=hunter2",
        "\ufeffKEY=hunter2",
    ],
)
def test_what_cannot_be_read_is_refused_by_line_and_not_shown(before: str, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        env(f"{before}{line}\nMORE=1\n")

    assert caught.value.message.startswith(f"app.env, line {before.count(chr(10)) + 1}: ")
    assert "hunter2" not in str(caught.value)
    assert "ter2" not in str(caught.value)


def test_a_key_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="line 2: key 'A'"):
        env("A=1\nA=1\n")


@pytest.mark.parametrize("line", ["K{}=v\n", "# {}\n"])
def test_a_file_of_more_entries_than_anybody_has_is_refused_before_all_are_read(line: str) -> None:
    # The last line could not be read: it is never reached.
    text = "".join(line.format(number) for number in range(MOST_ENTRIES + 1)) + "no value"
    with pytest.raises(UsageError, match="more than 10,000 keys and comments"):
        parse_env(text.encode(), where="app.env")


def test_bytes_that_are_no_text_are_refused_by_line() -> None:
    with pytest.raises(UsageError, match="line 2: not UTF-8"):
        parse_env(b"A=1\nB=\xff\n", where="app.env")


@given(st.dictionaries(keys, st.one_of(st.binary(), st.text(st.characters(exclude_categories=["Cs"]))), min_size=1))
def test_json_carries_text_and_bytes(values: dict[str, bytes | str]) -> None:
    document = {
        key: value if isinstance(value, str) else {"base64": base64.b64encode(value).decode()}
        for key, value in values.items()
    }

    parsed = parse_json(json.dumps(document).encode(), where="stdin")

    assert parsed == {key: value.encode() if isinstance(value, str) else value for key, value in values.items()}


@pytest.mark.parametrize("content", [b"", b"\n\r\n", b"# A=1\n"])
def test_a_file_without_values_is_named(content: bytes) -> None:
    with pytest.raises(UsageError, match=r"^app\.env holds no KEY=VALUE line"):
        parse_env(content, where="app.env")
    with pytest.raises(UsageError, match=r"^app\.json holds no key"):
        parse_json(b"{}", where="app.json")


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        '["hunter2"]',
        '{"k":7}',
        '{"k":null}',
        '{"k":{"hex":"hunter2"}}',
        '{"k":{"base64":"hunter2!"}}',
        '{"k":{"base64":"hunter2=","x":1}}',
        '{"k":"hunter2","k":"hunter2"}',
        '{"k":"hunter2"',
        '{"k":"\\ud800hunter2"}',
        "[" * 100_000,
    ],
)
def test_other_json_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_json(text.encode(), where="stdin")

    assert "stdin" in caught.value.message
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "uris", "named"),
    [
        (("app",), ["app"], []),
        (("app", "password"), ["app"], ["password"]),
        (("vault://a", "local://a", "x", "y.z"), ["vault://a", "local://a"], ["x", "y.z"]),
        (("app/db", "password", "other/db"), ["app/db", "other/db"], ["password"]),
    ],
)
def test_words_are_uris_or_keys(words: tuple[str, ...], uris: list[str], named: list[str]) -> None:
    assert split_words(words) == (uris, named)


@pytest.mark.parametrize("word", ["password=hunter2", "=hunter2", "hunter2!", "..hunter2", "hunter2="])
def test_a_word_that_may_hold_a_value_is_refused_and_not_shown(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        split_words(("app/db", word))

    assert "hunter2" not in str(caught.value)
