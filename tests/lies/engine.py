"""An engine in memory that keeps every change, so that one that no user signed is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import DeletedVersion
from tests.support.reactor_world import MemoryStore

Path = tuple[str, ...]


class Engine(MemoryStore):
    """Keeps what its reactor changed.

    Attributes:
        changes: The path of each change that came by the reactor, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[Path] = []

    async def write(self, path: Path, payload: Payload, **how: Any) -> str:
        version = await super().write(path, payload, **how)
        self.changes.append(path)
        return version

    async def patch(self, path: Path, changes: Payload | None, remove: Sequence[str], **how: Any) -> str:
        version = await super().patch(path, changes, remove, **how)
        self.changes.append(path)
        return version

    async def delete(self, path: Path, **how: Any) -> None:
        await super().delete(path, **how)
        self.changes.append(path)

    async def undelete(self, path: Path, deleted: DeletedVersion, *, write_tag: str) -> str:
        version = await super().undelete(path, deleted, write_tag=write_tag)
        self.changes.append(path)
        return version

    def there(self, path: Path) -> tuple[Any, Any]:
        """Everything that is at a path: its versions, and what was deleted."""
        return list(self.content[path]), self.aside.get(path)

    def now_at(self, path: Path) -> Mapping[str, bytes] | None:
        """The newest content of a path, None for nothing."""
        return dict(self.content[path][-1][1].items()) if self.content[path] else None
