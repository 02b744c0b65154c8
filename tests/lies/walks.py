"""What alice asks for while m8 lies: the purposes, and what is true when one of them succeeds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from monoskope.client import Client, Expect
from monoskope.protocol.payload import Payload
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.uri import SecretUri
from tests.lies.engine import Engine
from tests.support.reactor_world import K

NEW, KEPT = "password", "old"
"""The two keys of every secret."""


@dataclass
class Asking:
    """One thing that alice asks for.

    Attributes:
        uri: Of what secret.
        value: What she puts.
        patience_s: How long she waits.
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
        """Where copies of it go."""
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
    "copy": lambda client, one: client.copy_secret(one.uri, one.destination, expect=Expect.ANY, timeout=one.patience_s),
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
            assert one.there.now_at(SecretUri.parse(one.destination).path) == now
        case _:
            assert now is not None
    if purpose in {"put", "patch", "generate", "undelete", "rollback", "copy", "import"}:
        assert now is not None
        assert result.hash == FingerprintKey(K).fingerprints(Payload(now)).whole
