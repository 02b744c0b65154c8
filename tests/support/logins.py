"""A user who logs in with `monoctl`: a home, settings, and commands as processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import tomli_w

from monoskope.settings import write_private
from monoskope.testing.scripted.client import pinned
from monoskope.testing.scripted.m8 import ScriptedM8

_ADDRESS = re.compile(r"https://\S+response_type=code\S+")


class Home:
    """One user's home."""

    def __init__(self, folder: Path, m8: ScriptedM8, **settings: str) -> None:
        self.folder = folder
        home = folder / "home"
        (home / "config" / "monoskope").mkdir(parents=True)
        known = pinned(m8, folder)
        del known
        table = {"server": m8.server, "ca_file": str(m8.ca_file)} | settings
        write_private(home / "config" / "monoskope" / "config.toml", tomli_w.dumps(table).encode())
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("MONOCTL_")} | {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_STATE_HOME": str(home / "state"),
            "MONOCTL_KNOWN_STORES": str(folder / "known_stores"),
            "MONOCTL_STORE_IDENTITY": " ".join(f"{name}={store.identity}" for name, store in m8.stores.items()),
            "MONOCTL_DEFAULT_STORE": m8.default,
        }

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "monoskope.monoctl", *words],
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **environment: str) -> tuple[int, str, str]:
        process = self.start(*words, **environment)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err


def address_of(process: subprocess.Popen[str]) -> str:
    """Return the address that `monoctl login` prints for a browser."""
    return said_by(process)[0]


def said_by(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Return that address, and all that is printed up to it."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        found = _ADDRESS.search(line)
        if found is not None:
            return found[0], said
    raise AssertionError(said)
