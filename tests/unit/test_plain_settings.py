"""Plain settings files, which are read without `tomllib`, say what `tomllib` would read in them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import tomli_w
from hypothesis import example, given
from hypothesis import strategies as st

from monoskope.client.known.config_file import ConfigFile
from monoskope.errors import UsageError
from monoskope.m8.settings import File as M8File
from monoskope.settings import _plain_table, parse

_PIECES = st.lists(
    st.sampled_from(
        ["a", "b_2", "-", " = ", "=", '"', '""', "\\", "'", "#", "\n", "\r", "\t", " ", "[a]", "1", "ä", "\0"]
    )
)


@given(_PIECES.map("".join))
@example('a = "1"\na = "2"')
@example('a = """\n"""')
@example('a = "x" # "y"')
@example("# \x7f")
def test_what_is_read_plainly_is_what_the_file_says(text: str) -> None:
    plain = _plain_table(text)
    assert plain is None or plain == tomllib.loads(text)


def test_the_settings_that_monoctl_writes_are_plain() -> None:
    table = {"server": "m8.example.com:7443", "ca_file": "/home/ann/ca.crt", "token_file": "token"}
    assert _plain_table(f"# settings\n\n{tomli_w.dumps(table)}") == table


@pytest.mark.parametrize(("line", "why"), [('server = "a', "not valid TOML"), ('servr = "a"', "unknown field")])
def test_what_is_wrong_is_said_of_plain_files_too(line: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        ConfigFile.parse(line.encode(), Path("config.toml"))


def test_a_number_without_quotes_where_a_text_is_wanted_is_told_to_be_quoted() -> None:
    with pytest.raises(UsageError, match=r"config\.toml: Expected `str`, got `int` - at `\$\.log_quorum`") as caught:
        ConfigFile.parse(b"log_quorum = 2", Path("config.toml"))
    assert caught.value.fix == 'Write its value as a text, in quotes: log_quorum = "…".'


def test_a_text_where_a_number_is_wanted_is_told_to_be_without_quotes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="got `str`") as caught:
        parse(b'quorum = "2"', M8File, path=tmp_path / "m8.toml")
    assert caught.value.fix == "Write its value without quotes: quorum = …"
