"""The driver `barbican`: secrets of OpenStack Barbican, one name a path, one new secret a write.

Barbican's payloads never change and it has no check-and-set. So a write makes a new secret of the same name, and then
removes the oldest of those that were there before. `barbican.entries` says which one is current. A crash between the
two steps leaves one old version too many, which the next write removes.

Round trips, besides an occasional login: `read_version` and `find` 1, `read` 2, `write` 3 and 1 for each that goes.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlencode

from monoskope.errors import docs_page
from monoskope.protocol.payload import Payload
from monoskope.stores.barbican.auth import BarbicanHttp, BarbicanSession
from monoskope.stores.barbican.config import BarbicanConfig
from monoskope.stores.barbican.values import FOREIGN, BarbicanEntry, BarbicanLayout, Page, mark, page, secret_id
from monoskope.stores.driver import (
    NOTHING,
    PLACEHOLDER,
    CannotReadError,
    Capabilities,
    DriverError,
    OvertakenError,
    Snapshot,
    StoreConflictError,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)
from monoskope.stores.shared.checks import OurDriver
from monoskope.stores.shared.http import HttpAnswer, Refusal, expect_ok

_MAX_NAME = 255
_PAGE = 100
_TRIES = 5


_REFUSALS = {
    401: Refusal("the engine does not take the token.", "Check that it asks the same Keystone."),
    403: Refusal(
        "the engine's policy or a quota does not allow this.", f"Grant the role in {docs_page('stores/barbican.md')}."
    ),
    404: FOREIGN,
    413: Refusal("the secret is larger than the engine takes.", "Set max_secret_bytes to what the server allows."),
}
_REFUSED = Refusal("the engine refused the request.", "Look into its log for the reason.")


class BarbicanStore(OurDriver):
    """See `StoreDriver`, and docs/stores/barbican.md for configuration, layout and races."""

    kind = "barbican"
    Config = BarbicanConfig
    maturity: ClassVar[Literal["stable", "experimental"]] = "experimental"
    """It has met a real Barbican, but no real Keystone yet."""

    def __init__(self, config: BarbicanConfig, http: BarbicanHttp) -> None:
        self._config = config
        self._http = http
        self._session = BarbicanSession(http, config)
        self._below = f"{config.prefix}/" if config.prefix else ""
        self._layout = BarbicanLayout(config.layout, config.raw_key, config.max_secret_bytes)
        self._capabilities = Capabilities(
            max_plaintext=config.max_plaintext,
            check_and_set=False,
            write_tag=True,
            readable=config.readable,
            key_rule=re.compile(re.escape(config.raw_key)) if config.layout == "raw" else None,
            deletable=True,
            layout=self._layout.sentence,
        )

    def __repr__(self) -> str:
        return f"<BarbicanStore {self._config.address} {self._below}>"

    @classmethod
    async def open(cls, config: BarbicanConfig, *, state_dir: Path) -> Self:
        """Log in and see that Barbican lets us list secrets. `state_dir` is not used.

        Raises:
            StoreRefusedError: the login or the address is not as configured; the message says which.
            StoreUnavailableError: Keystone or Barbican does not answer.
        """
        del state_dir
        return await cls(config, BarbicanHttp(config)).opened()

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """See `StoreDriver.example`: a login by application credential."""
        return {
            "address": PLACEHOLDER,
            "readable": False,
            "auth": {
                "method": "application_credential",
                "auth_url": PLACEHOLDER,
                "id": PLACEHOLDER,
                "secret_file": str(folder / "application-credential"),
            },
        }

    def check(self, path: tuple[str, ...], options: object | None) -> None:
        """Refuse any options, and a path that is longer than a name of Barbican's."""
        if options is not None:
            raise StoreRefusedError("a barbican store takes no options.", fix="Leave them out.")
        self._name(path)

    def check_payload(
        self, path: tuple[str, ...], payload: Payload | None, *, remove: Sequence[str] | None, options: object | None
    ) -> None:
        """Refuse values that the layout has no place for, and a secret that is larger than the engine takes."""
        del remove
        self.check(path, options)
        if payload is not None:
            self._layout.stored(payload)

    async def read_version(self, path: tuple[str, ...]) -> str:
        """Return the id of the current secret at `path`, or `NOTHING`."""
        entries = await self._entries(path)
        return entries[-1].id if entries else NOTHING

    async def write(
        self,
        path: tuple[str, ...],
        payload: Payload,
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """See `StoreDriver.write`; Barbican cannot compare, so `replacing` must be None."""
        self.check(path, options)
        _expects_nothing(replacing)
        stored = self._layout.stored(payload)
        before = await self._entries(path)
        body = {"name": self._name(path), "secret_type": "opaque", "mode": mark(before, write_tag), **stored.fields()}
        answer = await self._session.request("POST", "secrets", body=body, writes=True)
        _expect_ok(answer)
        try:
            made = secret_id(answer.json().get("secret_ref"))
        except StoreRefusedError:
            raise UnknownOutcomeError("the engine took the write but named no secret.", fix="Look it up.") from None
        # From here on nothing may raise: an error would say that nothing was written.
        await self._remove_old(path, before, made)
        return made

    async def delete(self, path: tuple[str, ...], *, replacing: str | None, destroy: bool) -> None:
        """See `StoreDriver.delete`: every secret of the name goes, the current one last; Barbican keeps none.

        One that is written in between stays, and is then an `OvertakenError`: those before it are gone.
        """
        if not destroy:
            raise UnsupportedError(
                "this engine cannot bring back what is deleted.",
                fix="Nothing was deleted. --destroy erases it for good.",
            )
        _expects_nothing(replacing)
        entries = await self._entries(path)
        if not entries:
            raise _conflict()
        for entry in entries:
            await self._remove(entry)
        try:
            left = await self._entries(path)
        except DriverError:
            raise UnknownOutcomeError(
                "the engine took the deletion, but it does not show.", fix="Look it up."
            ) from None
        if left:
            raise OvertakenError("a newer version came in between and stays; those before it were erased for good.")

    async def find(self, path: tuple[str, ...], write_tag: str) -> str | None:
        """Return the newest kept version written with `write_tag`, or None."""
        entries = await self._entries(path)
        return next((entry.id for entry in reversed(entries) if entry.tag == write_tag), None)

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        """See `StoreDriver.read`. Raises `CannotReadError` for a store that is configured as write-only, too."""
        self._require_readable()
        for _ in range(_TRIES):
            entries = await self._entries(path)
            if not entries:
                return None
            current = entries[-1]
            answer = await self._session.request("GET", f"secrets/{current.id}/payload", accept=current.content_type)
            if answer.status == 404:
                continue  # removed meanwhile
            _expect_ok(answer)
            return Snapshot(current.id, self._layout.payload(current.content_type, answer.raw))
        raise CannotReadError("the secret changes faster than it can be read.")

    async def health(self) -> bool:
        """List a name that no secret has, as `open` does."""
        await self._page("m8", 0)
        return True

    async def close(self) -> None:
        """Forget the token and close the connections. Safe to call twice."""
        self._session.stop()
        await self._http.close()

    def _name(self, path: tuple[str, ...]) -> str:
        name = f"{self._below}{'/'.join(path)}"
        if len(name) > _MAX_NAME:
            raise StoreRefusedError(
                f"the path, with the store's prefix, is longer than {_MAX_NAME} characters.", fix="Shorten it."
            )
        return name

    async def _entries(self, path: tuple[str, ...]) -> list[BarbicanEntry]:
        """Return the secrets of a path's name, the current one last."""
        name = self._name(path)
        for _ in range(_TRIES):
            found: list[BarbicanEntry] = []
            offset, total = 0, None
            while True:
                part = await self._page(name, offset)
                if total not in {None, part.total}:
                    break  # the list changed between two parts, and one may be missing
                found += part.entries
                offset, total = offset + part.size, part.total
                if offset >= total or not part.size:
                    return sorted(found)
        raise StoreUnavailableError("the secrets of this name change faster than they can be listed.", fix="Try again.")

    async def _page(self, name: str, offset: int) -> Page:
        query = urlencode({"name": name, "limit": _PAGE, "offset": offset, "sort": "created:asc"})
        answer = await self._session.request("GET", f"secrets?{query}")
        _expect_ok(answer)
        return page(answer.json(), name)

    async def _remove_old(self, path: tuple[str, ...], before: list[BarbicanEntry], made: str) -> None:
        """Remove what was there before the new secret and is too much, as far as Barbican lets us.

        What sorts above the new one although it was there before goes too: a clock of Barbican's was wrong.
        """
        with contextlib.suppress(DriverError):
            new = next((entry for entry in await self._entries(path) if entry.id == made), None)
            older = [entry for entry in before if new is None or entry < new]
            above = [entry for entry in before if entry not in older]
            too_many = len(older) + 1 - self._config.keep_versions
            for entry in [*above, *older[: max(0, too_many)]]:
                await self._remove(entry)

    async def _remove(self, entry: BarbicanEntry) -> None:
        answer = await self._session.request("DELETE", f"secrets/{entry.id}", writes=True)
        if answer.status != 404:
            _expect_ok(answer)


def _expect_ok(answer: HttpAnswer) -> None:
    expect_ok(answer, _REFUSALS, otherwise=_REFUSED)


def _expects_nothing(replacing: str | None) -> None:
    if replacing is not None:
        raise UnsupportedError("this engine cannot replace or delete exactly one known version.")


def _conflict() -> StoreConflictError:
    return StoreConflictError("what is in the engine is not what was to be deleted.")
