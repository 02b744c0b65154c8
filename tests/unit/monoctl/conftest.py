"""A scripted m8, and `monoctl` as a user who has pinned its stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monoskope.monoctl.main import cli
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.unit.monoctl.as_alice import VALUE, Run, environment


@pytest.fixture(autouse=True)
def m8_may_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the first checkpoint of a log as long as for everything else: a busy machine is no m8 without a log."""
    monkeypatch.setattr("monoskope.client.log.check.UNPINNED_S", 60.0)


@pytest.fixture
def scripted() -> ScriptedM8:
    """The m8 of a test. A module whose tests need another one replaces this fixture."""
    return ScriptedM8()


@pytest.fixture
def m8(scripted: ScriptedM8, tmp_path: Path) -> Iterator[ScriptedM8]:
    with scripted.serving_in_thread(tmp_path):
        yield scripted


@pytest.fixture
def run(m8: ScriptedM8, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run monoctl as a user whose pins hold the store, in an empty environment."""
    for name, value in environment(m8, tmp_path).items():
        monkeypatch.setenv(name, value)

    def invoke(*words: str, stdin: str | bytes | None = None) -> Result:
        result = CliRunner().invoke(cli, words, input=stdin)
        assert VALUE not in result.output
        assert "Traceback" not in result.output
        return result

    return invoke
