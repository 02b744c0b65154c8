"""What the client does to secrets that are there already."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from monoskope.client.delete import Deletion, delete, expected
from monoskope.client.put import Expect
from monoskope.client.target import Target
from monoskope.client.walk import Walk
from monoskope.errors import Error
from monoskope.protocol.request import Options

R = TypeVar("R")

DEFAULT_TIMEOUT_S = 120.0
"""Long enough for a reactor's successor to find out what became of a write."""


class Changes(ABC):
    """The part of `Client` that changes what is there."""

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
            destroy: Erase it for good, instead of so that the engine's owner can bring it back.
            timeout: Seconds for everything.

        Raises:
            ConflictError: nothing is there, or not what `expect` names; nothing was deleted.
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
        """Delete several secrets, all at once. Returns and raises as `put_secrets`."""
        expected(expect)

        async def one(target: Target) -> Deletion:
            return await delete(self._walk(target, timeout), target, expect, destroy=destroy)

        return await self._each(uris, 0, None, timeout, one)

    @abstractmethod
    async def _each(
        self,
        uris: Sequence[str],
        size: int,
        options: Options | None,
        timeout_s: float,
        one: Callable[[Target], Awaitable[R]],
    ) -> list[R | Error]: ...

    @abstractmethod
    def _walk(self, target: Target, timeout_s: float) -> Walk: ...


def only(results: list[R | Error]) -> R:
    """Return the one result. Raises it if it is an error."""
    (result,) = results
    if isinstance(result, Error):
        raise result
    return result
