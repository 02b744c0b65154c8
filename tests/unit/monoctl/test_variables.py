"""A misspelt environment variable is named, and nothing of its value is shown."""

from __future__ import annotations

import pytest

from monoskope.client import settings
from monoskope.monoctl.groups import RootGroup
from monoskope.monoctl.main import cli
from monoskope.monoctl.variables import VARIABLES, warn_of_unknown


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MONOCTL_SERVR", "MONOCTL_SERVER"),
        ("MONOCTL_CAFILE", "MONOCTL_CA_FILE"),
        ("MONOCTL_TOKEN", "MONOCTL_TOKEN_FILE"),
        ("MONOCTL_KNOWN_STORE", "MONOCTL_KNOWN_STORES"),
        ("MONOCTL_STORE_IDENTITIES", "MONOCTL_STORE_IDENTITY"),
    ],
)
def test_what_may_be_meant_is_suggested(name: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    warn_of_unknown([name, "PATH", *VARIABLES])
    assert capsys.readouterr().err == (
        f"warning: the environment variable {name} means nothing to monoctl. Did you mean {meant}?\n"
    )


def test_what_resembles_nothing_is_named_alone(capsys: pytest.CaptureFixture[str]) -> None:
    warn_of_unknown(["MONOCTL_XYZZY"])
    assert capsys.readouterr().err == "warning: the environment variable MONOCTL_XYZZY means nothing to monoctl.\n"


def test_every_setting_has_its_variable() -> None:
    assert {f"MONOCTL_{name.upper()}" for name in settings.FIELDS} <= VARIABLES


def test_the_program_warns_and_goes_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MONOCTL_SERVR", "a value that is nobody's business")
    assert isinstance(cli, RootGroup)
    with pytest.raises(SystemExit) as ended:
        cli.main(["version"])
    assert ended.value.code == 0
    said = capsys.readouterr()
    assert said.out.startswith("monoctl ")
    assert "MONOCTL_SERVR" in said.err
    assert "nobody's business" not in said.err
