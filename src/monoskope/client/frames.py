"""The frames that an error keeps, and the values in them."""

from __future__ import annotations

from monoskope.errors import Error


def let_go(error: Error) -> Error:
    """Return `error` without its traceback, and without those of the errors that it came from.

    A frame in its traceback that has the error in a variable keeps it and is kept by it. So is every value in that
    frame and in those of its callers, until garbage is collected. Whoever gets the error raises it anew.
    """
    one: BaseException | None = error
    while one is not None:
        one.__traceback__ = None
        one = one.__context__
    return error
