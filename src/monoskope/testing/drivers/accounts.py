"""The suite on drivers of accounts, which take one password and give none back: a third party's, too.

Nothing can be read from an account. So who reads here logs in with each password that was ever written, and the one
that the engine takes is what is there.
"""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

from monoskope.protocol.payload import Payload, encode
from monoskope.stores.driver import NOTHING, CannotReadError, Snapshot, StoreDriver
from monoskope.testing.drivers.harness import Path
from monoskope.testing.drivers.values import OneName


def role_of(path: Path) -> str:
    """Return the account that stands for a path of the suite."""
    return f"app_{hashlib.sha256('/'.join(path).encode()).hexdigest()[:40]}"


def password_of(payload: Payload) -> str:
    """Return the password that stands for values of the suite; two never share one."""
    return hashlib.sha256(encode(payload)).hexdigest()


class Accounts(Protocol):
    """An engine whose accounts the suite uses: what a harness of accounts has besides."""

    written: dict[str, list[Payload]]
    """What was ever written to each account."""

    def create(self, name: str) -> None:
        """Make an account that has no password."""

    async def logs_in(self, name: str, password: str) -> bool:
        """Whether the engine lets a program in by that password."""


class AsAccounts(OneName):
    """The driver under test, with an account for each path of the suite and a password for each of its values."""

    def __init__(self, inner: StoreDriver, harness: Accounts) -> None:
        super().__init__(inner, ())
        self.harness = harness

    def _place(self, path: Path) -> Path:
        name = role_of(path)
        if name not in self.harness.written:
            self.harness.create(name)
            self.harness.written[name] = []
        return (name,)

    def check_payload(self, path: Path, payload: Payload | None, **rest: Any) -> None:  # noqa: ANN401 - passed on
        """Ask the driver about the password of these values."""
        super().check_payload(path, payload and _account(payload), **rest)

    async def write(self, path: Path, payload: Payload, **rest: Any) -> str:  # noqa: ANN401 - passed on
        """Let the driver set the password of these values."""
        version = await super().write(path, _account(payload), **rest)
        self.harness.written[role_of(path)].append(payload)
        return version

    async def matches(self, path: Path, payload: Payload) -> tuple[str, bool]:
        """Ask the driver about the password of these values."""
        return await super().matches(path, _account(payload))


def _account(payload: Payload) -> Payload:
    return Payload({"password": password_of(payload).encode()})


class ByLogin(AsAccounts):
    """Reads what is there: the values whose password lets a program in."""

    async def read(self, path: Path) -> Snapshot | None:
        """Log in. Raises `CannotReadError` if no password that was written is the one."""
        version = await self.read_version(path)
        if version == NOTHING:
            return None
        for payload in reversed(self.harness.written[role_of(path)]):
            if await self.harness.logs_in(role_of(path), password_of(payload)):
                return Snapshot(version, payload)
        raise CannotReadError("no password that was written logs in.")
