"""The frames that an error keeps, and the values in them."""

from __future__ import annotations

from typing import TypeVar

from monoskope.errors import Error, chain

E = TypeVar("E", bound=Error)


def let_go(error: E) -> E:
    """Return `error` without its traceback, and without those of the errors that it came from.

    A traceback has the frames through which an error passed. If a variable of one of them has the error, the two keep
    each other, and with them all values in these frames, until garbage is collected.
    """
    for one in chain(error):
        one.__traceback__ = None
    return error


def again(error: E) -> E:
    """Return an error like `error` that has passed no frame yet, so that one that is remembered is never raised."""
    # Not `copy.copy`: it calls the class with the message alone, and some classes take more.
    made = type(error).__new__(type(error), *error.args)
    made.__dict__.update(error.__dict__)
    return made
