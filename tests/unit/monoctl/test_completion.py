"""Completion: in the shells that are here, as somebody types; what m8 is asked, and what of its answer counts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from monoskope.api.gateway.v1 import access_pb2, queries_pb2, views_pb2
from monoskope.m8.cli.main import run as m8_run
from monoskope.monoctl.input import completion
from monoskope.monoctl.main import cli
from monoskope.testing.parts import needed
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.support.completing import completed
from tests.unit.monoctl.as_alice import Run
from tests.unit.monoctl.on_terminal import converse

pytestmark = pytest.mark.usefixtures("run")
"""Which sets the environment."""


class Listing(ScriptedM8):
    def __init__(self) -> None:
        super().__init__()
        self.uris = ["vault://app/db", "vault://app/deep/one", "vault://app/deep/two", "vault://other"]
        bindings = [
            access_pb2.RoleBinding(name=name, members=[member], made_by="user:corp:root")
            for name, member in (("team-a", "user:corp:anna"), ("other", "group:corp:ops"), ("$(id)", "$(id)"))
        ]
        self.answers[access_pb2.ListRoleBindingsRequest] = access_pb2.ListRoleBindingsResponse(role_bindings=bindings)
        self.answers[queries_pb2.ListSecretsRequest] = lambda _: queries_pb2.ListSecretsResponse(
            secrets=[views_pb2.Secret(uri=uri) for uri in self.uris]
        )


@pytest.fixture
def scripted() -> Listing:
    return Listing()


@pytest.fixture(autouse=True)
def m8_may_answer_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for m8 as long as a busy machine needs: how long people wait is no subject here, but of one test."""
    monkeypatch.setattr(completion, "SECONDS", 60.0)


