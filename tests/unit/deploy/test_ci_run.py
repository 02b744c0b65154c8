"""How tests are run: `.ci/run` installs every package that one asks for, and `make test` starts no idle workers."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / ".ci" / "run"
ASKED = re.compile(r'\bneeded\(\s*[^,()]+, "([a-z0-9 -]+)"\)|^_PACKAGE = "([a-z0-9 -]+)"', re.MULTILINE)


def asked() -> set[str]:
    """The packages that tests name where a program is missing."""
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "src" / "monoskope" / "testing").rglob("*.py")]
    found = [one for file in files for pair in ASKED.findall(file.read_text(encoding="utf-8")) for one in pair if one]
    return {package for packages in found for package in packages.split()} - {"some-package"}


def test_every_package_that_a_test_asks_for_is_installed() -> None:
    script = SCRIPT.read_text(encoding="utf-8")
    named = {word for line in re.findall(r"^(?:need|.*\black) .*$", script, re.MULTILINE) for word in line.split()}
    assert asked() >= {"gnupg", "openssh-client", "nodejs", "prometheus"}
    assert asked() - {word.strip('"') for word in named} == set()


def test_on_debian_13_nothing_is_absent() -> None:
    script = SCRIPT.read_text(encoding="utf-8")
    begin, end = script.index('case "$system"'), script.index("esac", script.index('case "$system"'))
    ask = f'system=$1\n{script[begin:end]}esac\nprintf %s "$absent"'
    said = {
        system: subprocess.run(["bash", "-c", ask, "bash", system], capture_output=True, text=True, check=True).stdout
        for system in ("debian-13", "debian-12", "ubuntu-24.04")
    }
    assert said["debian-13"] == ""
    assert "litetlog" in said["debian-12"].split()
    assert "litetlog" in said["ubuntu-24.04"].split()


def test_an_unknown_word_is_refused_before_anything_is_installed() -> None:
    done = subprocess.run(["bash", SCRIPT, "instal"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "usage: .ci/run [soak|install]\n")


@pytest.mark.parametrize(
    ("tests", "workers"),
    [
        ("", "-n 3"),
        ("tests/unit/protocol", "-n 3"),
        ("tests/unit/test_times.py", "-n 0"),
        ("tests/unit/test_times.py::test_it", "-n 0"),
        ("tests/unit/test_times.py tests/unit/test_start.py", "-n 3"),
    ],
)
def test_one_file_is_run_by_one_process(tests: str, workers: str) -> None:
    words = ["make", "--dry-run", "--assume-old=.venv/.dev-ready", "test", f"TESTS={tests}"]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"-m pytest {workers}" in said


def test_property_tests_get_fresh_examples_from_a_seed_that_is_printed_and_used_again() -> None:
    assert not settings().derandomize
    assert settings().deadline is None
    script = SCRIPT.read_text(encoding="utf-8")
    begin, end = script.index("seed=${SEED:-"), script.index('[ "${1:-all}" != soak ]')
    said = [
        subprocess.run(["bash", "-c", script[begin:end]], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    seeds = [found[1] for text in said if (found := re.search(r"make test SEED=(\d+) TESTS", text))]
    assert len(set(seeds)) == 2
    words = ["make", "--dry-run", "--assume-old=.venv/.dev-ready", "test", f"SEED={seeds[0]}"]
    dry = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"--hypothesis-seed={seeds[0]}" in dry
    assert '\nmake test SEED="$seed"\n' in script
