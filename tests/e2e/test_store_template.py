"""The store driver to copy, as others have it: built, installed beside Monoskope without a network, and tested."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).resolve().parents[2] / "examples" / "monoskope-store-template"
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the template, as whoever writes a driver has one."""
    folder = tmp_path_factory.mktemp("theirs") / "package"
    shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return folder


@pytest.fixture(scope="module")
def wheel(package: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", "dist"]
    subprocess.run(command, cwd=package, check=True, capture_output=True)
    (built,) = (package / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel is installed in: it finds Monoskope in the environment, and nothing on a network."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    subprocess.run([*pip, "--no-index", "--no-deps", "--target", str(folder), str(wheel)], check=True)
    return folder


def run(installed: Path, *command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment |= {"PYTHONPATH": str(installed), "HOME": str(cwd)}
    return subprocess.run(command, cwd=cwd, env=environment, check=False, capture_output=True, text=True, timeout=300)


def test_the_wheel_holds_the_drivers_and_names_their_kinds(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    names = archive.namelist()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"monoskope_store_sqlite"}
    (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
    named = archive.read(entry_points).decode()
    assert "[monoskope.stores]\nsqlite = monoskope_store_sqlite.store:SqliteStore" in named
    assert "sqlite-accounts = monoskope_store_sqlite.accounts:SqliteAccounts" in named


def test_its_own_tests_pass_against_the_installed_package(package: Path, installed: Path, tmp_path: Path) -> None:
    shutil.copytree(package / "tests", tmp_path / "tests")
    shutil.copy(package / "pyproject.toml", tmp_path)
    done = run(installed, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_a_reactor_of_its_accounts_demands_signatures(installed: Path, tmp_path: Path) -> None:
    init = (
        "init",
        "box",
        "--store",
        "box",
        "--type",
        "sqlite-accounts",
        "--server",
        "localhost:1",
        "--ca-file",
        "ca.crt",
        "--account",
        "orders_*",
    )
    made = run(installed, BIN / "m8", "reactor", *init, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    refused = run(installed, BIN / "m8", "reactor", "check", "box", cwd=tmp_path)
    assert refused.returncode != 0
    assert "[signers]" in refused.stderr


def test_a_reactor_takes_it_and_the_configured_file_keeps_every_promise(installed: Path, tmp_path: Path) -> None:
    init = ("init", "box", "--store", "box", "--type", "sqlite", "--server", "localhost:1", "--ca-file", "ca.crt")
    made = run(installed, BIN / "m8", "reactor", *init, "--prefix", "team-a", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    settings = tmp_path / "box" / "reactor.toml"
    written = settings.read_text()
    assert f'type = "sqlite"\nfile = "{tmp_path}/box/secrets.sqlite"\nreadable = false' in written
    settings.write_text(written.replace("readable = false", "readable = true"))
    done = run(installed, BIN / "m8", "stores", "check", "--config", settings, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kind      sqlite, experimental" in done.stdout
    assert "One row a version in a SQLite file" in done.stdout
    assert "ok        one of many writers wins [nothing]" in done.stdout
    assert " 0 broken, 1 not checked." in done.stdout