PATIENT = """#!{python}
from monoskope.monoctl.input import completion
from monoskope.monoctl.__main__ import main
completion.SECONDS = 60.0
main()
"""


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("monoctl get secret vault://", ["vault://app/", "vault://other"]),
        ("monoctl get secret vault://app/d", ["vault://app/db", "vault://app/deep/"]),
        ("monoctl get secret vault://app/deep/", ["vault://app/deep/one", "vault://app/deep/two"]),
        ("monoctl put secret --overwrite vault://oth", ["vault://other"]),
        ("monoctl delete secret vault://other vault://o", ["vault://other"]),
        ("monoctl copy secret vault://other vault://o", ["vault://other"]),
        ("monoctl get secrets --prefix vault://o", ["vault://other"]),
        ("monoctl get secret app/d", ["app/db", "app/deep/"]),
        ("monoctl get secret ", ["app/", "other", "vault://"]),
        ("A=1 /usr/bin/monoctl get secret vault://o", ["vault://other"]),
        ("monoctl describe secret-store ", ["vault"]),
        ("monoctl get secrets --store v", ["vault"]),
        ("monoctl get secrets -o ", ["table", "wide", "name", "json", "yaml"]),
        ("monoctl get secrets --output=j", ["json"]),
        ("monoctl config set s", ["server", "signing_key"]),
        ("monoctl put secret vault://other --from-l", []),
        ("monoctl patch secret --rem", ["--remove"]),
        ("monoctl who", ["whoami"]),
        ("monoctl delete role-binding ", ["team-a", "other"]),
        ("monoctl delete role-binding t", ["team-a"]),
        ("monoctl offboard user:corp:", ["user:corp:anna", "user:corp:root"]),
        ("monoctl offboard user:corp:anna --keep o", ["other"]),
        ("monoctl auth can-i see", ["see-hash"]),
        ("monoctl auth who-can put vault://o", ["vault://other"]),
    ],
)
def test_what_may_follow(line: str, found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    got = completed(line, monkeypatch)
    assert (sorted(got), len(got)) == (sorted(found), len(set(found)))


def test_files_complete_after_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "files"
    (folder / "sub").mkdir(parents=True)
    for name in ("key one.pem", "key.pem", ".hidden"):
        (folder / name).touch()
    monkeypatch.chdir(folder)

    line = "monoctl put secret vault://other --from-file tls.key="
    assert completed(line, monkeypatch) == ["tls.key=key one.pem", "tls.key=key.pem", "tls.key=sub/"]
    assert completed(f"{line}k", monkeypatch, "bash") == ["key\\ one.pem", "key.pem"]
    assert completed(f"{line}{folder}/.", monkeypatch) == [f"tls.key={folder}/.hidden"]
    assert completed("monoctl put secret vault://other --from-file tls", monkeypatch) == []
    assert completed("monoctl put secret vault://other --from-env-file s", monkeypatch) == ["sub/"]
    assert completed("monoctl get secrets --config k", monkeypatch) == ["key one.pem", "key.pem"]


def test_m8_is_asked_below_the_last_slash_alone(m8: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    completed("monoctl get secret vault://app/deep/o", monkeypatch)
    completed("monoctl get secret vault://a", monkeypatch)

    asked = [each.prefix for each in m8.asked if isinstance(each, queries_pb2.ListSecretsRequest)]
    assert asked == ["vault://app/deep", "vault://"]


def test_nothing_that_a_shell_could_run_comes_from_m8(m8: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    m8.uris = ["vault://app/$(id)", "vault://app/`id`", "vault://app/a b", "vault://app/\x1b[2J", "elsewhere://x"]
    m8.uris += ["vault://app/;id", "vault://app/good", "vault://app/\nbad", ""]
    m8.stores["v$(id)"] = views_pb2.SecretStore(name="v$(id)")

    assert completed("monoctl get secret vault://app/", monkeypatch) == ["vault://app/good"]
    assert completed("monoctl describe secret-store v", monkeypatch) == ["vault"]


@pytest.mark.parametrize(
    "variables",
    [
        {"MONOCTL_SERVER": "127.0.0.1:1"},
        {"MONOCTL_TOKEN_FILE": "/nowhere/token"},
        {"MONOCTL_CA_FILE": "/nowhere/ca"},
        {"MONOCTL_MISSPELT": "1"},
        {"MONOCTL_SERVER": "\x1b"},
    ],
    ids=["no m8", "no token", "no CA", "misspelt", "no address"],
)
def test_what_fails_stays_silent(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert completed("monoctl get secret vault://", monkeypatch) == []


def test_an_m8_that_is_slow_is_not_waited_for(m8: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "SECONDS", 0.0)

    assert completed("monoctl get secret vault://", monkeypatch) == []


def test_an_unknown_store_is_not_agreed_to(m8: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "known_stores").unlink()

    assert completed("monoctl get secret vault://o", monkeypatch) == ["vault://other"]
    assert not (tmp_path / "known_stores").exists()


def test_a_line_of_another_kind_is_answered_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_COMPLETE_LINE", "monoctl ")
    for instruction in ("tcsh_complete", "bash_source", "bash", ""):
        monkeypatch.setenv("_MONOCTL_COMPLETE", instruction)
        assert CliRunner().invoke(cli, []).stdout == ""


SHELLS = {
    "bash": (["--norc", "--noprofile", "-i"], "source <({program} completion bash)"),
    "zsh": (["-f", "-i"], "autoload -Uz compinit && compinit -D -u; source <({program} completion zsh)"),
    "fish": (["--no-config", "--interactive"], "{program} completion fish | source"),
}
_BEGINNING = b"\x01"


LINES = {
    "monoctl get secret vault://ot": "monoctl get secret vault://other",
    "monoctl put secret x --from-file a=only": "monoctl put secret x --from-file a=only.pem",
    "monoctl put secret x --trim-n": "monoctl put secret x --trim-newline",
    "m8 reactor fingerprint-key ex": "m8 reactor fingerprint-key export",
}
"""What is typed before the tabulator, and what the line is then."""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_shell_completes_as_somebody_types(shell: str, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "only.pem").touch()
    patient = tmp_path / "bin" / "monoctl"
    patient.parent.mkdir()
    patient.write_text(PATIENT.format(python=sys.executable))
    patient.chmod(0o700)
    options, source = SHELLS[shell]
    environment = {
        **os.environ,
        "PATH": f"{patient.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TERM": "dumb",
    }
    path = needed(shell, shell)
    both = "; ".join(source.format(program=program) for program in ("monoctl", "m8"))
    # The quotes: what the shell prints differs from what is typed. In front of what was completed `echo` is put, so
    # that the shell itself says what the line is.
    waits, types = ["", "sourced"], [f"{both}; echo sour''ced\n".encode()]
    for typed, whole in LINES.items():
        types.append(f"{typed}\t".encode() + _BEGINNING + b"echo the line: \n")
        waits.append(f"the line: {whole}")
    steps = list(zip(waits, [*types, b"exit\n"], strict=True))

    assert converse([path, *options], steps, environment, folder=str(tmp_path / "files"), piped=False).code == 0


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("program", ["monoctl", "m8"])
def test_each_shell_has_a_script(run: Run, shell: str, program: str, capsys: pytest.CaptureFixture[str]) -> None:
    if program == "monoctl":
        text = run("completion", shell).stdout
    else:
        assert m8_run(["completion", shell]) == 0
        text = capsys.readouterr().out
    assert f"_{program.upper()}_COMPLETE={shell}_complete" in text
