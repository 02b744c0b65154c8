"""`m8 stores check`: each promise of a configured engine, kept, broken with a fix, or not checked; the exit code."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support import warm
from tests.support.programs import CLEAN, install

LIAR = """
import pathlib
from monoskope.errors import Error
from monoskope.stores.age.files import AgeStore
from monoskope.stores.driver import StoreUnavailableError

class Store(AgeStore):
    kind = "shoebox"

    async def read_version(self, path):
        version = await super().read_version(path)
        return version and "always the same"

    async def find(self, path, write_tag):
        raise StoreUnavailableError("the box is shut.", fix="Open the box.")
"""


@pytest.fixture
def reactor(tmp_path: Path) -> Path:
    folder = tmp_path / "reactor"
    words = ("--store", "local", "--server", "localhost:1", "--ca-file", "x", "--type", "age", "--prefix", "team-a/b")
    assert warm.typed("m8", "reactor", "init", folder, *words).returncode == 0
    return folder


def check(config: Path, *words: str, option: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["m8", "stores", "check", *(["--config"] if option else []), config, *words]
    return warm.typed(*command, environment=CLEAN | environment, folder=config.parent, seconds=300.0)


def test_an_engine_that_keeps_all_is_said_to_and_is_left_as_it_was(reactor: Path) -> None:
    (reactor / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    done = check(reactor, option=False, PYTEST_ADDOPTS="-rf", PYTEST_PLUGINS="no_such_plugin")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "kind      age, stable"
    assert [line for line in lines if line.startswith("          not ")] == ["          not listable"]
    assert sum(line.startswith("ok ") for line in lines) > 50
    assert [line for line in lines if line.startswith("unchecked")] == [
        "unchecked 1: the engine would have to be taken down"
    ]
    assert lines[-1].endswith(" kept, 0 broken, 1 not checked.")
    secrets = reactor / "secrets"
    below = next(line for line in lines if line.startswith("below "))
    assert [entry.name for entry in (secrets / "team-a" / "b").iterdir()] == [below.rpartition("/")[2]]
    # What the suite deletes softly stays as that, for the engine's owner.
    assert not list(secrets.rglob("*.age"))


def test_what_cannot_be_read_back_is_not_checked_rather_than_passed(reactor: Path) -> None:
    file = reactor / "write-only.toml"
    text = (reactor / "reactor.toml").read_text()
    file.write_text("\n".join(line for line in text.splitlines() if not line.startswith("identity_file")))
    done = check(file)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^unchecked \d\d: the settings do not let values be read back$", done.stdout, re.MULTILINE)
    assert "bytes come back as they went" not in done.stdout
    assert "ok        one of many writers wins" not in done.stdout
    full = check(file, "--reader", str(reactor / "reactor.toml"))
    assert full.returncode == 0, full.stdout
    assert "ok        bytes come back as they went" in full.stdout
    assert full.stdout.splitlines()[-1].endswith(" 0 broken, 1 not checked.")


def test_a_broken_promise_is_named_with_a_fix(reactor: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    install(site, "shoebox_store", LIAR)
    file = reactor / "reactor.toml"
    file.write_text(file.read_text().replace('type = "age"', 'type = "shoebox"'))
    done = check(file, PYTHONPATH=str(site))
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    broken = lines.index("broken    a write becomes the current version")
    assert lines[broken + 2].startswith("          fix: --verbose shows")
    patched = lines.index("broken    a patch changes what it names")
    assert lines[patched + 3] == "          the case: set"
    tagged = lines.index("broken    the tag flag is honest")
    assert lines[tagged + 1 : tagged + 3] == [
        "          StoreUnavailableError: the box is shut.",
        "          fix: Open the box.",
    ]
    assert "ok        bytes that are not text are taken or refused as a whole" in lines
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (('type = "age"', 'type = "agee"'), 4, "Did you mean 'age'?"),
        (("recipients", "recipient"), 2, "unknown field `recipient`"),
        (("identity_file", "keep_versions = 0\nidentity_file"), 2, "keep_versions"),
    ],
)
def test_settings_that_are_wrong_are_named_before_anything_is_written(
    reactor: Path, change: tuple[str, str], code: int, said: str
) -> None:
    file = reactor / "reactor.toml"
    file.write_text(file.read_text().replace(*change, 1))
    done = check(file)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stdout == ""
    assert not (reactor / "secrets").exists()


def test_without_the_extra_it_says_which(reactor: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name.startswith('pytest') else find(name, *rest)\n"
    )
    done = check(reactor / "reactor.toml", PYTHONPATH=str(hidden))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: m8 stores check needs the package pytest, which is not installed.",
        "fix: Install it: pip install 'monoskope[reactor,check,age]'",
    ]


def test_of_accounts_the_engine_is_opened_and_none_is_made(reactor: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    install(site, "shoebox_store", LIAR.replace("    kind", "    of_accounts = True\n    kind"))
    settings = reactor / "reactor.toml"
    text = settings.read_text().replace('type = "age"', 'type = "shoebox"')
    settings.write_text(f'{text}\n[accounts]\nallow = ["orders_*"]\n')
    done = check(reactor, PYTHONPATH=str(site))
    assert (done.returncode, done.stderr) == (0, "")
    assert "The suite makes secrets of its own, so it is not run on accounts." in done.stdout
    assert not list((reactor / "secrets").iterdir())
    settings.write_text(text.replace(f'"{reactor}/secrets"', f'"{settings}"') + '\n[accounts]\nallow = ["orders_*"]\n')
    done = check(reactor, PYTHONPATH=str(site))
    assert (done.returncode, done.stdout) == (7, "")
