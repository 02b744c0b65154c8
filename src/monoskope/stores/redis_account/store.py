"""The driver `redis-account`: accounts of Redis, whose one value is the password, on every node of the settings.

A write sends the SHA-256 of the password, never the password. Redis copies no account to another node, and forgets what
it did not save: so each node is asked, and each saves before anything is said to be there. The hash has no salt, and
Redis keeps nothing else of a write.

Round trips to each node, besides connecting: 1 to look, 2 where it is the same, 5 to write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from monoskope.errors import docs_page
from monoskope.stores.driver import PLACEHOLDER
from monoskope.stores.redis_account.config import RedisAccountConfig
from monoskope.stores.redis_account.nodes import SAVE, Nodes
from monoskope.stores.shared.hashed_accounts import HashedAccountStore

_ANYBODY = b"nopass"


class RedisAccountStore(HashedAccountStore):
    """See `StoreDriver`, and docs/stores/redis-account.md for configuration, rights and what stays visible."""

    kind = "redis-account"
    Config = RedisAccountConfig

    example_notes = f"""\
# A store of accounts starts only with [signers], and where each node has an ACL file:
# {docs_page("stores/redis-account.md")}
"""

    def __init__(self, config: RedisAccountConfig, nodes: Nodes) -> None:
        super().__init__(
            f"the password of an account on {len(config.nodes)} nodes, as its SHA-256.",
            own=frozenset({config.user, "default"}),
        )
        self._config = config
        self._nodes = nodes

    def __repr__(self) -> str:
        return f"<RedisAccountStore {' '.join(self._config.nodes)} as {self._config.user}>"

    @classmethod
    async def open(cls, config: RedisAccountConfig, *, state_dir: Path) -> Self:
        """Connect to every node, and see that the reactor's account may change accounts and save them.

        They are saved by that, as an administrator left them.

        Raises:
            StoreRefusedError: a file, the login, the rights or an ACL file are not as they must be.
            StoreUnavailableError: a node does not answer.
        """
        nodes = Nodes(config, state_dir)
        store = await cls(config, nodes).opened()
        await nodes.ask(SAVE)
        return store

    @classmethod
    def policy(cls, config: RedisAccountConfig, prefixes: tuple[tuple[str, ...], ...]) -> str:
        """See `StoreDriver.policy`: commands for `redis-cli` on each node. No right can be one on some accounts."""
        del prefixes
        rights = "nocommands resetkeys resetchannels clearselectors +acl|getuser +acl|setuser +acl|save"
        return f"ACL SETUSER {config.user} {rights}\nACL SAVE\n"

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """See `StoreDriver.example`."""
        return {"nodes": [PLACEHOLDER], "user": PLACEHOLDER, "password_file": str(folder / "password")}

    async def health(self) -> bool:
        """Ask every node for the reactor's own account, and change nothing of it."""
        await self._nodes.ask(*self._looks(self._config.user))
        return True

    async def _state(self, name: str, password: bytes | None) -> tuple[bool, bool]:
        """See `HashedAccountStore`: the same only if each node has that password alone, and has saved it."""
        found = [_kept(fields) for [fields] in await self._nodes.ask(("ACL", "GETUSER", name))]
        is_same = password is not None and all(kept == {_digest(password).encode()} for kept in found)
        if is_same:
            await self._nodes.ask(SAVE)
        return any(found), is_same

    async def _replace(self, name: str, password: bytes) -> None:
        """See `HashedAccountStore`. Every node shows first that it has the account, and can do all that follows."""
        change = ("ACL", "SETUSER", name, "resetpass", f"#{_digest(password)}")
        await self._nodes.ask(*self._looks(name), SAVE, acts=(change, SAVE))

    def _looks(self, name: str) -> tuple[tuple[str, ...], ...]:
        # SETUSER without a rule changes nothing, and is refused to who may not use it.
        return ("ACL", "GETUSER", name), ("ACL", "SETUSER", self._config.user)


def _digest(password: bytes) -> str:
    return hashlib.sha256(password).hexdigest()


def _kept(fields: Sequence[Any]) -> set[bytes]:
    """Return the hashes by which an account logs in, and `nopass` if it logs in by any password."""
    of = dict(zip(fields[::2], fields[1::2], strict=True))
    return {*of[b"passwords"], *({_ANYBODY} & {*of[b"flags"]})}
