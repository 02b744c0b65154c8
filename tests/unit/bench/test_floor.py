"""The frozen floor, the turns that things take, and which Python a run names."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bench import floor, machine
from bench.timing import ONE_BY_ONE, Flight, alone, in_flight


def git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=m8", "-c", "user.email=m8@example.com", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the two folders of the floor, one commit, and a change after it."""
    root = tmp_path / "repository"
    for name in ("bench", "src"):
        (root / name).mkdir(parents=True)
        (root / name / "code.py").write_text("frozen", encoding="utf-8")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "Freeze it")
    (root / "src" / "code.py").write_text("changed", encoding="utf-8")
    return root


def test_the_frozen_floor_is_the_code_of_its_commit_and_the_client_of_now(repository: Path, tmp_path: Path) -> None:
    tree = floor.frozen(tmp_path / "tree", root=repository, commit=git(repository, "rev-parse", "HEAD"))

    assert tree is not None
    assert (tree / "src" / "code.py").read_text(encoding="utf-8") == "frozen"
    assert "alone N" in (tree / "bench" / "bare_client.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("has_git", [True, False])
def test_what_has_no_such_commit_has_no_frozen_floor_and_says_so(
    has_git: bool,
    repository: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not has_git:
        monkeypatch.setenv("PATH", "")
    assert floor.frozen(tmp_path / "tree", root=repository) is None

    said = capsys.readouterr().err
    assert f"LEFT OUT: {floor.OVER_FLOOR}" in said
    assert floor.FROZEN[:8] in said
    assert has_git != ("git is not installed" in said)


def test_the_client_runs_beside_the_frozen_code(tmp_path: Path) -> None:
    tree = floor.frozen(tmp_path / "tree")
    if tree is None:
        pytest.skip("this is no whole git clone")
    code = "import bench.bare_client, bench.bare_m8, bench.bare_reactor, monoskope; print(monoskope.__file__)"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tree,
        env={"PYTHONPATH": str(tree / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(ran.stdout.strip()).is_relative_to(tree)


def test_what_is_compared_takes_turns_and_the_first_of_each_is_not_measured() -> None:
    order: list[str] = []

    def work(name: str, *seconds: float) -> Callable[[int], Awaitable[list[float]]]:
        left = list(seconds)

        async def one(times: int) -> list[float]:
            assert times == ONE_BY_ONE
            order.append(name)
            return [left.pop(0)]

        return one

    found = asyncio.run(alone(3, {"ours": work("ours", 99, 1, 2, 3), "theirs": work("theirs", 99, 4, 6, 5)}))

    assert order == ["ours", "theirs"] * 4
    assert found == {"ours": 2, "theirs": 5}


def test_a_flight_counts_the_blocks_that_are_measured() -> None:
    seconds = [99.0, 1.0, 2.0]

    async def work(_times: int) -> float:
        return seconds.pop(0)

    flight = Flight(work, 30)
    asyncio.run(in_flight(2, {"puts": flight}))
    assert (flight.times, flight.seconds, flight.per_s) == (60, 3, 20)


@pytest.mark.parametrize(
    ("arguments", "uses", "profiled"),
    [
        ("'--enable-optimizations' '--with-lto'", "-fprofile-use -fprofile-correction", True),
        ("'--prefix=/usr' '--enable-shared'", "", True),  # as Debian's says
        ("'--prefix=/home/anna/.pyenv/versions/3.13.0'", "-fprofile-use -fprofile-correction", False),
    ],
)
def test_a_python_without_a_profile_is_told_from_one_with_it(arguments: str, uses: str, profiled: bool) -> None:
    assert machine.is_profiled(arguments, "-fprofile-generate", uses) is profiled


def test_where_nothing_is_known_of_profiles_there_is_none() -> None:
    assert not machine.is_profiled("", "", "")


def test_a_run_names_version_and_build_of_its_python() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    assert machine.interpreter().lower().startswith(f"python {version} with")
    assert machine.interpreter() in machine.described()
    assert shutil.which("python3") is None or machine.interpreter(shutil.which("python3") or "").startswith("Python 3.")
