"""The driver `vault-kv1`: a KV version 1 engine of HashiCorp Vault or OpenBao, which stores the value and nothing else.

The engine has no versions, times, check-and-set or metadata. A value that was replaced and then put back leaves no
trace. So the driver returns a new text as the version of each write and of each look, and the reactor must read the
value to know whether it changed (docs/adr/0014-kv-v1.md).

Round trips, besides an occasional login: `write` 1, `read` 1, `read_version` 1, `delete` 2. A store that may not read
lists the names in the secret's folder instead, which needs the right `list`.
"""

from __future__ import annotations

from collections.abc import Sequence

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import (
    NOTHING,
    Capabilities,
    Names,
    Snapshot,
    StoreRefusedError,
    UnsupportedError,
)
from monoskope.stores.shared.checks import unique_version
from monoskope.stores.vault.config import VaultConfig, kv1_policy
from monoskope.stores.vault.mount import VaultMount, conflict
from monoskope.stores.vault.session import is_absent
from monoskope.stores.vault.versions import from_engine, to_engine


class VaultKv1Store(VaultMount):
    """See `StoreDriver`, and docs/stores/vault.md for configuration, policy and what version 1 cannot do."""

    kind = "vault-kv1"
    KV = "1"

    @staticmethod
    def _announced(config: VaultConfig) -> Capabilities:
        return Capabilities(
            max_plaintext=config.max_plaintext,
            check_and_set=False,
            write_tag=False,
            readable=config.readable,
            deletable=config.deletable,
            listable=config.listable,
            versions=False,
            layout="One KV version 1 entry a secret, a key for a key, text only; the engine keeps no older version.",
        )

    def check(self, path: tuple[str, ...], options: object | None) -> None:
        """Refuse any options; every path that is a secret's has its place."""
        del path
        if options is not None:
            raise StoreRefusedError("a vault-kv1 store takes no options.", fix="Leave them out.")

    def check_payload(
        self, path: tuple[str, ...], payload: Payload | None, *, remove: Sequence[str] | None, options: object | None
    ) -> None:
        """Refuse any options, and values that are not text."""
        del remove
        self.check(path, options)
        if payload is not None:
            to_engine(payload, binary=False)

    async def read_version(self, path: tuple[str, ...]) -> str:
        """Return a new text if anything is at `path`, else `NOTHING`."""
        if self._config.readable:
            return NOTHING if await self._get(path) is None else unique_version("seen")
        folder = self._url(path[:-1]).removesuffix("/")
        answer = await self._session.request("GET", f"{folder}/?list=true")
        if is_absent(answer):
            return NOTHING
        self._expect_ok(answer)
        names = answer.section("data").get("keys")
        return unique_version("seen") if isinstance(names, list) and path[-1] in names else NOTHING

    async def write(
        self,
        path: tuple[str, ...],
        payload: Payload,
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """See `StoreDriver.write`; whatever is there is replaced, and `write_tag` has no place in this engine."""
        del write_tag
        self.check(path, options)
        _refuse_comparison(replacing)
        data = to_engine(payload, binary=False)
        answer = await self._session.request("POST", self._url(path), body=data, writes=True)
        self._expect_ok(answer)
        return unique_version("put")

    async def delete(self, path: tuple[str, ...], *, replacing: str | None, destroy: bool) -> None:
        """See `StoreDriver.delete`: for good, since the engine keeps nothing. It deletes what is there by then."""
        if not (destroy and self._config.deletable):
            raise UnsupportedError(
                "this store deletes for good, or is not configured to delete at all.",
                fix="Nothing was deleted. --destroy erases it for good.",
            )
        _refuse_comparison(replacing)
        if await self.read_version(path) == NOTHING:
            raise conflict()
        self._expect_ok(await self._session.request("DELETE", self._url(path), writes=True))

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        """See `StoreDriver.read`. Raises `CannotReadError` for a store that is configured as write-only, too."""
        self._require_readable()
        found = await self._get(path)
        return None if found is None else Snapshot(unique_version("seen"), from_engine(found))

    async def list_names(self, path: tuple[str, ...]) -> Names:
        """See `StoreDriver.list_names`."""
        self._require_listable()
        return await self._names(self._url(path))

    @classmethod
    def policy(cls, config: VaultConfig, prefixes: tuple[tuple[str, ...], ...]) -> str:
        """See `StoreDriver.policy`."""
        return kv1_policy(config, prefixes)

    async def _get(self, path: tuple[str, ...]) -> dict[str, object] | None:
        """Return the entry at `path` as the engine holds it, None where nothing is."""
        answer = await self._session.request("GET", self._url(path))
        if is_absent(answer):
            return None
        self._expect_ok(answer)
        return answer.section("data")

    def _url(self, path: tuple[str, ...]) -> str:
        return f"{self._config.mount}/{self._below}{'/'.join(path)}"


def _refuse_comparison(replacing: str | None) -> None:
    if replacing is not None:
        raise UnsupportedError("this engine has no versions, so no version can be named as the one to replace.")
