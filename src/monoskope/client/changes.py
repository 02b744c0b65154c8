"""The client's operations on secrets that exist already."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from monoskope.client import purposes
from monoskope.client.checks import Wanted
from monoskope.client.notes import Notes
from monoskope.client.purposes.put import Expect, PutResult, expectation
from monoskope.client.queries import Queries
from monoskope.client.target import Target
from monoskope.client.versions import whole
from monoskope.errors import Error
from monoskope.protocol.payload import Recipe, check_recipes
from monoskope.protocol.request import Options

if TYPE_CHECKING:
    from monoskope.client.preview import Preview
    from monoskope.client.purposes.copy_secret import Copy
    from monoskope.client.purposes.delete import Deletion
    from monoskope.client.purposes.generate import Generated
    from monoskope.client.purposes.import_secret import Import
    from monoskope.client.purposes.verify import Verification
    from monoskope.client.walk import Walk

R = TypeVar("R")

DEFAULT_TIMEOUT_S = 120.0
"""Long enough for another replica to find out how the write of a stopped reactor ended."""


class Changes(ABC):
    """The part of `Client` that changes existing secrets."""

    _notify: Callable[[str], None]

    async def patch_secret(
        self,
        uri: str,
        values: Mapping[str, bytes],
        *,
        remove: Iterable[str] = (),
        expect: Expect | str = Expect.ANY,
        options: Options | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109 - one deadline spans several calls and decides the error
    ) -> PutResult:
        """Set some keys of one secret, drop others, and leave the rest as it is; return once a receipt proves it.

        Args:
            uri: `store://path`, or `path` in the default store.
            values: The bytes of each key to set; may be empty if keys are removed.
            remove: The keys to drop.
            expect: What must be upstream; text names an upstream version. Not `Expect.ABSENT`.
            options: The provider's; typed ones go only to stores of their type.
            timeout: Seconds for everything.

        Raises:
            RefusedError: the store cannot patch; no key was asked for.
            ConflictError: nothing is there, not what `expect` names, or a key to drop is not; nothing was written.
            Error: as `put_secret`.
        """
        results = await self.patch_secrets(
            [uri], values, remove=remove, expect=expect, options=options, timeout=timeout
        )
        return only(results)

    async def patch_secrets(
        self,
        uris: Sequence[str],
        values: Mapping[str, bytes],
        *,
        remove: Iterable[str] = (),
        expect: Expect | str = Expect.ANY,
        options: Options | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109
    ) -> list[PutResult | Error]:
        """Patch several secrets in the same way, a few at once. Returns and raises as `put_secrets`."""
        plaintext, removes = purposes.patch.changes(values, remove)
        purposes.delete.expected(expect)

        async def one(target: Target) -> PutResult:
            named = await whole(expect, target.uri, self.queries)
            return await purposes.patch.patch(self._walk(target, timeout), target, plaintext, removes, named, options)

        return await self._each(
            uris, len(plaintext), options, timeout, one, wanted=purposes.patch.to_patch(values, expect)
        )

    async def preview_patch(
        self, uri: str, values: Mapping[str, bytes], *, remove: Iterable[str] = (), expect: Expect | str = Expect.ANY
    ) -> Preview:
        """Return what a patch would send. It only asks m8 for the store; it requests no key and pins nothing."""
        _, removes = purposes.patch.changes(values, remove)
        purposes.delete.expected(expect)
        return await self._preview(uri, values, expect, removes)

    async def delete_secret(
        self,
        uri: str,
        *,
        expect: Expect | str = Expect.ANY,
        destroy: bool = False,
        timeout: float = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109 - one deadline spans several calls and decides the error
    ) -> Deletion:
        """Delete one secret and return once a receipt proves that it is gone.

        Args:
            uri: `store://path`, or `path` in the default store.
            expect: What must be upstream; text names an upstream version. Not `Expect.ABSENT`.
            destroy: Erase it for good; otherwise the engine's owner can restore it.
            timeout: Seconds for everything.

        Raises:
            ConflictError: nothing is there, or not what `expect` names; what is there was not deleted.
            OutcomeUnknownError: it may or may not have been deleted.
            Error: as `put_secret`.
        """
        return only(await self.delete_secrets([uri], expect=expect, destroy=destroy, timeout=timeout))

    async def delete_secrets(
        self,
        uris: Sequence[str],
        *,
        expect: Expect | str = Expect.ANY,
        destroy: bool = False,
        timeout: float = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109
    ) -> list[Deletion | Error]:
        """Delete several secrets, a few at once. Returns and raises as `put_secrets`."""
        purposes.delete.expected(expect)

        async def one(target: Target) -> Deletion:
            named = await whole(expect, target.uri, self.queries)
            return await purposes.delete.delete(self._walk(target, timeout), target, named, destroy=destroy)

        return await self._each(uris, 0, None, timeout, one, wanted=purposes.delete.to_delete(expect))

    async def copy_secret(
        self,
        uri: str,
        destination: str,
        *,
        expect: Expect | str = Expect.ANY,
        timeout: float = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109
    ) -> Copy:
        """Have the reactor of `uri`'s store put that secret at `destination`, in another store. Nobody else reads it.

        Args:
            uri: `store://path`, or `path` in the default store.
            destination: The same, in another store.
            expect: What must be at the destination; text names an upstream version.
            timeout: Seconds for everything.

        Raises:
            ConflictError: nothing is at `uri`, or not what `expect` names at the destination; nothing was written.
            RefusedError: the source's reactor is not configured to copy there, among others.
            OutcomeUnknownError: it may or may not have been copied.
            Error: as `put_secret`.
        """
        expectation(expect)

        async def one(target: Target) -> Copy:
            there = await self._target(destination, timeout)
            named = await whole(expect, there.uri, self.queries)
            return await purposes.copy_secret.copy(self._walk(target, timeout), target, there, named)

        return only(await self._each([uri], 0, None, timeout, one))

    async def generate_secret(
        self,
        uri: str,
        recipes: Mapping[str, str],
        *,
        expect: Expect | str = Expect.ANY,
        labels: Mapping[str, str] | None = None,
        expires_on: dt.date | str | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109
    ) -> Generated:
        """Have the store's reactor generate a secret that nobody sees; return the public halves of its key pairs.

        Args:
            uri: `store://path`, or `path` in the default store.
            recipes: For each key what to make: password, hex, base64, rsa or ed25519, with `:SIZE` if not the default.
            expect: What must be upstream; text names an upstream version.
            labels: As for `put_secret`.
            expires_on: As for `put_secret`.
            timeout: Seconds for everything.

        Raises:
            UsageError: a recipe is not one; nothing was sent.
            Error: as `put_secret`.
        """
        checked = check_recipes([Recipe.parse(key, text) for key, text in recipes.items()])
        expectation(expect)
        notes = Notes.check(labels, expires_on)

        async def one(target: Target) -> Generated:
            named = await whole(expect, target.uri, self.queries)
            return await purposes.generate.generate(self._walk(target, timeout), target, checked, named, notes)

        return only(await self._each([uri], 0, None, timeout, one))

    async def import_secret(
        self,
        uri: str,
        *,
        timeout: float = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109
    ) -> Import:
        """Have the store sign a receipt for what is upstream, so that m8 knows it and a put may replace it.

        Raises:
            ConflictError: nothing is upstream.
            RefusedError: it cannot be read, among others.
            Error: as `put_secret`.
        """
        return only(await self.import_secrets([uri], timeout=timeout))

    async def import_secrets(
        self,
        uris: Sequence[str],
        *,
        timeout: float = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109
    ) -> list[Import | Error]:
        """Import several secrets, a few at once, each within `timeout`; what is wrong with one stops no other.

        Returns:
            For each URI, in the same order, its result or its error.

        Raises:
            UsageError: a URI is malformed, none is given, or one twice. Nothing was sent.
        """

        async def one(target: Target) -> Import:
            return await purposes.import_secret.import_secret(self._walk(target, timeout), target)

        return await self._each(uris, 0, None, timeout, one)

    async def verify_secret(
        self,
        uri: str,
        *,
        timeout: float = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109
    ) -> Verification:
        """Ask the store whether upstream still holds what the newest receipt says.

        Raises:
            NotFoundError: there is no receipt for it.
            IdentityChangedError: the store was given another receipt than m8 shows.
            Error: as `compare_secret`.
        """
        return only(await self.verify_secrets([uri], timeout=timeout))

    async def verify_secrets(
        self,
        uris: Sequence[str],
        *,
        timeout: float = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109
    ) -> list[Verification | Error]:
        """Verify several secrets, a few at once, each within `timeout`. Returns and raises as `import_secrets`."""

        async def one(target: Target) -> Verification:
            return await purposes.verify.verify(self._walk(target, timeout), target, self.queries)

        # Most stores verify unsigned: a passphrase is asked for only if a grant wants it.
        return await self._each(uris, 0, None, timeout, one, may_sign=False)

    @property
    @abstractmethod
    def queries(self) -> Queries:
        """What m8 knows."""

    @abstractmethod
    async def _target(self, uri: str, timeout_s: float, *, may_sign: bool = False) -> Target: ...

    @abstractmethod
    async def _each(
        self,
        uris: Sequence[str],
        size: int,
        options: Options | None,
        timeout_s: float,
        one: Callable[[Target], Awaitable[R]],
        *,
        wanted: Wanted | None = None,
        may_sign: bool = True,
    ) -> list[R | Error]: ...

    @abstractmethod
    async def _preview(
        self, uri: str, values: Mapping[str, bytes], expect: Expect | str, removes: tuple[str, ...] | None
    ) -> Preview: ...

    @abstractmethod
    def _walk(self, target: Target, timeout_s: float) -> Walk: ...


def only(results: list[R | Error]) -> R:
    """Return the one result. Raises it if it is an error, and keeps neither.

    An error and a frame that hold each other would keep the value in that frame until garbage is collected.
    """
    (result,) = results
    results.clear()
    try:
        if isinstance(result, Error):
            raise result
        return result
    finally:
        del result
