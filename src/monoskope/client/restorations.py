"""The client's operations that bring back what was upstream before: undelete and roll back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from monoskope.client import purposes
from monoskope.client.changes import DEFAULT_TIMEOUT_S, Changes, only
from monoskope.client.purposes.put import Expect, expectation
from monoskope.client.target import Target
from monoskope.client.versions import whole
from monoskope.errors import Error

if TYPE_CHECKING:
    from monoskope.client.purposes.rollback import Rollback
    from monoskope.client.purposes.undelete import Undeletion


class Restorations(Changes):
    """The part of `Client` that brings back what was upstream before."""

    async def undelete_secret(
        self,
        uri: str,
        *,
        expect: Expect | str = Expect.ANY,
        timeout: float = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109 - one deadline spans several calls and decides the error
    ) -> Undeletion:
        """Bring back what was deleted last at a place where nothing is; return once a receipt proves it.

        Args:
            uri: `store://path`, or `path` in the default store.
            expect: What must have been deleted; text names a version. Not `Expect.ABSENT`.
            timeout: Seconds for everything.

        Raises:
            RefusedError: the store cannot undelete; no key was asked for.
            ConflictError: nothing can come back, something is there, or `expect` names another version.
            OutcomeUnknownError: it may or may not have been undeleted.
            Error: as `put_secret`.
        """
        return only(await self.undelete_secrets([uri], expect=expect, timeout=timeout))

    async def undelete_secrets(
        self,
        uris: Sequence[str],
        *,
        expect: Expect | str = Expect.ANY,
        timeout: float = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109
    ) -> list[Undeletion | Error]:
        """Undelete several secrets, all at once. Returns and raises as `put_secrets`."""
        purposes.undelete.expected_deleted(expect)

        async def one(target: Target) -> Undeletion:
            named = await whole(expect, target.uri, self.queries)
            return await purposes.undelete.undelete(self._walk(target, timeout), target, named)

        return await self._each(uris, 0, None, timeout, one, wanted=purposes.undelete.to_undelete(expect))

    async def rollback_secret(
        self,
        uri: str,
        to: str,
        *,
        expect: Expect | str = Expect.ANY,
        timeout: float = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109
    ) -> Rollback:
        """Write the content of an earlier version as a new version; return once a receipt proves that it is there.

        Args:
            uri: `store://path`, or `path` in the default store.
            to: The upstream version whose content is to be there again, as `queries.secret_versions` shows it. What
                stands before its `@` is enough if only one version of the secret begins so.
            expect: What must be upstream now; text names an upstream version.
            timeout: Seconds for everything.

        Raises:
            RefusedError: the store cannot roll back, and no key was asked for; or the engine does not keep the version.
            ConflictError: not what `expect` names is there; nothing was written.
            OutcomeUnknownError: it may or may not have been rolled back.
            Error: as `put_secret`.
        """
        purposes.rollback.checked_version(to)
        expectation(expect)

        async def one(target: Target) -> Rollback:
            named = await whole(expect, target.uri, self.queries)
            return await purposes.rollback.rollback(self._walk(target, timeout), target, to, named, self.queries)

        return only(await self._each([uri], 0, None, timeout, one))
