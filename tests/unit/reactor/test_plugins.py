"""What an operator sees of a store driver by others that is broken: installed for real, in a folder of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tomli_w

from tests.support.programs import CLEAN, install

DRIVER = """
import msgspec
from monoskope.stores.driver import StoreDriver

class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    folder: str

class Store(StoreDriver):
    kind = "shoebox"
    Config = Config
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def run(site: Path, tmp_path: Path, **engine: object) -> subprocess.CompletedProcess[str]:
    """Start a reactor whose engine is a shoebox."""
    reactor = tmp_path / "reactor"
    reactor.mkdir(mode=0o700)
    table = {"server": "localhost:1", "ca_file": "ca.crt", "store": "box", "prefixes": [""], "allow_swap": True}
    (reactor / "reactor.toml").write_text(tomli_w.dumps(table | {"engine": {"type": "shoebox", **engine}}))
    return subprocess.run(
        [sys.executable, "-m", "monoskope.reactor", "run", str(reactor)],
        check=False,
        capture_output=True,
        text=True,
        env=CLEAN | {"PYTHONPATH": str(site)},
        timeout=60,
    )


def test_the_first_settings_of_a_plugin_are_the_example_that_it_brings(site: Path, tmp_path: Path) -> None:
    example = """
    example_notes = "# The folder is made at the first start.\\n"

    @classmethod
    def example(cls, folder):
        return {"folder": str(folder / "shoes")}
"""
    install(site, "shoebox_store", DRIVER + example)
    folder = tmp_path / "reactor"
    words = ["init", str(folder), "--store", "box", "--type", "shoebox", "--server", "localhost:1", "--ca-file", "ca"]
    done = subprocess.run(
        [sys.executable, "-m", "monoskope.reactor", *words],
        check=False,
        capture_output=True,
        text=True,
        env=CLEAN | {"PYTHONPATH": str(site)},
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    table = f'type = "shoebox"\nfolder = "{folder}/shoes"\n'
    assert f"[engine]\n# The folder is made at the first start.\n{table}" in (folder / "reactor.toml").read_text()


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return what it said, once it is clear that it said it well."""
    assert done.returncode != 0
    assert "error: " in done.stderr
    assert "\nfix: " in done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("import no_such_library", "No module named 'no_such_library'"),
        ("Store = 1 / 0", "it raises ZeroDivisionError"),
        ("def Store(:", "it raises SyntaxError"),
        ("", "is not in its module"),
        ("class Store: kind = 'shoebox'", "is not a store driver"),
        (DRIVER.replace('"shoebox"', '"matchbox"'), "is not a store driver of the kind 'shoebox'"),
    ],
)
def test_a_plugin_that_does_not_import_is_named_with_the_reason(
    site: Path, tmp_path: Path, module: str, why: str
) -> None:
    install(site, "shoebox_store", module)
    error = said(run(site, tmp_path, folder="/x"))
    assert "shoebox_store:Store" in error
    assert why in error


def test_two_plugins_of_one_name_are_both_named_and_neither_is_imported(site: Path, tmp_path: Path) -> None:
    for package in ("shoebox_store", "other_store"):
        install(site, package, f"open({str(tmp_path / package)!r}, 'w')")
    error = said(run(site, tmp_path, folder="/x"))
    assert "other_store:Store and shoebox_store:Store" in error
    assert not (tmp_path / "shoebox_store").exists()
    assert not (tmp_path / "other_store").exists()


@pytest.mark.parametrize(
    ("engine", "why", "fix"),
    [
        ({"foldr": "/x", "folder": "/x"}, "unknown field `foldr`", "Did you mean 'folder'?"),
        ({"colour": "red", "folder": "/x"}, "unknown field `colour`", "Remove it"),
        ({}, "missing required field `folder`", "Correct that field"),
        ({"folder": 7}, "$.folder", 'in quotes: folder = "…"'),
    ],
)
def test_a_field_that_a_plugin_does_not_know_is_named(
    site: Path, tmp_path: Path, engine: dict[str, object], why: str, fix: str
) -> None:
    install(site, "shoebox_store", DRIVER)
    error = said(run(site, tmp_path, **engine))
    assert "reactor.toml: [engine]" in error
    assert why in error
    assert fix in error


def test_a_kind_that_nobody_installed_is_named_with_those_that_are(site: Path, tmp_path: Path) -> None:
    error = said(run(site, tmp_path))
    assert "'shoebox'" in error
    assert "age" in error
    assert "vault" in error
