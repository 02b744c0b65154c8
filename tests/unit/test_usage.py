"""What a malformed command line suggests."""

from __future__ import annotations

from collections.abc import Sequence

import click
import pytest

from monoskope.exit_codes import sentence
from monoskope.m8.cli.main import program
from monoskope.monoctl.main import _MEANT, cli


@click.command()
@click.option("--from-file")
@click.option("--from-literal", hidden=True)
def command(from_file: str, from_literal: str) -> None: ...


def said_of(of: click.Command, words: Sequence[str]) -> str:
    with pytest.raises(click.UsageError) as error:
        of.main(list(words), standalone_mode=False)
    return sentence(error.value)


def test_a_hidden_option_is_not_suggested() -> None:
    assert said_of(command, ["--from-litera=x"]) == "no such option '--from-litera'. Did you mean '--from-file'?"


@pytest.mark.parametrize(
    ("of", "words"), [(cli, ["put", "secret", "app", "--from-litera=x"]), (program, ["token", "create", "--subjec=x"])]
)
def test_what_is_suggested_stands_in_the_help_of_the_command(of: click.Command, words: Sequence[str]) -> None:
    said = said_of(of, words)
    assert "Did you mean" in said
    assert "literal" not in said.partition("Did you mean")[2]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["list"], "`monoctl get secrets`"),
        (["ls", "app"], "`monoctl get secrets`"),
        (["show"], "`monoctl get secrets`"),
        (["describe", "secret", "app/db"], "`monoctl get secret URI --versions`"),
        (["get", "stores"], "`monoctl get secret-stores`"),
        (["lable"], "'label'"),
    ],
)
def test_a_word_of_other_programs_is_answered_with_our_command(words: Sequence[str], meant: str) -> None:
    assert said_of(cli, words).endswith(f" Did you mean {meant}?")


def test_what_is_meant_by_other_words_is_a_command() -> None:
    for line in _MEANT.values():
        with pytest.raises(SystemExit) as ended:
            cli.main([*(word for word in line.split() if word.islower()), "--help"])
        assert ended.value.code == 0
