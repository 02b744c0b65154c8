"""The environment in which `monoctl` is measured holds what its users have, and nothing that development adds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.installed import _copy, _needed


def test_it_holds_what_the_bare_package_needs_and_no_extra() -> None:
    needed = _needed("monoskope")
    assert {"click", "cryptography", "cffi", "msgspec", "protobuf"} <= needed
    assert not needed & {"pytest", "protovalidate", "setuptools"}


def test_what_is_copied_works_alone(tmp_path: Path) -> None:
    _copy("click", tmp_path)
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; import click; print(click.__file__)"
    done = subprocess.run(
        [sys.executable, "-B", "-I", "-S", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == str(tmp_path / "click" / "__init__.py")
    assert not [*tmp_path.glob("*.pth"), *tmp_path.rglob("*.pyc")]
