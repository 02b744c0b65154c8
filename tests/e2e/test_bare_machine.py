"""A machine with Python, git and make alone: the demo works, and the tests pass and say what they skip."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import warm

ROOT = Path(__file__).resolve().parents[2]
READY = ROOT / ".venv" / ".dev-ready"
PROGRAMS = ("python3", "git", "make")
COREUTILS = ("cat", "chmod", "cp", "env", "ls", "mkdir", "mktemp", "mv", "rm", "sleep", "sort", "touch", "true")

MISSED = {
    "tests/conformance/test_pass_engine.py::test_the_nearest_gpg_id_says_who_can_read": "gnupg",
    "tests/conformance/test_mariadb_engine.py::test_what_a_dba_locked_stays_locked": "mariadb-server",
    "tests/conformance/test_rabbitmq_engine.py::test_nothing_but_the_password_changes": "rabbitmq-server",
    "tests/conformance/test_redis_engine.py::test_over_a_socket_no_tls_is_needed": "redis-server",
    "tests/unit/client/signing/test_signers.py::test_an_agent_signs_for_a_public_key": "openssh-client",
    "tests/unit/reactor/signers/test_signed_vectors.py::test_who_has_the_page_alone_agrees_with_every_vector": "nodejs",
    "tests/unit/test_observe_files.py::test_the_example_of_a_configuration_is_one": "prometheus",
    "tests/unit/deploy/test_settings.py::test_a_unit_leaves_little_open": "systemd",
    "tests/unit/protocol/tlog/test_checkpoint.py::test_another_verifier_refuses_what_we_refuse": "litetlog",
}
"""A test for each program that is found by PATH, and the package that it must name."""


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    if not READY.exists():
        pytest.skip(f"there is no {READY}, which `make test` makes")
    found = {name: shutil.which(name) for name in (*PROGRAMS, *COREUTILS)}
    (tmp_path / "bin").mkdir()
    for name, path in found.items():
        assert path is not None, name
        (tmp_path / "bin" / name).symlink_to(path)
    (tmp_path / "home").mkdir()
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path)}


def made(bare: dict[str, str], target: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `make`, which is to install nothing beside running tests."""
    command = ["make", "--no-print-directory", *(f"--assume-old=.venv/.{one}-ready" for one in ("demo", "dev"))]
    return subprocess.run(
        [*command, target, *words],
        cwd=ROOT,
        env=bare,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


@pytest.fixture
def copying(tmp_path: Path) -> Path:
    """A folder whose `python` runs the demo's commands and servers as copies. A newcomer's run is in `make soak`."""
    python = tmp_path / "copying" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m tests.support.warm.script "$@"\n')
    python.chmod(0o700)
    return python.parent


@pytest.mark.parametrize("as_copies", [True, pytest.param(False, marks=pytest.mark.soak)])
def test_make_demo_works_and_makes_the_key_itself(bare: dict[str, str], copying: Path, *, as_copies: bool) -> None:
    done = made(bare | warm.lent(), "demo", f"BIN={copying}") if as_copies else made(bare, "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "OpenSSH is not installed here, so the demo makes anna's key itself" in done.stdout
    assert "$ ssh-keygen" not in done.stdout
    assert "anna's monoctl signed the put, and the reactor wrote it." in done.stdout


def test_make_test_passes_and_names_what_it_skipped(bare: dict[str, str]) -> None:
    # In one process: each of several would load everything for a few tests.
    done = made(bare, "test", f"TESTS={' '.join(MISSED)}", "WORKERS=-n 0")
    assert done.returncode == 0, done.stdout + done.stderr
    skipped = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    for package in MISSED.values():
        assert any(line.endswith(f"apt-get install {package}") for line in skipped), (package, skipped)
