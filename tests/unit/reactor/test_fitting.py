"""What a driver could never take ends alike for a right guess and a wrong one: nothing is compared or announced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from monoskope.api.secrets.v1 import options_pb2, upload_pb2
from monoskope.protocol.payload import Payload, Recipe
from monoskope.stores.driver import CannotReadError, DriverError, StoreRefusedError, UnsupportedError
from monoskope.stores.vault.versions import merge_patch, wants_base64
from tests.support.reactor_world import MemoryStore, World, ask

BASE64 = options_pb2.VaultOptions(binary=options_pb2.VaultBinary.VAULT_BINARY_BASE64)


class Particular(MemoryStore):
    """An engine that takes text alone, and bytes as base64, as `vault` does; it holds bytes all the same."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(kind="vault", **changes)
        self.asked: list[tuple[tuple[str, ...], list[str] | None, Sequence[str] | None, object | None]] = []
        self.error: DriverError | None = None

    def check_payload(
        self, path: tuple[str, ...], payload: Payload | None, *, remove: Sequence[str] | None, options: object | None
    ) -> None:
        self.asked.append((path, None if payload is None else list(payload), remove, options))
        if self.error is not None:
            raise self.error
        merge_patch(payload, remove or (), binary=wants_base64(options))


def there(store: MemoryStore) -> World:
    """Return a world in which the PIN is one that is not text."""
    world = World(store)
    store.put({"pin": b"\x80\x01"}, world.uri.path)
    return world


@pytest.mark.parametrize("guess", [b"\x80\x01", b"\x80\x02"], ids=["right", "wrong"])
@pytest.mark.parametrize("purpose", [upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_PATCH])
async def test_a_right_guess_ends_as_a_wrong_one(purpose: upload_pb2.Purpose, guess: bytes) -> None:
    store = Particular()
    world = there(store)
    expect = upload_pb2.EXPECT_OVERWRITE
    receipt = await world.walk(ask(purpose, expect=expect), {"pin": guess})
    assert world.outcomes() == ["FAILED UPSTREAM_REFUSED"]
    assert receipt.upstream_version == ""
    assert store.calls == ["read_version"]


async def test_options_under_which_it_fits_let_it_through() -> None:
    store = Particular()
    world = there(store)
    request = ask(expect=upload_pb2.EXPECT_OVERWRITE, options=BASE64)
    assert (await world.walk(request, {"pin": b"\x80\x02"})).outcome == upload_pb2.OUTCOME_UPLOADED
    assert store.asked == [(world.uri.path, ["pin"], None, BASE64)]


async def test_a_comparison_needs_no_options() -> None:
    """What lies there as base64 can be compared without saying so again: nothing is written."""
    store = Particular()
    world = there(store)
    receipt = await world.walk(ask(upload_pb2.PURPOSE_COMPARE), {"pin": b"\x80\x01"})
    assert receipt.outcome == upload_pb2.OUTCOME_EQUAL
    assert store.asked == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StoreRefusedError("no."), "UPSTREAM_REFUSED"),
        (UnsupportedError("no."), "UNSUPPORTED"),
        (CannotReadError("no."), "CANNOT_READ"),
    ],
)
async def test_the_reason_is_that_of_the_error(error: DriverError, reason: str) -> None:
    store = Particular()
    store.error = error
    world = there(store)
    await world.walk(ask(expect=upload_pb2.EXPECT_OVERWRITE))
    assert world.outcomes() == [f"FAILED {reason}"]


async def test_a_patch_that_only_drops_keys_and_what_is_made_here_are_judged_too() -> None:
    store = Particular()
    store.error = StoreRefusedError("no.")
    world = there(store)
    await world.walk(ask(upload_pb2.PURPOSE_PATCH, remove_keys=("pin",)), {})
    recipes = (Recipe("pin", "password", 24),)
    await world.walk(ask(upload_pb2.PURPOSE_GENERATE, expect=upload_pb2.EXPECT_OVERWRITE, recipes=recipes))
    assert world.outcomes() == ["FAILED UPSTREAM_REFUSED"] * 2
    assert [(keys, remove) for _, keys, remove, _ in store.asked] == [(None, ("pin",)), (["pin"], None)]
    assert "write" not in store.calls
    assert "patch" not in store.calls


async def test_a_driver_that_says_nothing_of_values_takes_them(world: World) -> None:
    """As every driver did before there was such a method."""
    assert (await world.walk()).outcome == upload_pb2.OUTCOME_UPLOADED
