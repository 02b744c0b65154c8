"""What a KV version 2 engine, or whatever answers in its place, may say about a secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monoskope.stores.driver import CannotReadError, StoreRefusedError
from monoskope.stores.shared.http import HttpAnswer
from monoskope.stores.vault.config import TokenFile, VaultConfig
from monoskope.stores.vault.kv2 import VaultStore

WHEN = "2026-11-25T04:00:00.0Z"
PRESENT = {"version": 3, "created_time": WHEN, "deletion_time": "", "destroyed": False}


class Session:
    """Gives one answer."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._answer = HttpAnswer(200, json.dumps(body).encode())

    async def request(self, *_: object, **__: object) -> HttpAnswer:
        return self._answer


def store(body: dict[str, Any]) -> VaultStore:
    made = object.__new__(VaultStore)
    made._config = VaultConfig("https://127.0.0.1:1", TokenFile("token"), readable=True)
    made._session = Session(body)  # type: ignore[assignment]
    made._below = ""
    return made


@pytest.mark.parametrize(
    "body", [{}, {"data": {}}, {"data": {"data": {"k": "v"}}}, {"data": {"metadata": {"version": 3}}}]
)
async def test_an_answer_that_is_none_of_the_engines_is_not_taken_for_nothing(body: dict[str, Any]) -> None:
    with pytest.raises(StoreRefusedError, match="not that of a KV version 2 engine"):
        await store(body).read(("db",))


async def test_a_version_without_values_cannot_be_read() -> None:
    with pytest.raises(CannotReadError):
        await store({"data": {"data": None, "metadata": PRESENT}}).read(("db",))


async def test_a_deleted_version_is_nothing() -> None:
    gone = {**PRESENT, "deletion_time": WHEN}
    assert await store({"data": {"data": None, "metadata": gone}}).read(("db",)) is None


async def test_a_secret_is_read() -> None:
    snapshot = await store({"data": {"data": {"k": "v"}, "metadata": PRESENT}}).read(("db",))
    assert snapshot is not None
    assert (snapshot.version, dict(snapshot.payload)) == (f"3@{WHEN}", {"k": b"v"})
