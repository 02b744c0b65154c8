"""monoctl as a user who has pinned the store, by environment alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner, Result

from monoskope.monoctl.main import cli
from monoskope.testing.scripted.client import pinned, token
from monoskope.testing.scripted.m8 import ScriptedM8


def environment(m8: ScriptedM8, folder: Path) -> dict[str, str]:
    """Return the variables that lead alice to `m8`; her token and her pins are in `folder`."""
    (folder / "token").write_text(token("alice"))
    (folder / "token").chmod(0o600)
    pinned(m8, folder)
    return {
        "MONOCTL_SERVER": m8.server,
        "MONOCTL_CA_FILE": str(m8.ca_file),
        "MONOCTL_TOKEN_FILE": str(folder / "token"),
        "MONOCTL_KNOWN_STORES": str(folder / "known_stores"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_STATE_HOME": str(folder / "state"),
    }


VALUE = "correct horse battery staple"
Run = Callable[..., Result]


def ends(result: Result, code: int, *said: str) -> Result:
    """Check with which exit code a command ended, and that it said all this on stderr; return its result."""
    assert result.exit_code == code, result.output
    for text in said:
        assert text in result.stderr
    return result


class Alice:
    """Runs commands with her settings."""

    def __init__(self, m8: ScriptedM8, folder: Path) -> None:
        self.folder = folder
        self.env = environment(m8, folder)

    def __call__(self, *words: str, **more: str) -> Result:
        return CliRunner().invoke(cli, words, env=self.env | more)

    def put(self, *more: str) -> Result:
        (self.folder / "value").write_text(VALUE)
        return self("put", "secret", "vault://app/db", "--from-file", f"k={self.folder / 'value'}", *more)
