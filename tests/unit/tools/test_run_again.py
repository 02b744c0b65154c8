"""Failed tests are tried once more alone: few of them, and only after a whole run (`tools/run_again.py`)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import run_again

FAILS_ONCE = """
import pathlib

def test_one():
    seen = pathlib.Path("seen")
    again = seen.exists()
    seen.touch()
    assert again

def test_two():
    pathlib.Path("runs-of-two").open("a").write("x")
"""

FAILS_BY_CHANCE = """
import hypothesis

@hypothesis.settings(phases=[hypothesis.Phase.generate])
@hypothesis.given(hypothesis.strategies.integers())
def test_one(number):
    open("drawn", "a").write(f"{number}\\n")
    assert abs(number) < 100
"""


@pytest.fixture(autouse=True)
def _no_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


def leave(root: Path, code: Any, names: list[str]) -> None:
    """Leave in `root` what a run of pytest leaves there."""
    for name, value in ((run_again.EXIT, code), ("cache/lastfailed", dict.fromkeys(names, True))):
        path = root / run_again.CACHE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")


def test_a_test_that_passes_alone_is_named_and_the_others_are_not_run_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_it.py").write_text(FAILS_ONCE, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(run_again.ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # loading all of ours takes a second
    arguments = ["-p", "xdist.plugin", "-n", "2", "-p", "tests.support.exit_code"]
    first = subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=tmp_path, check=False)
    assert first.returncode == 1
    assert run_again.main(tmp_path) == 0
    out = capfd.readouterr().out
    assert "test_it.py::test_one failed beside other tests and passed alone. Mend it." in out
    assert (tmp_path / "runs-of-two").read_text(encoding="utf-8") == "x"


def test_a_test_that_fails_again_fails_the_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_it.py").write_text("def test_one():\n    assert False\n", encoding="utf-8")
    leave(tmp_path, 1, ["test_it.py::test_one"])
    assert run_again.main(tmp_path) == 1
    assert "test_it.py::test_one failed, also alone." in capfd.readouterr().out


def test_a_property_test_gets_the_examples_that_failed(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(FAILS_BY_CHANCE, encoding="utf-8")
    subprocess.run([sys.executable, "-m", "pytest", "--hypothesis-seed=7"], cwd=tmp_path, check=False)
    before = (tmp_path / "drawn").read_text(encoding="utf-8")
    leave(tmp_path, 1, ["test_it.py::test_one"])
    assert run_again.main(tmp_path, ["--hypothesis-seed=7"]) == 1
    assert (tmp_path / "drawn").read_text(encoding="utf-8") == 2 * before


@pytest.mark.parametrize(
    ("code", "failures", "said"),
    [
        (1, 4, "4 tests failed"),
        (1, 0, "0 tests failed"),
        (0, 1, "pytest ended with 0"),
        (2, 1, "pytest ended with 2"),
        (3, 1, "pytest ended with 3"),
    ],
    ids=["too many", "none", "all passed", "broken off", "pytest broke"],
)
def test_nothing_is_tried_again(tmp_path: Path, code: int, failures: int, said: str) -> None:
    leave(tmp_path, code, [f"test_it.py::test_one[{n}]" for n in range(failures)])
    with pytest.raises(SystemExit, match=said):
        run_again.main(tmp_path)


def test_a_run_that_left_no_code_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="did not come to their end"):
        run_again.main(tmp_path)


def test_our_own_runs_leave_their_code() -> None:
    conftest = (run_again.ROOT / "tests/conftest.py").read_text(encoding="utf-8")
    assert "from tests.support.exit_code import pytest_sessionfinish" in conftest
