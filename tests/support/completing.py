"""What monoctl completes, as the script of a shell asks it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from monoskope.monoctl.main import cli


def completed(line: str, monkeypatch: pytest.MonkeyPatch, shell: str = "fish") -> list[str]:
    """Return what may follow `line`, as the script of a shell asks."""
    monkeypatch.setenv("_MONOCTL_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("_COMPLETE_LINE", line)
    monkeypatch.setenv("_COMPLETE_BREAKS", " \t\n\"'@><=;|&(:")
    result = CliRunner().invoke(cli, [])
    assert (result.exit_code, result.stderr) == (0, "")
    return [found.partition("\t")[0] for found in result.stdout.splitlines()]
