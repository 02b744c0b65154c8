"""What a malformed command line suggests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
import pytest

from monoskope.command_line import Command, Group
from monoskope.exit_codes import sentence
from monoskope.m8.cli.main import PassThrough, program
from monoskope.monoctl.main import _MEANT, cli
from monoskope.reactor.cli import _group as reactor
from monoskope.testing.store_check.check import check


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


PROGRAMS: tuple[click.Command, ...] = (cli, program, reactor, check)


def every(of: click.Command) -> Iterator[click.Command]:
    yield of
    if isinstance(of, click.Group):
        context = click.Context(of)
        for name in of.list_commands(context):
            found = of.get_command(context, name)
            assert found is not None
            yield from every(found)


def test_every_command_takes_an_option_once() -> None:
    other = [
        found.name for of in PROGRAMS for found in every(of) if not isinstance(found, Command | Group | PassThrough)
    ]
    assert other == []


@pytest.mark.parametrize(
    ("of", "line", "option"),
    [
        (cli, "create role-binding a --role user --member m --prefix a://b --right put --prefix a://c", "--prefix"),
        (cli, "put secret a://b --server a:1 --server=b:1", "--server"),
        (cli, "get secrets -o json --output table", "-o"),
        (program, "role-binding create a --role user --member m --prefix a://b --prefix a://b", "--prefix"),
        (program, "backup --dir a --dir b create c", "--dir"),
        (reactor, "init folder --store a --store b", "--store"),
        (check, "folder --reader a --reader b", "--reader"),
    ],
)
def test_of_two_values_neither_is_dropped(of: click.Command, line: str, option: str) -> None:
    assert said_of(of, line.split()) == f"option {option!r} takes one value, and was given 2."
