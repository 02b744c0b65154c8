"""A failed call leaves no cycle that keeps its values until garbage is collected."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from monoskope.client.runtime import blocking
from monoskope.client.session import only
from monoskope.errors import Error, NotFoundError


@pytest.fixture(autouse=True)
def without_collections() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


class Held:
    """In place of a value, for bytes cannot be watched."""


def test_the_error_of_one_secret_and_the_frame_that_raises_it_do_not_keep_each_other() -> None:
    def failed(value: Held) -> Error:
        try:
            raise NotFoundError(f"nothing is there for a {type(value).__name__}.")
        except Error as error:
            return error

    def handled() -> weakref.ref[Held]:
        value = Held()
        with pytest.raises(NotFoundError):
            only([failed(value)])
        return weakref.ref(value)

    assert handled()() is None


def test_an_error_of_a_thread_does_not_keep_the_values_of_its_caller() -> None:
    async def failing(value: Held, fails: bool) -> None:
        if fails:
            raise NotFoundError(f"nothing is there for a {type(value).__name__}.")

    def handled() -> weakref.ref[Held]:
        value = Held()
        with pytest.raises(NotFoundError):
            blocking.run(blocking.BlockingRuntime().gather(failing(value, fails) for fails in (False, True)))
        return weakref.ref(value)

    assert handled()() is None
