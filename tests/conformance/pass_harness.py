"""A password store with real GnuPG keys, and how the tests reach the driver `pass` in it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from monoskope.stores.driver import StoreDriver
from monoskope.stores.password_store.config import PassConfig
from monoskope.stores.password_store.store import PassStore
from monoskope.testing.drivers.harness import Harness
from monoskope.testing.engines.gnupg import ANNA, Keys


class PassHarness(Harness):
    refused = frozenset({"newlines", "control characters", "spaces around"})
    bad_options: object = {"no": "such option"}

    def __init__(self, made: Keys, folder: Path, *, readable: bool, git: bool = False) -> None:
        self.keys = made
        self.readable = readable
        self.git = git
        self.root, self._away = folder / "password-store", folder / "away"
        self.root.mkdir(mode=0o700)
        (self.root / ".gpg-id").write_text(f"{ANNA}\n")
        if git:
            subprocess.run(["git", "init", "--quiet", str(self.root)], check=True, capture_output=True)

    def config(self, **changes: object) -> PassConfig:
        fields: dict[str, object] = {
            "folder": str(self.root),
            "gpg_home": str(self.keys.both if self.readable else self.keys.public),
            "readable": self.readable,
            "prefix": "team/m8",
            "git": self.git,
            "listable": True,
            "timeout_s": 25.0,  # as long as can be: a busy machine starts gpg slowly
            "lock_timeout_s": 25.0,
        }
        return PassConfig(**(fields | changes))  # type: ignore[arg-type]

    def file(self, path: tuple[str, ...]) -> Path:
        return self.root.joinpath("team", "m8", *path[:-1], f"{path[-1]}.gpg")

    def decrypted(self, path: tuple[str, ...]) -> bytes:
        """Return what `pass show` would show."""
        return self.keys.gpg("--decrypt", str(self.file(path)))

    def edited(self, path: tuple[str, ...], content: bytes) -> None:
        """Write a file as `pass edit` would."""
        self.file(path).parent.mkdir(parents=True, exist_ok=True)
        self.file(path).write_bytes(self.keys.gpg("--encrypt", "--recipient", ANNA, data=content))

    async def open(self) -> StoreDriver:
        return await PassStore.open(self.config(), state_dir=self.root)

    async def open_reader(self) -> StoreDriver:
        return await PassStore.open(self.config(readable=True, gpg_home=str(self.keys.both)), state_dir=self.root)

    async def foreign_write(self, path: tuple[str, ...], values: Mapping[str, str]) -> None:
        self.edited(path, "".join(["\n", *(f"{key}: {value}\n" for key, value in values.items())]).encode())

    async def delete(self, path: tuple[str, ...]) -> None:
        self.file(path).unlink()

    async def take_down(self) -> None:
        self.root.rename(self._away)

    async def bring_up(self) -> None:
        if self._away.exists():
            self._away.rename(self.root)
