"""What the drivers for KV version 1 and 2 share: the login, the check of the mount, the meaning of refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

from monoskope.stores.driver import (
    PLACEHOLDER,
    Capabilities,
    Names,
    StoreConflictError,
    StoreRefusedError,
)
from monoskope.stores.shared.checks import MAX_LISTED, OurDriver, too_many_names
from monoskope.stores.shared.http import HttpAnswer, Refusal, expect_ok
from monoskope.stores.vault.config import VaultConfig
from monoskope.stores.vault.session import VaultHttp, VaultSession, is_absent

_REFUSALS = {
    403: Refusal("the engine's policy does not allow this.", "Grant what `m8 reactor policy` prints."),
    413: Refusal("the secret is larger than the engine takes.", "Store a smaller secret."),
}
_REFUSED = Refusal("the engine refused the request.", "Look into its audit log for the reason.")


class VaultMount(OurDriver):
    """One mount of an engine, used with one login. Capabilities and verbs are in the subclass of each KV version."""

    Config = VaultConfig
    KV: ClassVar[str]
    """The version of the KV engine that must be mounted, "1" or "2"."""

    def __init__(self, config: VaultConfig, http: VaultHttp, session: VaultSession) -> None:
        self._config = config
        self._http = http
        self._session = session
        self._below = f"{config.prefix}/" if config.prefix else ""
        self._capabilities = self._announced(config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._config.address} {self._config.mount}/{self._below}>"

    @staticmethod
    def _announced(config: VaultConfig) -> Capabilities:
        """Return what this version of the engine can do under `config`."""
        raise NotImplementedError

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """See `StoreDriver.example`: a login by AppRole, with a wrapped secret id."""
        return {
            "address": PLACEHOLDER,
            "mount": "secret",
            "readable": False,
            "deletable": False,
            "auth": {
                "method": "approle",
                "role_id": PLACEHOLDER,
                "wrapped_secret_id_file": str(folder / "wrapped-secret-id"),
            },
        }

    @classmethod
    async def open(cls, config: VaultConfig, *, state_dir: Path) -> Self:
        """Log in and check that a KV engine of this version is at the mount.

        Raises:
            StoreRefusedError: the login or the mount is not as configured; the message says which.
            StoreUnavailableError: the engine does not answer.
        """
        http = VaultHttp(config)
        session = VaultSession(http, config.auth, state_dir)
        return await cls(config, http, session).opened(session.start())

    async def health(self) -> bool:
        """Check the mount with the login, as `open` does."""
        await self._check_mount()
        return True

    async def close(self) -> None:
        """Revoke the login's token and close the connections. Safe to call twice."""
        try:
            await self._session.stop()
        finally:
            await self._http.close()

    async def _check_mount(self) -> None:
        mount = self._config.mount
        answer = await self._session.request("GET", f"sys/internal/ui/mounts/{mount}")
        data = answer.section("data")
        options = data.get("options")
        version = options.get("version", "1") if isinstance(options, dict) else "1"
        if not answer.ok:
            raise StoreRefusedError(
                f"there is no engine at {mount}, or the policy grants nothing in it.",
                fix="Check namespace, mount and prefix, and grant what `m8 reactor policy` prints.",
            )
        if (data.get("type"), data.get("path")) != ("kv", f"{mount}/"):
            raise StoreRefusedError(f"the engine at {mount} is no KV engine.", fix="Enable one, or change mount.")
        if version != self.KV:
            raise StoreRefusedError(
                f"the engine at {mount} is not KV version {self.KV}.",
                fix='Write type = "vault" for version 2, type = "vault-kv1" for version 1, or change mount.',
            )

    async def _names(self, url: str) -> Names:
        """List the names in the folder at `url`; a name that ends in "/" is a folder's."""
        answer = await self._session.request("GET", f"{url}/?list=true")
        if is_absent(answer):
            return Names()
        self._expect_ok(answer)
        keys = answer.section("data").get("keys")
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise StoreRefusedError(
                f"the engine's answer is not that of a KV version {self.KV} engine.", fix="Check mount."
            )
        if len(keys) > MAX_LISTED:
            raise too_many_names()
        folders = {key.removesuffix("/") for key in keys if key.endswith("/")}
        return Names({key for key in keys if not key.endswith("/")}, folders)

    def _expect_ok(self, answer: HttpAnswer) -> None:
        """Raise the refusal that `answer` is, if it is one."""
        missing = Refusal(f"there is no KV version {self.KV} engine at {self._config.mount}.", "Check mount.")
        expect_ok(answer, {**_REFUSALS, 404: missing}, otherwise=_REFUSED)


def conflict() -> StoreConflictError:
    """Return the error for a place that is not as the write expected it."""
    return StoreConflictError("the secret in the engine is not the version that was to be replaced.")


def malformed() -> StoreRefusedError:
    """Return the error for a request that the engine would never take."""
    return _REFUSED.error()
