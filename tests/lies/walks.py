"""What alice asks for while m8 lies, of an engine that keeps every change, and what is true when it succeeds.

To her questions each answer says what is proven, and what is m8's word.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monoskope.client import Client, Expect
from monoskope.protocol.payload import Payload
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.stores.driver import DeletedVersion
from monoskope.uri import SecretUri
from tests.lies.lie import EVERY
from tests.support.memory_store import MemoryStore
from tests.support.reactor_world import K

Path = tuple[str, ...]


class Engine(MemoryStore):
    """Keeps what its reactor changed."""

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
        return list(self.content[path]), self.aside.get(path)

    def now_at(self, path: Path) -> Mapping[str, bytes] | None:
        return dict(self.content[path][-1][1].items()) if self.content[path] else None


NEW, KEPT = "password", "old"
"""The two keys of every secret."""


@dataclass
class Asking:
    """One thing that alice asks for.

    Attributes:
        engine, there: The engines of both stores.
        request_id: The request that put what is there, 32 hex digits.
    """

    uri: str
    value: bytes
    patience_s: float
    engine: Engine
    there: Engine
    request_id: str = ""

    @property
    def path(self) -> tuple[str, ...]:
        return SecretUri.parse(self.uri).path

    @property
    def destination(self) -> str:
        return self.uri.replace("memory://", "other://") + f"-{self.value[-8:].decode()}"

    @property
    def first(self) -> str:
        return str(self.engine.content[self.path][0][0])


async def _list(client: Client, one: Asking) -> Any:
    return [page async for page in client.list_upstream_pages(one.uri, timeout=one.patience_s)]


WALKS: Mapping[str, Callable[[Client, Asking], Awaitable[Any]]] = {
    "put": lambda client, one: client.put_secret(one.uri, {NEW: one.value, KEPT: b"x"}, timeout=one.patience_s),
    "patch": lambda client, one: client.patch_secret(one.uri, {NEW: one.value}, remove=[KEPT], timeout=one.patience_s),
    "generate": lambda client, one: client.generate_secret(
        one.uri, {NEW: "password", KEPT: "hex"}, timeout=one.patience_s
    ),
    "delete": lambda client, one: client.delete_secret(one.uri, timeout=one.patience_s),
    "undelete": lambda client, one: client.undelete_secret(one.uri, timeout=one.patience_s),
    "rollback": lambda client, one: client.rollback_secret(one.uri, one.first, timeout=one.patience_s),
    "copy": lambda client, one: client.copy_secret(
        one.uri, one.destination, keys=[NEW], expect=Expect.ANY, timeout=one.patience_s
    ),
    "compare": lambda client, one: client.compare_secret(one.uri, {NEW: one.value, KEPT: b"x"}, timeout=one.patience_s),
    "verify": lambda client, one: client.verify_secret(one.uri, timeout=one.patience_s),
    "import": lambda client, one: client.import_secret(one.uri, timeout=one.patience_s),
    "list": _list,
}


def check_truth(purpose: str, one: Asking, result: Any) -> None:
    """Assert that a success is one: the engine holds what the result says."""
    now = one.engine.now_at(one.path)
    match purpose:
        case "put":
            assert now == {NEW: one.value, KEPT: b"x"}
        case "patch":
            assert now is not None
            assert now[NEW] == one.value
            assert KEPT not in now
        case "delete":
            assert now is None
        case "compare":
            assert result.equal == (now == {NEW: one.value, KEPT: b"x"})
        case "verify":
            assert result.in_sync
            assert result.upstream_version == one.engine.now(one.path)
        case "list":
            assert [name.uri for page in result for name in page.names] == [f"{one.uri}/below"]
        case "copy":
            assert now is not None
            assert (now := {NEW: now[NEW]}) == one.there.now_at(SecretUri.parse(one.destination).path)
        case _:
            assert now is not None
    if purpose in {"put", "patch", "generate", "undelete", "rollback", "copy", "import"}:
        assert now is not None
        assert result.hash == FingerprintKey(K).fingerprints(Payload(now)).whole


MOST = 5
"""How much is read of an answer that has no end."""


async def _all(found: AsyncIterator[Any]) -> list[Any]:
    return [one async for one in found]


QUESTIONS: Mapping[str, Callable[[Client, Asking], Awaitable[Any]]] = {
    "get secret": lambda client, one: client.get_secret(one.uri),
    "get secret of the default store": lambda client, one: client.get_secret(one.uri.removeprefix("memory://")),
    "list secrets": lambda client, one: _all(client.list_secrets(one.uri)),
    "list versions": lambda client, one: _all(client.list_secret_versions(one.uri)),
    "get upload": lambda client, one: client.get_upload(one.request_id),
    **{f"get upload of {purpose}": lambda client, one: client.get_upload(one.request_id) for purpose in EVERY},
    "get upload proof": lambda client, one: client.log.upload_proof(one.request_id, timeout=0.3),
    "list events": lambda client, one: _all(client.log.events(request_id=one.request_id)),
    "last events": lambda client, one: client.log.last_events(MOST, request_id=one.request_id),
    "list stores": lambda client, _: _all(client.stores.list()),
    "list tokens": lambda client, _: _all(client.access.tokens()),
}
"""By name. Each is asked about a secret that alice put, or about an earlier request of hers for that purpose."""
