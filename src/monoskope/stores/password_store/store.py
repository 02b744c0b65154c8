"""The driver `pass`: a password store as pass and gopass use it, one file a secret, encrypted by GnuPG.

A file is encrypted before the lock is taken, so the lock is held for a comparison and a rename. A version is the digest
of the encrypted file. The thread of a cancelled write runs on, but it renames no file any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import (
    PLACEHOLDER,
    CannotReadError,
    Capabilities,
    Names,
    Snapshot,
    StoreConflictError,
    StoreRefusedError,
    StoreUnavailableError,
    UnsupportedError,
)
from monoskope.stores.password_store.config import PassConfig, PassLayout
from monoskope.stores.password_store.files import (
    CLOSED_TO,
    SUFFIX,
    SecretFile,
    locked,
    names_below,
    recipients,
    version_of,
)
from monoskope.stores.password_store.programs import Gpg, Repository
from monoskope.stores.shared.checks import OurDriver
from monoskope.stores.shared.files import (
    close,
    in_thread,
    looked,
    opened_root,
    require_case,
    require_mode,
    translated,
    try_to_write,
)


class PassStore(OurDriver):
    """See `StoreDriver`, and docs/stores/pass.md for configuration and layout."""

    kind = "pass"
    Config = PassConfig

    def __init__(self, config: PassConfig) -> None:
        self._config = config
        self._root = Path(config.folder)
        self._gpg = Gpg(Path(config.gpg_home), timeout_s=config.timeout_s)
        self._git = Repository(self._root, timeout_s=config.timeout_s) if config.git else None
        self._layout = PassLayout(config.layout, config.raw_key)
        self._capabilities = Capabilities(
            max_plaintext=config.max_plaintext,
            check_and_set=True,
            write_tag=False,
            readable=config.readable,
            key_rule=re.compile(re.escape(config.raw_key)) if config.layout == "raw" else None,
            deletable=not config.git,
            soft_delete=config.git,
            listable=config.listable,
            layout=self._layout.sentence,
        )

    def __repr__(self) -> str:
        return f"<PassStore {self._root}>"

    @classmethod
    async def open(cls, config: PassConfig, *, state_dir: Path) -> Self:
        """See that folder, keys and programs are as they must be. `state_dir` is not used.

        Raises:
            StoreRefusedError: one of them is not; the message says which.
        """
        del state_dir
        store = cls(config)
        with translated():
            await asyncio.to_thread(store._check_folders)
        sealed = await store._gpg.encrypt(b"", await asyncio.to_thread(store._recipients, ("probe",)))
        if config.readable:
            await store._check_readable(sealed)
        return store

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """See `StoreDriver.example`."""
        return {"folder": PLACEHOLDER, "gpg_home": str(folder / "gnupg"), "readable": False}

    def check(self, path: tuple[str, ...], options: object | None) -> None:
        """Refuse any options, and a folder that is named as the file of another secret could be."""
        if options is not None:
            raise StoreRefusedError("a pass store takes no options.", fix="Leave them out.")
        if any(segment.endswith(SUFFIX) for segment in path[:-1]):
            raise StoreRefusedError(
                f"a segment before the last ends in {SUFFIX}, as the files of secrets do.", fix="Choose another path."
            )

    def check_payload(
        self, path: tuple[str, ...], payload: Payload | None, *, remove: Sequence[str] | None, options: object | None
    ) -> None:
        """Refuse values that the layout has no place for."""
        del remove
        self.check(path, options)
        if payload is not None:
            self._layout.content(payload)

    async def read_version(self, path: tuple[str, ...]) -> str:
        """Return the version at `path`, or `NOTHING`."""
        return version_of(await asyncio.to_thread(self._content, path))

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
        content = self._layout.content(payload)
        sealed = await self._gpg.encrypt(content, await asyncio.to_thread(self._recipients, path))
        return await in_thread(self._write, path, sealed, replacing)

    async def delete(self, path: tuple[str, ...], *, replacing: str | None, destroy: bool) -> None:
        """See `StoreDriver.delete`: soft in a git repository, which keeps what was committed; for good in none."""
        self.check(path, None)
        if destroy is self._config.git:
            raise UnsupportedError(
                "git keeps what was committed." if destroy else "without git nothing brings back what is deleted.",
                fix="Nothing was deleted. " + ("Leave --destroy out." if destroy else "--destroy erases it for good."),
            )
        await in_thread(self._delete, path, replacing)

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        """See `StoreDriver.read`. Raises `CannotReadError` for a store that is configured as write-only, too."""
        self._require_readable()
        content = await asyncio.to_thread(self._content, path)
        if content is None:
            return None
        return Snapshot(version_of(content), self._layout.payload(await self._gpg.decrypt(content)))

    async def list_names(self, path: tuple[str, ...]) -> Names:
        """See `StoreDriver.list_names`. What is hidden there, such as .gpg-id, is no name."""
        self._require_listable()
        return await asyncio.to_thread(self._names_below, path)

    async def health(self) -> bool:
        """Write into the folder, and encrypt nothing for those who are to read."""
        with translated():
            await asyncio.to_thread(try_to_write, self._root)
        await self._gpg.encrypt(b"", await asyncio.to_thread(self._recipients, ("probe",)))
        return True

    async def close(self) -> None:
        """Do nothing: between calls no program runs. An agent of GnuPG's that holds a secret key is the system's."""

    def _check_folders(self) -> None:
        try:
            close(opened_root(self._root, closed_to=CLOSED_TO))
        except (FileNotFoundError, NotADirectoryError):
            raise StoreRefusedError(
                f"{self._root} is no folder.", fix="Name the store, or make a new one with: pass init KEY-ID"
            ) from None
        # The home is gpg's: it opens what is in it by name.
        home = Path(self._config.gpg_home)
        require_mode(home, home.stat().st_mode, closed_to=0o077)
        require_case(self._root)
        if self._git is not None and not self._git.works():
            raise StoreRefusedError(
                f"{self._root} is no git repository that this user's git works in.",
                fix="Run as its owner: pass git init",
            )

    async def _check_readable(self, sealed: bytes) -> None:
        with contextlib.suppress(CannotReadError):
            await self._gpg.decrypt(sealed)
            return
        raise StoreRefusedError(
            "gpg_home holds no secret key that opens what is encrypted to .gpg-id, without asking for a passphrase.",
            fix="Import one, or set readable = false for a write-only store.",
        )

    def _place(self, path: tuple[str, ...]) -> tuple[str, ...]:
        return (*self._config.below, *path)

    def _recipients(self, path: tuple[str, ...]) -> list[str]:
        with translated():
            return recipients(self._root, self._place(path))

    def _content(self, path: tuple[str, ...]) -> bytes | None:
        def read() -> bytes | None:
            with SecretFile(self._root, self._place(path), create=False) as file:
                return file.read()

        return looked(self._root, read, None)

    def _write(self, cancelled: threading.Event, path: tuple[str, ...], sealed: bytes, replacing: str | None) -> str:
        with (
            translated(),
            locked(self._root, self._config.lock_timeout_s, cancelled),
            SecretFile(self._root, self._place(path), create=True) as file,
        ):
            if replacing is not None and replacing != version_of(file.read()):
                raise _conflict()
            file.replace(sealed, cancelled)
            # From here on nothing may raise: an error would say that nothing was written.
            self._commit(path, "Put")
            return version_of(sealed)

    def _delete(self, cancelled: threading.Event, path: tuple[str, ...], replacing: str | None) -> None:
        with contextlib.ExitStack() as held:
            held.enter_context(translated())
            held.enter_context(locked(self._root, self._config.lock_timeout_s, cancelled))
            try:
                file = held.enter_context(SecretFile(self._root, self._place(path), create=False))
            except FileNotFoundError:
                raise _conflict() from None
            content = file.read()
            if content is None or replacing not in {None, version_of(content)}:
                raise _conflict()
            if self._git is not None and not self._git.holds(self._file(path)):
                self._commit(path, "Keep")
                if not self._git.holds(self._file(path)):
                    raise StoreUnavailableError(
                        "git does not take the version that is to be deleted, so it could not be brought back.",
                        fix="Run git status in the store's folder.",
                    )
            file.remove()
            self._commit(path, "Delete")

    def _names_below(self, path: tuple[str, ...]) -> Names:
        return looked(self._root, lambda: names_below(self._root, self._place(path)), Names())

    def _file(self, path: tuple[str, ...]) -> str:
        return "/".join(self._place(path)) + SUFFIX

    def _commit(self, path: tuple[str, ...], what: str) -> None:
        if self._git is not None:
            self._git.commit(self._file(path), f"{what} {'/'.join(self._place(path))} through Monoskope.")


def _conflict() -> StoreConflictError:
    return StoreConflictError("the secret in the password store is not the version that was to be replaced.")
