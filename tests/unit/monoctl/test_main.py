"""The ends of the command line: codes, reports, settings, version, completion."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from monoskope import times
from monoskope.errors import Code, ConflictError, Error, NotTriedError, OutcomeUnknownError
from monoskope.exit_codes import ExitCode, exit_code, exit_code_of_all
from monoskope.monoctl.main import cli
from monoskope.monoctl.output.ending import guarded, wants_json
from monoskope.testing.parts import program
from tests.unit.monoctl.as_alice import ends

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("SERVER", "CA_FILE", "TOKEN_FILE", "KNOWN_STORES", "CONFIG"):
        monkeypatch.delenv(f"MONOCTL_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return lambda *words: CliRunner().invoke(cli, words)


def test_exit_codes_never_change() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "INTERNAL": 1,
        "USAGE": 2,
        "REFUSED": 3,
        "PROTOCOL": 13,
        "NOT_FOUND": 4,
        "IDENTITY_CHANGED": 5,
        "CONFLICT": 6,
        "UNAVAILABLE": 7,
        "TIMED_OUT": 8,
        "OUTCOME_UNKNOWN": 9,
        "UNAUTHENTICATED": 10,
        "ALREADY_EXISTS": 11,
        "DIFFERENT": 12,
        "RATE_LIMITED": 14,
        "NOT_TRIED": 15,
        "PARTLY_DONE": 16,
        "NOT_AUTHORIZED": 17,
        "LOG_MISMATCH": 18,
        "NOT_YET": 19,
        "NOT_AGREED": 20,
        "CHECK_FAILED": 21,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize("code", list(Code))
def test_each_code_has_an_exit_code_of_its_own(code: Code) -> None:
    assert exit_code(Error("x.", code=code)).name == code.name


def test_of_several_errors_the_first_counts_unless_one_is_unknown() -> None:
    assert exit_code_of_all([]) is ExitCode.OK
    assert exit_code_of_all([ConflictError("a."), Error("b.")]) is ExitCode.CONFLICT
    assert exit_code_of_all([ConflictError("a."), OutcomeUnknownError("b.")]) is ExitCode.OUTCOME_UNKNOWN
    assert exit_code_of_all([NotTriedError("a."), ConflictError("b.")]) is ExitCode.CONFLICT


def test_what_was_changed_in_part_has_a_code_of_its_own() -> None:
    assert exit_code_of_all([], changed=2) is ExitCode.OK
    assert exit_code_of_all([ConflictError("a.")], changed=2) is ExitCode.PARTLY_DONE
    assert exit_code_of_all([OutcomeUnknownError("a.")], changed=2) is ExitCode.OUTCOME_UNKNOWN


def test_a_defect_shows_its_type_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> None:
        raise KeyError("hunter2")

    assert guarded(broken, []) == 1
    stderr = capsys.readouterr().err
    assert "KeyError" in stderr
    assert "hunter2" not in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize("words", [["-o", "json"], ["-ojson"], ["--output=json"], ["--output", "json"]])
def test_errors_are_json_for_who_asks_for_json(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    def refused() -> None:
        raise ConflictError("what happened.", fix="what to do.")

    assert wants_json(words)
    assert guarded(refused, ["put", *words]) == 6
    told = {"code": "CONFLICT", "exit_code": 6, "message": "what happened.", "fix": "what to do.", "by_m8": False}
    unknown = {"reason": "", "uri": "", "retry_after_s": None}
    assert json.loads(capsys.readouterr().err) == {"error": told | unknown}


@pytest.mark.parametrize("words", [[], ["-o"], ["-o", "yaml"], ["json"], ["--output=table"]])
def test_errors_are_text_for_others(words: list[str]) -> None:
    assert not wants_json(words)


def test_a_usage_error_is_json_too(run: Run) -> None:
    result = ends(run("get", "secrets", "--nope", "-o", "json"), 2)
    assert json.loads(result.stderr)["error"]["code"] == "USAGE"


def test_an_interrupt_has_its_own_code(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise click.Abort

    assert guarded(interrupted, []) == 130
    assert capsys.readouterr().err == "error: interrupted; nothing was sent.\n"


def test_every_command_explains_itself_and_its_connection_options_stand_apart(run: Run) -> None:
    def walk(group: click.Group, words: list[str]) -> int:
        context, dialling = click.Context(group), 0
        listed = run(*words, "--help").stdout
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            assert f"\n  {name} " in listed
            result = ends(run(*words, name, "--help"), 0)
            assert len(result.stdout.splitlines()) > 4
            if isinstance(command, click.Group):
                dialling += walk(command, [*words, name])
            elif any(parameter.name == "token_file" for parameter in command.params):
                dialling += 1
                stands_apart(result.stdout)
        return dialling

    assert walk(cli, []) > 15


def stands_apart(text: str) -> None:
    own, apart, shared = text.partition("Connection options:\n")
    assert apart, text
    for option in ("--server", "--token-file", "--store-identity"):
        assert option not in own
        assert option in shared
    assert "--help" in own
    assert "--output" not in shared
    rows = own.partition("\nOptions:\n")[2].splitlines()
    assert [row for row in rows if row.startswith("  ") and row[2] not in "- "] == []


def test_version_dials_nothing(run: Run) -> None:
    assert run("version").stdout.startswith("monoctl ")
    assert run("--version").stdout == run("version").stdout
    assert run("--version", "put").exit_code == 0
    assert json.loads(run("version", "-o", "json").stdout).keys() == {"monoctl"}


def test_settings_are_written_privately_and_shown_with_their_source(run: Run, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("")
    file = tmp_path / "config" / "monoskope" / "config.toml"
    assert run("config", "set", "server", "M8.example.org:7443").exit_code == 0
    assert run("config", "set", "ca_file", str(tmp_path / "ca.crt")).exit_code == 0

    shown = {one["name"]: one for one in json.loads(run("config", "view", "-o", "json").stdout)}

    assert run("config", "path").stdout == f"{file}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert shown["server"] == {"name": "server", "value": "m8.example.org:7443", "source": str(file)}
    assert (shown["ca_file"]["value"], shown["token_file"]["source"]) == (str(tmp_path / "ca.crt"), "not set")


def test_a_token_given_as_text_is_not_shown_only_where_it_comes_from(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("config", "view").exit_code == 0
    monkeypatch.delenv("MONOCTL_TOKEN_FILE", raising=False)
    monkeypatch.setenv("MONOCTL_TOKEN", "e30.hunter2.sig")

    for output in ("table", "json", "yaml"):
        result = ends(run("config", "view", "-o", output), 0)
        assert "MONOCTL_TOKEN" in result.stdout
        assert "hunter2" not in result.output


def test_a_token_is_no_token_file(run: Run) -> None:
    result = ends(run("config", "set", "token_file", "e30.hunter2.sig"), 2)
    assert "hunter2" not in result.output


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "now"), (42, "42s ago"), (119, "119s ago"), (180, "3m ago"), (7_300, "2h ago"), (90_000, "1d ago")],
)
def test_people_read_how_long_ago_it_was(seconds: int, text: str) -> None:
    assert times.ago(1_000_000_000, now_s=1_000_000 + seconds) == text


@pytest.mark.parametrize("words", [(), ("put",), ("put", "secret"), ("whoami",)])
def test_help_is_a_command_too(run: Run, words: tuple[str, ...]) -> None:
    helped, asked = run("help", *words), run(*words, "--help")

    assert (helped.exit_code, helped.stdout) == (0, asked.stdout)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("putt",), "Did you mean 'put'?"),
        (("put", "secrets"), "Did you mean 'secret'?"),
        (("put", "secret", "more"), "`cli put secret` has no command 'more'"),
    ],
)
def test_help_of_what_is_no_command_says_so(run: Run, words: tuple[str, ...], said: str) -> None:
    ends(run("help", *words), 2, said)


@pytest.mark.parametrize(
    ("words", "suggested", "never"),
    [
        (("put", "secret", "x", "--from-litteral", "v"), "--from-file", "--from-literal"),
        (("put", "secret", "x", "--valu", "v"), None, "--value"),
        (("put", "secret", "x", "--litera", "v"), None, "--literal"),
        (("put", "secret", "x", "--overwrit"), "--overwrite", None),
        (("put", "secrets"), "'secret'", None),
        (("get", "secert"), "'secret'", None),
        (("get", "secret-store"), "'secret-stores'", None),
        (("ptach", "secret"), "'patch'", None),
        (("putt",), "'put'", None),
        (("whoam",), "'whoami'", None),
    ],
)
def test_misspelt_words_get_a_hint(run: Run, words: tuple[str, ...], suggested: str | None, never: str | None) -> None:
    result = ends(run(*words), 2)
    if suggested is not None:
        assert suggested in result.stderr
    if never is not None:
        assert not re.search(rf"{never}['.?]", result.stderr)


def test_a_usage_error_names_the_help_of_its_command(run: Run) -> None:
    for words in (("--server",), ("--nope",), ()):
        assert "get secret --help`" in run("get", "secret", *words).stderr


def test_colour_only_on_a_terminal_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from monoskope.monoctl.output import terminal  # noqa: PLC0415

    class Screen:
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert terminal.styled("x", Screen(), bold=True) != "x"  # type: ignore[arg-type]
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal.styled("x", Screen(), bold=True) == "x"  # type: ignore[arg-type]


def test_a_usage_error_is_one_line_without_control_characters(run: Run) -> None:
    ends(run("completion"), 2, "Choose from: bash, zsh, fish")


def test_an_output_that_cannot_be_written_is_no_defect_and_says_that_the_work_was_done() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [program("monoctl"), "version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "standard output cannot be written: No space left on device" in done.stderr
    assert "was done before" in done.stderr
    assert "defect" not in done.stderr
