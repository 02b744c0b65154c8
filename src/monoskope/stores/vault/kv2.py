"""The driver `vault`: a KV version 2 engine of HashiCorp Vault or OpenBao.

Round trips, besides a login: `read_version`, `deleted_version`, `read` and `read_at` 1, `undelete` 3. `write`
1 where nothing or anything may be there; `write` and `patch` 2 where one version is to be replaced, since numbers
restart and do not identify a version. That look is part of the write: the caller's own may be as old as m8 likes. A
write that the engine refuses costs one more, to learn why; the first base64 value at a path one or two more, to flag
it. What a whole put takes, `tests/conformance/test_requests.py` counts.

The write tag is not stored: a path's custom metadata belongs to all its versions and is not written in one act with
any of them (docs/adr/0007-store-drivers.md). The file is long because it has all verbs of a driver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monoskope.errors import docs_page
from monoskope.protocol.payload import Payload
from monoskope.stores.driver import (
    NOTHING,
    Capabilities,
    DeletedVersion,
    Names,
    OvertakenError,
    Snapshot,
    StoreConflictError,
    StoreRefusedError,
    UnknownOutcomeError,
    UnsupportedError,
    certain,
)
from monoskope.stores.shared.http import HttpAnswer
from monoskope.stores.vault.config import VaultConfig, policy_of
from monoskope.stores.vault.mount import VaultMount, conflict, malformed
from monoskope.stores.vault.session import is_absent
from monoskope.stores.vault.versions import (
    FLAG,
    Current,
    either_way,
    from_engine,
    from_metadata,
    is_flagged,
    is_gone,
    merge_patch,
    needs_flag,
    number_in,
    to_engine,
    version_text,
    wants_base64,
)

_TRIES = 3
_ABSENT = Current(0, NOTHING, flagged=False)


class VaultStore(VaultMount):
    """See `StoreDriver`, and docs/stores/vault.md for configuration and policy."""

    kind = "vault"
    KV = "2"

    @staticmethod
    def _announced(config: VaultConfig) -> Capabilities:
        return Capabilities(
            max_plaintext=config.max_plaintext,
            check_and_set=True,
            write_tag=False,
            readable=config.readable,
            deletable=config.deletable,
            soft_delete=config.deletable,
            patchable=config.patchable,
            undeletable=config.restorable,
            rollbackable=config.restorable and config.readable,
            listable=config.listable,
            layout="One KV version 2 entry a secret, a key for a key; a value that is not text only as base64.",
        )

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """See `StoreDriver.example`."""
        return super().example(folder) | {"patchable": False, "restorable": False, "binary": False}

    def check(self, path: tuple[str, ...], options: object | None) -> None:
        """Refuse options that are not this driver's; every path that is a secret's has its place."""
        del path
        if wants_base64(options) and not self._config.binary:
            raise StoreRefusedError(
                "this store is not configured to hold base64.", fix="Set binary = true and grant the new policy."
            )

    def check_payload(
        self, path: tuple[str, ...], payload: Payload | None, *, remove: Sequence[str] | None, options: object | None
    ) -> None:
        """Refuse values that are not text unless they are to be base64, and base64 that is not configured."""
        self.check(path, options)
        merge_patch(payload, remove or (), binary=wants_base64(options))

    async def read_version(self, path: tuple[str, ...]) -> str:
        """Return the version at `path`; a deleted or destroyed last version counts as `NOTHING`."""
        return (await self._current(path)).version

    async def write(
        self,
        path: tuple[str, ...],
        payload: Payload,
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """See `StoreDriver.write`; `write_tag` has no place in this engine."""
        del write_tag
        self.check(path, options)
        data = to_engine(payload, binary=wants_base64(options))
        if needs_flag(payload):
            await self._flag(path)
        if replacing is None:
            return await self._write_over_anything(path, data)
        if replacing == NOTHING:
            return await self._write_over_nothing(path, data)
        current = await self._current(path)
        if current.version != replacing:
            raise conflict()
        written = await self._put(path, data, current.number)
        if written is None:
            raise await self._why_refused(path, current.version)
        return written

    async def patch(
        self,
        path: tuple[str, ...],
        changes: Payload | None,
        remove: Sequence[str],
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """See `StoreDriver.patch`: the engine merges, so no value is read; `write_tag` has no place in it."""
        del write_tag
        if not self._config.patchable:
            raise UnsupportedError("this store is not configured to change some keys and leave the others.")
        self.check(path, options)
        data = merge_patch(changes, remove, binary=wants_base64(options))
        if changes is not None and needs_flag(changes):
            await self._flag(path)
        current = await self._current(path)
        if current.version == NOTHING or replacing not in {None, current.version}:
            raise conflict()
        written = await self._put(path, data, current.number, method="PATCH")
        if written is None:
            raise await self._why_refused(path, current.version)
        return written

    async def delete(self, path: tuple[str, ...], *, replacing: str | None, destroy: bool) -> None:
        """See `StoreDriver.delete`: exactly the version just looked at is deleted or destroyed, and looked at again.

        The engine deletes without check-and-set, but by number. If a newer version is written in between, that one
        stays, the version looked at is deleted, and this raises `OvertakenError`. The version looked at is not
        undeleted then: another client may have deleted it, too, and the engine does not tell. Older versions stay.
        """
        self._require_deletable()
        current = await self._current(path)
        if current.version == NOTHING or replacing not in {None, current.version}:
            raise conflict()
        url = self._url("destroy" if destroy else "delete", path)
        answer = await self._session.request("POST", url, body={"versions": [current.number]}, writes=True)
        self._expect_ok(answer)
        version = await self._version_after(path, current.version)
        if version == current.version:
            raise UnknownOutcomeError("the engine took the deletion, but it does not show.", fix="Look it up.")
        if version != NOTHING:
            raise OvertakenError(
                "a newer version came in between and stays; the one before it was erased for good."
                if destroy
                else "a newer version came in between and stays; "
                "the one before it was deleted, and the engine can undelete it."
            )

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        """See `StoreDriver.read`. Raises `CannotReadError` for a store that is configured as write-only, too."""
        return certain(await self.read_either(path))

    async def read_either(self, path: tuple[str, ...]) -> Snapshot | None:
        """See `StoreDriver.read_either`: at a path that is flagged as holding base64."""
        self._require_readable()
        return self._snapshot(await self._session.request("GET", self._url("data", path)))

    async def deleted_version(self, path: tuple[str, ...]) -> DeletedVersion | None:
        """See `StoreDriver.deleted_version`."""
        self._require_restorable()
        return (await self._current(path)).deleted

    async def undelete(self, path: tuple[str, ...], deleted: DeletedVersion, *, write_tag: str) -> str:
        """See `StoreDriver.undelete`: exactly the version just looked at comes back, under its own name.

        The engine undeletes without check-and-set, but by number. A version that is written in between stays, and is
        then an `OvertakenError`: the one before it is not deleted any more.
        """
        del write_tag
        self._require_restorable()
        current = await self._current(path)
        if current.deleted is None or current.deleted != deleted:
            raise StoreConflictError("the secret in the engine is not the deleted version that was to come back.")
        body = {"versions": [current.number]}
        answer = await self._session.request("POST", self._url("undelete", path), body=body, writes=True)
        self._expect_ok(answer)
        version = await self._version_after(path, NOTHING)
        if version == NOTHING:
            raise UnknownOutcomeError("the engine took the undeletion, but it does not show.", fix="Look it up.")
        if version != deleted.version:
            raise OvertakenError("a newer version came in between and stays; the one before it is deleted no longer.")
        return version

    async def read_at(self, path: tuple[str, ...], version: str) -> Snapshot | None:
        """See `StoreDriver.read_at`."""
        self._require_restorable(by_reading=True)
        number = number_in(version)
        if number is None:
            return None
        snapshot = self._snapshot(await self._session.request("GET", f"{self._url('data', path)}?version={number}"))
        return certain(snapshot) if snapshot is not None and snapshot.version == version else None

    def _snapshot(self, answer: HttpAnswer) -> Snapshot | None:
        """Return the version in an answer to a read, None for nothing."""
        if is_absent(answer):
            return None
        self._expect_ok(answer)
        found = answer.section("data")
        values, metadata = found.get("data"), found.get("metadata")
        if not isinstance(metadata, dict):
            metadata = {}
        if is_gone(metadata):
            return None
        # An answer of something else must not be taken for "nothing is there".
        version = version_text(metadata.get("version"), metadata.get("created_time"))
        payload = from_engine(values if isinstance(values, dict) else {})
        return Snapshot(version, payload, either_way(payload, flagged=is_flagged(metadata)))

    async def list_names(self, path: tuple[str, ...]) -> Names:
        """See `StoreDriver.list_names`. The engine also names secrets whose last version is deleted."""
        self._require_listable()
        return await self._names(self._url("metadata", path))

    @classmethod
    def policy(cls, config: VaultConfig, prefixes: tuple[tuple[str, ...], ...]) -> str:
        """See `StoreDriver.policy`."""
        return policy_of(config, prefixes)

    def _url(self, part: str, path: tuple[str, ...]) -> str:
        return f"{self._config.mount}/{part}/{self._below}{'/'.join(path)}"

    async def _current(self, path: tuple[str, ...]) -> Current:
        answer = await self._session.request("GET", self._url("metadata", path))
        if is_absent(answer):
            return _ABSENT
        self._expect_ok(answer)
        return from_metadata(answer.section("data"))

    async def _put(
        self, path: tuple[str, ...], data: Mapping[str, str | None], expected: int | None, *, method: str = "POST"
    ) -> str | None:
        """Write, and return the new version, or None where the engine refuses the request as it stands (400, 404)."""
        body = {"data": data, "options": {} if expected is None else {"cas": expected}}
        answer = await self._session.request(method, self._url("data", path), body=body, writes=True)
        if answer.status == 400 or is_absent(answer):
            return None
        self._expect_ok(answer)
        made = answer.section("data")
        try:
            return version_text(made.get("version"), made.get("created_time"))
        except StoreRefusedError:
            pass
        raise UnknownOutcomeError("the engine took the write but named no version.", fix="Look it up.")

    async def _write_over_anything(self, path: tuple[str, ...], data: dict[str, str]) -> str:
        """Write without check-and-set; where the engine demands it, replace whatever is there at the moment."""
        written = await self._put(path, data, None)
        for _ in range(_TRIES):
            if written is not None:
                return written
            written = await self._put(path, data, (await self._current(path)).number)
        if written is None:
            raise malformed()
        return written

    async def _write_over_nothing(self, path: tuple[str, ...], data: dict[str, str]) -> str:
        """Write where nothing is. A deleted version keeps its number, so a second try asks for that number first."""
        written = await self._put(path, data, 0)
        if written is not None:
            return written
        current = await self._current(path)
        if current.version != NOTHING:
            raise conflict()
        written = await self._put(path, data, current.number)
        if written is None:
            raise await self._why_refused(path, NOTHING)
        return written

    async def _why_refused(self, path: tuple[str, ...], replacing: str) -> StoreConflictError | StoreRefusedError:
        """Return the error of a write that was refused: a conflict if the version changed, else a refusal."""
        return malformed() if (await self._current(path)).version == replacing else conflict()

    async def _flag(self, path: tuple[str, ...]) -> None:
        """Flag `path` as holding base64 before the first such value is written; other custom metadata stays."""
        if (await self._current(path)).flagged:
            return
        url, body = self._url("metadata", path), {"custom_metadata": FLAG}
        answer = await self._session.request("PATCH", url, body=body)
        if answer.status == 404:
            answer = await self._session.request("POST", url, body=body)
        if answer.status == 403:
            raise StoreRefusedError(
                "the engine's policy does not allow to flag a path as holding base64.",
                fix=f"Grant create and patch on its metadata, as in {docs_page('stores/vault.md')}.",
            )
        self._expect_ok(answer)
