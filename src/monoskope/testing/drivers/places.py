"""For engines that have no place for every path, such as clusters with rules for names: the suite's paths, moved."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any, ClassVar, Self

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import Capabilities, Snapshot, StoreDriver
from monoskope.testing.drivers.harness import Path


def one_name(path: Path) -> str:
    """Return the name that stands for a path of the suite; two paths never share one."""
    return f"m8-check-{hashlib.sha256('/'.join(path).encode()).hexdigest()}"


class OneName(StoreDriver):
    """A driver under test that is given one name of lower-case letters and digits below `prefix` for each path.

    What it says of paths is then not what is tested: that stays with the driver's own tests.
    """

    kind: ClassVar[str] = ""
    Config: ClassVar[Any] = None

    def __init__(self, inner: StoreDriver, prefix: Path) -> None:
        self.inner = inner
        self.prefix = prefix
        self.kind = inner.kind  # type: ignore[misc] # it stands for drivers of any kind
        self.maturity = inner.maturity  # type: ignore[misc]

    def __repr__(self) -> str:
        return repr(self.inner)

    @classmethod
    async def open(cls, config: object, *, state_dir: FilePath) -> Self:
        """Not for this one: it is made of a driver that is open."""
        raise NotImplementedError

    def _place(self, path: Path) -> Path:
        return (*self.prefix, one_name(path))

    @property
    def capabilities(self) -> Capabilities:
        """Those of the driver, but for listing: the names that it would list are not the suite's."""
        return dataclasses.replace(self.inner.capabilities, listable=False)

    def check(self, path: Path, options: object | None) -> None:
        """Ask the driver."""
        self.inner.check(self._place(path), options)

    def check_payload(self, path: Path, payload: Payload | None, **rest: Any) -> None:  # noqa: ANN401 - passed on
        """Ask the driver."""
        self.inner.check_payload(self._place(path), payload, **rest)

    async def read_version(self, path: Path) -> str:
        """Ask the driver."""
        return await self.inner.read_version(self._place(path))

    async def write(self, path: Path, payload: Payload, **rest: Any) -> str:  # noqa: ANN401 - passed on
        """Ask the driver."""
        return await self.inner.write(self._place(path), payload, **rest)

    async def patch(
        self,
        path: Path,
        changes: Payload | None,
        remove: Sequence[str],
        **rest: Any,  # noqa: ANN401 - passed on
    ) -> str:
        """Ask the driver."""
        return await self.inner.patch(self._place(path), changes, remove, **rest)

    async def delete(self, path: Path, *, replacing: str | None, destroy: bool) -> None:
        """Ask the driver."""
        await self.inner.delete(self._place(path), replacing=replacing, destroy=destroy)

    async def find(self, path: Path, write_tag: str) -> str | None:
        """Ask the driver."""
        return await self.inner.find(self._place(path), write_tag)

    async def read(self, path: Path) -> Snapshot | None:
        """Ask the driver."""
        return await self.inner.read(self._place(path))

    async def close(self) -> None:
        """Close the driver."""
        await self.inner.close()
