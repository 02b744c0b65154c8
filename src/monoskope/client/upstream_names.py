"""The client's listing of what is upstream: names alone, page by page."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from itertools import chain, repeat
from typing import TYPE_CHECKING

from monoskope.client import purposes
from monoskope.client.queries import Queries
from monoskope.client.runtime import Runtime, left, within
from monoskope.client.target import Target
from monoskope.errors import UsageError

if TYPE_CHECKING:
    from monoskope.client.purposes.list_names import UpstreamName, UpstreamPage
    from monoskope.client.walk import Walk

PAGE_TIMEOUT_S = 120.0


class UpstreamNames(ABC):
    """The part of `Client` that lists names upstream."""

    _runtime: Runtime

    async def list_upstream(
        self,
        uri: str,
        *,
        timeout: float = PAGE_TIMEOUT_S,  # noqa: ASYNC109 - one deadline spans several calls and decides the error
    ) -> AsyncIterator[UpstreamName]:
        """Yield the names that are upstream directly below `uri`, in byte order: secrets, and folders of them.

        A receipt proves each name. What `UpstreamName.known` says is m8's word. Every name that is listed stays in
        m8's log.

        Args:
            uri: `store://path`, or `path` in the default store; at least one segment. A "/" at the end is left out.
            timeout: Seconds for each page of up to 500 names.

        Raises:
            RefusedError: the store does not list, the right is missing, or the reactor does not serve this path.
            Error: as `compare_secret`.
        """
        async for page in self.list_upstream_pages(uri, timeout=timeout):
            for name in page.names:
                yield name

    async def list_upstream_pages(
        self,
        uri: str,
        *,
        timeout: float = PAGE_TIMEOUT_S,  # noqa: ASYNC109
    ) -> AsyncIterator[UpstreamPage]:
        """Yield the same page by page, with how many names no URI can name. Arguments and errors as `list_upstream`."""
        if uri.endswith("://"):
            raise UsageError(
                f"{uri!r} names a whole store, which is not listed at once.", fix="Write store://segment at least."
            )
        with within(self._runtime, timeout):
            target = await self._target(uri.removesuffix("/"), timeout, may_sign=True)
            times = chain([left(timeout)], repeat(timeout))  # the first page has what is left
        async for page in purposes.list_names.pages(
            lambda: self._walk(target, timeout), target, self.queries, lambda: within(self._runtime, next(times))
        ):
            yield page

    @property
    @abstractmethod
    def queries(self) -> Queries:
        """What m8 knows."""

    @abstractmethod
    async def _target(self, uri: str, timeout_s: float, *, may_sign: bool = False) -> Target: ...

    @abstractmethod
    def _walk(self, target: Target, timeout_s: float) -> Walk: ...
