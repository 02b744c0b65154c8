"""Tests of what a machine does not have: skipped with how to get it, but failed in CI, which has everything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.absent import ABSENT

ROOT = Path(__file__).resolve().parents[3]
TESTS = """
import pytest
from monoskope.testing.parts import needed

@pytest.fixture
def program():
    return needed("no-such-program", "some-package")

def test_with_a_fixture(program): pass
def test_by_itself(): needed("no-such-program", "some-package")
def test_of_root(): pytest.skip("only root may do this")
"""


def ended(folder: Path, **environment: str) -> tuple[int, str]:
    (folder / "test_it.py").write_text(TESTS)
    words = ["-p", "tests.support.absent", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(folder), "-rs"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, str(folder / "test_it.py")],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in {"CI", ABSENT}} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_elsewhere_they_are_skipped_with_how_to_get_it(tmp_path: Path) -> None:
    code, said = ended(tmp_path)
    assert code == 0, said
    assert "3 skipped" in said
    assert len(re.findall(r"no-such-program is not installed.*apt-get install some-package", said)) == 2


@pytest.mark.parametrize(
    ("absent", "ends"),
    [("", "2 failed, 1 error"), ("other some-package", "1 failed, 2 skipped"), ("package", "2 failed, 1 error")],
)
def test_in_ci_they_fail_but_for_packages_that_the_system_does_not_have(tmp_path: Path, absent: str, ends: str) -> None:
    code, said = ended(tmp_path, CI="true", **{ABSENT: absent})
    assert (code, ends in said) == (1, True), said
