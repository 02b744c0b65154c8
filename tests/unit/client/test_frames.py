"""Errors that are kept go without the frames that they passed."""

from __future__ import annotations

import pytest

from monoskope.client.http.errors import again, let_go
from monoskope.errors import Error, LogMismatchError, RateLimitedError, UsageError
from monoskope.protocol.tlog.forms import Fault, NoteError


def fail(error: Exception) -> None:
    raise error


def raised(error: Error) -> Error:
    """An error that has passed frames, and comes from another one that has."""
    try:
        try:
            fail(LookupError())
        except LookupError:
            fail(error)
    except Error as caught:
        return caught
    pytest.fail("nothing was raised")


def test_an_error_is_let_go_together_with_what_it_came_from() -> None:
    error = let_go(raised(UsageError("no.")))
    assert error.__traceback__ is None
    assert error.__context__ is not None
    assert error.__context__.__traceback__ is None


def test_errors_that_come_from_one_another_are_let_go_all_the_same() -> None:
    error, other = raised(UsageError("no.")), raised(UsageError("no, either."))
    error.__context__, other.__context__ = other, error
    let_go(error)
    assert (error.__traceback__, other.__traceback__) == (None, None)


def mismatch() -> LogMismatchError:
    error = LogMismatchError("no.", fix="look.")
    error.notes = ("note",)
    return error


@pytest.mark.parametrize(
    "error",
    [
        UsageError("no.", fix="look."),
        NoteError("a note", "must end", fault=Fault.SIZE),
        RateLimitedError("no."),
        mismatch(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_any_class_is_made_again_with_all_that_it_says(error: Error) -> None:
    made = again(raised(error))
    assert type(made) is type(error)
    assert made is not error
    assert (str(made), made.__dict__, made.code) == (str(error), error.__dict__, error.code)
    assert (made.__traceback__, made.__context__) == (None, None)
