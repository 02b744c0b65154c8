"""A failed call leaves no cycle that keeps its values until garbage is collected."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from monoskope.client.changes import only
from monoskope.client.loop_thread import LoopThread
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


def test_an_error_from_the_loops_thread_does_not_keep_the_values_of_its_caller() -> None:
    async def failing(value: Held) -> None:
        raise NotFoundError(f"nothing is there for a {type(value).__name__}.")

    def handled(loop: LoopThread) -> weakref.ref[Held]:
        value = Held()
        try:
            loop.run(failing(value))
        except NotFoundError:
            return weakref.ref(value)
        raise AssertionError

    loop = LoopThread()
    loop.start()
    value = handled(loop)
    loop.stop()  # until then its thread may still hold the error
    assert value() is None
