"""The real `monoctl`, as a process of its own, while m8 lies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from monoskope.testing.scripted.client import token
from tests.lies.rig import Rig
from tests.lies.walks import KEPT, NEW, Asking
from tests.support import warm
from tests.support.programs import CLEAN


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    def __repr__(self) -> str:
        return f"{self.err}\n{self.out}"


Words = Callable[[Asking], tuple[str, ...]]

COMMANDS: Mapping[str, tuple[str, Words]] = {
    "monoctl put": ("put", lambda one: ("put", "secret", one.uri, "--from-file", f"{NEW}=-")),
    "monoctl patch": ("patch", lambda one: ("patch", "secret", one.uri, "--from-file", f"{NEW}=-", "--remove", KEPT)),
    "monoctl generate": ("generate", lambda one: ("generate", "secret", one.uri, f"{NEW}=password")),
    "monoctl delete": ("delete", lambda one: ("delete", "secret", one.uri, "--yes")),
    "monoctl undelete": ("undelete", lambda one: ("undelete", "secret", one.uri)),
    "monoctl rollback": ("rollback", lambda one: ("rollback", "secret", one.uri, "--to", one.first)),
    "monoctl copy": ("copy", lambda one: ("copy", "secret", one.uri, one.destination, "--key", NEW)),
    "monoctl compare": ("compare", lambda one: ("compare", "secret", one.uri, "--from-file", f"{NEW}=-")),
    "monoctl verify": ("verify", lambda one: ("verify", "secret", one.uri)),
    "monoctl import": ("import", lambda one: ("import", "secret", one.uri)),
    "monoctl list-upstream": ("list", lambda one: ("list-upstream", one.uri)),
    "monoctl get secret": ("get secret", lambda one: ("get", "secret", one.uri)),
    "monoctl get versions": ("list versions", lambda one: ("get", "secret", one.uri, "--versions")),
    "monoctl get secrets": ("list secrets", lambda one: ("get", "secrets", one.uri)),
    "monoctl get upload": ("get upload", lambda one: ("get", "upload", one.request_id)),
    "monoctl get events": ("list events", lambda one: ("get", "events", "--prefix", one.uri)),
}
"""By name: the purpose or the question whose stage it needs, and what is typed."""


async def run(rig: Rig, server: str, name: str, one: Asking) -> Ended:
    home = rig.folder / "home"
    home.mkdir(exist_ok=True)
    held = home / "token"
    held.write_text(token("alice"))
    held.chmod(0o600)
    environment = {
        **CLEAN,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "MONOCTL_SERVER": server,
        "MONOCTL_CA_FILE": str(rig.folder / "ca.crt"),
        "MONOCTL_TOKEN_FILE": str(held),
        "MONOCTL_KNOWN_STORES": str(rig.folder / "known_stores"),
        "MONOCTL_SIGNING_KEY": str(rig.folder / "alice.key"),
    }
    words = COMMANDS[name][1](one)
    done = await asyncio.to_thread(
        warm.typed, "monoctl", *words, environment=environment, folder=home, given=one.value.decode()
    )
    return Ended(done.returncode, done.stdout, done.stderr)
