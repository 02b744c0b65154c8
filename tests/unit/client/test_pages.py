"""m8's pages end, or the client ends them."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.client import queries
from monoskope.client.queries import Queries
from monoskope.client.runtime.on_asyncio import ASYNCIO
from monoskope.errors import UnavailableError


class Endless:
    """An m8 whose listing of stores has no end."""

    def __init__(self, tokens: Any) -> None:
        self.queries = SimpleNamespace(ListSecretStores=None)
        self.runtime = ASYNCIO
        self._tokens = tokens

    async def call(self, *_: object) -> queries_pb2.ListSecretStoresResponse:
        return queries_pb2.ListSecretStoresResponse(next_page_token=next(self._tokens))


@pytest.mark.parametrize(
    "tokens",
    [itertools.repeat("a"), itertools.cycle(["a", "b"]), map(str, itertools.count(1))],
    ids=["one", "two", "new"],
)
async def test_pages_without_end_are_refused(tokens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MAX_PAGES", 100, raising=False)
    m8: Any = Endless(itertools.islice(tokens, 1_000))
    with pytest.raises(UnavailableError, match="have no end"):
        async for _ in Queries(m8).stores():
            pass
