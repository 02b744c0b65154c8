"""monoctl as a user who has pinned the store, by environment alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

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
